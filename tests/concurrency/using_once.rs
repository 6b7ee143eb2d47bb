//! What may be used once is used once, whoever else uses it at the same time: by putting a mark where none
//! is, or by taking away exactly what was seen.
//!
//! The store's contract is modelled here, by its own rule of conditions; its engines are held to it by
//! `tests/store_contract`.

use std::collections::HashMap;

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use vouchsafe::store::Expect;

use crate::explore;

/// Revisions by key.
#[derive(Default)]
struct Model(Mutex<HashMap<u8, u64>>);

enum Deed {
    Put,
    Delete,
}

impl Model {
    fn get(&self, key: u8) -> Option<u64> {
        self.0.lock().unwrap().get(&key).copied()
    }

    fn apply(&self, key: u8, expect: Expect, deed: &Deed) -> bool {
        let mut records = self.0.lock().unwrap();
        let live = records.get(&key).copied();
        if !expect.holds(live) {
            return false;
        }
        match deed {
            Deed::Put => records.insert(key, live.unwrap_or(0) + 1),
            Deed::Delete => records.remove(&key),
        };
        true
    }
}

fn winners(model: Model, threads: usize, uses: fn(&Model) -> bool) -> usize {
    let (model, won) = (Arc::new(model), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let (model, won) = (Arc::clone(&model), Arc::clone(&won));
            thread::spawn(move || {
                if uses(&model) {
                    won.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    won.load(Ordering::SeqCst)
}

#[test]
fn of_all_who_mark_what_they_use_one_uses_it() {
    explore(|| {
        let marks =
            |model: &Model| model.get(1).is_none() && model.apply(1, Expect::Absent, &Deed::Put);
        assert_eq!(winners(Model::default(), 4, marks), 1);
    });
}

#[test]
fn of_all_who_take_away_what_they_saw_one_has_it() {
    explore(|| {
        let model = Model::default();
        assert!(model.apply(1, Expect::Absent, &Deed::Put));
        let takes = |model: &Model| {
            let Some(seen) = model.get(1) else { return false };
            model.apply(1, Expect::Revision(seen), &Deed::Delete)
        };
        assert_eq!(winners(model, 4, takes), 1);
    });
}

#[test]
fn what_is_put_back_under_a_revision_that_was_seen_elsewhere_is_the_next_ones() {
    // A counter of attempts: of two who saw the same one, the other sees the next.
    explore(|| {
        let model = Model::default();
        assert!(model.apply(1, Expect::Absent, &Deed::Put));
        let attempts = |model: &Model| {
            let mut tries = 0;
            while let Some(seen) = model.get(1).filter(|seen| *seen < 3) {
                if model.apply(1, Expect::Revision(seen), &Deed::Put) {
                    return true;
                }
                tries += 1;
                assert!(tries < 3, "somebody else won each time");
            }
            false
        };
        assert_eq!(winners(model, 4, attempts), 2, "two attempts were left");
    });
}

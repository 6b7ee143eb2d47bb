//! A copy that is believed is what the store has, whoever reads and writes at the same time.

use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use crate::explore;
use crate::shards::{Shards, Since};

const KEY: [u8; 32] = [7; 32];
/// Another key of the same shard.
const NEIGHBOUR: [u8; 32] = [8; 32];

/// A store of one record, which is its revision, and a node's copy of it.
struct World {
    stored: Mutex<u64>,
    copy: Mutex<Option<u64>>,
    shards: Shards,
}

impl World {
    fn new() -> Arc<Self> {
        let (stored, copy) = (Mutex::new(1), Mutex::new(None));
        Arc::new(Self { stored, copy, shards: Shards::new(1) })
    }

    fn reads(&self) {
        let ticket = self.shards.ticket(&KEY);
        let found = *self.stored.lock().unwrap();
        self.shards.settle_read(ticket, |since| {
            if since == Since::Nothing {
                *self.copy.lock().unwrap() = Some(found);
            }
        });
    }

    fn writes(&self) {
        let ticket = self.shards.ticket(&KEY);
        let written = self.changes();
        self.shards.settle_write(ticket, |since| {
            let mut copy = self.copy.lock().unwrap();
            *copy = match since {
                Since::Nothing => Some(written),
                Since::Written if copy.is_some_and(|held| held <= written) => Some(written),
                Since::Written | Since::Changed => None,
            };
        });
    }

    /// Another node writes, and the news of it arrive here.
    fn hears_of_a_change(&self) {
        self.changes();
        self.shards.changed(&KEY, || *self.copy.lock().unwrap() = None);
    }

    fn changes(&self) -> u64 {
        let mut stored = self.stored.lock().unwrap();
        *stored += 1;
        *stored
    }

    fn hears_of_a_neighbour(&self) {
        self.shards.changed(&NEIGHBOUR, || {});
    }

    fn run(self: &Arc<Self>, deeds: &[fn(&Self)]) {
        let threads: Vec<_> = deeds
            .iter()
            .map(|deed| {
                let (world, deed) = (Arc::clone(self), *deed);
                thread::spawn(move || deed(&world))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let copy = *self.copy.lock().unwrap();
        let stored = *self.stored.lock().unwrap();
        assert!(copy.is_none_or(|copy| copy == stored), "{copy:?} is remembered of {stored}");
    }
}

#[test]
fn a_read_that_a_change_overtakes_is_not_remembered() {
    explore(|| World::new().run(&[World::reads, World::reads, World::hears_of_a_change]));
}

#[test]
fn a_read_that_an_own_write_overtakes_is_not_remembered() {
    explore(|| World::new().run(&[World::reads, World::reads, World::writes]));
}

#[test]
fn of_an_own_write_and_one_elsewhere_the_newer_is_believed_or_none() {
    explore(|| {
        World::new().run(&[World::writes, World::hears_of_a_change, World::reads, World::writes]);
    });
}

#[test]
fn news_of_another_key_cost_a_copy_at_most() {
    explore(|| World::new().run(&[World::writes, World::hears_of_a_neighbour, World::reads]));
}

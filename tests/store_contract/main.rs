//! The store's contract: one suite run over every engine, then what each engine promises alone.
//!
//! Time moves by argument; nothing sleeps but those tests that wait for real Redis servers.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "some of these tests wait for real programs in real time"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses other parts")]
mod support;

mod embedded;
mod members;
mod memory;
mod model;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use vouchsafe::domain::limits::RECORD_BYTES;
use vouchsafe::domain::time::Timestamp;
use vouchsafe::store::embedded::EmbeddedStore;
use vouchsafe::store::memory::MemoryStore;
use vouchsafe::store::{
    Applied, Assurance, Entry, Expect, Index, Key, Record, Store, StoreError, Write,
};

/// When the tests begin: far from now, as no engine may look at a clock of its own. (Redis frees what its clock says
/// has long expired.)
const NOW: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// A moment `millis` after [`NOW`].
fn at(millis: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(millis))
}

/// The key with this number, spread over its partition as hashes are: all in the first one, as batches are whole only
/// there in every engine.
fn key(number: u64) -> Key {
    let mut key = [0; 32];
    key[1..9].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    key[24..].copy_from_slice(&number.to_be_bytes());
    key
}

fn put(number: u64, expect: Expect, value: &str, expires: Timestamp) -> Write {
    let value = Some(value.as_bytes().into());
    Write { key: key(number), expect, value, expires, index: None }
}

fn delete(number: u64, expect: Expect) -> Write {
    Write { key: key(number), expect, value: None, expires: NOW, index: None }
}

/// The same write of a record that belongs to this index.
fn member(index: Index, write: Write) -> Write {
    Write { index: Some(index), ..write }
}

/// The numbers of these keys, in order.
fn numbers(keys: &[Key]) -> Vec<u64> {
    let number = |key: &Key| u64::from_be_bytes(key[24..].try_into().unwrap());
    let mut numbers: Vec<_> = keys.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

fn record(value: &str, expires: Timestamp, revision: u64) -> Record {
    Record { bytes: value.as_bytes().into(), expires, revision }
}

/// A store with the folder that it lies in, if any.
struct Engine {
    name: &'static str,
    store: Arc<Store>,
    /// Whether it forgets expired records when it is swept and can count the others, instead of by itself.
    is_swept: bool,
    _folder: Option<tempfile::TempDir>,
}

/// A fresh store of every kind.
fn engines() -> Vec<Engine> {
    let folder = tempfile::tempdir().unwrap();
    let embedded = EmbeddedStore::open(&folder.path().join("store.redb")).unwrap();
    let swept = |name, store, folder| Engine {
        name,
        store: Arc::new(store),
        is_swept: true,
        _folder: folder,
    };
    let mut engines = vec![
        swept("memory", Store::Memory(MemoryStore::new(1 << 30)), None),
        swept("embedded", Store::Embedded(embedded), Some(folder)),
    ];
    let shared = redis::engines().into_iter().map(|(name, store)| Engine {
        name,
        store: Arc::new(Store::Redis(store)),
        is_swept: false,
        _folder: None,
    });
    engines.extend(shared);
    engines
}

impl Engine {
    async fn get(&self, number: u64, now: Timestamp) -> Option<Record> {
        self.store.get(key(number), now).await.unwrap()
    }

    /// The numbers of the members of an index, in order.
    async fn members(&self, index: Index, now: Timestamp) -> Vec<u64> {
        numbers(&self.store.members(index, now).await.unwrap())
    }

    #[track_caller]
    fn is_done(&self, applied: &Applied, revisions: &[u64]) {
        assert_eq!(*applied, Applied::Done(revisions.to_vec()), "{}", self.name);
    }

    #[track_caller]
    fn is_conflict(&self, applied: &Applied, index: usize, current: Option<Record>) {
        assert_eq!(*applied, Applied::Conflict { index, current }, "{}", self.name);
    }

    /// How many records there are, expired ones included.
    async fn len(&self) -> u64 {
        if self.is_swept {
            return self.store.len().await.unwrap();
        }
        self.scan(3, Timestamp::default()).await.len() as u64
    }

    /// All live records, in pages of at most so many.
    async fn scan(&self, limit: usize, now: Timestamp) -> Vec<Entry> {
        let (mut entries, mut next) = (Vec::new(), None);
        loop {
            let page = self.store.scan(next.as_ref(), limit, now).await.unwrap();
            assert!(page.entries.len() <= limit, "{}", self.name);
            entries.extend(page.entries);
            next = page.next;
            if next.is_none() {
                return entries;
            }
        }
    }

    async fn apply(&self, batch: Vec<Write>, now: Timestamp) -> Applied {
        self.store.apply(batch, Assurance::Confirmed, now).await.unwrap()
    }
}

#[tokio::test]
async fn an_unknown_key_is_none() {
    for engine in engines() {
        assert_eq!(engine.get(1, NOW).await, None);
        assert_eq!(engine.len().await, 0);
    }
}

#[tokio::test]
async fn what_is_put_is_got_as_it_was() {
    for engine in engines() {
        let applied = engine.apply(vec![put(1, Expect::Any, "one", at(10))], NOW).await;
        engine.is_done(&applied, &[1]);
        assert_eq!(engine.get(1, NOW).await, Some(record("one", at(10), 1)));
        assert_eq!(engine.get(2, NOW).await, None);
        assert_eq!(engine.len().await, 1);
        assert!(engine.store.has_room(1000));
    }
}

#[tokio::test]
async fn a_record_ends_exactly_at_its_expiry() {
    for engine in engines() {
        engine.apply(vec![put(1, Expect::Any, "one", at(10))], NOW).await;
        assert_eq!(engine.get(1, at(9)).await, Some(record("one", at(10), 1)));
        assert_eq!(engine.get(1, at(10)).await, None);
        assert_eq!(engine.get(1, at(11)).await, None);
        assert_eq!(engine.get(1, Timestamp::from_millis(u64::MAX)).await, None);
    }
}

#[tokio::test]
async fn a_record_that_is_put_expired_is_not_there() {
    for engine in engines() {
        engine.is_done(&engine.apply(vec![put(1, Expect::Any, "old", NOW)], NOW).await, &[1]);
        assert_eq!(engine.get(1, NOW).await, None);
    }
}

#[tokio::test]
async fn put_if_absent_over_a_live_record_returns_it() {
    for engine in engines() {
        engine.apply(vec![put(1, Expect::Absent, "one", at(10))], NOW).await;
        let applied = engine.apply(vec![put(1, Expect::Absent, "two", at(20))], at(9)).await;
        engine.is_conflict(&applied, 0, Some(record("one", at(10), 1)));
        assert_eq!(engine.get(1, NOW).await, Some(record("one", at(10), 1)));
    }
}

#[tokio::test]
async fn put_if_absent_over_an_expired_record_succeeds() {
    for engine in engines() {
        engine.apply(vec![put(1, Expect::Absent, "one", at(10))], NOW).await;
        engine.apply(vec![put(1, Expect::Any, "one", at(10))], NOW).await;
        let applied = engine.apply(vec![put(1, Expect::Absent, "two", at(20))], at(10)).await;
        engine.is_done(&applied, &[1]);
        assert_eq!(engine.get(1, at(10)).await, Some(record("two", at(20), 1)));
    }
}

#[tokio::test]
async fn compare_and_swap_wants_the_very_revision() {
    for engine in engines() {
        let swap = |revision, value| vec![put(1, Expect::Revision(revision), value, at(10))];
        engine.is_conflict(&engine.apply(swap(0, "a"), NOW).await, 0, None);
        engine.is_conflict(&engine.apply(swap(1, "a"), NOW).await, 0, None);
        engine.apply(vec![put(1, Expect::Any, "one", at(10))], NOW).await;
        engine.is_done(&engine.apply(swap(1, "two"), NOW).await, &[2]);
        let two = Some(record("two", at(10), 2));
        engine.is_conflict(&engine.apply(swap(1, "b"), NOW).await, 0, two.clone());
        engine.is_conflict(&engine.apply(swap(3, "b"), NOW).await, 0, two.clone());
        assert_eq!(engine.get(1, NOW).await, two);
        engine.is_conflict(&engine.apply(swap(2, "late"), at(10)).await, 0, None);
    }
}

#[tokio::test]
async fn a_deleted_record_is_gone_and_begins_anew() {
    for engine in engines() {
        engine.apply(vec![put(1, Expect::Any, "one", at(10))], NOW).await;
        let stale = engine.apply(vec![delete(1, Expect::Revision(2))], NOW).await;
        engine.is_conflict(&stale, 0, Some(record("one", at(10), 1)));
        engine.is_done(&engine.apply(vec![delete(1, Expect::Revision(1))], NOW).await, &[0]);
        assert_eq!(engine.get(1, NOW).await, None);
        assert_eq!(engine.len().await, 0);
        engine.is_done(&engine.apply(vec![delete(1, Expect::Any)], NOW).await, &[0]);
        engine.is_done(&engine.apply(vec![put(1, Expect::Absent, "new", at(10))], NOW).await, &[1]);
    }
}

#[tokio::test]
async fn a_parallel_logout_beats_a_touch() {
    for engine in engines() {
        engine.apply(vec![put(1, Expect::Any, "session", at(10))], NOW).await;
        engine.apply(vec![put(1, Expect::Any, "tombstone", at(60))], NOW).await;
        let touch = engine.apply(vec![put(1, Expect::Revision(1), "touched", at(20))], NOW).await;
        engine.is_conflict(&touch, 0, Some(record("tombstone", at(60), 2)));
    }
}

#[tokio::test]
async fn revisions_grow_while_a_record_lives() {
    for engine in engines() {
        for revision in 1..=5 {
            let applied = engine.apply(vec![put(1, Expect::Any, "x", at(10))], NOW).await;
            engine.is_done(&applied, &[revision]);
        }
    }
}

#[tokio::test]
async fn a_batch_is_applied_whole() {
    for engine in engines() {
        engine.apply(vec![put(1, Expect::Any, "old", at(10))], NOW).await;
        let batch = vec![
            delete(1, Expect::Revision(1)),
            put(2, Expect::Absent, "new", at(20)),
            put(3, Expect::Any, "index", at(20)),
        ];
        engine.is_done(&engine.apply(batch, NOW).await, &[0, 1, 1]);
        assert_eq!(engine.get(1, NOW).await, None);
        assert_eq!(engine.get(2, NOW).await, Some(record("new", at(20), 1)));
        assert_eq!(engine.get(3, NOW).await, Some(record("index", at(20), 1)));
        engine.is_done(&engine.apply(vec![], NOW).await, &[]);
    }
}

#[tokio::test]
async fn a_batch_whose_second_write_fails_leaves_no_trace_of_the_first() {
    for engine in engines() {
        engine.apply(vec![put(2, Expect::Any, "there", at(10))], NOW).await;
        let batch = vec![put(1, Expect::Absent, "a", at(10)), put(2, Expect::Absent, "b", at(10))];
        let applied = engine.apply(batch, NOW).await;
        engine.is_conflict(&applied, 1, Some(record("there", at(10), 1)));
        assert_eq!(engine.get(1, NOW).await, None);
        assert_eq!(engine.len().await, 1);
    }
}

#[tokio::test]
async fn conditions_of_a_batch_are_checked_before_any_write() {
    for engine in engines() {
        let twice = |expect| vec![put(1, expect, "a", at(10)), put(1, expect, "b", at(20))];
        engine.is_done(&engine.apply(twice(Expect::Absent), NOW).await, &[1, 2]);
        assert_eq!(engine.get(1, NOW).await, Some(record("b", at(20), 2)));
        engine.is_done(&engine.apply(twice(Expect::Revision(2)), NOW).await, &[3, 4]);
        let replaced = vec![delete(1, Expect::Any), put(1, Expect::Revision(4), "c", at(30))];
        engine.is_done(&engine.apply(replaced, NOW).await, &[0, 1]);
        assert_eq!(engine.get(1, NOW).await, Some(record("c", at(30), 1)));
        let expired = vec![put(1, Expect::Any, "d", NOW), put(1, Expect::Any, "e", at(30))];
        engine.is_done(&engine.apply(expired, NOW).await, &[2, 1]);
        assert_eq!(engine.store.sweep(at(20)).await.unwrap(), 0);
        assert_eq!(engine.len().await, 1, "{}", engine.name);
    }
}

#[tokio::test]
async fn a_record_above_the_limit_is_refused_with_its_whole_batch() {
    for engine in engines() {
        let sized = |number, bytes| put(number, Expect::Any, &"x".repeat(bytes), at(10));
        let batch = vec![sized(1, 1), sized(2, RECORD_BYTES + 1)];
        let refused = engine.store.apply(batch, Assurance::Confirmed, NOW).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(engine.get(1, NOW).await, None);
        engine.is_done(&engine.apply(vec![sized(2, RECORD_BYTES)], NOW).await, &[1]);
        assert_eq!(engine.get(2, NOW).await.unwrap().bytes.len(), RECORD_BYTES);
    }
}

/// Runs 64 writes at once; returns the revisions of those that won.
async fn race(engine: &Engine, expect: Expect) -> Vec<u64> {
    let mut tasks = tokio::task::JoinSet::new();
    for racer in 0..64 {
        let store = Arc::clone(&engine.store);
        let write = put(1, expect, &racer.to_string(), at(10));
        tasks.spawn(
            async move { store.apply(vec![write], Assurance::Confirmed, NOW).await.unwrap() },
        );
    }
    let won = |applied| match applied {
        Applied::Done(revisions) => revisions,
        Applied::Conflict { current, .. } => {
            assert!(current.is_some(), "the losers see the winner");
            vec![]
        }
    };
    tasks.join_all().await.into_iter().flat_map(won).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_puts_if_absent_exactly_one_wins() {
    for engine in engines() {
        assert_eq!(race(&engine, Expect::Absent).await, [1], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_swaps_exactly_one_wins() {
    for engine in engines() {
        engine.apply(vec![put(1, Expect::Any, "first", at(10))], NOW).await;
        assert_eq!(race(&engine, Expect::Revision(1)).await, [2], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_unconditional_puts_all_win_in_turn() {
    for engine in engines() {
        let mut revisions = race(&engine, Expect::Any).await;
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=64).collect::<Vec<_>>(), "{}", engine.name);
    }
}

#[tokio::test]
async fn sweeping_removes_exactly_the_expired() {
    for engine in engines().into_iter().filter(|engine| engine.is_swept) {
        // More than one of the embedded store's bounded transactions takes.
        let batch = |from, to, expires| {
            (from..to).map(|n| put(n, Expect::Any, "x", expires)).collect::<Vec<_>>()
        };
        engine.apply(batch(0, 2500, at(10)), NOW).await;
        engine.apply(batch(2500, 2600, at(11)), NOW).await;
        engine.apply(batch(0, 50, at(20)), NOW).await;
        engine.apply(vec![delete(50, Expect::Any)], NOW).await;
        let kind = engine.name;
        assert_eq!(engine.store.sweep(at(9)).await.unwrap(), 0, "{kind}");
        assert_eq!(engine.store.sweep(at(10)).await.unwrap(), 2500 - 51, "{kind}");
        assert_eq!(engine.store.sweep(at(10)).await.unwrap(), 0, "{kind}");
        assert_eq!(engine.len().await, 150, "{kind}");
        assert_eq!(engine.get(0, at(10)).await, Some(record("x", at(20), 2)), "{kind}");
        assert_eq!(engine.get(2500, at(10)).await, Some(record("x", at(11), 1)), "{kind}");
        assert_eq!(engine.store.sweep(at(20)).await.unwrap(), 150, "{kind}");
        assert_eq!(engine.len().await, 0, "{kind}");
    }
}

#[tokio::test]
async fn a_swept_record_is_gone_whatever_the_time() {
    for engine in engines().into_iter().filter(|engine| engine.is_swept) {
        engine.apply(vec![put(1, Expect::Any, "one", at(10))], NOW).await;
        engine.store.sweep(at(10)).await.unwrap();
        for millis in [0, 9, 10, 1_000_000] {
            assert_eq!(engine.get(1, at(millis)).await, None, "{}", engine.name);
        }
    }
}

//! The store that lives in this process only: moka holds the only copy of each record.
//!
//! For installations that may lose their sessions at a restart. Must not know: what a record
//! means. Whether a record is live is decided from `Record.expires` and `now`; moka's own expiry
//! only frees memory, later and by the machine's monotonic clock. Readers never lock, so a reader
//! may see a batch half done: put the write that ends something in front of the one that begins
//! something.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::domain::key_hash::BuildKeyHasher;
use crate::domain::time::Timestamp;
use crate::store::{Applied, Key, Record, StoreError, Write, refuse_oversized};

/// What a record costs besides its bytes.
///
/// Measured as resident memory (Linux, glibc, moka 0.12.16) at 250,000 to 1,000,000 records of 200
/// and of 1000 bytes: 425 bytes each, for the key, moka's entry, its list nodes, its timer,
/// its share of the hash table, and the allocator's rounding; rounded up.
const OVERHEAD_BYTES: u64 = 432;

/// How much longer than a record moka keeps it. A clock that was set back by less than this finds
/// its live records still there; one that was set back further loses them early, which is safe.
const SLACK: Duration = Duration::from_mins(1);

/// moka's timer wheel is not asked for more; such records go by `sweep` or by eviction.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// An LRU store bounded in bytes.
#[derive(Debug)]
pub struct MemoryStore {
    records: Cache<Key, Record, BuildKeyHasher>,
    ledger: Arc<Ledger>,
    /// The `now` of the batch that is being written; moka's expiry starts from it.
    writing_at: Arc<AtomicU64>,
    writers: Mutex<()>,
    max_bytes: u64,
}

/// What is held and what went, kept here because moka's own numbers lag behind its queue.
#[derive(Debug, Default)]
struct Ledger {
    bytes: AtomicI64,
    records: AtomicI64,
    evicted: AtomicU64,
    expired: AtomicU64,
}

/// Tells moka when it may free a record.
struct Lifetime(Arc<AtomicU64>);

impl MemoryStore {
    /// An empty store of at most `max_bytes`, our overhead included.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        // With a capacity of 0 moka drops inserts without telling the listener.
        let max_bytes = max_bytes.max(1);
        let ledger = Arc::new(Ledger::default());
        let writing_at = Arc::new(AtomicU64::new(0));
        let listener = Arc::clone(&ledger);
        let records = Cache::builder()
            .max_capacity(max_bytes)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, record: &Record| u32::try_from(weight(record)).unwrap_or(u32::MAX))
            .expire_after(Lifetime(Arc::clone(&writing_at)))
            .eviction_listener(move |_, record, cause| listener.removed(&record, cause))
            .build_with_hasher(BuildKeyHasher::default());
        Self { records, ledger, writing_at, writers: Mutex::new(()), max_bytes }
    }

    /// The live record under `key`, if any; it counts as used.
    #[must_use]
    pub fn get(&self, key: &Key, now: Timestamp) -> Option<Record> {
        self.records.get(key).filter(|record| record.expires > now)
    }

    /// Applies all writes or none, one batch at a time.
    ///
    /// # Errors
    /// A value is larger than a record may be; nothing was written.
    #[expect(clippy::needless_pass_by_value, reason = "one signature for every engine")]
    pub fn apply(&self, batch: Vec<Write>, now: Timestamp) -> Result<Applied, StoreError> {
        refuse_oversized(&batch)?;
        let _one_at_a_time = self.lock();
        let mut live = Vec::with_capacity(batch.len());
        for (index, write) in batch.iter().enumerate() {
            let current = self.get(&write.key, now);
            let revision = current.as_ref().map(|record| record.revision);
            if !write.expect.holds(revision) {
                return Ok(Applied::Conflict { index, current });
            }
            live.push(revision.unwrap_or(0));
        }
        self.writing_at.store(now.as_millis(), Ordering::Relaxed);
        let mut done: Vec<u64> = Vec::with_capacity(batch.len());
        for (write, before) in batch.iter().zip(live) {
            // Not read back from moka: it may evict between two writes of one batch.
            let earlier = batch.iter().zip(&done).rev().find(|(other, _)| other.key == write.key);
            let before = match earlier {
                Some((other, &revision)) if other.expires > now => revision,
                Some(_) => 0,
                None => before,
            };
            done.push(self.write(write, before));
            self.settle();
        }
        Ok(Applied::Done(done))
    }

    /// Drops what has expired at `now`; returns how many records expired since the last call.
    ///
    /// It looks at every record (about a second for a few million), without holding up readers.
    pub fn sweep(&self, now: Timestamp) -> u64 {
        self.records.run_pending_tasks();
        for (key, record) in &self.records {
            if record.expires > now {
                continue;
            }
            let _one_at_a_time = self.lock();
            // Somebody may have written a live record since the iterator looked.
            if self.records.get(&*key).is_some_and(|record| record.expires <= now) {
                self.records.invalidate(&*key);
                self.ledger.expired.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.records.run_pending_tasks();
        self.ledger.expired.swap(0, Ordering::Relaxed)
    }

    /// Whether one more record of `bytes` fits without evicting anything.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let fits = || {
            let needed = self.bytes().saturating_add(bytes).saturating_add(OVERHEAD_BYTES);
            needed <= self.max_bytes
        };
        fits() || {
            self.records.run_pending_tasks();
            fits()
        }
    }

    /// How many bytes the records take, our overhead included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.ledger.bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// How many records there are, expired ones that were not freed yet included.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::try_from(self.ledger.records.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Whether there is no record at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many live records were thrown out for want of room since the start.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.ledger.evicted.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        // The lock guards no value of its own, so there is nothing that a panic left half done.
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One write of a batch whose conditions hold; returns the new revision.
    fn write(&self, write: &Write, before: u64) -> u64 {
        let Some(bytes) = &write.value else {
            self.records.invalidate(&write.key);
            return 0;
        };
        let revision = before.saturating_add(1);
        let record = Record { bytes: Arc::clone(bytes), expires: write.expires, revision };
        // Counted before it is there, so that the listener never takes away what was not added.
        self.ledger.added(&record);
        self.records.insert(write.key, record);
        revision
    }

    /// Evicts until the bound holds. moka alone lags behind by its queue of some hundred writes,
    /// which at 32 KiB each is far too much for a small store.
    fn settle(&self) {
        let mut before = u64::MAX;
        let mut held = self.bytes();
        while held > self.max_bytes && held < before {
            self.records.run_pending_tasks();
            before = held;
            held = self.bytes();
        }
    }
}

// === impl Ledger ===

impl Ledger {
    fn added(&self, record: &Record) {
        self.bytes.fetch_add(signed_weight(record), Ordering::Relaxed);
        self.records.fetch_add(1, Ordering::Relaxed);
    }

    fn removed(&self, record: &Record, cause: RemovalCause) {
        self.bytes.fetch_sub(signed_weight(record), Ordering::Relaxed);
        self.records.fetch_sub(1, Ordering::Relaxed);
        match cause {
            RemovalCause::Size => self.evicted.fetch_add(1, Ordering::Relaxed),
            RemovalCause::Expired => self.expired.fetch_add(1, Ordering::Relaxed),
            RemovalCause::Explicit | RemovalCause::Replaced => 0,
        };
    }
}

// === impl Lifetime ===

impl Lifetime {
    fn of(&self, record: &Record) -> Duration {
        let now = Timestamp::from_millis(self.0.load(Ordering::Relaxed));
        record.expires.since(now).saturating_add(SLACK).min(LONGEST)
    }
}

impl Expiry<Key, Record> for Lifetime {
    fn expire_after_create(&self, _: &Key, record: &Record, _: Instant) -> Option<Duration> {
        Some(self.of(record))
    }

    fn expire_after_update(
        &self,
        _: &Key,
        record: &Record,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.of(record))
    }
}

fn weight(record: &Record) -> u64 {
    u64::try_from(record.bytes.len()).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES)
}

fn signed_weight(record: &Record) -> i64 {
    i64::try_from(weight(record)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Expect;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn put(number: u64, bytes: usize, expires: Timestamp) -> Vec<Write> {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        vec![Write { key, expect: Expect::Any, value: Some(vec![7; bytes].into()), expires }]
    }

    #[test]
    fn the_account_is_exact_after_puts_replacements_and_deletions() {
        let store = MemoryStore::new(1 << 20);
        let later = NOW.plus(Duration::from_mins(1));
        store.apply(put(1, 100, later), NOW).unwrap();
        store.apply(put(2, 50, later), NOW).unwrap();
        store.apply(put(1, 10, later), NOW).unwrap();
        assert_eq!((store.len(), store.bytes()), (2, 60 + 2 * OVERHEAD_BYTES));
        let mut delete = put(1, 0, later);
        delete[0].value = None;
        store.apply(delete, NOW).unwrap();
        assert_eq!((store.len(), store.bytes()), (1, 50 + OVERHEAD_BYTES));
        assert_eq!((store.sweep(later), store.bytes(), store.is_empty()), (1, 0, true));
        assert_eq!(store.evictions(), 0);
    }

    #[test]
    fn there_is_room_until_the_last_byte() {
        let store = MemoryStore::new(1000 + 2 * OVERHEAD_BYTES);
        let later = NOW.plus(Duration::from_mins(1));
        store.apply(put(1, 600, later), NOW).unwrap();
        assert!(store.has_room(400));
        assert!(!store.has_room(401));
        assert!(!store.has_room(u64::MAX));
    }

    #[test]
    fn a_store_smaller_than_any_record_keeps_nothing_and_counts_nothing() {
        for max_bytes in [0, 1, OVERHEAD_BYTES] {
            let store = MemoryStore::new(max_bytes);
            store.apply(put(1, 600, NOW.plus(Duration::from_mins(1))), NOW).unwrap();
            assert_eq!((store.len(), store.bytes(), store.evictions()), (0, 0, 1));
            assert!(!store.has_room(0) || max_bytes == OVERHEAD_BYTES);
        }
    }

    #[test]
    fn moka_frees_a_record_after_it_expired_never_before() {
        let lifetime = Lifetime(Arc::new(AtomicU64::new(NOW.as_millis())));
        let record = |expires| Record { bytes: Arc::new([]), expires, revision: 1 };
        let hour = Duration::from_hours(1);
        assert_eq!(lifetime.of(&record(NOW.plus(hour))), hour + SLACK);
        assert_eq!(lifetime.of(&record(Timestamp::from_millis(0))), SLACK);
        assert_eq!(lifetime.of(&record(NOW.plus(Duration::MAX))), LONGEST);
    }
}

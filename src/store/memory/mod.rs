//! The store that lives in this process only: moka holds the only copy of each record.
//!
//! For installations that may lose their sessions at a restart. Must not know: what a record
//! means. Whether a record is live is decided from `Record.expires` and `now`; moka's own expiry
//! only frees memory, later and by the machine's monotonic clock. Readers never lock, so a reader
//! may see a batch half done: put the write that ends something in front of the one that begins
//! something. `members` alone waits for the writers, so it sees a batch whole.

mod members;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::domain::key_hash::BuildKeyHasher;
use crate::domain::time::Timestamp;
use crate::store::memory::members::{Members, Membership};
use crate::store::{
    Applied, Cursor, Entry, Index, Key, Page, Record, StoreError, Write, refuse_oversized,
};

/// What a record costs besides its bytes.
///
/// Measured as resident memory (Linux, glibc, moka 0.12.16) at 250,000 to 500,000 records of 200
/// and of 1000 bytes: 443 bytes each, for the key, moka's entry, its list nodes, its timer,
/// its share of the hash table, and the allocator's rounding; rounded up.
const OVERHEAD_BYTES: u64 = 448;

/// What the row of a record that has an index costs.
///
/// Measured as above: 76 bytes each with 250,000 to 1,000,000 records that are alone in their
/// groups, and with 500,000 in one group; 80 after 1,500,000 went through a store that holds
/// 300,000. A row is 48 bytes, and the nodes of the tree are never all full; rounded up.
const ROW_BYTES: u64 = 96;

/// How much longer than a record moka keeps it. A clock that was set back by less than this finds
/// its live records still there; one that was set back further loses them early, which is safe.
const SLACK: Duration = Duration::from_mins(1);

/// moka's timer wheel is not asked for more; such records go by `sweep` or by eviction.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// An LRU store bounded in bytes.
#[derive(Debug)]
pub struct MemoryStore {
    records: Cache<Key, Held, BuildKeyHasher>,
    ledger: Arc<Ledger>,
    /// The `now` of the batch that is being written; moka's expiry starts from it.
    writing_at: Arc<AtomicU64>,
    /// Taken before moka's locks, and those before that of the rows; never the other way round.
    writers: Mutex<()>,
    max_bytes: u64,
}

/// A record and the row that it has.
#[derive(Debug, Clone)]
struct Held {
    record: Record,
    membership: Option<Membership>,
}

/// What is held and what went, kept here because moka's own numbers lag behind its queue.
#[derive(Debug, Default)]
struct Ledger {
    bytes: AtomicI64,
    records: AtomicI64,
    evicted: AtomicU64,
    expired: AtomicU64,
    members: Members,
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
            .weigher(|_, held: &Held| u32::try_from(weight(held)).unwrap_or(u32::MAX))
            .expire_after(Lifetime(Arc::clone(&writing_at)))
            .eviction_listener(move |key, held, cause| listener.removed(*key, &held, cause))
            .build_with_hasher(BuildKeyHasher::default());
        Self { records, ledger, writing_at, writers: Mutex::new(()), max_bytes }
    }

    /// The live record under `key`, if any; it counts as used.
    #[must_use]
    pub fn get(&self, key: &Key, now: Timestamp) -> Option<Record> {
        self.records.get(key).map(|held| held.record).filter(|record| record.expires > now)
    }

    /// The keys of the live records of this index, in no order; they count as used.
    #[must_use]
    pub fn members(&self, index: Index, now: Timestamp) -> Vec<Key> {
        let _one_at_a_time = self.lock();
        let mut keys = self.ledger.members.candidates(index);
        // The record has the last word: it may have been evicted a moment ago, or be expired.
        keys.retain(|key| {
            self.records.get(key).is_some_and(|held| {
                let member_of = held.membership.map(|membership| membership.index);
                member_of == Some(index) && held.record.expires > now
            })
        });
        keys
    }

    /// The live records after `cursor`, in the order of their keys; looks at all of them each time.
    ///
    /// # Errors
    /// The cursor is not ours.
    pub fn scan(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let after = cursor.map(Cursor::key).transpose()?;
        // moka has no order, so the smallest keys are picked out: one more than asked for.
        let mut smallest: BTreeMap<Key, Held> = BTreeMap::new();
        for (key, held) in &self.records {
            if after.is_none_or(|after| *key > after) && held.record.expires > now {
                smallest.insert(*key, held);
                if smallest.len() > limit.saturating_add(1) {
                    smallest.pop_last();
                }
            }
        }
        let more = smallest.len() > limit;
        let entries: Vec<Entry> = smallest.into_iter().take(limit).map(Entry::from).collect();
        let next = entries.last().filter(|_| more).map(|entry| Cursor::after(&entry.key));
        Ok(Page { entries, next })
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
        for (key, held) in &self.records {
            if held.record.expires > now {
                continue;
            }
            let _one_at_a_time = self.lock();
            // Somebody may have written a live record since the iterator looked.
            if self.records.get(&*key).is_some_and(|held| held.record.expires <= now) {
                self.records.invalidate(&*key);
                self.ledger.expired.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.records.run_pending_tasks();
        self.ledger.expired.swap(0, Ordering::Relaxed)
    }

    /// Whether one more record of `bytes` fits without evicting anything, with an index or without.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let needed = bytes.saturating_add(OVERHEAD_BYTES).saturating_add(ROW_BYTES);
        let fits = || self.bytes().saturating_add(needed) <= self.max_bytes;
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
        // Row and account before the record is there, so that the listener never takes away what
        // was not added. moka tells it of what `insert` replaces, which takes the old row away.
        let membership = write.index.map(|index| self.ledger.members.add(index, write.key));
        let held = Held { record, membership };
        self.ledger.added(&held);
        self.records.insert(write.key, held);
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

impl From<(Key, Held)> for Entry {
    fn from((key, held): (Key, Held)) -> Self {
        let index = held.membership.map(|membership| membership.index);
        Self { key, index, record: held.record }
    }
}

// === impl Ledger ===

impl Ledger {
    fn added(&self, held: &Held) {
        self.bytes.fetch_add(signed_weight(held), Ordering::Relaxed);
        self.records.fetch_add(1, Ordering::Relaxed);
    }

    /// Called once for each record that goes, whatever the cause; perhaps by a reader, and perhaps
    /// after its key was written again.
    fn removed(&self, key: Key, held: &Held, cause: RemovalCause) {
        if let Some(membership) = held.membership {
            self.members.remove(key, membership);
        }
        self.bytes.fetch_sub(signed_weight(held), Ordering::Relaxed);
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

impl Expiry<Key, Held> for Lifetime {
    fn expire_after_create(&self, _: &Key, held: &Held, _: Instant) -> Option<Duration> {
        Some(self.of(&held.record))
    }

    fn expire_after_update(
        &self,
        _: &Key,
        held: &Held,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.of(&held.record))
    }
}

fn weight(held: &Held) -> u64 {
    let row = if held.membership.is_some() { ROW_BYTES } else { 0 };
    let bytes = u64::try_from(held.record.bytes.len()).unwrap_or(u64::MAX);
    bytes.saturating_add(OVERHEAD_BYTES).saturating_add(row)
}

fn signed_weight(held: &Held) -> i64 {
    i64::try_from(weight(held)).unwrap_or(i64::MAX)
}

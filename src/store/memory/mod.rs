//! The store that lives in this process only, and holds the only copy of each record.
//!
//! For installations that may lose their sessions at a restart. Must not know: what a record means. Records are
//! spread over shards by the first bits of their keys; a reader holds one shard's lock for one look-up, writers
//! take turns. A reader may see a batch half done: put the write that ends something in front of the one that
//! begins something. `members` alone waits for the writers, so it sees a batch whole.
//!
//! moka, as in the cache of sessions, would hold the same in 330 bytes more a record: it allocates seven times
//! for one, and knows neither groups nor the order of keys.

mod members;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::time::Timestamp;
use crate::store::memory::members::{Members, Place};
use crate::store::memory::shard::{Held, Shard};
use crate::store::{
    Applied, Cursor, Entry, Index, Key, Page, Record, StoreError, Write, refuse_oversized,
};

/// What a record costs besides its bytes.
const OVERHEAD_BYTES: u64 = 144;

/// What the row of a record that has an index costs.
const ROW_BYTES: u64 = 32;

/// Bits of a key's first byte that choose its shard: enough shards that readers seldom meet.
const SHARD_BITS: u32 = 6;

/// Slots that are looked at before others get their turn.
const SLICE: u32 = 256;

/// An LRU store bounded in bytes.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    /// Held by whoever writes. Taken before a shard's lock, never after it, and never two shards' at once.
    writers: Mutex<Members>,
    /// Grows with every use of a record, so that all shards know who was used first.
    uses: AtomicU64,
    // Changed by whoever writes, read by anybody.
    bytes: AtomicU64,
    records: AtomicU64,
    evicted: AtomicU64,
    max_bytes: u64,
}

impl MemoryStore {
    /// An empty store of at most `max_bytes`, our overhead included.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self {
            shards: (0..1 << SHARD_BITS).map(|_| Mutex::default()).collect(),
            writers: Mutex::default(),
            uses: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            max_bytes,
        }
    }

    /// The live record under `key`, if any; it counts as used.
    #[must_use]
    pub fn get(&self, key: &Key, now: Timestamp) -> Option<Record> {
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut shard = self.shard(shard_of(key))?;
        let held = shard.get(key, used).filter(|held| held.record.expires > now);
        held.map(|held| held.record.clone())
    }

    /// The keys of the live records of this index, in no order.
    #[must_use]
    pub fn members(&self, index: Index, now: Timestamp) -> Vec<Key> {
        let members = self.writing();
        let key_at = |place: Place| {
            let shard = self.shard(place.shard)?;
            shard.held(place.slot).filter(|held| held.record.expires > now).map(|held| held.key)
        };
        members.of(index).filter_map(key_at).collect()
    }

    /// The live records after `cursor`, in the order of their keys; looks at a shard's all each time.
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
        let first = after.as_ref().map_or(0, shard_of);
        let mut smallest: BTreeMap<Key, Entry> = BTreeMap::new();
        for number in first.. {
            // Slots keep no order, so the smallest keys are picked out: one more than asked for.
            let is_there = self.in_slices(number, |shard, at| {
                let Some(held) = shard.held(at) else { return };
                if after.is_none_or(|after| held.key > after) && held.record.expires > now {
                    smallest.insert(held.key, held.into());
                    if smallest.len() > limit.saturating_add(1) {
                        smallest.pop_last();
                    }
                }
            });
            if !is_there || smallest.len() > limit {
                break;
            }
        }
        let more = smallest.len() > limit;
        let entries: Vec<Entry> = smallest.into_values().take(limit).collect();
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
        let mut members = self.writing();
        let mut live = Vec::with_capacity(batch.len());
        for (index, write) in batch.iter().enumerate() {
            let current = self.get(&write.key, now);
            let revision = current.as_ref().map(|record| record.revision);
            if !write.expect.holds(revision) {
                return Ok(Applied::Conflict { index, current });
            }
            live.push(revision.unwrap_or(0));
        }
        let mut done: Vec<u64> = Vec::with_capacity(batch.len());
        for (write, before) in batch.iter().zip(live) {
            // Not read again: one write of the batch may have evicted what another one wrote.
            let earlier = batch.iter().zip(&done).rev().find(|(other, _)| other.key == write.key);
            let before = match earlier {
                Some((other, &revision)) if other.expires > now => revision,
                Some(_) => 0,
                None => before,
            };
            done.push(self.write(&mut members, write, before));
            self.settle(&mut members);
        }
        Ok(Applied::Done(done))
    }

    /// Drops what has expired at `now`; returns how many records went.
    ///
    /// It looks at every record (a tenth of a second for a million), a few at a time between the others' work.
    pub fn sweep(&self, now: Timestamp) -> u64 {
        let mut total = 0;
        for number in 0.. {
            let mut expired = Vec::new();
            let is_there = self.in_slices(number, |shard, at| {
                let held = shard.held(at).filter(|held| held.record.expires <= now);
                expired.extend(held.map(|held| held.key));
            });
            for keys in expired.chunks(SLICE as usize) {
                let mut members = self.writing();
                let Some(mut shard) = self.shard(number) else { break };
                for key in keys {
                    // Somebody may have written a live record since we looked.
                    let found = shard.find_held(key).is_some_and(|held| held.record.expires <= now);
                    if let Some(gone) = found.then(|| shard.remove(key)).flatten() {
                        self.forget(&mut members, number, gone);
                        total += 1;
                    }
                }
            }
            if !is_there {
                break;
            }
        }
        total
    }

    /// Whether one more record of `bytes` fits without evicting anything, with an index or without.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let needed = bytes.saturating_add(OVERHEAD_BYTES).saturating_add(ROW_BYTES);
        self.bytes().saturating_add(needed) <= self.max_bytes
    }

    /// How many bytes the records take, our overhead included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many records there are, expired ones that were not freed yet included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Whether there is no record at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records were thrown out for want of room since the start.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    // === For whoever writes ===

    /// One write of a batch whose conditions hold; returns the new revision.
    fn write(&self, members: &mut Members, write: &Write, before: u64) -> u64 {
        let number = shard_of(&write.key);
        let Some(mut shard) = self.shard(number) else { return 0 };
        let Some(bytes) = &write.value else {
            if let Some(gone) = shard.remove(&write.key) {
                self.forget(members, number, gone);
            }
            return 0;
        };
        let revision = before.saturating_add(1);
        let record = Record { bytes: Arc::clone(bytes), expires: write.expires, revision };
        let held = Held { key: write.key, record, index: write.index };
        let weight = weight(&held);
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        match shard.put(held, used) {
            Ok((slot, old)) => {
                self.bytes.fetch_add(weight, Ordering::Relaxed);
                let from = old.as_ref().and_then(|old| old.index);
                members.regroup(Place { slot, shard: number }, from, write.index);
                match old {
                    Some(old) => self.bytes.fetch_sub(self::weight(&old), Ordering::Relaxed),
                    None => self.records.fetch_add(1, Ordering::Relaxed),
                };
            }
            Err(_) => {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
        revision
    }

    /// Evicts until the bound holds, the least recently used record first.
    fn settle(&self, members: &mut Members) {
        while self.bytes() > self.max_bytes {
            let numbers =
                (0..).map_while(|number| Some((number, self.shard(number)?.oldest_use())));
            let oldest = numbers.filter_map(|(number, used)| Some((used?, number))).min();
            let Some((_, number)) = oldest else { return };
            // Read again in the meantime, it is not the oldest any more; the next one goes then.
            let gone = self.shard(number).and_then(|mut shard| shard.remove_oldest());
            let Some(gone) = gone else { return };
            self.forget(members, number, gone);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a record that is gone out of rows and account.
    fn forget(&self, members: &mut Members, number: u8, (slot, held): (u32, Held)) {
        members.regroup(Place { slot, shard: number }, held.index, None);
        self.bytes.fetch_sub(weight(&held), Ordering::Relaxed);
        self.records.fetch_sub(1, Ordering::Relaxed);
    }

    // === Locks ===

    fn writing(&self) -> MutexGuard<'_, Members> {
        // Nothing that is called under either lock panics half way.
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, number: u8) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(usize::from(number))?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at each slot of a shard, some at a time; false if there is no such shard. A record that is there
    /// all the while is seen.
    fn in_slices(&self, number: u8, mut look: impl FnMut(&Shard, u32)) -> bool {
        let mut from = 0;
        while let Some(shard) = self.shard(number) {
            let slots = shard.slots();
            if from >= slots {
                return true;
            }
            let to = slots.min(from.saturating_add(SLICE));
            (from..to).for_each(|at| look(&shard, at));
            from = to;
        }
        false
    }
}

fn shard_of(key: &Key) -> u8 {
    let [first, ..] = key;
    first >> (u8::BITS - SHARD_BITS)
}

fn weight(held: &Held) -> u64 {
    let row = if held.index.is_some() { ROW_BYTES } else { 0 };
    let bytes = u64::try_from(held.record.bytes.len()).unwrap_or(u64::MAX);
    bytes.saturating_add(OVERHEAD_BYTES).saturating_add(row)
}

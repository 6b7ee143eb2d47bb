//! One part of the records: slots, a table that finds them by key, and the order in which they were used.
//!
//! Must not know: time, rows, bounds, locks. A record keeps its slot as long as it stays, so the slot is what
//! others may note of it.

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::HashTable;

use crate::domain::key_hash::BuildKeyHasher;
use crate::store::{Entry, Index, Key, Record};

/// Slots that are allocated together: few enough that the last chunk wastes little, and no chunk ever moves.
const CHUNK: usize = 256;

/// No slot.
const NONE: u32 = u32::MAX;

/// A record with all that is stored of it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) record: Record,
    pub(super) index: Option<Index>,
}

/// The records of some keys.
#[derive(Debug)]
pub(super) struct Shard {
    table: HashTable<u32>,
    slots: Slots,
    newest: u32,
    oldest: u32,
}

#[derive(Debug, Default)]
struct Slots {
    chunks: Vec<Vec<Slot>>,
    /// The first of the free slots; each knows the next one in `older`.
    free: Option<u32>,
}

#[derive(Debug)]
struct Slot {
    held: Option<Held>,
    /// When it was used, as a number that grows with every use of any record.
    used: u64,
    newer: u32,
    older: u32,
}

// === impl Shard ===

impl Default for Shard {
    fn default() -> Self {
        Self { table: HashTable::new(), slots: Slots::default(), newest: NONE, oldest: NONE }
    }
}

impl Shard {
    /// The record under `key`, which is used by that.
    pub(super) fn get(&mut self, key: &Key, used: u64) -> Option<&Held> {
        let at = self.find(key)?;
        self.use_slot(at, used);
        self.held(at)
    }

    /// The record under `key`, which is only looked at.
    pub(super) fn find_held(&self, key: &Key) -> Option<&Held> {
        self.held(self.find(key)?)
    }

    /// The record in a slot.
    pub(super) fn held(&self, at: u32) -> Option<&Held> {
        self.slots.get(at)?.held.as_ref()
    }

    /// Puts a record in the place of the one under its key, or into a slot of its own. Returns the slot and
    /// what was there; `Err` gives it back because there are no more numbers for slots.
    pub(super) fn put(&mut self, held: Held, used: u64) -> Result<(u32, Option<Held>), Held> {
        if let Some(at) = self.find(&held.key) {
            let old = self.slots.get_mut(at).and_then(|slot| slot.held.replace(held));
            self.use_slot(at, used);
            return Ok((at, old));
        }
        let hash = hash(&held.key);
        let at = self.slots.add(held)?;
        let slots = &self.slots;
        self.table.insert_unique(hash, at, |&at| slots.hash(at));
        self.link(at, used);
        Ok((at, None))
    }

    /// Takes out the record under `key`, and says in which slot it was.
    pub(super) fn remove(&mut self, key: &Key) -> Option<(u32, Held)> {
        let at = self.find(key)?;
        self.take(at)
    }

    /// Takes out the record that was not used for the longest time.
    pub(super) fn remove_oldest(&mut self) -> Option<(u32, Held)> {
        self.take(self.oldest)
    }

    /// When the record was used that was not used for the longest time.
    pub(super) fn oldest_use(&self) -> Option<u64> {
        self.slots.get(self.oldest).map(|slot| slot.used)
    }

    /// How many slots there are, free ones included.
    pub(super) fn slots(&self) -> u32 {
        u32::try_from(self.slots.count()).unwrap_or(NONE)
    }

    fn find(&self, key: &Key) -> Option<u32> {
        let slots = &self.slots;
        let is_it = |at: &u32| {
            slots.get(*at).and_then(|slot| slot.held.as_ref()).is_some_and(|held| held.key == *key)
        };
        self.table.find(hash(key), is_it).copied()
    }

    fn take(&mut self, at: u32) -> Option<(u32, Held)> {
        let hash = self.slots.hash(at);
        let entry = self.table.find_entry(hash, |&other| other == at).ok()?;
        entry.remove();
        self.unlink(at);
        let held = self.slots.free(at)?;
        if self.table.is_empty() {
            // What a flood has left behind is given back at its end.
            *self = Self::default();
        }
        Some((at, held))
    }

    // === The order of use ===

    fn use_slot(&mut self, at: u32, used: u64) {
        if self.newest == at {
            // The usual case of a busy session.
            if let Some(slot) = self.slots.get_mut(at) {
                slot.used = used;
            }
        } else {
            self.unlink(at);
            self.link(at, used);
        }
    }

    fn link(&mut self, at: u32, used: u64) {
        let older = std::mem::replace(&mut self.newest, at);
        if let Some(slot) = self.slots.get_mut(at) {
            (slot.used, slot.newer, slot.older) = (used, NONE, older);
        }
        match self.slots.get_mut(older) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(&Slot { newer, older, .. }) = self.slots.get(at) else { return };
        match self.slots.get_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }
}

// === impl Slots ===

impl Slots {
    fn get(&self, at: u32) -> Option<&Slot> {
        let at = usize::try_from(at).ok()?;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut Slot> {
        let at = usize::try_from(at).ok()?;
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    fn count(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    fn hash(&self, at: u32) -> u64 {
        self.get(at).and_then(|slot| slot.held.as_ref()).map_or(0, |held| hash(&held.key))
    }

    fn add(&mut self, held: Held) -> Result<u32, Held> {
        if let Some(at) = self.free
            && let Some(slot) = self.get_mut(at)
        {
            slot.held = Some(held);
            let next = slot.older;
            self.free = (next != NONE).then_some(next);
            return Ok(at);
        }
        let Some(at) = u32::try_from(self.count()).ok().filter(|&at| at != NONE) else {
            return Err(held);
        };
        let slot = Slot { held: Some(held), used: 0, newer: NONE, older: NONE };
        if let Some(chunk) = self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            chunk.push(slot);
        } else {
            let mut chunk = Vec::with_capacity(CHUNK);
            chunk.push(slot);
            self.chunks.push(chunk);
        }
        Ok(at)
    }

    fn free(&mut self, at: u32) -> Option<Held> {
        let next = self.free.unwrap_or(NONE);
        let slot = self.get_mut(at)?;
        let held = slot.held.take()?;
        slot.older = next;
        self.free = Some(at);
        Some(held)
    }
}

impl From<&Held> for Entry {
    fn from(held: &Held) -> Self {
        Self { key: held.key, index: held.index, record: held.record.clone() }
    }
}

fn hash(key: &Key) -> u64 {
    let mut hasher = BuildKeyHasher::default().build_hasher();
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::Timestamp;

    fn held(byte: u8, revision: u64) -> Held {
        let expires = Timestamp::from_millis(1);
        let record = Record { bytes: [byte].into(), expires, revision };
        Held { key: [byte; 32], record, index: None }
    }

    #[test]
    fn a_slot_is_as_small_as_the_account_says() {
        assert_eq!(size_of::<Slot>(), 96);
    }

    #[test]
    fn what_a_flood_has_left_behind_is_given_back() {
        let mut shard = Shard::default();
        for number in 0..1000_u64 {
            let mut one = held(0, 1);
            one.key = [number.to_be_bytes(); 4].concat().try_into().unwrap();
            assert!(shard.put(one, number).is_ok());
        }
        assert_eq!(shard.slots(), 1000);
        while shard.remove_oldest().is_some() {}
        assert_eq!((shard.slots(), shard.slots.chunks.len()), (0, 0));
    }

    proptest! {
        /// The model: what is there, and the order in which it was used.
        #[test]
        fn it_is_a_map_that_knows_what_was_used_last(
            steps in prop::collection::vec((0..4_u8, 0..12_u8), 1..300),
        ) {
            let (mut shard, mut model) = (Shard::default(), BTreeMap::<u8, (u64, u64)>::new());
            for (number, (what, byte)) in (1..).zip(steps) {
                let key = [byte; 32];
                match what {
                    0 => {
                        let old = shard.put(held(byte, number), number).unwrap().1;
                        let before = model.insert(byte, (number, number));
                        prop_assert_eq!(old.map(|old| old.record.revision), before.map(|old| old.1));
                    }
                    1 => {
                        let found = shard.get(&key, number).map(|held| held.record.revision);
                        let expected = model.get_mut(&byte);
                        prop_assert_eq!(found, expected.as_ref().map(|record| record.1));
                        if let Some(record) = expected {
                            record.0 = number;
                        }
                    }
                    2 => {
                        let gone = shard.remove(&key).map(|(_, held)| held.record.revision);
                        prop_assert_eq!(gone, model.remove(&byte).map(|record| record.1));
                    }
                    _ => {
                        let oldest = model.iter().min_by_key(|(_, (used, _))| *used);
                        let oldest = oldest.map(|(byte, record)| (*byte, *record));
                        prop_assert_eq!(shard.oldest_use(), oldest.map(|(_, (used, _))| used));
                        let gone = shard.remove_oldest().map(|(_, held)| held.key[0]);
                        prop_assert_eq!(gone, oldest.map(|(byte, _)| byte));
                        if let Some((byte, _)) = oldest {
                            model.remove(&byte);
                        }
                    }
                }
                prop_assert_eq!(shard.table.len(), model.len());
            }
        }
    }
}

//! Which records may be kept as copies: one that was read before its key changed may not (SEMANTICS S4, O2).
//!
//! Keys share a fixed number of shards, and each counts what happened to its keys. Whoever asks the store
//! takes a ticket first and settles it afterwards; what has happened in between, also to another key of the
//! shard, is told. Nobody holds a shard while the store is asked. Must not know: records, the cache.

use super::sync::{Mutex, MutexGuard, PoisonError};

/// The shards.
#[derive(Debug)]
pub struct Shards(Box<[Mutex<Counts>]>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    /// Changes that were heard of.
    changes: u64,
    /// Writes of this process.
    writes: u64,
}

/// Taken before the store is asked about a key.
#[derive(Debug, Clone, Copy)]
#[must_use = "a copy without a ticket may be older than a change"]
pub struct Ticket {
    shard: usize,
    counts: Counts,
}

/// What happened to the keys of a shard since a ticket was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Nothing.
    Nothing,
    /// This process wrote one of them.
    Written,
    /// One was changed, as far as is known by somebody else.
    Changed,
}

impl Shards {
    /// `count` shards, at least one.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self((0..count.max(1)).map(|_| Mutex::default()).collect())
    }

    /// A ticket for `key`.
    pub fn ticket(&self, key: &[u8; 32]) -> Ticket {
        let shard = self.shard(key);
        Ticket { shard, counts: self.lock(shard).map_or_else(Counts::default, |counts| *counts) }
    }

    /// Settles what was read. `then` runs before anything else happens to the shard; it may keep the record
    /// if nothing happened.
    pub fn settle_read<R>(&self, ticket: Ticket, then: impl FnOnce(Since) -> R) -> R {
        let held = self.lock(ticket.shard);
        then(ticket.since(held.as_deref()))
    }

    /// Settles what was written, or perhaps written: reads that are on their way keep nothing. `then` may
    /// keep the record unless somebody else changed one.
    pub fn settle_write<R>(&self, ticket: Ticket, then: impl FnOnce(Since) -> R) -> R {
        let mut held = self.lock(ticket.shard);
        let since = ticket.since(held.as_deref());
        if let Some(counts) = &mut held {
            counts.writes = counts.writes.wrapping_add(1);
        }
        then(since)
    }

    /// `key` was changed, says the store's channel. `then` is to forget its copy.
    pub fn changed(&self, key: &[u8; 32], then: impl FnOnce()) {
        let mut held = self.lock(self.shard(key));
        if let Some(counts) = &mut held {
            counts.changes = counts.changes.wrapping_add(1);
        }
        then();
    }

    /// Keys are hashes, so any of their bytes spread evenly; but the first is the same for all of an owner's.
    fn shard(&self, key: &[u8; 32]) -> usize {
        let [_, one, two, three, ..] = *key;
        u32::from_le_bytes([one, two, three, 0]) as usize % self.0.len()
    }

    fn lock(&self, shard: usize) -> Option<MutexGuard<'_, Counts>> {
        // Counts only grow, so a panic leaves nothing half done.
        Some(self.0.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ticket {
    /// A shard that does not exist has always changed.
    fn since(self, counts: Option<&Counts>) -> Since {
        match counts {
            Some(counts) if *counts == self.counts => Since::Nothing,
            Some(counts) if counts.changes == self.counts.changes => Since::Written,
            Some(_) | None => Since::Changed,
        }
    }
}

//! Stores: expiring byte records behind one small interface.
//!
//! Must not know: what a session is, HTTP, policy. The engines are a closed enum, so there is no
//! `async_trait` and no box per call; `tests/store_contract.rs` runs one suite over all of them.
//! `None` means unknown or expired; an outage is `Err`, and the two are never mixed.

pub mod embedded;
#[cfg(test)]
pub mod faulty;
pub mod invalidation;
pub mod memory;
pub mod redis;
pub mod seal;
pub mod sealed;

use std::sync::Arc;

use crate::domain::limits::RECORD_BYTES;
use crate::domain::time::Timestamp;
use crate::store::embedded::EmbeddedStore;
use crate::store::invalidation::Channel;
use crate::store::memory::MemoryStore;
use crate::store::redis::{RedisStore, Seen};
use crate::store::sealed::SealedStore;

/// A record's key: a hash, never a secret. Its first byte is its [`Partition`].
pub type Key = [u8; 32];

/// What several records have in common, so that they can be found together: a hash, never a secret.
/// (64 bits: two groups may share one by chance, so a caller checks what it finds.)
pub type Index = u64;

/// Records that one machine of a distributed store holds together. A batch is atomic within its
/// partition everywhere, and over several ones in every engine but a cluster, which applies it
/// partition by partition in the order of the batch: put what ends something in front.
pub type Partition = u8;

/// The partition that a group's records are to lie in.
#[must_use]
pub const fn partition_of(index: Index) -> Partition {
    let [first, ..] = index.to_be_bytes();
    first
}

/// A stored value. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The value.
    pub bytes: Arc<[u8]>,
    /// From this moment on the record does not exist.
    pub expires: Timestamp,
    /// Grows with every change of this key while the record lives; 1 for a new one.
    pub revision: u64,
}

/// What must be true of a key before a batch is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything goes.
    Any,
    /// No live record.
    Absent,
    /// A live record of exactly this revision.
    Revision(u64),
}

impl Expect {
    /// Whether the condition is met, given the revision of the live record if there is one.
    #[must_use]
    pub const fn holds(self, live: Option<u64>) -> bool {
        match (self, live) {
            (Self::Any, _) | (Self::Absent, None) => true,
            (Self::Revision(expected), Some(revision)) => expected == revision,
            (Self::Absent, Some(_)) | (Self::Revision(_), None) => false,
        }
    }
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub struct Write {
    /// The key.
    pub key: Key,
    /// The condition.
    pub expect: Expect,
    /// The new value; `None` deletes.
    pub value: Option<Arc<[u8]>>,
    /// When the new value ceases to exist.
    pub expires: Timestamp,
    /// The group that the new value belongs to, whatever the old one belonged to; `None` is no
    /// group. Ignored for deletions.
    pub index: Option<Index>,
}

/// How much is lost if a batch is lost, and so how much an engine does to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assurance {
    /// It comes again by itself: a touch, a session that a program's next call opens.
    Renewable,
    /// Somebody is told of it: it is on a replica, too, where there are replicas.
    Confirmed,
    /// As that, and it ends something: a store that is full takes it all the same.
    Ending,
}

/// A record with all that is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// The group that it belongs to.
    pub index: Option<Index>,
    /// The record.
    pub record: Record,
}

/// Where a scan goes on; opaque, and only for the store that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub Box<[u8]>);

/// A part of all live records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records; perhaps none although more follow.
    pub entries: Vec<Entry>,
    /// Where the next part begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// All of it, durably; the new revision of each write, in order (0 for a deletion).
    Done(Vec<u64>),
    /// None of it: the write at `index` found something else than it expected.
    Conflict {
        /// Which write.
        index: usize,
        /// What is there instead.
        current: Option<Record>,
    },
}

/// Why the store did not do what it was asked; made for the caller's decision.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written and the same call may work later: answer Unavailable.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was written, and no replica said in time that it has it, too: it may be lost, so tell the
    /// client that it failed.
    #[error("the store has written this, and no replica confirmed it")]
    Unconfirmed,
    /// The store is full and would have to evict live records: refuse new ones.
    #[error("the store is full")]
    Full,
    /// What lies on disk is not what was written: set it aside, never serve it.
    #[error("the store's file cannot be used")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A record that no engine takes because none would read it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {0} bytes is larger than a record may be ({RECORD_BYTES})")]
pub struct OversizedRecord(usize);

/// Refuses a batch with a value above `RECORD_BYTES`, before anything is touched.
fn refuse_oversized(batch: &[Write]) -> Result<(), StoreError> {
    let sizes = batch.iter().filter_map(|write| write.value.as_ref()).map(|value| value.len());
    match sizes.max().filter(|&size| size > RECORD_BYTES) {
        Some(size) => Err(StoreError::Unavailable(Box::new(OversizedRecord(size)))),
        None => Ok(()),
    }
}

/// The engines.
#[derive(Debug)]
pub enum Store {
    /// Lives in this process only, which has the only copy.
    Memory(MemoryStore),
    /// One redb file, written before it is answered.
    Embedded(EmbeddedStore),
    /// Redis or Valkey, which many nodes share.
    Redis(RedisStore),
    /// Any of them, encrypted.
    Sealed(SealedStore),
    /// Fails when a test says so.
    #[cfg(test)]
    Faulty(faulty::FaultyStore),
}

impl Store {
    /// The live record under `key`, if any.
    ///
    /// # Errors
    /// The engine failed; nothing is known about the key.
    pub async fn get(&self, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.get(&key, now)),
            Self::Embedded(store) => store.get(key, now).await,
            Self::Redis(store) => store.get(key, now).await,
            Self::Sealed(store) => store.get(key, now).await,
            #[cfg(test)]
            Self::Faulty(store) => store.get(&key, now).await,
        }
    }

    /// The keys of the records of this index that are live at `now`, in no order. It sees a batch
    /// whole or not at all; a caller that goes on to read the records may find them changed.
    ///
    /// # Errors
    /// The engine failed; nothing is known about the index.
    pub async fn members(&self, index: Index, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.members(index, now)),
            Self::Embedded(store) => store.members(index, now).await,
            Self::Redis(store) => store.members(index, now).await,
            Self::Sealed(store) => Box::pin(store.engine().members(index, now)).await,
            #[cfg(test)]
            Self::Faulty(store) => store.members(index, now),
        }
    }

    /// Applies all writes or none. When it returns `Done`, the batch survives `kill -9` (embedded).
    ///
    /// # Errors
    /// The engine failed. `Unavailable` after a batch was handed over does not say whether it was
    /// applied: treat the record as unknown.
    pub async fn apply(
        &self,
        batch: Vec<Write>,
        // The engines of one machine acknowledge nothing before it is as safe as it can be.
        assurance: Assurance,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        match self {
            Self::Memory(store) => store.apply(batch, now),
            Self::Embedded(store) => store.apply(batch, now).await,
            Self::Redis(store) => store.apply(batch, assurance, now).await,
            Self::Sealed(store) => store.apply(batch, assurance, now).await,
            #[cfg(test)]
            Self::Faulty(store) => store.apply(batch, now).await,
        }
    }

    /// At most `limit` of the live records after `cursor`, or from the beginning. Who goes on until the
    /// last page has seen every record that lived all the while at least once; in a shared store
    /// perhaps more than once.
    ///
    /// # Errors
    /// The engine failed, or the cursor is not its own; begin again.
    pub async fn scan(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        match self {
            Self::Memory(store) => store.scan(cursor, limit, now),
            Self::Embedded(store) => store.scan(cursor, limit, now).await,
            Self::Redis(store) => store.scan(cursor, limit, now).await,
            Self::Sealed(store) => store.scan(cursor, limit, now).await,
            #[cfg(test)]
            Self::Faulty(store) => store.scan(cursor, limit, now),
        }
    }

    /// How this process hears that others changed a record; `None` where nobody else writes.
    #[must_use]
    pub fn channel(&self) -> Option<&Channel> {
        match self {
            Self::Memory(_) | Self::Embedded(_) => None,
            Self::Redis(store) => Some(store.channel()),
            Self::Sealed(store) => store.engine().channel(),
            #[cfg(test)]
            Self::Faulty(store) => Some(store.channel()),
        }
    }

    /// What is seen of the servers of a shared store; `None` for the others.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        match self {
            Self::Memory(_) | Self::Embedded(_) => None,
            Self::Redis(store) => Some(store.seen()),
            Self::Sealed(store) => store.engine().seen(),
            #[cfg(test)]
            Self::Faulty(_) => None,
        }
    }

    /// Frees what has expired; returns how many records went.
    ///
    /// # Errors
    /// The engine failed; try again later.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.sweep(now)),
            Self::Embedded(store) => store.sweep(now).await,
            // The servers forget what has expired.
            Self::Redis(_) => Ok(0),
            Self::Sealed(store) => Box::pin(store.engine().sweep(now)).await,
            #[cfg(test)]
            Self::Faulty(_) => Ok(0),
        }
    }

    /// How many records there are, expired ones that were not swept yet included.
    ///
    /// # Errors
    /// The engine failed; the number is unknown.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks whether it is empty")]
    pub async fn len(&self) -> Result<u64, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.len()),
            Self::Embedded(store) => store.len().await,
            Self::Redis(store) => store.len().await,
            Self::Sealed(store) => Box::pin(store.engine().len()).await,
            #[cfg(test)]
            Self::Faulty(store) => store.len(),
        }
    }

    /// Whether one more record of `bytes` fits without evicting a live one; always true where
    /// records lie on disk. It reserves nothing: two callers may see the same last room.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        match self {
            Self::Memory(store) => store.has_room(bytes),
            // Whether one more fits is known only when it is written.
            Self::Embedded(_) | Self::Redis(_) => true,
            Self::Sealed(store) => store.engine().has_room(bytes),
            #[cfg(test)]
            Self::Faulty(_) => true,
        }
    }

    /// The engine, if it keeps everything in this process: then it needs no cache in front.
    #[must_use]
    pub const fn as_memory(&self) -> Option<&MemoryStore> {
        match self {
            Self::Memory(store) => Some(store),
            // Readers of a sealed one want what is inside, and keep it in a cache.
            Self::Embedded(_) | Self::Redis(_) | Self::Sealed(_) => None,
            #[cfg(test)]
            Self::Faulty(_) => None,
        }
    }

    /// The engine, if it is a file of this process's own.
    #[must_use]
    pub const fn as_embedded(&self) -> Option<&EmbeddedStore> {
        match self {
            Self::Embedded(store) => Some(store),
            Self::Sealed(store) => store.engine().as_embedded(),
            Self::Memory(_) | Self::Redis(_) => None,
            #[cfg(test)]
            Self::Faulty(_) => None,
        }
    }

    /// The wrapper, if records are encrypted.
    #[must_use]
    pub const fn as_sealed(&self) -> Option<&SealedStore> {
        match self {
            Self::Sealed(store) => Some(store),
            Self::Memory(_) | Self::Embedded(_) | Self::Redis(_) => None,
            #[cfg(test)]
            Self::Faulty(_) => None,
        }
    }

    /// The engine's name, label of metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Embedded(_) => "embedded",
            Self::Redis(_) => "redis",
            Self::Sealed(store) => store.engine().kind(),
            #[cfg(test)]
            Self::Faulty(_) => "faulty",
        }
    }
}

/// An error and its causes in one line, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A cursor that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place of this store where a scan could go on; begin again")]
pub struct ForeignCursor;

impl Cursor {
    /// The key after which a scan in the order of keys goes on.
    fn key(&self) -> Result<Key, StoreError> {
        Key::try_from(&*self.0).map_err(|_| StoreError::Unavailable(Box::new(ForeignCursor)))
    }

    fn after(key: &Key) -> Self {
        Self(key.as_slice().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_look_at_the_live_revision_only() {
        assert!(Expect::Any.holds(None) && Expect::Any.holds(Some(7)));
        assert!(Expect::Absent.holds(None) && !Expect::Absent.holds(Some(7)));
        assert!(Expect::Revision(7).holds(Some(7)));
        assert!(!Expect::Revision(7).holds(Some(8)) && !Expect::Revision(7).holds(None));
    }

    #[test]
    fn a_value_above_the_limit_is_refused_and_one_at_it_is_not() {
        let write = |bytes: usize| Write {
            key: [0; 32],
            expect: Expect::Any,
            value: Some(vec![0; bytes].into()),
            expires: Timestamp::from_millis(1),
            index: None,
        };
        assert!(refuse_oversized(&[write(0), write(RECORD_BYTES)]).is_ok());
        assert!(refuse_oversized(&[write(0), write(RECORD_BYTES + 1)]).is_err());
    }
}

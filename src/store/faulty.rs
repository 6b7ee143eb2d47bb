//! A store that fails, or is changed by another node, when a test says so; memory otherwise.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::domain::time::Timestamp;
use crate::store::invalidation::Channel;
use crate::store::memory::MemoryStore;
use crate::store::{Applied, Cursor, Index, Key, Page, Record, StoreError, Write};

/// Fails while [`FaultyStore::failing`] is set.
#[derive(Debug)]
pub struct FaultyStore {
    memory: MemoryStore,
    /// Whether every call fails.
    pub failing: &'static AtomicBool,
    meanwhile: Mutex<Vec<Write>>,
    channel: Channel,
}

impl FaultyStore {
    /// Works until `failing` is set.
    pub fn new(failing: &'static AtomicBool) -> Self {
        let channel = Channel::unconfirmed();
        channel.confirm(Timestamp::default());
        Self { memory: MemoryStore::new(1 << 20), failing, meanwhile: Mutex::default(), channel }
    }

    /// Another node writes `batch` right before the next batch from here.
    pub fn meanwhile(&self, batch: Vec<Write>) {
        *self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner) = batch;
    }

    /// Reads, or fails.
    pub(crate) fn get(&self, key: &Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        self.fault()?;
        Ok(self.memory.get(key, now))
    }

    /// Finds, or fails.
    pub(crate) fn members(&self, index: Index, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        self.fault()?;
        Ok(self.memory.members(index, now))
    }

    /// Writes, or fails.
    pub(crate) fn apply(&self, batch: Vec<Write>, now: Timestamp) -> Result<Applied, StoreError> {
        self.fault()?;
        let meanwhile =
            std::mem::take(&mut *self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner));
        self.memory.apply(meanwhile, now)?;
        self.memory.apply(batch, now)
    }

    /// Goes through it, or fails.
    pub(crate) fn scan(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.fault()?;
        self.memory.scan(cursor, limit, now)
    }

    /// Confirmed until a test loses it.
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Counts, or fails.
    pub(crate) fn len(&self) -> Result<u64, StoreError> {
        self.fault()?;
        Ok(self.memory.len())
    }

    fn fault(&self) -> Result<(), StoreError> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the test says so".into()));
        }
        Ok(())
    }
}

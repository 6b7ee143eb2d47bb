//! A store that several nodes share and that fails, waits, or tells of changes late when a test says so;
//! memory otherwise.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use std::time::Duration;

use tokio::sync::RwLock;

use crate::domain::time::Timestamp;
use crate::store::invalidation::Channel;
use crate::store::memory::MemoryStore;
use crate::store::{Applied, Cursor, Index, Key, Page, Record, StoreError, Write};

/// One node's way to a store. Fails while [`FaultyStore::failing`] is set.
#[derive(Debug)]
pub struct FaultyStore {
    shared: Arc<Shared>,
    /// Whether every call fails.
    pub failing: &'static AtomicBool,
    meanwhile: Mutex<Vec<Write>>,
    news: Arc<News>,
    /// Reads that have begun.
    pub reads: AtomicU64,
    /// Held by a test, it holds up reads that have found what they look for, and writes.
    pub gate: RwLock<()>,
}

#[derive(Debug)]
struct Shared {
    memory: MemoryStore,
    nodes: Mutex<Vec<Weak<News>>>,
}

/// What a node has been sent and has not heard of yet.
#[derive(Debug)]
struct News {
    channel: Channel,
    waiting: Mutex<Vec<Key>>,
}

impl FaultyStore {
    /// Works until `failing` is set.
    pub fn new(failing: &'static AtomicBool) -> Self {
        let memory = MemoryStore::new(1 << 20);
        Self::of(Arc::new(Shared { memory, nodes: Mutex::default() }), failing)
    }

    /// Another node's way to the same records.
    #[must_use]
    pub fn beside(&self, failing: &'static AtomicBool) -> Self {
        Self::of(Arc::clone(&self.shared), failing)
    }

    fn of(shared: Arc<Shared>, failing: &'static AtomicBool) -> Self {
        let news = Arc::new(News {
            channel: Channel::unconfirmed(Duration::MAX),
            waiting: Mutex::default(),
        });
        news.channel.confirm(Timestamp::default());
        lock(&shared.nodes).push(Arc::downgrade(&news));
        let (meanwhile, reads, gate) = (Mutex::default(), AtomicU64::new(0), RwLock::new(()));
        Self { shared, failing, meanwhile, news, reads, gate }
    }

    /// Another node writes `batch` right before the next batch from here.
    pub fn meanwhile(&self, batch: Vec<Write>) {
        *lock(&self.meanwhile) = batch;
    }

    /// Tells this node of every change so far, its own ones included.
    pub fn deliver(&self) {
        let waiting = std::mem::take(&mut *lock(&self.news.waiting));
        for key in &waiting {
            self.news.channel.changed(key);
        }
    }

    /// This node hears of nothing any more, and never of what it was to hear.
    pub fn lose_channel(&self) {
        self.news.channel.lose();
        lock(&self.news.waiting).clear();
    }

    /// This node hears of changes, and has heard of all until `at`.
    pub fn confirm_channel(&self, at: Timestamp) {
        self.deliver();
        self.news.channel.confirm(at);
    }

    /// Whether this node is to hear of a change of `key` still.
    pub fn is_waiting(&self, key: &Key) -> bool {
        lock(&self.news.waiting).contains(key)
    }

    /// What lies under `key`, whatever fails.
    pub fn peep(&self, key: &Key, now: Timestamp) -> Option<Record> {
        self.shared.memory.get(key, now)
    }

    /// A machine is lost, and with it what lay under `key` since it was `record`.
    pub fn roll_back(&self, key: Key, record: &Record) {
        let delete = Write {
            key,
            expect: crate::store::Expect::Any,
            value: None,
            expires: record.expires,
            index: None,
        };
        let restore = Write { value: Some(Arc::clone(&record.bytes)), ..delete.clone() };
        let restored = vec![restore; usize::try_from(record.revision).unwrap_or(1)];
        for batch in std::iter::once(vec![delete]).chain(restored.into_iter().map(|w| vec![w])) {
            let _ = self.shared.memory.apply(batch, Timestamp::default());
        }
    }

    /// Reads, or fails.
    pub(crate) async fn get(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<Record>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.fault()?;
        let found = self.shared.memory.get(key, now);
        let _open = self.gate.read().await;
        self.fault()?;
        Ok(found)
    }

    /// Finds, or fails.
    pub(crate) fn members(&self, index: Index, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        self.fault()?;
        Ok(self.shared.memory.members(index, now))
    }

    /// Writes, or fails.
    pub(crate) async fn apply(
        &self,
        batch: Vec<Write>,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let _open = self.gate.read().await;
        self.fault()?;
        let meanwhile = std::mem::take(&mut *lock(&self.meanwhile));
        self.write(meanwhile, now)?;
        self.write(batch, now)
    }

    fn write(&self, batch: Vec<Write>, now: Timestamp) -> Result<Applied, StoreError> {
        let keys: Vec<Key> = batch.iter().map(|write| write.key).collect();
        let applied = self.shared.memory.apply(batch, now)?;
        if matches!(applied, Applied::Done(_)) {
            for node in lock(&self.shared.nodes).iter().filter_map(Weak::upgrade) {
                if node.channel.epoch().is_confirmed() {
                    lock(&node.waiting).extend(&keys);
                }
            }
        }
        Ok(applied)
    }

    /// Goes through it, or fails.
    pub(crate) fn scan(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.fault()?;
        self.shared.memory.scan(cursor, limit, now)
    }

    /// Confirmed until a test loses it.
    pub fn channel(&self) -> &Channel {
        &self.news.channel
    }

    /// Counts, or fails.
    pub(crate) fn len(&self) -> Result<u64, StoreError> {
        self.fault()?;
        Ok(self.shared.memory.len())
    }

    fn fault(&self) -> Result<(), StoreError> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the test says so".into()));
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

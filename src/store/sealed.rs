//! Any store, with its records encrypted: whoever reads its file or its server reads no identities.
//!
//! The bytes of a record are sealed for its key, so none can be put in another one's place. Expiry, revision and index stay
//! readable to the engine, which needs them; a session's own times are inside. Whoever can write to the store can
//! delete, and can bring back what was there before under the same key: that would take a second store to notice.
//!
//! A record that no key opens counts as unknown. So does one that is not sealed at all: else whoever can write to the
//! store would simply write a plain one. [`Plain::Believed`] is for the time in which records of before are still
//! alive, and is the operator's word that nobody else has written. Must not know: what a record means.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::limits::RECORD_BYTES;
use crate::domain::secret::{KeyId, Secret};
use crate::domain::time::Timestamp;
use crate::store::seal::{SEAL_BYTES, SealError, Sealer};
use crate::store::{
    Applied, Assurance, Cursor, Expect, Key, OversizedRecord, Page, Record, Store, StoreError,
    Write,
};

/// The first byte of what is sealed here. No record begins with it: sessions begin with their version, and others are JSON.
const FORMAT: u8 = 0xe1;

/// Format and id of the key.
const HEAD_BYTES: usize = 1 + 4;

/// What sealing a record adds to it.
const ADDED_BYTES: usize = HEAD_BYTES + SEAL_BYTES;

/// Records that are told of one by one in the log, at most; then every thousandth.
const LOGGED: u64 = 20;

/// What a record counts for that is not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Nothing: it is unknown.
    Unknown,
    /// As much as before there was a key.
    Believed,
}

/// An engine whose records are sealed.
#[derive(Debug)]
pub struct SealedStore {
    engine: Box<Store>,
    /// The first one seals.
    keys: Vec<(KeyId, Sealer)>,
    plain: Plain,
    unopened: AtomicU64,
}

type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// There is no key, or no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("a record cannot be sealed")]
struct NotSealed(#[source] Option<SealError>);

impl SealedStore {
    /// `engine` with its records sealed by the first of `keys`, and opened by any of them.
    #[must_use]
    pub fn new(engine: Store, keys: &[Secret], plain: Plain) -> Self {
        let sealer = |key: &Secret| (key.id(), Sealer::derived(key, "vouchsafe record seal"));
        let keys = keys.iter().map(sealer).collect();
        Self { engine: Box::new(engine), keys, plain, unopened: AtomicU64::new(0) }
    }

    /// The engine, for what is not about the content of records.
    #[must_use]
    pub const fn engine(&self) -> &Store {
        &self.engine
    }

    /// Records that no key opened, or that were not sealed and not believed, since the start.
    #[must_use]
    pub fn unopened(&self) -> u64 {
        self.unopened.load(Ordering::Relaxed)
    }

    /// As [`Store::get`].
    pub fn get(&self, key: Key, now: Timestamp) -> Waiting<'_, Option<Record>> {
        Box::pin(async move {
            let found = self.engine.get(key, now).await?;
            Ok(found.and_then(|record| self.opened(&key, record)))
        })
    }

    /// As [`Store::scan`].
    pub fn scan<'a>(
        &'a self,
        cursor: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Waiting<'a, Page> {
        Box::pin(async move {
            let Page { entries, next } = self.engine.scan(cursor, limit, now).await?;
            let opened = entries.into_iter().filter_map(|mut entry| {
                entry.record = self.opened(&entry.key, entry.record)?;
                Some(entry)
            });
            Ok(Page { entries: opened.collect(), next })
        })
    }

    /// As [`Store::apply`]. What no key opens does not count as there.
    pub fn apply(
        &self,
        mut batch: Vec<Write>,
        assurance: Assurance,
        now: Timestamp,
    ) -> Waiting<'_, Applied> {
        Box::pin(async move {
            for write in &mut batch {
                if let Some(plain) = write.value.take() {
                    write.value = Some(self.sealed(&write.key, &plain)?.into());
                }
            }
            // Each turn takes one record out of the way that nobody can read, or ends.
            loop {
                let applied = self.engine.apply(batch.clone(), assurance, now).await?;
                let Applied::Conflict { index, current: Some(current) } = applied else {
                    return Ok(applied);
                };
                let revision = current.revision;
                let Some(write) = batch.get_mut(index) else {
                    return Ok(Applied::Conflict { index, current: None });
                };
                let current = self.opened(&write.key, current);
                if current.is_some() || write.expect != Expect::Absent {
                    return Ok(Applied::Conflict { index, current });
                }
                write.expect = Expect::Revision(revision);
            }
        })
    }

    fn sealed(&self, key: &Key, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let failed = |cause| StoreError::Unavailable(Box::new(NotSealed(cause)));
        if plain.len() + ADDED_BYTES > RECORD_BYTES {
            return Err(StoreError::Unavailable(Box::new(OversizedRecord(plain.len()))));
        }
        let (id, sealer) = self.keys.first().ok_or_else(|| failed(None))?;
        let mut bytes = Vec::with_capacity(plain.len() + ADDED_BYTES);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&id.0);
        sealer.seal(&place(*id, key), plain, &mut bytes).map_err(|error| failed(Some(error)))?;
        Ok(bytes)
    }

    fn opened(&self, key: &Key, record: Record) -> Option<Record> {
        match self.plain_bytes(key, &record.bytes) {
            Ok(Some(bytes)) => Some(Record { bytes, ..record }),
            Ok(None) => Some(record),
            Err(why) => {
                self.tell(key, why);
                None
            }
        }
    }

    /// What was sealed; `None` if it was not, and is believed as it is.
    fn plain_bytes(
        &self,
        key: &Key,
        stored: &[u8],
    ) -> Result<Option<std::sync::Arc<[u8]>>, &'static str> {
        let (head, sealed) = match stored.split_first_chunk::<HEAD_BYTES>() {
            Some((head, sealed)) if head.first() == Some(&FORMAT) => (head, sealed),
            _ if self.plain == Plain::Believed => return Ok(None),
            _ => return Err("is not encrypted"),
        };
        let [_, id @ ..] = *head;
        let id = KeyId(id);
        let known = self.keys.iter().find(|(known, _)| *known == id);
        let (_, sealer) = known.ok_or("is encrypted with a key that is not in the list")?;
        let plain = sealer.open(&place(id, key), sealed).map_err(|_| "does not open")?;
        Ok(Some(plain.as_slice().into()))
    }

    fn tell(&self, key: &Key, why: &'static str) {
        let before = self.unopened.fetch_add(1, Ordering::Relaxed);
        if before < LOGGED || before.is_multiple_of(1000) {
            let [first, second, third, fourth, ..] = *key;
            let shown = format!("{first:02x}{second:02x}{third:02x}{fourth:02x}");
            tracing::error!(
                key = shown,
                count = before + 1,
                "a record of the session store {why} and counts as unknown; see `sessions.encryption_key`"
            );
        }
    }
}

/// What a sealed record is bound to.
fn place(id: KeyId, key: &Key) -> [u8; HEAD_BYTES + 32] {
    let mut place = [FORMAT; HEAD_BYTES + 32];
    let parts = id.0.iter().chain(key);
    place.iter_mut().skip(1).zip(parts).for_each(|(byte, part)| *byte = *part);
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    const NOW: Timestamp = Timestamp::from_millis(1000);
    const KEY: Key = [7; 32];

    fn secret(byte: u8) -> Secret {
        Secret::new(vec![byte; 32])
    }

    fn sealed(keys: &[u8], plain: Plain) -> Store {
        let keys: Vec<Secret> = keys.iter().map(|&key| secret(key)).collect();
        let engine = Store::Memory(MemoryStore::new(1 << 20));
        Store::Sealed(SealedStore::new(engine, &keys, plain))
    }

    /// The same records under other keys.
    fn rekeyed(store: Store, keys: &[u8], plain: Plain) -> Store {
        let Store::Sealed(SealedStore { engine, .. }) = store else { panic!("not sealed") };
        let keys: Vec<Secret> = keys.iter().map(|&key| secret(key)).collect();
        Store::Sealed(SealedStore::new(*engine, &keys, plain))
    }

    fn engine(store: &Store) -> &Store {
        store.as_sealed().unwrap().engine()
    }

    fn put(key: Key, expect: Expect, value: &str) -> Write {
        let value = Some(value.as_bytes().into());
        Write { key, expect, value, expires: Timestamp::from_millis(5000), index: Some(7) }
    }

    async fn apply(store: &Store, write: Write) -> Applied {
        store.apply(vec![write], Assurance::Confirmed, NOW).await.unwrap()
    }

    async fn text(store: &Store, key: Key) -> Option<String> {
        let record = store.get(key, NOW).await.unwrap()?;
        Some(String::from_utf8(record.bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn nothing_of_a_record_can_be_read_below_and_all_of_it_above() {
        let store = sealed(&[1], Plain::Unknown);
        assert_eq!(apply(&store, put(KEY, Expect::Absent, "dwho")).await, Applied::Done(vec![1]));
        let below = engine(&store).get(KEY, NOW).await.unwrap().unwrap();
        assert!(!below.bytes.windows(4).any(|window| window == b"dwho"));
        assert_eq!(below.bytes.len(), 4 + ADDED_BYTES);
        assert_eq!(text(&store, KEY).await.as_deref(), Some("dwho"));
        let page = store.scan(None, 10, NOW).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        assert_eq!(&*page.entries[0].record.bytes, b"dwho");
        assert_eq!(store.members(7, NOW).await.unwrap(), [KEY]);
        let applied = apply(&store, put(KEY, Expect::Absent, "other")).await;
        let Applied::Conflict { current: Some(current), .. } = applied else { panic!("applied") };
        assert_eq!(&*current.bytes, b"dwho");
        assert_eq!(apply(&store, put(KEY, Expect::Revision(1), "b")).await, Applied::Done(vec![2]));
    }

    #[tokio::test]
    async fn a_record_opens_in_its_own_place_only() {
        let store = sealed(&[1], Plain::Unknown);
        apply(&store, put(KEY, Expect::Any, "dwho")).await;
        let below = engine(&store).get(KEY, NOW).await.unwrap().unwrap();
        let moved = Write { value: Some(below.bytes), ..put([8; 32], Expect::Any, "") };
        apply(engine(&store), moved).await;
        assert_eq!(text(&store, [8; 32]).await, None);
        assert_eq!(text(&store, KEY).await.as_deref(), Some("dwho"));
    }

    #[tokio::test]
    async fn a_plain_record_is_believed_only_if_the_operator_says_so() {
        for plain in [Plain::Unknown, Plain::Believed] {
            let store = sealed(&[1], plain);
            apply(engine(&store), put(KEY, Expect::Any, "{\"plain\":1}")).await;
            let believed = plain == Plain::Believed;
            assert_eq!(text(&store, KEY).await.is_some(), believed);
            assert_eq!(
                store.scan(None, 10, NOW).await.unwrap().entries.len(),
                usize::from(believed)
            );
            // What cannot be read is not in the way.
            let applied = apply(&store, put(KEY, Expect::Absent, "new")).await;
            assert_eq!(applied == Applied::Done(vec![2]), !believed);
        }
    }

    #[tokio::test]
    async fn keys_overlap_and_a_lost_one_ends_only_what_it_sealed() {
        let store = sealed(&[1], Plain::Unknown);
        apply(&store, put(KEY, Expect::Any, "old")).await;
        let store = rekeyed(store, &[2, 1], Plain::Unknown);
        assert_eq!(text(&store, KEY).await.as_deref(), Some("old"));
        apply(&store, put([8; 32], Expect::Any, "new")).await;
        let store = rekeyed(store, &[2], Plain::Believed);
        assert_eq!(text(&store, [8; 32]).await.as_deref(), Some("new"));
        assert_eq!(text(&store, KEY).await, None);
        let applied = apply(&store, put(KEY, Expect::Revision(9), "x")).await;
        assert_eq!(applied, Applied::Conflict { index: 0, current: None });
        let batch = vec![put([8; 32], Expect::Any, "a"), put(KEY, Expect::Absent, "b")];
        let applied = store.apply(batch, Assurance::Confirmed, NOW).await.unwrap();
        assert_eq!(applied, Applied::Done(vec![2, 2]));
        assert_eq!(text(&store, KEY).await.as_deref(), Some("b"));
    }

    #[tokio::test]
    async fn no_flipped_bit_is_served() {
        let store = sealed(&[1], Plain::Believed);
        apply(&store, put(KEY, Expect::Any, "dwho")).await;
        let below = engine(&store).get(KEY, NOW).await.unwrap().unwrap();
        // Another first byte makes it a plain record, which a session's own reader refuses.
        for bit in 8..below.bytes.len() * 8 {
            let mut bytes = below.bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let write = Write { value: Some(bytes.into()), ..put(KEY, Expect::Any, "") };
            apply(engine(&store), write).await;
            assert_eq!(text(&store, KEY).await, None, "{bit}");
        }
    }

    #[tokio::test]
    async fn a_record_that_would_become_too_large_is_refused() {
        let store = sealed(&[1], Plain::Unknown);
        let large = "x".repeat(RECORD_BYTES - ADDED_BYTES);
        assert_eq!(apply(&store, put(KEY, Expect::Any, &large)).await, Applied::Done(vec![1]));
        let write = put(KEY, Expect::Any, &format!("{large}x"));
        assert!(store.apply(vec![write], Assurance::Confirmed, NOW).await.is_err());
    }
}

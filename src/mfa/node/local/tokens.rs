//! The tokens in the store: found by serial, by owner, or all of them; changed by compare-and-swap only.
//!
//! Must not know: PINs, what a change is about. Each token has two records: its own, sealed, under the index of its
//! owner; and an entry in the directory, which is 256 indexes by the first byte of the entry's key, so that a hundred
//! thousand tokens can be listed in pages of a few hundred and the store needs no scan of its own.

use std::sync::Arc;

use crate::domain::limits::TOKENS_PER_USER;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::node::local::LocalError;
use crate::mfa::node::local::people::Who;
use crate::mfa::token::record::{Owner, Token};
use crate::mfa::token::seal::{Sealer, entry_of, key_of};
use crate::store::{Applied, Assurance, Expect, Index, Key, Store, Write};

/// How often a change is tried again that somebody else was faster with. Each time one of them has got through, so
/// this many changes of one token happened meanwhile.
pub(super) const TRIES: usize = 512;

/// Tokens do not expire; they are removed.
const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);

/// A token and the revision at which it was read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub token: Token,
    pub revision: u64,
}

/// The tokens of one store.
#[derive(Debug)]
pub(super) struct Tokens {
    store: Arc<Store>,
    sealer: Sealer,
}

impl Tokens {
    pub(super) fn new(store: Arc<Store>, key: &Secret) -> Self {
        Self { store, sealer: Sealer::new(key) }
    }

    /// The store, for a second node over it.
    #[cfg(test)]
    pub(super) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    pub(super) async fn get(
        &self,
        serial: &str,
        now: Timestamp,
    ) -> Result<Option<Loaded>, LocalError> {
        self.read(&key_of(serial), now).await
    }

    /// The tokens of a user, by type and serial.
    pub(super) async fn of(&self, who: &Who, now: Timestamp) -> Result<Vec<Loaded>, LocalError> {
        let mut found = Vec::new();
        let index = self.sealer.owner(&who.user, &who.realm);
        for key in self.store.members(index, now).await?.into_iter().take(2 * TOKENS_PER_USER) {
            let Some(loaded) = self.read(&key, now).await? else { continue };
            if loaded.token.owner.as_ref().is_some_and(|owner| owner.is(who)) {
                found.push(loaded);
            }
        }
        found.sort_by(|a, b| {
            let order = |token: &Loaded| (token.token.kind.as_str(), token.token.serial.clone());
            order(a).cmp(&order(b))
        });
        found.truncate(TOKENS_PER_USER);
        Ok(found)
    }

    /// At most `limit` tokens that stand behind `after` in the directory, whose order means nothing.
    pub(super) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Loaded>, LocalError> {
        let after = after.map(entry_of);
        let first = after.and_then(|key| key.first().copied()).unwrap_or(0);
        let mut found = Vec::new();
        for bucket in first..=u8::MAX {
            let mut entries = self.store.members(directory(bucket), now).await?;
            entries.sort_unstable();
            entries.retain(|entry| after.is_none_or(|after| *entry > after));
            for entry in entries {
                if found.len() >= limit {
                    return Ok(found);
                }
                let Some(entry) = self.store.get(entry, now).await? else { continue };
                let key: Key = entry.bytes.as_ref().try_into().map_err(|_| LocalError::Damaged)?;
                found.extend(self.read(&key, now).await?);
            }
        }
        Ok(found)
    }

    /// Writes a new token; false if there is one of this serial.
    pub(super) async fn create(&self, token: &Token, now: Timestamp) -> Result<bool, LocalError> {
        let entry = entry_of(&token.serial);
        let value = Some(Arc::from(key_of(&token.serial)));
        let index = entry.first().map(|&bucket| directory(bucket));
        let entry = Write { key: entry, expect: Expect::Any, value, expires: NEVER, index };
        self.apply(vec![self.write(token, Expect::Absent)?, entry], now).await
    }

    /// Writes changed tokens, all or none; false if one of them is no longer what it was.
    pub(super) async fn save(
        &self,
        changed: impl Iterator<Item = (&Token, u64)>,
        now: Timestamp,
    ) -> Result<bool, LocalError> {
        let batch = changed
            .map(|(token, revision)| self.write(token, Expect::Revision(revision)))
            .collect::<Result<Vec<_>, _>>()?;
        if batch.is_empty() { Ok(true) } else { self.apply(batch, now).await }
    }

    /// Removes a token; false if it is no longer what it was.
    pub(super) async fn delete(&self, loaded: &Loaded, now: Timestamp) -> Result<bool, LocalError> {
        let serial = &loaded.token.serial;
        let gone = |key, expect| Write { key, expect, value: None, expires: NEVER, index: None };
        let token = gone(key_of(serial), Expect::Revision(loaded.revision));
        self.apply(vec![token, gone(entry_of(serial), Expect::Any)], now).await
    }

    /// Changes one token, over and over until nobody comes between; `None` if there is no such token. `change` says
    /// what came of it, and whether the token has to be written.
    pub(super) async fn change<T>(
        &self,
        serial: &str,
        now: Timestamp,
        change: impl Fn(&mut Token) -> (T, bool),
    ) -> Result<Option<T>, LocalError> {
        for _ in 0..TRIES {
            let Some(Loaded { mut token, revision }) = self.get(serial, now).await? else {
                return Ok(None);
            };
            let (done, has_changed) = change(&mut token);
            if !has_changed || self.save(std::iter::once((&token, revision)), now).await? {
                return Ok(Some(done));
            }
        }
        Err(LocalError::Busy)
    }

    async fn read(&self, key: &Key, now: Timestamp) -> Result<Option<Loaded>, LocalError> {
        let Some(record) = self.store.get(*key, now).await? else { return Ok(None) };
        let token = self.sealer.open(key, &record.bytes)?;
        Ok(Some(Loaded { token, revision: record.revision }))
    }

    fn write(&self, token: &Token, expect: Expect) -> Result<Write, LocalError> {
        let value = Some(Arc::from(self.sealer.seal(token)?));
        let index = token.owner.as_ref().map(|owner| self.sealer.owner(&owner.user, &owner.realm));
        Ok(Write { key: key_of(&token.serial), expect, value, expires: NEVER, index })
    }

    async fn apply(&self, batch: Vec<Write>, now: Timestamp) -> Result<bool, LocalError> {
        Ok(match self.store.apply(batch, Assurance::Confirmed, now).await? {
            Applied::Done(_) => true,
            Applied::Conflict { .. } => false,
        })
    }
}

impl Owner {
    /// Whether it is this user.
    #[must_use]
    pub fn is(&self, who: &Who) -> bool {
        self.user == who.user && self.realm == who.realm
    }
}

/// The index of a part of the directory; the rest of it is `tokens`.
fn directory(bucket: u8) -> Index {
    u64::from_be_bytes([b't', b'o', b'k', b'e', b'n', b's', 0, bucket])
}

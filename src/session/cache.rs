//! The sessions that this process remembers, in front of a store that outlives it.
//!
//! Losing an entry costs a read of the store and nothing else; whether a session counts is decided
//! from its record and `now`, never from its presence here (SEMANTICS S8). Where others write to the store,
//! too, an entry is believed only while their changes are heard of, without a gap since before it was read
//! (O2); what it is worth otherwise, `stale` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::domain::identity::SessionKey;
use crate::domain::key_hash::BuildKeyHasher;
use crate::domain::time::Timestamp;
use crate::session::TOMBSTONE_LIFE;
use crate::session::record::{Kind, Session};
use crate::session::settings::SessionSettings;
use crate::session::shards::{Shards, Since, Ticket};
use crate::store::invalidation::{Channel, Copies, Epoch};
use crate::store::{Key, Store};
use crate::telemetry::metrics::Metrics;

/// What moka and the allocator take for an entry besides the record's bytes, measured on 64 bit.
const ENTRY_OVERHEAD: usize = 440;

/// So many that a change of one key rarely costs another its copy.
const SHARDS: usize = 1024;

/// A bounded cache of packed sessions.
#[derive(Debug)]
pub struct SessionCache {
    cache: Cache<SessionKey, Remembered, BuildKeyHasher>,
    store: Arc<Store>,
    shards: Shards,
    /// How often anything may have been changed.
    upheavals: AtomicU64,
}

/// A session as it was when the store was asked.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The session.
    pub session: Session,
    /// A moment at which it was so.
    at: Timestamp,
    /// `None` if it is known to have been changed.
    stamp: Option<Stamp>,
}

/// A stretch of time in which every change was heard of, if any was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    epoch: Option<Epoch>,
    upheavals: u64,
}

/// Made before the store is asked about a key, or told to write it.
#[derive(Debug, Clone, Copy)]
#[must_use = "a copy without it may be older than a change"]
pub struct Asking {
    ticket: Ticket,
    stamp: Stamp,
    at: Timestamp,
}

impl SessionCache {
    /// Bounded by `settings.max_bytes`; the least recently used goes first.
    #[must_use]
    pub fn new(settings: &SessionSettings, store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        let cache = Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|_, remembered: &Remembered| {
                u32::try_from(remembered.session.size() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            // Recency, not frequency: a session in use must not lose to one that was busy yesterday.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(settings.idle_timeout)
            .time_to_live(settings.timeout)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    metrics.cache_evictions.inc();
                }
            })
            .build_with_hasher(BuildKeyHasher::default());
        Self { cache, store, shards: Shards::new(SHARDS), upheavals: AtomicU64::new(0) }
    }

    /// The entry under `key`, whatever it is worth. No lock is held, nothing is awaited, nothing is allocated.
    #[must_use]
    pub fn get(&self, key: &SessionKey) -> Option<Remembered> {
        self.cache.get(key)
    }

    /// The session under `key` if it is known that the store has it so `now`.
    #[must_use]
    pub fn verified(&self, key: &SessionKey, now: Timestamp) -> Option<Session> {
        let remembered = self.cache.get(key)?;
        self.is_verified(&remembered, now).then_some(remembered.session)
    }

    /// Looked at after the entry: one that was dropped meanwhile was good a moment ago.
    fn is_verified(&self, remembered: &Remembered, now: Timestamp) -> bool {
        let Some(channel) = self.store.channel() else { return true };
        let Some(Stamp { epoch: Some(epoch), upheavals }) = remembered.stamp else { return false };
        channel.is_good(epoch, now) && upheavals == self.upheavals.load(Ordering::SeqCst)
    }

    /// The last moment at which the store is known to have had it so: when it was read, or until when changes
    /// were heard of without a gap since then.
    #[must_use]
    pub fn known_good(&self, remembered: &Remembered) -> Timestamp {
        let heard = || {
            let stamp = remembered.stamp?;
            let heard = self.store.channel()?.heard_in(stamp.epoch?)?;
            (stamp.upheavals == self.upheavals.load(Ordering::SeqCst)).then_some(heard)
        };
        heard().map_or(remembered.at, |heard| heard.max(remembered.at))
    }

    /// Before the store is asked about `key`.
    pub fn asking(&self, key: &SessionKey, now: Timestamp) -> Asking {
        let upheavals = self.upheavals.load(Ordering::SeqCst);
        let stamp = Stamp { epoch: self.store.channel().map(Channel::epoch), upheavals };
        Asking { ticket: self.shards.ticket(&key.0), stamp, at: now }
    }

    /// Remembers what the store had, unless it was changed since; returns what counts.
    pub fn was_read(
        &self,
        asking: Asking,
        key: SessionKey,
        found: Option<Session>,
    ) -> Option<Session> {
        self.shards.settle_read(asking.ticket, |since| {
            let found = match self.outlasting(&key, found.as_ref(), asking.at) {
                Some(tombstone) => return Some(tombstone),
                None => found,
            };
            match (since, &found) {
                (Since::Nothing, Some(session)) => self.insert(key, session, asking),
                (Since::Nothing, None) => self.cache.invalidate(&key),
                (Since::Written | Since::Changed, _) => {}
            }
            found
        })
    }

    /// Remembers what was written; `None` if that is not known.
    pub fn was_written(&self, asking: Asking, key: SessionKey, session: Option<&Session>) {
        self.shards.settle_write(asking.ticket, |since| {
            let is_newest = |session: &&Session| match since {
                Since::Nothing => true,
                // Perhaps this key, and perhaps after this: then that is held, or nothing is.
                Since::Written => self.cache.get(&key).is_some_and(|held| {
                    held.stamp.is_some() && held.session.revision() <= session.revision()
                }),
                Since::Changed => false,
            };
            match session.filter(is_newest) {
                Some(session) => self.insert(key, session, asking),
                None => self.forget(&key),
            }
        });
    }

    /// The tombstone that is remembered under `key`, where the store has nothing or a record from before: it
    /// was lost there, with a machine, and what was ended stays so (S4).
    #[must_use]
    pub fn outlasting(
        &self,
        key: &SessionKey,
        found: Option<&Session>,
        now: Timestamp,
    ) -> Option<Session> {
        let held = self.cache.get(key).map(|held| held.session);
        held.filter(|held| {
            let is_older = |found: &Session| {
                found.kind() != Kind::Tombstone && found.revision() <= held.revision()
            };
            held.kind() == Kind::Tombstone
                && now.since(held.created()) < TOMBSTONE_LIFE
                && found.is_none_or(is_older)
        })
    }

    fn insert(&self, key: SessionKey, session: &Session, asking: Asking) {
        let (session, stamp) = (session.clone(), Some(asking.stamp));
        self.cache.insert(key, Remembered { session, at: asking.at, stamp });
    }

    /// The next look-up asks the store. That something was ended stays known.
    fn forget(&self, key: &SessionKey) {
        match self.cache.get(key) {
            Some(held) if held.session.kind() == Kind::Tombstone => {
                self.cache.insert(*key, Remembered { stamp: None, ..held });
            }
            Some(_) | None => self.cache.invalidate(key),
        }
    }

    /// Frees what is expired or too much, and returns (bytes, entries).
    #[must_use]
    pub fn tidy(&self) -> (u64, u64) {
        self.cache.run_pending_tasks();
        (self.cache.weighted_size(), self.cache.entry_count())
    }
}

impl Copies for SessionCache {
    fn changed(&self, key: &Key) {
        self.shards.changed(key, || self.forget(&SessionKey(*key)));
    }

    fn all_changed(&self) {
        self.upheavals.fetch_add(1, Ordering::SeqCst);
    }
}

//! The sessions that this process remembers, in front of a store that outlives it.
//!
//! Losing an entry costs a read of the store and nothing else; whether a session counts is decided
//! from its record and `now`, never from its presence here (SEMANTICS S8).

use std::sync::Arc;

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::domain::identity::SessionKey;
use crate::domain::key_hash::BuildKeyHasher;
use crate::session::record::Session;
use crate::session::settings::SessionSettings;
use crate::telemetry::metrics::Metrics;

/// What moka and the allocator take for an entry besides the record's bytes, measured on 64 bit.
const ENTRY_OVERHEAD: usize = 400;

/// A bounded cache of packed sessions.
#[derive(Debug)]
pub struct SessionCache {
    cache: Cache<SessionKey, Session, BuildKeyHasher>,
}

impl SessionCache {
    /// Bounded by `settings.max_bytes`; the least recently used goes first.
    #[must_use]
    pub fn new(settings: &SessionSettings, metrics: Arc<Metrics>) -> Self {
        let cache = Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|_, session: &Session| {
                u32::try_from(session.size() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
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
        Self { cache }
    }

    /// The entry under `key`. No lock is held, nothing is awaited, nothing is allocated.
    #[must_use]
    pub fn get(&self, key: &SessionKey) -> Option<Session> {
        self.cache.get(key)
    }

    /// Remembers what the store holds. Call it only while the key's flight lock is held.
    pub fn insert(&self, key: SessionKey, session: Session) {
        self.cache.insert(key, session);
    }

    /// Forgets the entry, so that the next look-up asks the store.
    pub fn remove(&self, key: &SessionKey) {
        self.cache.invalidate(key);
    }

    /// Frees what is expired or too much, and returns (bytes, entries).
    #[must_use]
    pub fn tidy(&self) -> (u64, u64) {
        self.cache.run_pending_tasks();
        (self.cache.weighted_size(), self.cache.entry_count())
    }
}

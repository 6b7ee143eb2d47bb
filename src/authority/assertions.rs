//! Assertions as they were signed on a session's first hit on a host, until half their life is over.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::authority::portrait::AtLevel;
use crate::domain::decision::Assertion;
use crate::domain::identity::SessionKey;
use crate::domain::key_hash::BuildKeyHasher;
use crate::domain::time::Timestamp;
use crate::policy::assertion::{Assertions, ID_BYTES, Occasion, Signed, Unsigned};
use crate::telemetry::metrics::Metrics;

/// Bytes of tokens that are kept; losing one costs a signature.
const MAX_BYTES: u64 = 32 << 20;
const ENTRY_OVERHEAD: usize = 400;

/// A token, and all that it depends on besides the session: were any of it different, it would be another.
#[derive(Debug)]
struct Entry {
    audience: Box<str>,
    level: u8,
    attributes: Timestamp,
    key: Box<str>,
    signed: Signed,
}

impl Entry {
    fn is_for(&self, by: &Assertions, of: AtLevel<'_>, audience: &str, now: Timestamp) -> bool {
        now < self.signed.fresh_until
            && self.level == of.level
            && self.attributes == of.session.attributes_at()
            && *self.audience == *audience
            && *self.key == *by.key_id()
    }
}

/// Signed tokens by session and the hash of a host. The host itself is compared too, so hosts with one hash
/// cost signatures and never get each other's token; and a hit needs no text of its own for the look-up.
#[derive(Debug)]
pub struct AssertionsCache {
    cache: Cache<(SessionKey, u64), Arc<Entry>, BuildKeyHasher>,
    hosts: RandomState,
    metrics: Arc<Metrics>,
}

impl AssertionsCache {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|_, entry: &Arc<Entry>| {
                let bytes = entry.signed.token.bytes().len() + entry.audience.len();
                u32::try_from(bytes + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(BuildKeyHasher::default());
        Self { cache, hosts: RandomState::new(), metrics }
    }

    /// The token about a session for `audience`, and its end; a hit shares its bytes and signs nothing. `life`
    /// is how long the session lives at most from `now` on.
    ///
    /// # Errors
    /// A new token is needed and there is no randomness for it.
    pub fn of(
        &self,
        by: &Assertions,
        (key, of): (SessionKey, AtLevel<'_>),
        audience: &str,
        life: Duration,
        now: Timestamp,
    ) -> Result<(Assertion, Timestamp), Unsigned> {
        let place = (key, self.hosts.hash_one(audience));
        if let Some(entry) = self.cache.get(&place)
            && entry.is_for(by, of, audience, now)
        {
            return Ok((entry.signed.token.clone(), entry.signed.expires));
        }
        let mut id = [0; ID_BYTES];
        getrandom::fill(&mut id).map_err(|_| Unsigned)?;
        let occasion = Occasion { audience, now, ends: now.plus(life), id };
        let signed = by.sign(&of, &occasion)?;
        self.metrics.assertions_signed.inc();
        let good = (signed.token.clone(), signed.expires);
        let entry = Entry {
            audience: audience.into(),
            level: of.level,
            attributes: of.session.attributes_at(),
            key: by.key_id().into(),
            signed,
        };
        self.cache.insert(place, Arc::new(entry));
        Ok(good)
    }
}

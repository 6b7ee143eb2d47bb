//! Exports as they were rendered on a session's first hit on an application.

use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::authority::derived::Derivations;
use crate::authority::losses::Losses;
use crate::authority::portrait::{AtLevel, Portrait};
use crate::domain::decision::{ExportedHeaders, Subject};
use crate::domain::identity::SessionKey;
use crate::domain::key_hash::BuildKeyHasher;
use crate::domain::time::Timestamp;
use crate::policy::application::{Application, ApplicationId};
use crate::telemetry::metrics::Metrics;

/// Bytes of rendered exports that are kept; losing one costs rendering it again.
const MAX_BYTES: u64 = 64 << 20;
const ENTRY_OVERHEAD: usize = 400;

/// What was rendered, and from which version of the session's attributes and at which level.
type Rendered = ((Timestamp, u8), Arc<ExportedHeaders>);

/// Rendered exports by session and application.
#[derive(Debug)]
pub struct ExportsCache {
    cache: Cache<(SessionKey, ApplicationId), Rendered, BuildKeyHasher>,
    derivations: Arc<Derivations>,
    losses: Arc<Losses>,
    metrics: Arc<Metrics>,
}

impl ExportsCache {
    pub fn new(derivations: Arc<Derivations>, losses: Arc<Losses>, metrics: Arc<Metrics>) -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|_, (_, headers): &Rendered| {
                let bytes: usize =
                    headers.headers.iter().map(|header| header.value.len() + 64).sum();
                u32::try_from(bytes + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(BuildKeyHasher::default());
        Self { cache, derivations, losses, metrics }
    }

    /// The exports of `session` for `application`; a hit clones one `Arc`.
    pub fn of(
        &self,
        key: SessionKey,
        at_level: AtLevel<'_>,
        application: &Application,
    ) -> Arc<ExportedHeaders> {
        let AtLevel { session, level } = at_level;
        let version = (session.attributes_at(), level);
        let entry = (key, application.id);
        if let Some((rendered, headers)) = self.cache.get(&entry)
            && rendered == version
        {
            self.metrics.exports_hits.inc();
            return headers;
        }
        self.metrics.exports_misses.inc();
        let identity = self.derivations.complete(session);
        let portrait = Portrait { session: at_level, identity };
        let rendered = application.exports.render(&portrait);
        for (place, reason) in rendered.dropped {
            self.losses.note(application, place, reason);
        }
        let user = self.derivations.trace_name(&portrait).unwrap_or_else(|| session.user().into());
        let user = user.into_string();
        let subject =
            Subject { user: user.into_bytes().into(), level, session: format!("{key:?}").into() };
        let headers =
            Arc::new(ExportedHeaders { headers: rendered.headers, subject: Some(subject) });
        self.cache.insert(entry, (version, Arc::clone(&headers)));
        headers
    }
}

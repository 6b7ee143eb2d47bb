//! What may be served while the store cannot be asked (SEMANTICS O2).
//!
//! A copy that is not verified, because changes of sessions were not heard of since, may be served until
//! `stale_max` after the last moment at which it was known to be good: when it was read, or, if no change was
//! missed since then, until when all changes are known to have arrived. It is worth the slave backend's level
//! and no factors, it is not written to, and it lives no longer than it would have lived. What was ended is
//! never served, and a copy that is idle by its own word is not either: only the store knows better.

use std::sync::atomic::Ordering;

use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::Sessions;
use crate::session::record::{Session, Standing};

impl Sessions {
    /// The session under `key` as it may be served now that the store has failed.
    pub(super) fn stale(&self, key: &SessionKey, now: Timestamp) -> Option<Session> {
        let stale = self.settings.stale;
        let cache = self.cache.as_ref()?;
        let copy = cache.get(key)?;
        // What is known until a moment ahead of `now`, by another's clock, is no reason without `stale_max`.
        let is_young = !stale.max.is_zero() && now < cache.known_good(&copy).plus(stale.max);
        let is_live = self.standing(&copy.session, now) == Standing::Live;
        (is_young && is_live).then(|| copy.session.made_stale(stale.level))
    }

    /// Counts a session that is served without the store's word.
    pub(super) fn serves_stale(&self) {
        self.metrics.stale_served.inc();
        if !self.serving_stale.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the session store cannot be asked; known sessions are served without it, for `sessions.stale_max` at most"
            );
        }
    }

    /// The store has answered.
    pub(super) fn answers_again(&self) {
        // Nearly always false, so that nobody writes what everybody reads.
        if self.serving_stale.load(Ordering::Relaxed)
            && self.serving_stale.swap(false, Ordering::Relaxed)
        {
            tracing::info!("the session store answers again; no session is served without it");
        }
    }
}

//! Upkeep: what expired is freed, gauges are brought up to date, the store is asked how it is.

use std::sync::atomic::Ordering;

use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::{SessionError, Sessions, bury, chain};
use crate::store::Assurance;
use crate::telemetry::metrics::{Stopwatch, StoreOperation};

/// A key that no session has: nothing hashes to it.
const PROBE: SessionKey = SessionKey([0; 32]);

impl Sessions {
    /// Frees what has expired and brings the gauges up to date.
    pub async fn sweep(&self, now: Timestamp) {
        let watch = Stopwatch::start();
        let swept = self.store.sweep(now).await;
        self.metrics.stored(StoreOperation::Sweep, watch.elapsed(), swept.is_err());
        if let Err(error) = swept {
            tracing::warn!(error = %chain(&error), "expired sessions could not be swept; trying again later");
        }
        self.quotas.forget_idle();
        self.gauge().await;
    }

    /// Brings the gauges up to date, for a scrape.
    pub async fn gauge(&self) {
        let (bytes, entries) = match (&self.cache, self.store.as_memory()) {
            (Some(cache), _) => cache.tidy(),
            (None, Some(memory)) => (memory.bytes(), memory.len()),
            (None, None) => (0, 0),
        };
        if let Some(store) = self.store.as_memory() {
            let counted = self.metrics.cache_evictions.get();
            self.metrics.cache_evictions.inc_by(store.evictions().saturating_sub(counted));
        }
        self.metrics.cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.metrics.cache_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        match self.store.len().await {
            Ok(sessions) => self.metrics.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX)),
            Err(error) => tracing::warn!(error = %chain(&error), "sessions could not be counted"),
        }
    }

    /// Whether the store answers, for readiness. After a write that failed, one is tried: a full disk
    /// can still be read.
    ///
    /// # Errors
    /// The store's own error.
    pub async fn check(&self, now: Timestamp) -> Result<(), SessionError> {
        self.store.get(PROBE.0, now).await?;
        if self.writer.failed.load(Ordering::Relaxed) {
            self.apply(vec![bury(PROBE, now)], Assurance::Renewable, now).await?;
        }
        Ok(())
    }
}

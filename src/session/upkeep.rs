//! Upkeep: what expired is freed, gauges are brought up to date, the store is asked how it is.

use crate::domain::time::Timestamp;
use crate::session::{SessionError, Sessions, chain};
use crate::store::Store;
use crate::telemetry::metrics::{Stopwatch, StoreOperation};

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
        let (bytes, entries) = match (&self.cache, &self.store) {
            (Some(cache), _) => cache.tidy(),
            (None, Store::Memory(store)) => (store.bytes(), store.len()),
            (None, Store::Embedded(_)) => (0, 0),
        };
        if let Store::Memory(store) = &self.store {
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

    /// Whether the store answers, for readiness.
    ///
    /// # Errors
    /// The store's own error.
    pub async fn check(&self, now: Timestamp) -> Result<(), SessionError> {
        self.store.get([0; 32], now).await?;
        Ok(())
    }
}

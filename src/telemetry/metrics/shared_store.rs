//! Metrics of a store that many nodes share. Without labels: how many servers there are is not ours to bound.

use prometheus::{IntCounter, IntGauge};

use crate::telemetry::metrics::{Builder, Metrics};

/// Handles of every metric about a shared store.
#[derive(Debug)]
pub struct SharedStoreMetrics {
    primaries: IntGauge,
    is_heard: IntGauge,
    connections: IntCounter,
    losses: IntCounter,
    replayed: IntCounter,
}

/// What is seen of it; counts are those since the start.
#[derive(Debug, Clone, Copy)]
pub struct SeenStore {
    /// Primaries that are connected.
    pub primaries: u64,
    /// Whether changes by other nodes are heard of.
    pub is_heard: bool,
    /// Connections made.
    pub connections: u64,
    /// How often hearing was lost.
    pub losses: u64,
    /// Endings written again.
    pub replayed: u64,
}

impl Metrics {
    /// Declares what is measured of a shared store. Once for a registry.
    #[must_use]
    pub fn shared_store(&self) -> SharedStoreMetrics {
        let build = Builder(self.registry.clone());
        SharedStoreMetrics {
            primaries: build.gauge(
                "vouchsafe_store_primaries",
                "Servers of the shared session store that are connected.",
            ),
            is_heard: build.gauge(
                "vouchsafe_store_invalidation_up",
                "Whether changes by other nodes are heard of; while they are not, cached sessions are read anew.",
            ),
            connections: build.counter(
                "vouchsafe_store_connections_total",
                "How often a server of the shared session store was connected to.",
            ),
            losses: build.counter(
                "vouchsafe_store_invalidation_lost_total",
                "How often changes by other nodes were no longer heard of.",
            ),
            replayed: build.counter(
                "vouchsafe_store_replayed_total",
                "Ended sessions that were written again on a server that may have missed their end.",
            ),
        }
    }
}

impl SharedStoreMetrics {
    /// Shows what is seen now.
    pub fn show(&self, seen: SeenStore) {
        self.primaries.set(i64::try_from(seen.primaries).unwrap_or(i64::MAX));
        self.is_heard.set(i64::from(seen.is_heard));
        for (counter, count) in [
            (&self.connections, seen.connections),
            (&self.losses, seen.losses),
            (&self.replayed, seen.replayed),
        ] {
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_shown_and_counters_only_grow() {
        let metrics = Metrics::new(&[]);
        let shared = metrics.shared_store();
        let seen =
            SeenStore { primaries: 3, is_heard: true, connections: 5, losses: 2, replayed: 7 };
        shared.show(seen);
        shared.show(SeenStore { is_heard: false, connections: 4, losses: 3, ..seen });
        let text = String::from_utf8(metrics.exposition().0).unwrap();
        for line in [
            "vouchsafe_store_primaries 3",
            "vouchsafe_store_invalidation_up 0",
            "vouchsafe_store_connections_total 5",
            "vouchsafe_store_invalidation_lost_total 3",
            "vouchsafe_store_replayed_total 7",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
        }
    }
}

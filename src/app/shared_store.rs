//! Shows in the metrics what a shared store sees of its servers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::shared_store::{SeenStore, SharedStoreMetrics};

/// How old what is shown may be.
const INTERVAL: Duration = Duration::from_secs(1);

/// Begins to show it, if the store is a shared one; without keeping the store open.
pub fn watch(store: &Arc<Store>, metrics: &Metrics) -> Option<JoinHandle<()>> {
    store.seen()?;
    Some(tokio::spawn(show_forever(Arc::downgrade(store), metrics.shared_store())))
}

async fn show_forever(store: Weak<Store>, metrics: SharedStoreMetrics) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let Some(seen) = store.upgrade().and_then(|store| store.seen()) else { return };
        metrics.show(SeenStore {
            primaries: seen.primaries,
            is_heard: seen.is_heard,
            connections: seen.connections,
            losses: seen.losses,
            replayed: seen.replayed,
        });
    }
}

//! Stopping: on SIGTERM or SIGINT, readiness first, then the listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long requests in flight may take to finish.
pub const GRACE_SECONDS: u64 = 10;

/// Waits for a signal, then stops the gRPC listener and the servers in the order given.
pub async fn on_signal(
    stopping: Arc<AtomicBool>,
    servers: Vec<ServerHandle>,
    grpc: watch::Sender<bool>,
) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; stop the daemon with SIGKILL");
        return std::future::pending().await;
    };
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, grace_seconds = GRACE_SECONDS, "stopping");
    stopping.store(true, Ordering::Relaxed);
    // Nobody listens where there is no gRPC listener.
    let _ = grpc.send(true);
    for server in servers {
        server.stop(true).await;
    }
}

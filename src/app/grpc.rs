//! The gRPC listener: bound with the others, run on the process's own runtime, stopped with them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::app::{connections, shutdown};
use crate::domain::limits::{CHECK_BYTES, GRPC_HEAD_BYTES, GRPC_STREAMS};
use crate::edge::Edge;
use crate::edge::grpc;

/// Bytes of a message that may be on their way unread: the protocol's own default.
const STREAM_WINDOW: u32 = 65_535;
/// How often an idle connection is asked whether somebody is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A peer that does not answer a ping within this time is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The failure of a running listener; never, if there is none or it was told to stop: the other
/// listeners still have to finish.
pub async fn failed(listener: Option<&mut JoinHandle<anyhow::Result<()>>>) -> anyhow::Error {
    if let Some(listener) = listener {
        match listener.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(error) => return error.into(),
        }
    }
    std::future::pending().await
}

/// Waits until a listener that was told to stop has finished what it had begun.
pub async fn finish(listener: Option<JoinHandle<anyhow::Result<()>>>) {
    let Some(mut listener) = listener.filter(|listener| !listener.is_finished()) else { return };
    let grace = Duration::from_secs(shutdown::GRACE_SECONDS);
    if tokio::time::timeout(grace, &mut listener).await.is_err() {
        tracing::warn!("a gRPC peer did not let go within the grace period and is cut off");
        listener.abort();
        // Aborted: its result says only that.
        let _ = listener.await;
    }
}

/// A bound gRPC listener.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    edge: Arc<Edge>,
}

impl Listener {
    /// Binds `address`. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// It cannot be bound; the message says so and what to do.
    pub fn bind(address: SocketAddr, edge: &Arc<Edge>) -> anyhow::Result<Self> {
        let busy = || format!("cannot listen on {address}; is another daemon running there?");
        let listener = std::net::TcpListener::bind(address).with_context(busy)?;
        listener.set_nonblocking(true).with_context(busy)?;
        let listener = TcpListener::from_std(listener).with_context(busy)?;
        let address = listener.local_addr().with_context(busy)?;
        Ok(Self { listener, address, edge: Arc::clone(edge) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves checks and health until `stop` says so; then what was begun is finished.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn run_until(self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", tonic_health::ServingStatus::Serving).await;
        let stopped = async move {
            // The sender's end is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
            health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        };
        let incoming = connections::bounded(TcpListenerStream::new(self.listener));
        bounded_server()
            .add_service(health_service)
            .add_service(grpc::service(self.edge))
            .serve_with_incoming_shutdown(incoming, stopped)
            .await?;
        Ok(())
    }
}

/// HTTP/2 with bounds on what one connection can make the daemon hold. Envoy opens more connections if
/// it wants more streams.
fn bounded_server() -> Server {
    let number = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    Server::builder()
        .max_concurrent_streams(number(GRPC_STREAMS))
        .http2_max_header_list_size(number(GRPC_HEAD_BYTES))
        // What waits for its turn is held here: one message for each connection.
        .initial_connection_window_size(number(CHECK_BYTES))
        .initial_stream_window_size(STREAM_WINDOW)
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
}

//! The gRPC listener: bound with the others, run on the process's own runtime, stopped with them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::app::sockets::{self, Place, Socket};
use crate::app::{connections, shutdown};
use crate::config::{ListenerSettings, TlsPem};
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
    socket: Socket,
    place: Place,
    server: Server,
    edge: Arc<Edge>,
}

impl Listener {
    /// Binds it. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// It cannot be bound; the message says why and what to do.
    pub fn bind(settings: &ListenerSettings, edge: &Arc<Edge>) -> anyhow::Result<Self> {
        let mut server = bounded_server();
        if let Some(settings) = &settings.tls {
            server = server.tls_config(tls(&settings.pem)).context("cannot prepare gRPC's TLS")?;
        }
        let (socket, place) = sockets::bind(settings)?;
        Ok(Self { socket, place, server, edge: Arc::clone(edge) })
    }

    /// Where it is reached.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Serves checks and health until `stop` says so; then what was begun is finished.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn run_until(mut self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", tonic_health::ServingStatus::Serving).await;
        let stopped = async move {
            // The sender's end is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
            health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        };
        let router = self.server.add_service(health_service).add_service(grpc::service(self.edge));
        match self.socket {
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let incoming = TcpListenerStream::new(TcpListener::from_std(listener)?);
                let incoming = connections::bounded(incoming);
                router.serve_with_incoming_shutdown(incoming, stopped).await?;
            }
            Socket::Unix(listener, _file) => {
                listener.set_nonblocking(true)?;
                let incoming = UnixListenerStream::new(UnixListener::from_std(listener)?);
                let incoming = connections::bounded(incoming);
                router.serve_with_incoming_shutdown(incoming, stopped).await?;
            }
        }
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

/// What was checked with rustls itself, as tonic puts it together again.
fn tls(pem: &TlsPem) -> ServerTlsConfig {
    let identity = Identity::from_pem(&pem.certificates, pem.key.expose());
    let tls = ServerTlsConfig::new().identity(identity).timeout(sockets::HANDSHAKE_DEADLINE);
    match &pem.client_ca {
        Some(authorities) => tls.client_ca_root(Certificate::from_pem(authorities)),
        None => tls,
    }
}

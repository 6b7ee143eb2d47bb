//! The HTTP listeners, public and admin: actix-web with the bounds that a listener has.

use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;

use crate::app::shutdown;
use crate::app::sockets::{self, Place, Socket, SocketFile};
use crate::config::ListenerSettings;
use crate::edge::http::connection;

/// Longer than any proxy keeps an idle connection to us, so that we never close one that it is about
/// to use (facts: nginx 60 s by default, 30 s as shipped).
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A head that takes longer is a slow-loris.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Connections a worker; more wait in the listen queue.
const CONNECTIONS_PER_WORKER: usize = 10_000;

/// A bound HTTP listener.
pub struct Listener {
    /// To be awaited.
    pub server: Server,
    /// Where it is reached.
    pub place: Place,
    /// The file to be removed once it has stopped.
    pub file: Option<SocketFile>,
}

impl Listener {
    /// Binds it, with the routes that `configure` adds. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// It cannot be bound; the message says why and what to do.
    pub fn bind<F>(settings: ListenerSettings, configure: F) -> anyhow::Result<Self>
    where
        F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let (socket, place) = sockets::bind(&settings)?;
        let server = HttpServer::new(move || {
            let configure = configure.clone();
            App::new().configure(move |app| configure(app))
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_DEADLINE)
        .tls_handshake_timeout(sockets::HANDSHAKE_DEADLINE)
        .max_connections(CONNECTIONS_PER_WORKER)
        .shutdown_timeout(shutdown::GRACE_SECONDS)
        .on_connect(connection::note)
        .disable_signals();
        let (server, file) = match (socket, settings.tls) {
            (Socket::Tcp(listener), None) => (server.listen(listener), None),
            (Socket::Tcp(listener), Some(tls)) => {
                (server.listen_rustls_0_23(listener, tls.server), None)
            }
            (Socket::Unix(listener, file), _) => (server.listen_uds(listener), Some(file)),
        };
        let server = server.with_context(|| format!("cannot listen on {place}"))?.run();
        Ok(Self { server, place, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else nginx would now and then ask on a connection that is just being closed.
    #[test]
    fn idle_connections_are_kept_longer_than_the_shipped_nginx_keeps_them() {
        let shipped = include_str!("../../nginx/example.conf");
        let line = shipped.lines().find_map(|line| line.trim().strip_prefix("keepalive_timeout "));
        let (seconds, _) = line.unwrap().split_once("s;").unwrap();
        assert!(KEEP_ALIVE > Duration::from_secs(seconds.parse().unwrap()));
        assert!(KEEP_ALIVE >= Duration::from_secs(75));
    }
}

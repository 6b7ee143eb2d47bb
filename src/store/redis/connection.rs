//! Connections to one server: TCP, TLS, who we are.
//!
//! The streams are ours and not the crate's, which would read the system's authorities anew for each of them.
//! Must not know: what is asked over them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::store::redis::fault::Said;
use crate::store::redis::settings::{Account, Place, RedisSettings};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no connection to {0} comes about; is it running, and reachable from here?")]
    Unreachable(Place, #[source] std::io::Error),
    #[error("{0} did not answer within {1:?}; is it running, and is it Redis?")]
    Late(Place, Duration),
    #[error(
        "no TLS with {0} comes about; check `sessions.store.tls`, and whether it speaks TLS there"
    )]
    Tls(Place, #[source] std::io::Error),
    #[error(
        "{0} does not let us in; check `sessions.store.username` and `password`, and whether it is Redis 6.2 or later"
    )]
    Refused(Place, #[source] Said),
    #[error("{0} ended the connection at once; is it Redis, and does it want TLS (`rediss://`)?")]
    Ended(Place, #[source] Said),
    #[error(
        "{0} ended the connection at once; check `sessions.store.tls`: does it want a certificate of ours?"
    )]
    EndedTls(Place, #[source] Said),
    #[error("the name {0} cannot stand in a certificate; write a host name or an address")]
    Name(Place),
}

/// A connection. It ends with this, whoever still has a copy of it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) commands: MultiplexedConnection,
    driver: AbortHandle,
}

/// Who we are towards a server, and in which of its databases.
pub(super) struct Greeting<'a> {
    pub(super) account: &'a Account,
    pub(super) database: u32,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects to `place` within `deadline`. What is pushed goes to `pushes` if there is such a listener.
    pub(super) async fn open<P: AsyncPushSender>(
        place: &Place,
        settings: &RedisSettings,
        greeting: &Greeting<'_>,
        deadline: Duration,
        pushes: Option<P>,
    ) -> Result<Self, ConnectError> {
        let opening = connect(place, settings, greeting, pushes);
        let late = |_| ConnectError::Late(place.clone(), deadline);
        tokio::time::timeout(deadline, opening).await.map_err(late)?
    }
}

async fn connect<P: AsyncPushSender>(
    place: &Place,
    settings: &RedisSettings,
    greeting: &Greeting<'_>,
    pushes: Option<P>,
) -> Result<Connection, ConnectError> {
    let unreachable = |error| ConnectError::Unreachable(place.clone(), error);
    let tcp = TcpStream::connect((&*place.host, place.port)).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let stream = match &settings.tls {
        None => Stream::Clear(tcp),
        Some(tls) => {
            let name = ServerName::try_from(place.host.to_string());
            let name = name.map_err(|_| ConnectError::Name(place.clone()))?;
            let secured = TlsConnector::from(std::sync::Arc::clone(tls)).connect(name, tcp).await;
            Stream::Secured(Box::new(secured.map_err(|e| ConnectError::Tls(place.clone(), e))?))
        }
    };
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (protocol, config) = match pushes {
        Some(pushes) => (ProtocolVersion::RESP3, config.set_push_sender(pushes)),
        None => (ProtocolVersion::RESP2, config),
    };
    let greeting = greeting.info(protocol);
    let (commands, driver) = MultiplexedConnection::new_with_config(&greeting, stream, config)
        .await
        .map_err(|error| match (error.is_io_error(), settings.tls.is_some()) {
            (false, _) => ConnectError::Refused(place.clone(), Said(error)),
            (true, false) => ConnectError::Ended(place.clone(), Said(error)),
            (true, true) => ConnectError::EndedTls(place.clone(), Said(error)),
        })?;
    let driver = tokio::spawn(driver).abort_handle();
    Ok(Connection { commands, driver })
}

impl Greeting<'_> {
    fn info(&self, protocol: ProtocolVersion) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default()
            .set_protocol(protocol)
            .set_db(self.database.into())
            .set_lib_name("vouchsafe", env!("CARGO_PKG_VERSION"));
        if let Some(username) = &self.account.username {
            info = info.set_username(username);
        }
        let password = self.account.password.as_ref();
        // The configuration's check has refused what is no text.
        if let Some(password) = password.and_then(|secret| str::from_utf8(secret.expose()).ok()) {
            info = info.set_password(password);
        }
        info
    }
}

/// What bytes go over.
enum Stream {
    Clear(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

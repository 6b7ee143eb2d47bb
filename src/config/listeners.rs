//! Where the daemon listens, checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::domain::secret::Secret;

/// Where the daemon listens.
#[derive(Debug)]
pub struct ListenSettings {
    /// Subrequests and the portal.
    pub public: ListenerSettings,
    /// Envoy's checks over gRPC; `None` is off.
    pub grpc: Option<ListenerSettings>,
    /// Metrics and health; `None` is off.
    pub admin: Option<ListenerSettings>,
}

/// One listener.
#[derive(Debug)]
pub struct ListenerSettings {
    /// Where.
    pub address: ListenAddress,
    /// Its TLS, only at a TCP address; `None` is plain text.
    pub tls: Option<TlsSettings>,
}

/// Where a listener can listen. Its `Display` is as the operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether only this machine can reach it.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether nobody can listen at `other` while somebody listens here.
    #[must_use]
    pub fn takes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(taken), Self::Tcp(other)) => {
                let same_port = taken.port() == other.port() && taken.port() != 0;
                same_port && (taken.ip() == other.ip() || taken.ip().is_unspecified())
            }
            (Self::Unix(taken), Self::Unix(other)) => taken == other,
            (Self::Tcp(_), Self::Unix(_)) | (Self::Unix(_), Self::Tcp(_)) => false,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// TLS of a listener: read and found to fit together, so that it cannot fail any more.
pub struct TlsSettings {
    /// What rustls needs, certificate of clients included.
    pub server: rustls::ServerConfig,
    /// The same once more, for whoever wants to put it together himself (tonic).
    pub pem: TlsPem,
}

/// The files of a listener's TLS, as they were when they were checked.
pub struct TlsPem {
    /// The listener's certificate and its intermediate ones.
    pub certificates: Vec<u8>,
    /// Its private key.
    pub key: Secret,
    /// Whose clients may connect; `None` asks clients for no certificate.
    pub client_ca: Option<Vec<u8>>,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").finish_non_exhaustive()
    }
}

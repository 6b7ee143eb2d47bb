//! What a connection itself says: who is at its other end, and whether it is TLS.
//!
//! Must not know: what anybody sends over it.

use std::any::Any;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use tokio::net::UnixStream;

use crate::domain::request::{Peer, Scheme};

/// Left in a connection's data by [`note`], by nothing else.
#[derive(Debug)]
struct FromUnixSocket;

/// Remembers what kind of connection this is, when it begins.
///
/// That it has no peer address would not tell: neither has a TCP connection whose peer is gone already.
pub fn note(connection: &dyn Any, data: &mut Extensions) {
    if connection.is::<UnixStream>() {
        data.insert(FromUnixSocket);
    }
}

/// Who is at the other end.
#[must_use]
pub fn peer(request: &HttpRequest) -> Peer {
    match request.peer_addr() {
        Some(address) => Peer::at(address.ip()),
        None if request.conn_data::<FromUnixSocket>().is_some() => Peer::Unix,
        None => Peer::Unknown,
    }
}

/// Whether the connection is TLS; a proxy in front may have been asked otherwise.
#[must_use]
pub fn scheme(request: &HttpRequest) -> Scheme {
    if request.app_config().secure() { Scheme::Https } else { Scheme::Http }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_connection_without_an_address_is_not_taken_for_a_unix_socket() {
        let mapped = "[::ffff:10.0.0.1]:9".parse().unwrap();
        let from = TestRequest::default().peer_addr(mapped).to_http_request();
        assert_eq!(peer(&from), Peer::Address("10.0.0.1".parse().unwrap()));
        assert_eq!(peer(&TestRequest::default().to_http_request()), Peer::Unknown);
    }

    #[test]
    fn only_a_unix_stream_is_noted_as_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (unix, _other) = runtime.block_on(async { UnixStream::pair() }).unwrap();
        let noted = |connection: &dyn Any| {
            let mut data = Extensions::new();
            note(connection, &mut data);
            data.contains::<FromUnixSocket>()
        };
        assert!(noted(&unix));
        assert!(!noted(&()));
    }
}

//! Listeners with TLS and on unix sockets: behind the real proxies, and what must not get through.
//!
//! - `unix`: who is trusted on a socket, and whose file it is
//! - `tls`: what is spoken, and who needs which certificate
//! - `envoy`: both of them on the gRPC listener, asked by a real Envoy

mod envoy;
mod tls;
mod unix;

use super::support::certificates::{Authority, Pair};
use super::*;

/// The configuration with another value of `listen.public`.
fn with_public(config: &str, value: &str) -> String {
    let line = config.lines().find(|line| line.starts_with("  public: ")).unwrap();
    replace(config, line, &format!("  public: {value}"))
}

/// The configuration with the peers of unix sockets among the trusted proxies.
fn trust_unix(config: &str) -> String {
    replace(config, "trusted_proxies: [", "trusted_proxies: [unix, ")
}

/// The value of a listener at `address` with a certificate, and with one demanded of clients if `clients`
/// issue them.
fn with_tls(address: impl Display, pair: &Pair, clients: Option<&Authority>) -> String {
    let (cert, key) = (pair.cert.display(), pair.key.display());
    let client_ca = clients.map(|clients| format!(", client_ca: {}", clients.cert().display()));
    let client_ca = client_ca.unwrap_or_default();
    format!("{{ address: \"{address}\", tls: {{ cert: {cert}, key: {key}{client_ca} }} }}")
}

/// Sends `request` to `front`, which has no daemon that it may ask: nobody gets in, whoever it is.
#[track_caller]
fn fails_closed(front: SocketAddr, app: &Echo) {
    for request in [stranger, from_master] {
        let marker = marker();
        let answer = request("GET", &format!("/public/{marker}")).send(front);
        assert_eq!(answer.status, 503, "{answer}");
        assert!(!app.saw(&marker), "{answer}");
    }
}

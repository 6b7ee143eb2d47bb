//! The seven fronts, each the real program with the shipped files; only addresses are replaced.

pub mod caddy;
pub mod envoy;
pub mod haproxy;
mod nginx;
pub mod traefik;

use std::net::SocketAddr;

use crate::limits::{LIMITS, Limit};
use crate::support::daemon::replace;
use crate::support::server::Server;

/// What a front leads to.
#[derive(Clone, Copy)]
pub struct Backends {
    /// The daemon's public listener.
    pub daemon: SocketAddr,
    /// Its gRPC listener.
    pub grpc: SocketAddr,
    /// The application.
    pub application: SocketAddr,
    /// The gRPC application.
    pub grpc_application: SocketAddr,
}

/// A running front.
pub struct Front {
    /// Its name in the table.
    pub name: &'static str,
    /// Where clients speak HTTP/1.1 to it.
    pub address: SocketAddr,
    /// Where they open websockets and speak gRPC; most fronts do all in one place.
    pub sockets: SocketAddr,
    pub grpc: SocketAddr,
    servers: Vec<Server>,
}

/// Names of the fronts, in the order of the table.
pub const NAMES: [&str; 7] = [
    "nginx 1.22",
    "nginx 1.31",
    "Envoy 1.40 HTTP",
    "Envoy 1.40 gRPC",
    "Caddy 2.11",
    "Traefik 3.7",
    "HAProxy 2.6",
];

impl Front {
    /// Starts the front called `name`.
    pub fn start(name: &'static str, backends: &Backends) -> Self {
        match name {
            "nginx 1.22" | "nginx 1.31" => nginx::start(name, backends),
            "Envoy 1.40 HTTP" | "Envoy 1.40 gRPC" => envoy::start(name, backends),
            "Caddy 2.11" => caddy::start(name, backends),
            "Traefik 3.7" => traefik::start(name, backends),
            "HAProxy 2.6" => haproxy::start(name, backends),
            other => panic!("there is no front {other}"),
        }
    }

    pub fn around(name: &'static str, server: Server) -> Self {
        let address = server.address;
        Self { name, address, sockets: address, grpc: address, servers: vec![server] }
    }

    /// Everything that it has logged.
    pub fn logs(&self) -> String {
        let files = ["output", "access.log", "error.log"];
        self.servers.iter().flat_map(|server| files.map(|name| server.file(name))).collect()
    }

    /// This front's own limit in `case`, if it has one.
    pub fn limit(&self, case: &str) -> Option<&'static Limit> {
        LIMITS.iter().find(|limit| limit.cases.contains(&case) && limit.fronts.contains(&self.name))
    }

    /// What a client is told while the daemon does not answer.
    pub fn unavailable(&self) -> u16 {
        if self.is_traefik() { 500 } else { 503 }
    }

    pub fn is_nginx(&self) -> bool {
        self.name.starts_with("nginx")
    }

    pub fn is_traefik(&self) -> bool {
        self.name.starts_with("Traefik")
    }
}

/// The text of a shipped file, with every address replaced by one that is free or of this run.
fn shipped(path: &str, addresses: &[(&str, String)]) -> String {
    let text = std::fs::read_to_string(crate::support::programs::shipped(path)).unwrap();
    addresses.iter().fold(text, |text, (from, to)| replace(&text, from, to))
}

//! Caddy with `deploy/caddy/Caddyfile`.

use super::{Backends, Front, shipped};
use crate::support::server::{Server, write};
use crate::support::{free_address, programs, temporary_folder};

pub fn start(name: &'static str, backends: &Backends) -> Front {
    start_with(name, backends, |text| text)
}

/// With the shipped file as `change` returns it.
pub fn start_with(
    name: &'static str,
    backends: &Backends,
    change: impl Fn(String) -> String,
) -> Front {
    let (address, folder) = (free_address(), temporary_folder());
    let addresses = [
        (".example.com:8080", format!(".example.com:{}", address.port())),
        ("http://:8080", format!("http://:{}", address.port())),
        ("127.0.0.1:8081", backends.application.to_string()),
        ("127.0.0.1:8083", backends.grpc_application.to_string()),
        ("127.0.0.1:9080", backends.daemon.to_string()),
    ];
    let config = change(shipped("deploy/caddy/Caddyfile", &addresses));
    let config = write(&folder, "Caddyfile", &config);
    let arguments = ["run", "--adapter", "caddyfile", "--config", &config];
    Front::around(name, Server::start(folder, &programs::caddy(), &arguments, address))
}

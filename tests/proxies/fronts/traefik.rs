//! Traefik with `deploy/traefik/`.

use super::{Backends, Front, shipped};
use crate::support::server::{Server, write};
use crate::support::{free_address, programs, temporary_folder};

pub fn start(name: &'static str, backends: &Backends) -> Front {
    start_with(name, backends, |text| text)
}

/// With the shipped routers and middlewares as `change` returns them.
pub fn start_with(
    name: &'static str,
    backends: &Backends,
    change: impl Fn(String) -> String,
) -> Front {
    let (address, folder) = (free_address(), temporary_folder());
    let addresses = [
        ("127.0.0.1:8081", backends.application.to_string()),
        ("127.0.0.1:8083", backends.grpc_application.to_string()),
        ("127.0.0.1:9080", backends.daemon.to_string()),
    ];
    let dynamic = change(shipped("deploy/traefik/dynamic.yml", &addresses));
    let dynamic = write(&folder, "dynamic.yml", &dynamic);
    let addresses = [
        ("127.0.0.1:8080", address.to_string()),
        ("filename: dynamic.yml", format!("filename: {dynamic}")),
    ];
    let config = shipped("deploy/traefik/traefik.yml", &addresses);
    let config = format!("--configFile={}", write(&folder, "traefik.yml", &config));
    Front::around(name, Server::start(folder, &programs::traefik(), &[&config], address))
}

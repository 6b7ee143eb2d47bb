//! Envoy with `envoy/http.yaml` or `envoy/grpc.yaml`.

use std::net::SocketAddr;

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
    let (address, admin, folder) = (free_address(), free_address(), temporary_folder());
    let port = |port: u16| format!("127.0.0.1, port_value: {port}");
    let to = |address: SocketAddr| port(address.port());
    let common = [
        (port(9901), to(admin)),
        (port(8080), to(address)),
        (port(8081), to(backends.application)),
        (port(8083), to(backends.grpc_application)),
        (port(9080), to(backends.daemon)),
    ];
    let over_grpc = name.ends_with("gRPC");
    let own = over_grpc.then(|| (port(9081), to(backends.grpc)));
    let uri = (!over_grpc)
        .then(|| ("http://127.0.0.1:9080".to_owned(), format!("http://{}", backends.daemon)));
    let addresses: Vec<_> = common.into_iter().chain(own).chain(uri).collect();
    let addresses: Vec<_> =
        addresses.iter().map(|(from, to)| (from.as_str(), to.clone())).collect();
    let file = if over_grpc { "envoy/grpc.yaml" } else { "envoy/http.yaml" };
    let config = write(&folder, "envoy.yaml", &change(shipped(file, &addresses)));
    let arguments = ["-c", &config, "--use-dynamic-base-id", "--concurrency", "1"];
    let arguments =
        [&arguments[..], &["--log-level", "warning", "--file-flush-interval-msec", "100"]].concat();
    Front::around(name, Server::start(folder, &programs::envoy(), &arguments, address))
}

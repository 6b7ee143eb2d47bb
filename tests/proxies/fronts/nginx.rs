//! nginx, Debian's and a current one: `nginx/example.conf`, and `nginx/applications.conf` for websockets and gRPC.

use super::{Backends, Front};
use crate::support::nginx::Nginx;
use crate::support::{free_address, programs};

pub fn start(name: &'static str, backends: &Backends) -> Front {
    let program = match name {
        "nginx 1.22" => programs::nginx_of_debian(),
        _ => programs::nginx_of_wheel(),
    };
    let unchanged = |_: &str, text| text;
    let example = Nginx::start(&program, backends.daemon, backends.application, &unchanged);
    let grpc = free_address();
    let addresses = [
        (9080, backends.daemon.to_string()),
        (8081, backends.application.to_string()),
        (8082, grpc.to_string()),
        (8083, backends.grpc_application.to_string()),
    ];
    let applications = Nginx::start_file("applications.conf", &program, &addresses, &unchanged);
    Front {
        name,
        address: example.address,
        sockets: applications.address,
        grpc,
        servers: vec![example.server, applications.server],
    }
}

//! HAProxy with `deploy/haproxy/`.

use super::{Backends, Front, shipped};
use crate::support::server::{Server, write};
use crate::support::{free_address, programs, temporary_folder};

pub fn start(name: &'static str, backends: &Backends) -> Front {
    start_with(name, backends, |text| text)
}

/// With the shipped Lua as `change` returns it.
pub fn start_with(
    name: &'static str,
    backends: &Backends,
    change: impl Fn(String) -> String,
) -> Front {
    let (address, folder) = (free_address(), temporary_folder());
    let lua = change(shipped("deploy/haproxy/vouchsafe.lua", &[]));
    let lua = write(&folder, "vouchsafe.lua", &lua);
    let addresses = [
        ("lua-load-per-thread vouchsafe.lua", format!("lua-load-per-thread {lua}")),
        ("127.0.0.1:8080", address.to_string()),
        ("127.0.0.1:8081", backends.application.to_string()),
        ("127.0.0.1:8083", backends.grpc_application.to_string()),
        ("127.0.0.1:9080", backends.daemon.to_string()),
    ];
    let config = write(&folder, "haproxy.cfg", &shipped("deploy/haproxy/haproxy.cfg", &addresses));
    Front::around(
        name,
        Server::start(folder, &programs::haproxy(), &["-db", "-f", &config], address),
    )
}

//! A real nginx with the shipped files: `nginx/example.conf` or another whole one, with other addresses, the
//! snippets as they are.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use super::daemon::replace;
use super::server::Server;
use super::{free_address, programs, temporary_folder};

/// A running nginx. Dropping it ends it.
pub struct Nginx {
    pub address: SocketAddr,
    pub server: Server,
}

impl Nginx {
    /// Starts `program` in front of the daemon and the application, with the shipped files as `change`
    /// returns them, given each one's name and text; addresses are replaced afterwards.
    pub fn start(
        program: &Path,
        daemon: impl Display,
        application: SocketAddr,
        change: &dyn Fn(&str, String) -> String,
    ) -> Self {
        let addresses = [(9080, daemon.to_string()), (8081, application.to_string())];
        Self::start_file("example.conf", program, &addresses, change)
    }

    /// The same for `file`, with the given addresses in place of each port that it has on loopback.
    pub fn start_file(
        file: &str,
        program: &Path,
        addresses: &[(u16, String)],
        change: &dyn Fn(&str, String) -> String,
    ) -> Self {
        let (address, folder) = (free_address(), temporary_folder());
        let shipped = std::fs::read_to_string(programs::shipped("nginx").join(file)).unwrap();
        let mut config = change(file, shipped);
        for (port, other) in addresses {
            // As `server` and as `listen` have it.
            config = replace(&config, &format!(" 127.0.0.1:{port}"), &format!(" {other}"));
        }
        let config = replace(&config, "listen 127.0.0.1:8080", &format!("listen {address}"));
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        copy_snippets(
            &programs::shipped("nginx/snippets"),
            &folder.path().join("snippets"),
            change,
        );
        Self::start_in(folder, program, address)
    }

    /// Starts `program` with the `nginx.conf` in `folder`, which makes it listen on `address`.
    pub fn start_in(folder: TempDir, program: &Path, address: SocketAddr) -> Self {
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (prefix, config) = (path(""), path("nginx.conf"));
        let arguments = ["-p", &prefix, "-c", &config, "-e", "error.log", "-g", "daemon off;"];
        Self { address, server: Server::start(folder, program, &arguments, address) }
    }
}

fn copy_snippets(from: &Path, to: &Path, change: &dyn Fn(&str, String) -> String) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = std::fs::read_to_string(from.join(&name)).unwrap();
        std::fs::write(to.join(&name), change(&name, text)).unwrap();
    }
}

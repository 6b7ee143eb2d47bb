//! A real nginx with the shipped files: `nginx/example.conf` or another whole one, with other addresses, the
//! snippets as they are.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::daemon::replace;
use super::{children, free_address, programs, temporary_folder, wait_for};

/// A running nginx. Dropping it ends it.
pub struct Nginx {
    pub address: SocketAddr,
    folder: TempDir,
    child: Mutex<Child>,
}

impl Nginx {
    /// Starts `program` in front of the daemon and the application, with the shipped files as `change`
    /// returns them, given each one's name and text; addresses are replaced afterwards.
    pub fn start(
        program: &Path,
        daemon: SocketAddr,
        application: SocketAddr,
        change: &dyn Fn(&str, String) -> String,
    ) -> Self {
        Self::start_file("example.conf", program, &[(9080, daemon), (8081, application)], change)
    }

    /// The same for `file`, with the given addresses in place of each port that it has on loopback.
    pub fn start_file(
        file: &str,
        program: &Path,
        addresses: &[(u16, SocketAddr)],
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
        // Started as root, nginx gives its workers to nobody, who must reach the temporary bodies.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (prefix, config, log) = (path(""), path("nginx.conf"), path("error.log"));
        let arguments = ["-p", &prefix, "-c", &config, "-e", &log, "-g", "daemon off;"];
        let child = children::start(program, &arguments, &folder.path().join("output"), "TERM");
        let nginx = Self { address, folder, child: Mutex::new(child) };
        nginx.wait_until_ready();
        nginx
    }

    /// Its error log.
    pub fn log(&self) -> String {
        ["output", "error.log"]
            .map(|name| std::fs::read(self.folder.path().join(name)).unwrap_or_default())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        wait_for("nginx accepts connections", || {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                panic!("nginx ended with {status}:\n{}", self.log());
            }
            std::net::TcpStream::connect(self.address).ok()
        });
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        children::stop(self.child.get_mut().unwrap_or_else(PoisonError::into_inner));
        if std::thread::panicking() {
            eprintln!("--- nginx's log\n{}", self.log());
        }
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

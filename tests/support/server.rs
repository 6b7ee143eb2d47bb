//! A foreign program in a folder of its own, with configuration files, behind an address.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::{children, wait_for};

/// A running program. Dropping it ends it and deletes its folder.
pub struct Server {
    pub address: SocketAddr,
    name: String,
    folder: TempDir,
    child: Mutex<Child>,
}

impl Server {
    /// Starts `program` and waits until `address` accepts connections.
    pub fn start(folder: TempDir, program: &Path, arguments: &[&str], address: SocketAddr) -> Self {
        // Started as root, some programs go on as nobody, who must reach their files.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let child = children::start(program, arguments, &folder.path().join("output"), "TERM");
        let name = program.display().to_string();
        let server = Self { address, name, folder, child: Mutex::new(child) };
        wait_for("the program accepts connections", || {
            let ended = server.child.lock().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                panic!("{} ended with {status}", server.name);
            }
            std::net::TcpStream::connect(address).ok()
        });
        server
    }

    /// A whole text that it wrote into its folder, `output` for one; empty if there is none.
    pub fn file(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of what it printed, and of its `error.log` if it has one.
    pub fn log(&self) -> String {
        const END: usize = 4000;
        let end = |name| {
            let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(END)..]).into_owned()
        };
        ["output", "error.log"].map(end).concat()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        children::stop(self.child.get_mut().unwrap_or_else(PoisonError::into_inner));
        if std::thread::panicking() {
            eprintln!("--- the log of {} at {}\n{}", self.name, self.address, self.log());
        }
    }
}

/// Writes a file into `folder` and returns its path as an argument.
pub fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

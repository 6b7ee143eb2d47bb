//! The daemon under test: the real binary with the shipped configuration, on ports of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::client::Request;
use super::{children, free_address, programs, temporary_folder, wait_for};

/// A daemon with its data. Dropping it ends it and deletes them.
pub struct Daemon {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    folder: TempDir,
    child: Mutex<Child>,
}

impl Daemon {
    /// Starts one with the shipped `config.yaml`, only the ports replaced.
    pub fn start() -> Self {
        Self::start_with(|config| config)
    }

    /// Starts one with the shipped `config.yaml` as `change` returns it.
    pub fn start_with(change: impl FnOnce(String) -> String) -> Self {
        Self::start_configured(|public, admin| {
            let shipped = std::fs::read_to_string(programs::shipped("config.yaml")).unwrap();
            let config = replace(&shipped, "public: 127.0.0.1:9080", &format!("public: {public}"));
            change(replace(&config, "admin: 127.0.0.1:9082", &format!("admin: {admin}")))
        })
    }

    /// Starts one with the configuration that `write` makes for the public and the admin address.
    pub fn start_configured(write: impl FnOnce(SocketAddr, SocketAddr) -> String) -> Self {
        let (public, admin) = (free_address(), free_address());
        let folder = temporary_folder();
        std::fs::write(folder.path().join("config.yaml"), write(public, admin)).unwrap();
        let child = Mutex::new(launch(&folder));
        let daemon = Self { public, admin, folder, child };
        daemon.wait_until_ready();
        daemon
    }

    /// Ends it without warning, as a crash would.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has; returns its exit code.
    pub fn terminate(&self) -> Option<i32> {
        let mut child = self.child.lock().unwrap();
        children::signal(&child, "TERM");
        wait_for("the daemon ends after SIGTERM", || child.try_wait().unwrap()).code()
    }

    /// Sends it a signal, `STOP` for one.
    pub fn signal(&self, signal: &str) {
        children::signal(&self.child.lock().unwrap(), signal);
    }

    /// Starts it again on the same ports and data.
    pub fn restart(&self) {
        *self.child.lock().unwrap() = launch(&self.folder);
        self.wait_until_ready();
    }

    /// How much memory it holds, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let id = self.child.lock().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A file of its folder, where the relative paths of its configuration start.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every file that it has, by path.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
                }
            }
        }
        files
    }

    /// A check as nginx would send it, for `GET http://app.example.com{uri}` from a master's address.
    pub fn check(uri: &str) -> Request {
        Self::check_of("GET", "http", "app.example.com", uri)
    }

    /// The same for any method, scheme and host.
    pub fn check_of(method: &str, scheme: &str, host: &str, uri: &str) -> Request {
        Self::check_from("127.0.0.1", method, scheme, host, uri)
    }

    /// The same from any client.
    pub fn check_from(client: &str, method: &str, scheme: &str, host: &str, uri: &str) -> Request {
        Request::new("GET", host, "/auth/nginx").headers(&[
            ("X-Original-Method", method),
            ("X-Original-URI", uri),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Proto", scheme),
            ("X-Forwarded-For", client),
        ])
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        wait_for("the daemon's /readyz answers 200", || {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            let admin = self.admin.to_string();
            let ready = Request::new("GET", &admin, "/readyz").try_send(self.admin);
            ready.is_ok_and(|answer| answer.status == 200).then_some(())
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        children::stop(self.child.get_mut().unwrap_or_else(PoisonError::into_inner));
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
    }
}

/// Makes a key that signs assertions, with the daemon's own command.
pub fn signing_key(file: &Path) {
    let made = Command::new(programs::vouchsafe()).args(["key", "new"]).arg(file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Switches assertions on in the shipped `config.yaml`, signed with these keys.
pub fn asserting(config: &str, keys: &[&Path]) -> String {
    let keys: Vec<String> =
        keys.iter().map(|key| format!("{{ file: \"{}\" }}", key.display())).collect();
    let written = format!("assertion: {{ keys: [{}]", keys.join(", "));
    let config = replace(config, "# assertion: { keys: [{ file: data/assertion.pem }]", &written);
    replace(&config, "# assertion: true ", "assertion: true ")
}

fn launch(folder: &TempDir) -> Child {
    let config = folder.path().join("config.yaml");
    let arguments = ["--config", config.to_str().unwrap()];
    children::start(&programs::vouchsafe(), &arguments, &folder.path().join("stderr"), "KILL")
}

/// Replaces `from`, which must stand in `text` exactly as the shipped file has it.
#[track_caller]
pub fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the shipped file no longer has `{from}`");
    text.replace(from, to)
}

//! The real LemonLDAP::NG of Debian with one configuration, and what it answers to a recording.
//!
//! Must not know: what is right.

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::installed::Installed;
use crate::outcome::{Outcome, plain};
use crate::recordings::{Recording, Role};
use crate::support::client::Request;
use crate::support::echo::Echo;
use crate::support::{children, free_address, programs, temporary_folder, wait_for};

/// A running LemonLDAP::NG with its nginx. Dropping it ends both.
pub struct Peer {
    portal: SocketAddr,
    portal_over_http: SocketAddr,
    application: SocketAddr,
    application_over_tls: SocketAddr,
    handler: SocketAddr,
    folder: TempDir,
    child: Mutex<Child>,
}

/// Installs what is missing, and says which version is there.
pub fn install() -> String {
    let install = programs::shipped("tests/peers/llng/install");
    let output = Command::new(&install).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", install.display());
    let package = "lemonldap-ng-fastcgi-server";
    let query = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output();
    String::from_utf8(query.unwrap().stdout).unwrap()
}

impl Peer {
    /// Starts what answers `recording` and all others with its configuration.
    pub fn start(recording: &Recording, app: &Echo) -> Self {
        let [portal, portal_over_http, application, application_over_tls, handler] =
            [(); 5].map(|()| free_address());
        let ports = json!({
            "portal": portal.port(),
            "portal over http": portal_over_http.port(),
            "application": application.port(),
            "application over tls": application_over_tls.port(),
            "handler": handler.port(),
            "behind": app.address.port(),
        });
        let mut overrides = json!(recording.config);
        if recording.needs("{expired}") {
            overrides["timeout"] = json!(1);
            // Does not look at the age of what it has kept for less than this many seconds.
            overrides["handlerInternalCache"] = json!(0);
        }
        let folder = temporary_folder();
        // Started as root, LemonLDAP::NG is www-data, who must reach its files.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let up = programs::shipped("tests/peers/llng/up");
        let state = folder.path().join("llng");
        let arguments =
            ["--stay", state.to_str().unwrap(), &ports.to_string(), &overrides.to_string()];
        let child = children::start(&up, &arguments, &folder.path().join("up.log"), "TERM");
        let child = Mutex::new(child);
        let peer = Self {
            portal,
            portal_over_http,
            application,
            application_over_tls,
            handler,
            folder,
            child,
        };
        peer.wait_until_ready();
        peer
    }

    /// What its programs have written.
    pub fn log(&self) -> String {
        ["up.log", "llng/llng.log", "llng/nginx.log"]
            .map(|name| std::fs::read(self.folder.path().join(name)).unwrap_or_default())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        wait_for("LemonLDAP::NG is up", || {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                panic!("tests/peers/llng/up ended with {status}:\n{}", self.log());
            }
            self.folder.path().join("llng/ready").exists().then_some(())
        });
    }
}

impl Installed for Peer {
    fn address(&self, to: Role) -> SocketAddr {
        match to {
            Role::Portal => self.portal,
            Role::PortalOverHttp => self.portal_over_http,
            Role::Application => self.application,
            Role::ApplicationOverTls => self.application_over_tls,
            Role::Handler | Role::Forward => self.handler,
        }
    }

    fn check(&self, method: &str, host: &str, target: &str, _client: &str) -> Request {
        Request::new(method, host, target)
    }

    fn forward_path<'a>(&self, path: &'a str) -> &'a str {
        path
    }

    fn records(&self) -> i64 {
        let entries = std::fs::read_dir(self.folder.path().join("llng/sessions")).unwrap();
        let files = entries.filter(|entry| entry.as_ref().unwrap().path().is_file());
        i64::try_from(files.count()).unwrap()
    }

    fn content(&self, id: &str) -> io::Result<Outcome> {
        let text = std::fs::read(self.folder.path().join("llng/sessions").join(id))?;
        let session: Value = serde_json::from_slice(&text)?;
        let mut content = Outcome::default();
        for aspect in ["_user", "authenticationLevel", "ipAddr"] {
            content.set(aspect, plain(&session[aspect]));
        }
        Ok(content)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        children::stop(self.child.get_mut().unwrap_or_else(PoisonError::into_inner));
        if std::thread::panicking() {
            eprintln!("--- LemonLDAP::NG's log\n{}", self.log());
        }
    }
}

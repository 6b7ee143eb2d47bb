//! chromedriver with one Chromium, spoken to in WebDriver, which is JSON over HTTP.
//!
//! Not the crate fantoccini: it brings 33 packages that this tree does not have (hyper, and second versions of
//! cookie, thiserror and the ICU tables), and has no command for the console's log. The exact client of the
//! support does all that is needed.
//!
//! Must not know: pages.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::Request;
use crate::support::{children, free_address, programs, temporary_folder, wait_for};

/// No window, nothing from the network but the tests' own pages, and no helper that outlives the browser.
const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox", // it needs a kernel's leave that containers often do not have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=HttpsUpgrades",
    "--window-size=1000,1050",
    "--app=data:,", // without tabs and address bar, whose drawing takes half of the time
];

/// A running chromedriver with its one session. Dropping it ends both, and the browser.
pub struct Driver {
    address: SocketAddr,
    session: String,
    folder: TempDir,
    child: Child,
}

impl Driver {
    /// Starts a browser with a new profile that resolves names by `hosts` and has these preferences.
    pub fn start(hosts: &str, preferences: &Value) -> Self {
        let program = programs::debian("/usr/bin/chromedriver", "chromium-driver");
        let (address, folder) = (free_address(), temporary_folder());
        let port = format!("--port={}", address.port());
        let child = children::start(&program, &[&port], &folder.path().join("output"), "KILL");
        let mut driver = Self { address, session: String::new(), folder, child };
        wait_for("chromedriver answers", || driver.ask("GET", "/status", &Value::Null).ok());
        let capabilities = driver.capabilities(hosts, preferences);
        let session = driver.ask("POST", "/session", &capabilities);
        let session = session.unwrap_or_else(|error| panic!("no browser: {error}"));
        session["sessionId"].as_str().unwrap().clone_into(&mut driver.session);
        driver
    }

    /// Gives a command of the session and returns its value.
    ///
    /// # Errors
    /// What WebDriver says is wrong: that there is no such element, for one.
    pub fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(method, &format!("/session/{}/{path}", self.session), body)
    }

    /// What chromedriver printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    fn capabilities(&self, hosts: &str, preferences: &Value) -> Value {
        let folder = self.folder.path().display();
        let mut arguments: Vec<String> = ARGUMENTS.iter().map(|&text| text.into()).collect();
        arguments.push(format!("--user-data-dir={folder}/profile"));
        arguments.push(format!("--host-resolver-rules={hosts}"));
        json!({ "capabilities": { "alwaysMatch": {
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "binary": launcher(self.folder.path()),
                "args": arguments,
                "prefs": preferences,
            },
        }}})
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut request = Request::new(method, &self.address.to_string(), path);
        if method == "POST" {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let answer = request.try_send(self.address).map_err(|error| error.to_string())?;
        let value = answer.json()["value"].take();
        if answer.status == 200 {
            return Ok(value);
        }
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Err(format!("{}: {}", text("error"), text("message")))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser ends in order, so that nobody writes to the profile while it is deleted.
        let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        children::stop(&mut self.child);
    }
}

/// Starts Chromium so that it dies with its chromedriver, as that dies with the tests (see `children`), and
/// leaves no traces outside of `folder`.
fn launcher(folder: &Path) -> String {
    let chromium = programs::debian("/usr/bin/chromium", "chromium");
    let script = format!(
        "#!/bin/sh\nHOME='{}' exec {} --pdeathsig KILL -- {} \"$@\"\n",
        folder.display(),
        programs::setpriv().display(),
        chromium.display(),
    );
    let path = folder.join("chromium");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

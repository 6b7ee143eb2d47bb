//! A daemon with a local node that anybody here may ask, and the command with the same configuration.

use serde_json::Value;

use crate::support::client::{Answer, Request};
use crate::support::command::{self, Said};
use crate::support::daemon::{Daemon, replace};
use crate::support::wait_for;

/// What the shipped file has, which is enough for tokens.
const SHIPPED: &str = "mfa:                                # ";

/// A daemon, and where it writes its audit lines.
pub struct Station {
    pub daemon: Daemon,
}

impl Station {
    pub fn start() -> Self {
        Self::start_with("  local: { max_fail: 3, auto_resync: false }\n")
    }

    /// With more lines below `mfa`.
    pub fn start_with(mfa: &str) -> Self {
        let more = "  api: { callers: [127.0.0.0/8] }\n  \
                    regulation: { free_failures: 1000000, per_client: 1000000 }\n";
        Self::start_configured(|config| {
            let config = replace(&config, SHIPPED, &format!("mfa:\n{more}{mfa}  # "));
            format!("{config}\naudit: {{ path: data/audit.jsonl }}\n")
        })
    }

    /// With the shipped configuration as `change` returns it.
    pub fn start_configured(change: impl FnOnce(String) -> String) -> Self {
        Self { daemon: Daemon::start_with(change) }
    }

    /// Runs the command with the daemon's configuration.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with("config.yaml", arguments, "")
    }

    /// The same with something on its standard input.
    pub fn told(&self, arguments: &[&str], input: &str) -> Said {
        self.run_with("config.yaml", arguments, input)
    }

    /// The same with another configuration out of the daemon's folder.
    pub fn run_with(&self, config: &str, arguments: &[&str], input: &str) -> Said {
        command::run(&self.daemon.path(config), arguments, input)
    }

    /// Writes a file into the daemon's folder and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.daemon.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Whether the node accepts.
    #[track_caller]
    pub fn accepts(&self, user: &str, pass: &str) -> bool {
        let body = serde_json::json!({ "user": user, "pass": pass }).to_string();
        let request = Request::new("POST", &self.daemon.public.to_string(), "/validate/check")
            .header("Content-Type", "application/json")
            .body(body);
        let answer = request.send(self.daemon.public);
        answer.json()["result"]["value"] == Value::Bool(true)
    }

    /// A request to the API, with the credential.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let credential =
            std::fs::read_to_string(self.daemon.path("data/admin.credential")).unwrap();
        Request::new(method, &self.daemon.admin.to_string(), path)
            .header("Authorization", &format!("Bearer {credential}"))
    }

    /// Asks the API.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path).header("Content-Type", "application/json");
        request.body(body.to_string()).send(self.daemon.admin)
    }

    /// A token as the API lists it.
    #[track_caller]
    pub fn token(&self, serial: &str) -> Value {
        let answer = self.request("GET", &format!("/api/v1/tokens?serial={serial}"));
        answer.send(self.daemon.admin).json()[0].take()
    }

    /// Waits for an audit line of this event, and returns it.
    #[track_caller]
    pub fn audited(&self, event: &str, serial: &str) -> Value {
        wait_for("an audit line is written", || {
            let text = std::fs::read_to_string(self.daemon.path("data/audit.jsonl")).ok()?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut lines = lines.filter(|line| line["event"] == event && line["token"] == serial);
            lines.next()
        })
    }

    /// Nothing of these stands in the daemon's log, nor in its files but those that are named.
    #[track_caller]
    pub fn keeps_to_itself(&self, secrets: &[&str], but: &[&str]) {
        let log = self.daemon.log();
        for secret in secrets {
            assert!(!log.contains(secret), "`{secret}` in\n{log}");
            for (path, bytes) in self.daemon.files() {
                let is_known = but.iter().any(|name| path.ends_with(name));
                let text = String::from_utf8_lossy(&bytes);
                assert!(is_known || !text.contains(secret), "`{secret}` in {path}");
            }
        }
    }
}

/// The value of a parameter of an otpauth URI.
#[track_caller]
pub fn parameter<'t>(uri: &'t str, name: &str) -> &'t str {
    let (_, query) = uri.split_once('?').unwrap();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name} in {uri}")).1
}

/// A key in base32 as hexadecimal digits.
#[track_caller]
pub fn seed_of(base32: &str) -> String {
    let bytes = data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).unwrap();
    data_encoding::HEXLOWER.encode(&bytes)
}

/// What `token add` printed: the serial and the URI.
#[track_caller]
pub fn added(out: &str) -> (String, String) {
    let serial = out.split(' ').nth(2).unwrap().to_owned();
    let uri = out.lines().find(|line| line.starts_with("otpauth://")).unwrap_or_default();
    (serial, uri.to_owned())
}

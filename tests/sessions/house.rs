//! A daemon that is asked directly, as by a proxy on the same machine, which is its master, too.

use serde_json::Value;

use crate::support::client::{Answer, Request};
use crate::support::command::{self, Said};
use crate::support::daemon::Daemon;
use crate::support::person::{self, PROOF, Ticket};
use crate::support::wait_for;

/// A daemon with an audit log.
pub struct House {
    pub daemon: Daemon,
}

impl House {
    pub fn start() -> Self {
        Self::start_with(str::to_owned)
    }

    /// With the shipped configuration as `change` returns it.
    pub fn start_with(change: impl FnOnce(&str) -> String) -> Self {
        let audited =
            |config: String| format!("{}\naudit: {{ path: data/audit.jsonl }}\n", change(&config));
        Self { daemon: Daemon::start_with(audited) }
    }

    /// Logs somebody in at the portal.
    #[track_caller]
    pub fn log_in(&self, user: &str) -> Ticket {
        let answer = person::login(user).send(self.daemon.public);
        assert_eq!(answer.status, 200, "{answer}");
        person::ticket(&answer).unwrap()
    }

    /// A program's call through the master.
    #[track_caller]
    pub fn call(&self, user: &str) {
        let answer = Daemon::check("/").headers(&[PROOF, ("CN", user)]).send(self.daemon.public);
        assert_eq!(answer.status, 200, "{answer}");
    }

    /// Whether a person without a master is let in.
    pub fn lets_in(&self, ticket: &Ticket) -> bool {
        let answer = person::check(ticket).send(self.daemon.public);
        assert!(matches!(answer.status, 200 | 401), "{answer}");
        answer.status == 200
    }

    /// Asks the admin API.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let credential = std::fs::read_to_string(self.daemon.path("data/admin.credential"));
        let request = Request::new(method, &self.daemon.admin.to_string(), path)
            .header("Authorization", &format!("Bearer {}", credential.unwrap().trim_end()));
        let request = if body.is_empty() {
            request
        } else {
            request.header("Content-Type", "application/json").body(body)
        };
        request.send(self.daemon.admin)
    }

    /// Runs the command with the daemon's configuration.
    pub fn run(&self, arguments: &[&str]) -> Said {
        command::run(&self.daemon.path("config.yaml"), arguments, "")
    }

    /// What `session list --json` finds.
    #[track_caller]
    pub fn listed(&self, arguments: &[&str]) -> Vec<Value> {
        let arguments = [&["session", "list", "--json"], arguments].concat();
        serde_json::from_str(&self.run(&arguments).good()).unwrap()
    }

    /// The users of what `session list` finds, sorted.
    #[track_caller]
    pub fn users(&self, arguments: &[&str]) -> Vec<String> {
        let sessions = self.listed(arguments);
        let mut users: Vec<_> =
            sessions.iter().map(|session| session["user"].as_str().unwrap().to_owned()).collect();
        users.sort_unstable();
        users
    }

    /// Waits until so many audit lines tell of this event, and returns them.
    #[track_caller]
    pub fn audited(&self, event: &str, count: usize) -> Vec<Value> {
        wait_for("the audit log has the lines", || {
            let text = std::fs::read_to_string(self.daemon.path("data/audit.jsonl")).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let lines: Vec<_> = lines.filter(|line| line["event"] == event).collect();
            (lines.len() == count).then_some(lines)
        })
    }
}

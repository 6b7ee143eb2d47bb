//! A daemon with one configuration and an nginx in front of it, and what they answer to a recording.
//!
//! Must not know: what is right.

use std::net::{SocketAddr, TcpStream};

use crate::configuration::{self, SESSION_HOST};
use crate::front;
use crate::installed::Installed;
use crate::outcome::Outcome;
use crate::recordings::{Recording, Role};
use crate::support::client::Request;
use crate::support::daemon::Daemon;
use crate::support::echo::Echo;
use crate::support::nginx::Nginx;
use crate::support::{free_address, programs, wait_for};

/// What answers the recordings of one configuration.
pub enum World {
    Running(Box<Running>),
    /// `vouchsafe import` refuses the configuration, for errors at these keys.
    Refused(String),
}

pub struct Running {
    daemon: Daemon,
    nginx: Nginx,
    /// The port of `nginx` that counts as TLS.
    tls: SocketAddr,
}

impl World {
    /// Starts what answers `recording` and all others with its configuration.
    pub fn start(recording: &Recording, app: &Echo) -> Self {
        let imported = match configuration::imported(recording) {
            Ok(imported) => imported,
            Err(keys) => return Self::Refused(keys),
        };
        let daemon = Daemon::start_configured(|public, admin| {
            configuration::of(&imported, recording, public, admin)
        });
        let exports = configuration::exports(recording);
        let tls = free_address();
        let change = |file: &str, text: String| front::changed(file, text, tls, &exports);
        let nginx = Nginx::start(&programs::nginx_of_debian(), daemon.public, app.address, &change);
        wait_for("nginx accepts connections on its second port", || TcpStream::connect(tls).ok());
        Self::Running(Box::new(Running { daemon, nginx, tls }))
    }

    /// What `recording` is answered.
    pub fn answer(&self, recording: &Recording) -> Outcome {
        match self {
            Self::Refused(keys) => Outcome::only("configuration", format!("refused at {keys}")),
            Self::Running(running) => running.answer(recording),
        }
    }
}

impl Installed for Running {
    fn address(&self, to: Role) -> SocketAddr {
        match to {
            Role::Portal | Role::ApplicationOverTls => self.tls,
            Role::PortalOverHttp | Role::Application => self.nginx.address,
            Role::Handler | Role::Forward => self.daemon.public,
        }
    }

    fn check(&self, method: &str, host: &str, target: &str, client: &str) -> Request {
        Daemon::check_from(client, method, "http", host, target)
    }

    fn forward_path<'a>(&self, _path: &'a str) -> &'a str {
        "/auth/forward"
    }

    /// The metric `vouchsafe_sessions`.
    fn records(&self) -> i64 {
        let admin = self.daemon.admin;
        let metrics = Request::new("GET", &admin.to_string(), "/metrics").send(admin);
        let text = String::from_utf8(metrics.body).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix("vouchsafe_sessions "));
        value.unwrap().parse().unwrap()
    }

    fn content(&self, id: &str) -> std::io::Result<Outcome> {
        let cookie = format!("lemonldap={id}");
        let check = Daemon::check_of("GET", "https", SESSION_HOST, "/").header("Cookie", &cookie);
        let answer = check.try_send(self.daemon.public)?;
        let mut content = Outcome::default();
        for (header, aspect) in [
            ("Session-User", "_user"),
            ("Session-Level", "authenticationLevel"),
            ("Session-Ip", "ipAddr"),
        ] {
            content.set(aspect, answer.all(header).join(" and "));
        }
        Ok(content)
    }
}

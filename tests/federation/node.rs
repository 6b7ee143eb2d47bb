//! The daemon as an MFA node: its configuration, and its own tokens.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::cast::Device;
use crate::support::certificates::Pair;
use crate::support::daemon::{Daemon, replace};
use crate::support::{free_address, programs, temporary_folder};

/// A handler that asks where the answer so far does not accept: the example of eduMFA's documentation.
pub const AFTER: &str = "event: validate_check, conditions: { result_value: false }";

/// A server that may take its time, because the machine is shared.
pub const PATIENT: &str = "timeout: 20s, connect_timeout: 5s";

/// What the configuration says below `mfa`.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    base: String,
    callers: String,
    api: String,
    servers: Vec<String>,
    handlers: Vec<String>,
    local: String,
    users: String,
    tls: String,
}

impl Plan {
    /// With tokens of its own for these users, who are in the realm `prealm` and the resolver `ppasswd`.
    pub fn local(users: &[&str]) -> Self {
        let user =
            |user: &&str| format!("- {{ user: {user}, realm: prealm, resolver: ppasswd }}\n");
        let users = users.iter().map(user).collect();
        Self { users, ..Self::base("local") }
    }

    /// With a server as its base, and no tokens of its own.
    pub fn base(server: &str) -> Self {
        let callers = "127.0.0.0/8".to_owned();
        Self { base: server.to_owned(), callers, ..Self::default() }
    }

    /// Lets only these ask `/validate`, instead of every loopback address; empty: there is no such path.
    pub fn callers(mut self, networks: &str) -> Self {
        networks.clone_into(&mut self.callers);
        self
    }

    /// Adds to `mfa.api`.
    pub fn api(mut self, settings: &str) -> Self {
        self.api.extend([", ", settings]);
        self
    }

    /// Speaks TLS, and demands a certificate of `client_ca` if there is one.
    pub fn tls(mut self, own: &Pair, client_ca: Option<&Path>) -> Self {
        let Pair { cert, key } = own;
        let demanded =
            client_ca.map_or_else(String::new, |ca| format!(", client_ca: {}", ca.display()));
        self.tls = format!("cert: {}, key: {}{demanded}", cert.display(), key.display());
        self
    }

    /// Adds to `mfa.local`.
    pub fn own(mut self, settings: &str) -> Self {
        self.local.extend([", ", settings]);
        self
    }

    /// Adds a server.
    pub fn server(mut self, name: &str, url: &str, settings: &str) -> Self {
        self.servers.push(format!("    {name}: {{ url: \"{url}\", {settings} }}\n"));
        self
    }

    /// Adds a handler behind the others.
    pub fn handler(mut self, when: &str, options: &str) -> Self {
        let order = self.handlers.len();
        self.handlers.push(format!(
            "    - {{ name: h{order}, order: {order}, action: forward, {when}, options: {{ {options} }} }}\n"
        ));
        self
    }

    /// The keys below `mfa`; `users` is the file that they are in.
    fn text(&self, users: &str) -> String {
        let Self { base, callers, api, servers, handlers, local, .. } = self;
        let mut text = format!(
            "\n\nmfa:\n  base: {base}\n  \
             regulation: {{ free_failures: 1000000, per_client: 1000000 }}\n"
        );
        if !callers.is_empty() {
            text.extend(["  api: { callers: [", callers, "]", api, " }\n"]);
        }
        for (key, entries) in [("servers", servers), ("handlers", handlers)] {
            if !entries.is_empty() {
                text.extend(["  ", key, ":\n", &entries.concat()]);
            }
        }
        if base == "local" {
            let known = format!("users: \"{users}\", default_realm: prealm");
            text.extend(["  local: { ", &known, local, " }\n"]);
        }
        text
    }
}

/// A daemon that is a node. Dropping it ends it and deletes its data.
pub struct Node {
    /// Where `/validate` is.
    pub address: SocketAddr,
    pub daemon: Daemon,
    folder: TempDir,
}

impl Node {
    /// Starts one.
    pub fn start(plan: &Plan) -> Self {
        Self::start_at(free_address(), plan)
    }

    /// The same on an address that others know already.
    pub fn start_at(address: SocketAddr, plan: &Plan) -> Self {
        let folder = temporary_folder();
        let users = folder.path().join("users.yaml");
        std::fs::write(&users, &plan.users).unwrap();
        let daemon = Daemon::start_configured(|_, admin| {
            configuration(address, admin, &plan.tls, &plan.text(users.to_str().unwrap()))
        });
        Self { address, daemon, folder }
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        url_of(self.address)
    }

    /// Where its answers to checks come from, as they say themselves.
    pub fn origin(&self) -> String {
        format!("{}/validate/check", self.url())
    }

    /// Gives it HOTP tokens, with the daemon's own command.
    #[track_caller]
    pub fn import(&self, tokens: &[(&str, Device)]) {
        let mut text = "serial,secret,type,digits,counter,algorithm,user,realm,pin\n".to_owned();
        for (user, token) in tokens {
            let (serial, seed, pin) = (token.serial, token.seed(), token.pin);
            let line = format!("{serial},{seed},hotp,6,0,sha1,{user},prealm,\"{pin}\"\n");
            text.push_str(&line);
        }
        let file = self.folder.path().join("tokens.csv");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(programs::vouchsafe());
        command.arg("--config").arg(self.daemon.path("config.yaml"));
        let done = command.args(["token", "import"]).arg(&file).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

/// The URL of a node at `address`, without a slash at the end.
pub fn url_of(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// What `vouchsafe check` says about a node with this plan at this address, if it is not content.
pub fn complaint(address: SocketAddr, plan: &Plan) -> Option<String> {
    let folder = temporary_folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("users.yaml"), &plan.users).unwrap();
    let text = configuration(address, free_address(), &plan.tls, &plan.text("users.yaml"));
    std::fs::write(path("config.yaml"), text).unwrap();
    let mut command = Command::new(programs::vouchsafe());
    let done = command.arg("--config").arg(path("config.yaml")).arg("check").output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (!done.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

/// The shipped configuration with these addresses, and with `mfa` instead of its own.
fn configuration(public: SocketAddr, admin: SocketAddr, tls: &str, mfa: &str) -> String {
    let shipped = std::fs::read_to_string(programs::shipped("config.yaml")).unwrap();
    let public = if tls.is_empty() {
        public.to_string()
    } else {
        format!("{{ address: \"{public}\", tls: {{ {tls} }} }}")
    };
    let config = replace(&shipped, "public: 127.0.0.1:9080", &format!("public: {public}"));
    let config = replace(&config, "admin: 127.0.0.1:9082", &format!("admin: {admin}"));
    let (before, own) = config.split_once("\nmfa:").expect("the shipped file has `mfa`");
    let after = own.lines().skip(1).skip_while(|line| line.starts_with(' '));
    [before, "\n", &after.collect::<Vec<_>>().join("\n"), mfa].concat()
}

//! A daemon that asks a node for factors, an application, and the proxies between them and a browser.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fronts::{Backends, Front};
use crate::lab::Lab;
use crate::support::client::{Answer, Request};
use crate::support::daemon::{Daemon, replace};
use crate::support::echo::{Asked, Echo};
use crate::support::grpc_application::GrpcApplication;
use crate::support::{free_address, wait_for};

/// The host of the application, and of the portal.
pub const APP: &str = "app.example.com";
pub const PORTAL: &str = "auth.example.com";
/// The host of the application whose requests may carry a factor.
pub const PROGRAMS: &str = "programs.apps.example.com";

/// The master's address; the proxies are at 127.0.0.1, which alone is trusted.
pub const MASTER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
/// Somebody else's.
pub const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8));

/// What a browser sends when a person follows a link.
pub const NAVIGATION: &[(&str, &str)] = &[
    ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Site", "same-origin"),
];

/// The proxies through which a browser comes here.
pub const BROWSERS: [&str; 4] = ["nginx 1.22", "nginx 1.31", "Envoy 1.40 HTTP", "Envoy 1.40 gRPC"];

/// What is protected: the application shows the level of its user in `Auth-Mail`, which every proxy passes on.
const APPLICATIONS: &str = "applications:
  - name: programs
    hosts: programs.apps.example.com
    factor_in_request: true
    cache: 2s
    exports: { Auth-User: uid, Auth-Mail: auth_level, Auth-Groups: groups }
    rules:
      - { path: /public/, effect: unprotect }
      - { path: /admin, level: 5, effect: allow }
      - { path: /vault, level: 6, effect: allow }
      - { path: /fresh, factor_max_age: 5m, effect: allow }
      - { effect: allow }
  - name: wiki
    hosts: [app.example.com, \"*.apps.example.com\"]
    exports: { Auth-User: uid, Auth-Mail: auth_level, Auth-Groups: groups }
    rules:
      - { path: /public/, effect: unprotect }
      - { path: /admin, level: 5, effect: allow }
      - { path: /vault, level: 6, effect: allow }
      - { path: /fresh, factor_max_age: 5m, effect: allow }
      - { effect: allow }
";

/// `mfa` with the node `lab` as its base, and other keys beside that.
pub fn asking(lab: SocketAddr, more: &str) -> String {
    // In these tests a node that was held is not one that is broken.
    let patient = "timeout: 20s, connect_timeout: 2s, breaker: { failures: 1000000 }";
    format!(
        "mfa:\n  base: lab\n  auth_level: 5\n  servers:\n    lab: {{ url: \"http://{lab}\", role: parent, {patient} }}\n{more}"
    )
}

/// Nobody is slowed down.
pub const UNREGULATED: &str = "  regulation: { free_failures: 1000000, per_client: 1000000 }\n";

/// The shipped configuration with the applications of these tests and `mfa`, behind proxies at 127.0.0.1.
pub fn configured(config: &str, mfa: &str) -> String {
    let (before, rest) = config.split_once("applications:\n").unwrap();
    let (_, own) = rest.split_once("\nmfa:").unwrap();
    let after: Vec<_> = own.lines().skip(1).skip_while(|line| line.starts_with(' ')).collect();
    let config = [before, APPLICATIONS, "\n", mfa, "\n", &after.join("\n"), "\n"].concat();
    let shipped = r#"trusted_proxies: [127.0.0.0/8, "::1/128"]"#;
    let config = replace(&config, shipped, "trusted_proxies: 127.0.0.1");
    let config = replace(&config, "127.0.0.1 10.0.0.0/8", &MASTER.to_string());
    // One cookie, which counts over plain HTTP, too.
    replace(&config, "secured: 2,", "secured: 1,")
}

/// Everything that runs.
pub struct World {
    pub fronts: Vec<Front>,
    pub daemon: Daemon,
    pub lab: Lab,
}

impl World {
    /// With a daemon that asks the node, and slows nobody down, behind the fronts of these names.
    pub fn start(fronts: &[&'static str]) -> Self {
        Self::around(fronts, UNREGULATED, |config| config)
    }

    /// The same with other keys below `mfa`, and with the configuration as `change` returns it.
    pub fn around(
        names: &[&'static str],
        mfa: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let start = |name, backends: &Backends| Front::start(name, backends);
        Self::behind(names, mfa, change, start)
    }

    /// The same with fronts as `start` starts them.
    pub fn behind(
        names: &[&'static str],
        mfa: &str,
        change: impl FnOnce(String) -> String,
        start: impl Fn(&'static str, &Backends) -> Front + Sync,
    ) -> Self {
        let (lab, app, grpc_app) = (Lab::start(), Echo::start(), GrpcApplication::start());
        let grpc = free_address();
        let daemon = Daemon::start_with(|config| {
            let config = configured(&config, &asking(lab.address, mfa));
            change(replace(&config, "listen:\n", &format!("listen:\n  grpc: {grpc}\n")))
        });
        let backends = Backends {
            daemon: daemon.public,
            grpc,
            application: app.address,
            grpc_application: grpc_app.address,
        };
        let fronts = std::thread::scope(|scope| {
            let (start, backends) = (&start, &backends);
            let starting: Vec<_> =
                names.iter().map(|name| scope.spawn(move || start(name, backends))).collect();
            starting.into_iter().map(|front| front.join().unwrap()).collect::<Vec<_>>()
        });
        for front in &fronts {
            // Some accept connections before they have read where those lead.
            wait_for("the daemon answers through the front", || {
                let page = Request::new("GET", PROGRAMS, "/page").try_send(front.address);
                page.is_ok_and(|answer| answer.status == 401).then_some(())
            });
        }
        Self { fronts, daemon, lab }
    }

    /// Runs `case` behind each front; a failure is preceded by the name of the one it happened behind.
    pub fn behind_each(&self, case: impl Fn(&Front)) {
        for front in &self.fronts {
            eprintln!("behind {} at {}", front.name, front.address);
            case(front);
        }
    }

    /// What the metrics say.
    pub fn metrics(&self) -> String {
        let metrics = Request::new("GET", &self.daemon.admin.to_string(), "/metrics");
        String::from_utf8(metrics.send(self.daemon.admin).body).unwrap()
    }
}

/// The world that all tests share which do not break it.
pub static WORLD: LazyLock<World> = LazyLock::new(|| World::start(&BROWSERS));

/// A text that no other request has.
pub fn marker() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("m{}x", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A right secret that nobody has used.
pub fn good() -> String {
    format!("good-{}", marker())
}

/// What the master says about `user`.
pub fn about(user: &str) -> [(&str, &str); 4] {
    [
        ("CN", user),
        ("User-Email", "dwho@example.com"),
        ("Auth-Groups", "users"),
        ("control", "password"),
    ]
}

/// Logs `user` in, through whatever is at `front`; returns the session's id.
#[track_caller]
pub fn login(front: SocketAddr, user: &str) -> String {
    let answer = Request::new("POST", PORTAL, "/")
        .headers(&about(user))
        .header("Accept", "application/json")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("lmAuth=2_Slave")
        .from(MASTER)
        .send(front);
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Sends `request`, which must be allowed, and returns what the application was asked.
#[track_caller]
pub fn allowed(request: &Request, front: SocketAddr) -> Asked {
    let answer = request.send(front);
    assert_eq!(answer.status, 200, "{request:?} got {answer}");
    Asked::from(&answer).unwrap_or_else(|| panic!("not the application's answer: {answer}"))
}

/// Sends `request`, which must be refused with `status` and `class`, by the proxy and not the application.
#[track_caller]
pub fn refused(request: &Request, front: SocketAddr, status: u16, class: &str) -> Answer {
    let answer = request.send(front);
    assert_eq!(answer.status, status, "{request:?} got {answer}");
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some(class), "{request:?} got {answer}");
    assert_eq!(answer.one("Cache-Control"), Some("no-store"), "{request:?} got {answer}");
    assert_eq!(answer.one("X-Echo"), None, "{request:?} reached the application");
    answer
}

//! The daemon, the applications, and all fronts around them, started once.

use std::net::{IpAddr, Ipv4Addr};

use tempfile::TempDir;

use crate::asking::PORTAL;
use crate::fronts::{Backends, Front, NAMES};
use crate::is_wanted;
use crate::support::client::Request;
use crate::support::daemon::{Daemon, asserting, replace, signing_key};
use crate::support::echo::Echo;
use crate::support::grpc_application::GrpcApplication;
use crate::support::{free_address, temporary_folder, wait_for};

/// The master's address. The proxies are at 127.0.0.1, which alone is trusted.
pub const MASTER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
/// Somebody else's.
pub const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8));

/// Everything that runs.
pub struct World {
    pub fronts: Vec<Front>,
    pub daemon: Daemon,
    pub application: Echo,
    pub grpc_application: GrpcApplication,
    /// The daemon's key, which it reads again after an outage.
    _keys: TempDir,
}

impl World {
    /// Starts it: the daemon first, then the fronts side by side.
    pub fn start() -> Self {
        let wanted = NAMES.into_iter().filter(|name| is_wanted("PROXIES_ONLY", name));
        Self::around("127.0.0.1", &wanted.collect::<Vec<_>>(), Front::start)
    }

    /// Starts a daemon that trusts `proxies`, and the fronts of these names as `start` does.
    pub fn around(
        proxies: &str,
        names: &[&'static str],
        start: impl Fn(&'static str, &Backends) -> Front + Sync,
    ) -> Self {
        let (grpc, application) = (free_address(), Echo::start());
        let grpc_application = GrpcApplication::start();
        let keys = temporary_folder();
        let key = keys.path().join("assertion.pem");
        signing_key(&key);
        let daemon = Daemon::start_with(|config| {
            let config = asserting(&config, &[&key]);
            // An application that wants no assertion.
            let other = "applications:\n  - { name: silent, hosts: silent.apps.example.com, exports: { Auth-User: uid }, rules: [{ effect: allow }] }\n";
            let config = replace(&config, "applications:\n", other);
            let shipped = r#"trusted_proxies: [127.0.0.0/8, "::1/128"]"#;
            let config = replace(&config, shipped, &format!("trusted_proxies: {proxies}"));
            let config = replace(&config, "127.0.0.1 10.0.0.0/8", &MASTER.to_string());
            replace(&config, "listen:\n", &format!("listen:\n  grpc: {grpc}\n"))
        });
        let backends = Backends {
            daemon: daemon.public,
            grpc,
            application: application.address,
            grpc_application: grpc_application.address,
        };
        let fronts = std::thread::scope(|scope| {
            let (start, backends) = (&start, &backends);
            let starting: Vec<_> =
                names.iter().map(|name| scope.spawn(move || start(name, backends))).collect();
            starting.into_iter().map(|front| front.join().unwrap()).collect::<Vec<_>>()
        });
        for front in &fronts {
            // Some accept connections before they have read where those lead.
            wait_for("the portal answers through the front", || {
                let ping = Request::new("GET", PORTAL, "/ping").try_send(front.address);
                ping.is_ok_and(|answer| answer.status == 200).then_some(())
            });
        }
        Self { fronts, daemon, application, grpc_application, _keys: keys }
    }

    /// Whether every front is there.
    pub fn is_whole(&self) -> bool {
        self.fronts.len() == NAMES.len()
    }
}

//! What the optional files of nginx are for: `nginx/applications.conf` as it is shipped, in front of everything.

use super::*;
use crate::support::grpc_application::GrpcApplication;

/// An nginx with `applications.conf`.
pub struct Front {
    pub name: &'static str,
    nginx: Nginx,
    /// Where it speaks gRPC.
    pub grpc: SocketAddr,
}

impl Front {
    pub fn address(&self) -> SocketAddr {
        self.nginx.address
    }

    /// Whether this nginx may remember checks: before 1.23 it cannot see that a header stands twice.
    pub fn remembers(&self) -> bool {
        self.name != DEBIANS
    }
}

const DEBIANS: &str = "Debian's nginx";

/// A daemon, two applications, and each nginx.
pub struct Applications {
    pub fronts: Vec<Front>,
    pub daemon: Daemon,
    pub app: Echo,
    pub grpc_app: GrpcApplication,
}

/// The one that all tests share which do not break it.
pub static APPLICATIONS: LazyLock<Applications> =
    LazyLock::new(|| Applications::around(Daemon::start()));

impl Applications {
    pub fn around(daemon: Daemon) -> Self {
        Self::around_with(daemon, |_, text| text)
    }

    /// Around `daemon`, with nginx's files as `change` returns them.
    pub fn around_with(daemon: Daemon, change: impl Fn(&str, String) -> String) -> Self {
        let (app, grpc_app) = (Echo::start(), GrpcApplication::start());
        let programs =
            [(DEBIANS, programs::nginx_of_debian()), ("nginx", programs::nginx_of_wheel())];
        let fronts = programs.map(|(name, program)| {
            let grpc = support::free_address();
            let addresses = [
                (9080, daemon.public.to_string()),
                (8081, app.address.to_string()),
                (8082, grpc.to_string()),
                (8083, grpc_app.address.to_string()),
            ];
            let nginx = Nginx::start_file("applications.conf", &program, &addresses, &change);
            Front { name, nginx, grpc }
        });
        Self { fronts: fronts.into(), daemon, app, grpc_app }
    }

    /// Runs `case` behind each nginx; a failure is preceded by the name of the one it happened behind.
    pub fn behind_each(&self, case: impl Fn(&Front)) {
        for front in &self.fronts {
            eprintln!("behind {} at {}", front.name, front.address());
            case(front);
        }
    }
}

//! Every case behind every nginx that the shipped files are for, with the shipped files and the real daemon.
//!
//! - `allow`: what the application gets when a request is allowed
//! - `headers`: what a client sends and the application must never see
//! - `crash`: kill -9 under load, and parallel users
//! - `dialects`: what each proxy asks and how it is answered, straight at the daemon
//! - `cookies`: session cookies stop at the proxy, others do not
//! - `refusals`: what clients are told: 401, 302, 403
//! - `rules`: rules that ask who it is, logout, maintenance, levels
//! - `paths`: spellings of a path that must not reach the application
//! - `portal`: logging in, and the cookies that come of it
//! - `journeys`: from a page to the portal and back, and browsers that go in circles
//! - `logout`: ending sessions, and who may make a browser do it
//! - `secrecy`: what must stand in no log, metric, answer or file
//! - `outage`: the daemon is killed, restarted, terminated under load
//! - `exports`: many of them, and large ones
//! - `explain`: why a request was refused, and who may ask
//! - `encodings`: how values are written by a master and to an application, and those that must not be
//! - `grpc`: the gRPC listener, asked by a client of Envoy's own protocol
//! - `applications`: what the optional files of nginx are for; the five below share its world
//!   - `sockets`: handshakes of web sockets; `grpc_apps`: applications that speak gRPC; `uploads`: large bodies;
//!     `cors`: scripts of other origins; `cached`: checks that nginx remembers
//! - `floods`: the gRPC listener under HTTP/2 frames that no good client sends
//! - `transports`: Envoy gets the same answer over HTTP and over gRPC
//! - `assertions`: signed tokens: who gets them, their keys, and the examples that verify them
//! - `listeners`: TLS and unix sockets, behind nginx and Envoy
//! - `framing`: the daemon's own parser, byte by byte
//! - `metrics`: a real Prometheus scrapes it

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time and share them between tests"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/proxies, which uses other parts")]
mod support;

#[path = "../../docs/examples/verify_assertion.rs"]
#[expect(dead_code, reason = "it is a program, too")]
mod verify_assertion;

mod allow;
mod applications;
mod assertions;
mod cached;
mod cookies;
mod cors;
mod crash;
mod dialects;
mod encodings;
mod explain;
mod exports;
mod floods;
mod framing;
mod grpc;
mod grpc_apps;
mod headers;
mod journeys;
mod listeners;
mod logout;
mod metrics;
mod outage;
mod paths;
mod portal;
mod refusals;
mod rules;
mod secrecy;
mod sockets;
mod transports;
mod uploads;
mod variables;

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use support::client::{Answer, Request};
use support::daemon::{Daemon, replace};
use support::echo::{Asked, Echo};
use support::nginx::Nginx;
use support::programs;

/// The host of the application, and of the portal.
const APP: &str = "app.example.com";
const PORTAL: &str = "auth.example.com";

/// What an accredited master sends for one user.
const MASTER: &[(&str, &str)] = &[
    ("CN", "dwho"),
    ("User-Email", "dwho@example.com"),
    ("Auth-Groups", "users;timelords"),
    ("control", "password"),
];

/// What a browser sends when a person follows a link.
const NAVIGATION: &[(&str, &str)] = &[
    ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
];

/// A daemon, an application, and each nginx between them and the client.
struct World {
    fronts: Vec<(&'static str, Nginx)>,
    daemon: Daemon,
    app: Echo,
}

impl World {
    fn start() -> Self {
        Self::around(Daemon::start())
    }

    /// One in which TLS ends in front of nginx, so that the secure cookie counts.
    fn start_secure() -> Self {
        Self::around_with(Daemon::start(), |name, text| match name {
            "auth.conf" | "example.conf" => replace(&text, "$scheme;", "https;"),
            _ => text,
        })
    }

    fn around(daemon: Daemon) -> Self {
        Self::around_with(daemon, |_, text| text)
    }

    /// Around `daemon`, with the snippets as `change` returns them.
    fn around_with(daemon: Daemon, change: impl Fn(&str, String) -> String) -> Self {
        let public = daemon.public;
        Self::at(public, daemon, change)
    }

    /// Around `daemon`, which listens for nginx at `public`.
    fn at(public: impl Display, daemon: Daemon, change: impl Fn(&str, String) -> String) -> Self {
        let app = Echo::start();
        let programs = [
            ("Debian's nginx", programs::nginx_of_debian()),
            ("nginx", programs::nginx_of_wheel()),
        ];
        let fronts = programs
            .map(|(name, program)| (name, Nginx::start(&program, &public, app.address, &change)));
        Self { fronts: fronts.into(), daemon, app }
    }

    /// Runs `case` behind each nginx; a failure is preceded by the name of the one it happened behind.
    fn behind_each(&self, case: impl Fn(SocketAddr)) {
        for (name, nginx) in &self.fronts {
            eprintln!("behind {name} at {}", nginx.address);
            case(nginx.address);
        }
    }
}

/// The world that all tests share which do not break it.
static WORLD: LazyLock<World> = LazyLock::new(World::start);

/// A request to the application without any identity.
fn stranger(method: &str, target: &str) -> Request {
    Request::new(method, APP, target)
}

/// A request to the application that comes from the master.
fn from_master(method: &str, target: &str) -> Request {
    stranger(method, target).headers(MASTER)
}

/// A text that no other request has, to be found (or not) in what the application saw.
fn marker() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("marker{}x", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Sends `request`, which must be allowed, and returns what the application was asked.
#[track_caller]
fn allowed(request: &Request, front: SocketAddr) -> Asked {
    let answer = request.send(front);
    assert_eq!(answer.status, 200, "{request:?} got {answer}");
    Asked::from(&answer).unwrap_or_else(|| panic!("not the application's answer: {answer}"))
}

/// Sends `request`, which must be refused with `status` and `class`, by the proxy and not the application.
#[track_caller]
fn refused(request: &Request, front: SocketAddr, status: u16, class: &str) -> Answer {
    let answer = request.send(front);
    assert_eq!(answer.status, status, "{request:?} got {answer}");
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some(class), "{request:?} got {answer}");
    assert_eq!(answer.one("Cache-Control"), Some("no-store"), "{request:?} got {answer}");
    assert_eq!(answer.one("X-Echo"), None, "{request:?} reached the application");
    answer
}

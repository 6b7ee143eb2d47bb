//! Everything but the browser: the daemon, the shipped nginx in front of the application, the master in front of
//! the portal, and a foreign site.
//!
//! In production all of them listen on port 443 of addresses of their own; here on one other port of several
//! loopback addresses, to which the browser resolves the names. So URLs look as they do there.
//!
//! A stage belongs to one test: what is remembered of a browser that goes in circles, and a logout everywhere,
//! would reach into other tests.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::support::certificates;
use crate::support::daemon::{Daemon, replace};
use crate::support::echo::Echo;
use crate::support::nginx::Nginx;
use crate::support::{free_address, programs, temporary_folder, wait_for};

/// Where the names lead. Nothing else is known to the browser, so it reaches nobody else.
pub const HOSTS: &str = "MAP auth.example.com 127.0.0.2, MAP *.example.com 127.0.0.1, \
                         MAP evil.test 127.0.0.3, MAP * ~NOTFOUND";
/// The same for somebody who knows the portal's own address.
pub const HOSTS_WITHOUT_MASTER: &str = "MAP *.example.com 127.0.0.1, MAP * ~NOTFOUND";

/// A change of the shipped configuration.
pub type Change = fn(String) -> String;

pub struct Stage {
    /// The shipped nginx. Its own address is the one for plain HTTP.
    front: Nginx,
    _master: Nginx,
    daemon: Daemon,
    /// Of everything that is TLS.
    port: u16,
}

impl Stage {
    /// The shipped configuration: people choose how to log in.
    pub fn with_choice() -> Self {
        Self::start(|config| config)
    }

    /// Without `portal.choice`: who comes through the master is logged in.
    pub fn without_choice() -> Self {
        Self::without_choice_and(|config| config)
    }

    /// The same with one more change.
    pub fn without_choice_and(change: Change) -> Self {
        Self::start(|config| {
            let line = config.lines().find(|line| line.starts_with("  choice:"));
            let without = replace(&config, line.expect("the shipped file has a choice"), "");
            change(without)
        })
    }

    fn start(change: impl FnOnce(String) -> String) -> Self {
        let tls = address_of_three();
        let daemon = Daemon::start_with(|config| {
            let url = format!("url: https://auth.example.com:{}/", tls.port());
            let config = replace(&config, "url: https://auth.example.com/", &url);
            change(replace(&config, "ips: \"127.0.0.1 10.0.0.0/8\"", "ips: 127.0.0.2"))
        });
        let folder = temporary_folder();
        make_certificate(folder.path());
        let front = start_front(&daemon, tls, folder.path());
        let master = start_master(tls, folder);
        Self { front, _master: master, daemon, port: tls.port() }
    }

    /// Whether this id still opens the application.
    pub fn is_alive(&self, session: &str) -> bool {
        let check = Daemon::check_of("GET", "https", "app.example.com", "/");
        let answer =
            check.header("Cookie", &format!("vouchsafe={session}")).send(self.daemon.public);
        assert!(matches!(answer.status, 200 | 401), "{answer}");
        answer.status == 200
    }

    /// An address of the application.
    pub fn app(&self, path: &str) -> String {
        format!("https://app.example.com:{}{path}", self.port)
    }

    /// An address of the application over plain HTTP.
    pub fn app_over_http(&self, path: &str) -> String {
        format!("http://app.example.com:{}{path}", self.front.address.port())
    }

    /// An address of the portal.
    pub fn portal(&self, path: &str) -> String {
        format!("https://auth.example.com:{}{path}", self.port)
    }

    /// An address of the foreign site.
    pub fn foreign(&self, path: &str) -> String {
        format!("https://evil.test:{}{path}", self.port)
    }
}

/// A port that nobody listens on at any of the three addresses, as the first of them.
fn address_of_three() -> SocketAddr {
    wait_for("a port is free at three addresses", || {
        let address = free_address();
        let is_free = |last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), address.port()));
        (is_free(2).is_ok() && is_free(3).is_ok()).then_some(address)
    })
}

fn make_certificate(folder: &Path) {
    let names = "subjectAltName=DNS:*.example.com,DNS:evil.test";
    let files = ["-keyout", "key.pem", "-out", "certificate.pem"];
    let subject = ["-subj", "/CN=example.com", "-addext", names];
    certificates::request(folder, &[&subject[..], &files].concat());
}

/// The shipped files with TLS beside plain HTTP, as their comments tell.
fn start_front(daemon: &Daemon, tls: SocketAddr, certificate: &Path) -> Nginx {
    let app = Echo::start();
    let change = |file: &str, text: String| {
        if file != "example.conf" {
            return text;
        }
        let folder = certificate.display();
        let lines = format!(
            "include snippets/maps.conf;\n    \
             ssl_certificate {folder}/certificate.pem;\n    \
             ssl_certificate_key {folder}/key.pem;"
        );
        let text = replace(&text, "include snippets/maps.conf;", &lines);
        let (first, second) = ("listen 127.0.0.1:8080 default_server;", "listen 127.0.0.1:8080; ");
        let text = replace(&text, first, &format!("{first} listen {tls} ssl default_server;"));
        replace(&text, second, &format!("{second} listen {tls} ssl; "))
    };
    let front = Nginx::start(&programs::nginx_of_debian(), daemon.public, app.address, &change);
    wait_for("the front accepts connections over TLS", || TcpStream::connect(tls).ok());
    front
}

fn start_master(tls: SocketAddr, folder: TempDir) -> Nginx {
    let config = include_str!("master.conf");
    let config = replace(config, "PORT", &tls.port().to_string());
    let config = replace(&config, "FOLDER", folder.path().to_str().unwrap());
    std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
    let address = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), tls.port()));
    Nginx::start_in(folder, &programs::nginx_of_debian(), address)
}

/// A URL as the value of `url=`.
pub fn parameter(url: &str) -> String {
    form_urlencoded::byte_serialize(STANDARD.encode(url).as_bytes()).collect()
}

//! The gRPC listener with TLS and on a unix socket, asked by a real Envoy.

use std::net::TcpStream;
use std::process::Child;

use super::*;

/// A running Envoy in front of one application. Dropping it ends it.
struct Envoy {
    address: SocketAddr,
    app: Echo,
    folder: tempfile::TempDir,
    child: Child,
}

impl Envoy {
    /// One that asks at `daemon`, an address as Envoy writes it, with the transport socket `tls`.
    fn start(daemon: &str, tls: &str) -> Self {
        let (address, app) = (support::free_address(), Echo::start());
        let folder = support::temporary_folder();
        let config = include_str!("envoy.yaml");
        let config = replace(config, "FRONT_PORT", &address.port().to_string());
        let config = replace(&config, "APPLICATION_PORT", &app.address.port().to_string());
        let config = replace(&config, "DAEMON_ADDRESS", daemon);
        let config = replace(&config, "DAEMON_TLS", tls);
        let path = folder.path().join("envoy.yaml");
        std::fs::write(&path, config).unwrap();
        let path = path.to_str().unwrap();
        let arguments = ["-c", path, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"];
        let output = folder.path().join("output");
        let child = support::children::start(&programs::envoy(), &arguments, &output, "KILL");
        let mut envoy = Self { address, app, folder, child };
        support::wait_for("Envoy accepts connections", || {
            if let Some(status) = envoy.child.try_wait().unwrap() {
                panic!("Envoy ended with {status}:\n{}", envoy.log());
            }
            TcpStream::connect(envoy.address).ok()
        });
        envoy
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    #[track_caller]
    fn lets_in_whom_it_should(&self) {
        let asked = allowed(&from_master("GET", "/page"), self.address);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert_eq!(asked.all("control"), [""; 0]);
        let answer = stranger("GET", "/page").send(self.address);
        assert_eq!((answer.status, answer.one("X-Echo")), (401, None), "{answer}");
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        support::children::stop(&mut self.child);
        if std::thread::panicking() {
            eprintln!("--- Envoy's log\n{}", self.log());
        }
    }
}

/// A daemon with this gRPC listener.
fn daemon(grpc: &str, change: impl Fn(String) -> String) -> Daemon {
    Daemon::start_with(|config| {
        change(replace(&config, "listen:\n", &format!("listen:\n  grpc: {grpc}\n")))
    })
}

fn socket_address(address: SocketAddr) -> String {
    format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", address.ip(), address.port())
}

/// Envoy's words for TLS that checks the daemon's certificate, and shows one of its own if there is one.
fn transport_socket(authority: &Authority, shown: Option<&Pair>) -> String {
    let trusted = authority.cert().display().to_string();
    let shown = shown.map(|pair| {
        let (cert, key) = (pair.cert.display(), pair.key.display());
        format!(
            "tls_certificates: [{{ certificate_chain: {{ filename: {cert} }}, \
             private_key: {{ filename: {key} }} }}], "
        )
    });
    format!(
        "transport_socket: {{ name: envoy.transport_sockets.tls, typed_config: {{ \
         \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, \
         sni: auth.example.com, common_tls_context: {{ {}\
         validation_context: {{ trusted_ca: {{ filename: {trusted} }} }} }} }} }}",
        shown.unwrap_or_default()
    )
}

#[test]
fn over_a_unix_socket_envoy_is_answered_if_unix_is_listed_and_else_denied() {
    let listed = daemon("unix:grpc.sock", |config| trust_unix(&config));
    let pipe =
        |daemon: &Daemon| format!("{{ pipe: {{ path: {} }} }}", daemon.path("grpc.sock").display());
    Envoy::start(&pipe(&listed), "").lets_in_whom_it_should();
    let unlisted = daemon("unix:grpc.sock", |config| config);
    let envoy = Envoy::start(&pipe(&unlisted), "");
    for request in [from_master("GET", "/page"), stranger("GET", "/public/x")] {
        let answer = request.send(envoy.address);
        assert_eq!((answer.status, answer.one("X-Echo")), (403, None), "{answer}");
    }
    // A line of the audit is written after the answer.
    support::wait_for("an audit line", || unlisted.log().contains("untrusted_peer").then_some(()));
}

#[test]
fn with_mutual_tls_envoy_is_answered_if_it_shows_the_right_certificate_and_else_nobody_gets_in() {
    let (authority, other) = (Authority::new(), Authority::new());
    let grpc = support::free_address();
    let listener = with_tls(grpc, &authority.issue("server"), Some(&authority));
    let daemon = daemon(&listener, |config| config);
    let address = socket_address(grpc);
    let envoy = |shown: Option<&Pair>| Envoy::start(&address, &transport_socket(&authority, shown));
    envoy(Some(&authority.issue("envoy"))).lets_in_whom_it_should();
    for shown in [None, Some(&other.issue("envoy"))] {
        let envoy = envoy(shown);
        fails_closed(envoy.address, &envoy.app);
    }
    // Nor does it talk to a daemon that it cannot verify.
    let envoy = Envoy::start(&address, &transport_socket(&other, Some(&authority.issue("again"))));
    fails_closed(envoy.address, &envoy.app);
    // Nor in the clear.
    let envoy = Envoy::start(&address, "");
    fails_closed(envoy.address, &envoy.app);
    assert_eq!(daemon.terminate(), Some(0), "{}", daemon.log());
}

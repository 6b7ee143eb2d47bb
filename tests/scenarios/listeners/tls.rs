//! TLS: behind each nginx, and what a client of its own finds.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::Instant;

use super::*;

/// A daemon whose public listener has a certificate, and demands one of clients if `clients` issue them.
fn daemon(pair: &Pair, clients: Option<&Authority>) -> Daemon {
    Daemon::start_with(|config| protected(&config, pair, clients))
}

fn protected(config: &str, pair: &Pair, clients: Option<&Authority>) -> String {
    let line = config.lines().find_map(|line| line.strip_prefix("  public: ")).unwrap();
    let address = line.split(' ').next().unwrap();
    with_public(config, &with_tls(address, pair, clients))
}

/// The shipped files asking over TLS, with this certificate if there is one.
fn over_tls<'a>(
    authority: &Authority,
    shown: Option<&'a Pair>,
) -> impl Fn(&str, String) -> String + use<'a> {
    let trusted = authority.cert().display().to_string();
    move |name, text| {
        let shown = shown.map(|pair| {
            let (cert, key) = (pair.cert.display(), pair.key.display());
            format!("proxy_ssl_certificate {cert}; proxy_ssl_certificate_key {key}; ")
        });
        let more = format!(
            " proxy_ssl_verify on; proxy_ssl_trusted_certificate {trusted}; \
             proxy_ssl_name auth.example.com; proxy_ssl_server_name on; {}",
            shown.unwrap_or_default()
        );
        let (from, path) = match name {
            "auth.conf" => ("proxy_pass http://vouchsafe/auth/nginx;", "/auth/nginx"),
            "example.conf" => ("proxy_pass http://vouchsafe;", ""),
            _ => return text,
        };
        replace(&text, from, &format!("proxy_pass https://vouchsafe{path};{more}"))
    }
}

fn curl(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new(programs::debian("/usr/bin/curl", "curl"));
    let to = format!("::{}", daemon.public);
    command.args(["--silent", "--show-error", "--max-time", "20", "--connect-to", &to]);
    command.args(arguments).arg("https://auth.example.com/ping").output().unwrap()
}

#[test]
fn behind_each_nginx_with_the_right_certificate_everything_is_as_ever() {
    let authority = Authority::new();
    let (server, client) = (authority.issue("server"), authority.issue("nginx"));
    let daemon = daemon(&server, Some(&authority));
    let world = World::around_with(daemon, over_tls(&authority, Some(&client)));
    world.behind_each(|front| {
        let asked = allowed(&from_master("GET", "/page"), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        refused(&stranger("GET", "/page"), front, 401, "login");
        let portal = Request::new("GET", PORTAL, "/").headers(NAVIGATION).send(front);
        assert!(String::from_utf8_lossy(&portal.body).contains("<html"), "{portal}");
    });
}

#[test]
fn behind_each_nginx_without_the_right_certificate_nobody_gets_in() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (server, foreign) = (authority.issue("server"), other.issue("nginx"));
    for shown in [None, Some(&foreign)] {
        let daemon = daemon(&server, Some(&authority));
        let world = World::around_with(daemon, over_tls(&authority, shown));
        world.behind_each(|front| fails_closed(front, &world.app));
    }
}

#[test]
fn behind_each_nginx_that_knows_another_authority_nobody_gets_in() {
    let (authority, other) = (Authority::new(), Authority::new());
    let world =
        World::around_with(daemon(&authority.issue("server"), None), over_tls(&other, None));
    world.behind_each(|front| fails_closed(front, &world.app));
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let authority = Authority::new();
    let daemon = daemon(&authority.issue("server"), None);
    let trusted = authority.cert().display().to_string();
    for (version, spoken) in
        [("--tlsv1.3", true), ("--tlsv1.2", true), ("--tlsv1.1", false), ("--tlsv1.0", false)]
    {
        let most = version.trim_start_matches("--tlsv");
        let weak = ["--ciphers", "ALL:@SECLEVEL=0"];
        let arguments = ["--cacert", &trusted, version, "--tls-max", most];
        let arguments = if spoken { arguments.to_vec() } else { [&arguments[..], &weak].concat() };
        let output = curl(&daemon, &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), spoken, "{version}: {said}");
        assert_eq!(output.stdout.is_empty(), !spoken, "{version}");
    }
    // Whoever speaks plain HTTP to it learns nothing.
    assert!(Daemon::check("/public/x").try_send(daemon.public).is_err());
}

#[test]
fn where_a_certificate_is_demanded_only_clients_of_that_authority_are_answered() {
    let (authority, other) = (Authority::new(), Authority::new());
    let daemon = daemon(&authority.issue("server"), Some(&authority));
    let trusted = authority.cert().display().to_string();
    let ask = |pair: Option<&Pair>| {
        let files =
            pair.map(|pair| [pair.cert.display().to_string(), pair.key.display().to_string()]);
        let mut arguments = vec!["--cacert", &trusted];
        if let Some([cert, key]) = &files {
            arguments.extend(["--cert", cert, "--key", key]);
        }
        let output = curl(&daemon, &arguments);
        output.status.success() && !output.stdout.is_empty()
    };
    assert!(ask(Some(&authority.issue("client"))));
    assert!(!ask(None));
    assert!(!ask(Some(&other.issue("client"))));
}

#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    let authority = Authority::new();
    let (pair, grpc) = (authority.issue("server"), support::free_address());
    let daemon = Daemon::start_with(|config| {
        let config = protected(&config, &pair, None);
        let grpc = with_tls(grpc, &pair, None);
        replace(&config, "listen:\n", &format!("listen:\n  grpc: {grpc}\n"))
    });
    for address in [daemon.public, grpc] {
        let mut idle = TcpStream::connect(address).unwrap();
        idle.set_read_timeout(Some(support::DEADLINE)).unwrap();
        let start = Instant::now();
        // Closed, with or without a farewell.
        let _ = idle.read(&mut [0; 16]);
        assert!(start.elapsed() < support::DEADLINE / 2, "{address}: {:?}", start.elapsed());
    }
}

#[test]
fn who_reaches_the_portal_over_tls_itself_has_the_secure_cookie() {
    let authority = Authority::new();
    let daemon = Daemon::start_with(|config| {
        let config = protected(&config, &authority.issue("server"), None);
        // So this machine is a stranger, and by its address the master.
        replace(
            &config,
            "trusted_proxies: [127.0.0.0/8, \"::1/128\"]",
            "trusted_proxies: [192.0.2.1]",
        )
    });
    let trusted = authority.cert().display().to_string();
    let jar = authority.path("jar").display().to_string();
    let ask = |url: &str, more: &[&str]| {
        let mut command = Command::new(programs::debian("/usr/bin/curl", "curl"));
        let to = format!("::{}", daemon.public);
        command.args(["--silent", "--show-error", "--connect-to", &to, "--cacert", &trusted]);
        command.args(["--cookie", &jar, "--cookie-jar", &jar, "-H", "Accept: application/json"]);
        let output = command.args(more).arg(url).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let master = ["-H", "CN: dwho", "-H", "control: password", "-d", "lmAuth=2_Slave"];
    let opened = ask("https://auth.example.com/", &master);
    assert!(opened.contains(r#""result":1"#), "{opened}");
    let ping = ask("https://auth.example.com/ping", &[]);
    assert!(ping.contains(r#""status":1"#), "{ping}");
}

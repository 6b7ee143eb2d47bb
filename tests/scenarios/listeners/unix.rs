//! Unix sockets: trust, and the life of the file.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use super::*;

const SOCKET: &str = "public.sock";
/// Debian's `nogroup`.
const NOGROUP: u32 = 65534;

fn daemon(change: impl Fn(String) -> String) -> Daemon {
    Daemon::start_with(|config| change(with_public(&config, &format!("unix:{SOCKET}"))))
}

fn trusting() -> Daemon {
    daemon(|config| trust_unix(&config))
}

fn login() -> Request {
    let form = "application/x-www-form-urlencoded";
    Request::new("POST", PORTAL, "/")
        .headers(&[("Accept", "application/json"), ("Content-Type", form)])
        .headers(MASTER)
}

/// Sends `request` over the socket at `path`; status line, headers and body as they came.
fn ask(path: &Path, request: &Request) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(support::DEADLINE)).unwrap();
    stream.write_all(&request.clone().header("Connection", "close").bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn behind_each_nginx_a_unix_socket_is_as_good_as_an_address() {
    // As an operator would: a folder whose group, the proxy's, every file in it gets.
    let folder = support::temporary_folder();
    // Only root starts nginx with workers of another user, and only root may do this.
    let shared = std::os::unix::fs::chown(folder.path(), None, Some(NOGROUP)).is_ok();
    let mode = if shared { 0o2750 } else { 0o700 };
    std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
    let socket = format!("unix:{}", folder.path().join(SOCKET).display());
    let daemon = Daemon::start_with(|config| trust_unix(&with_public(&config, &socket)));
    // The default group is another one with each nginx.
    let world = World::at(&socket, daemon, |name, text| match name {
        "example.conf" => format!("user nobody nogroup;\n{text}"),
        _ => text,
    });
    world.behind_each(|front| {
        let asked = allowed(&from_master("GET", "/page"), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert_eq!(asked.all("CN"), [""; 0]);
        refused(&stranger("GET", "/page"), front, 401, "login");
        let answer = login().body("lmAuth=2_Slave").send(front);
        assert_eq!((answer.status, &answer.json()["result"]), (200, &1.into()), "{answer}");
        let id = answer.json()["id_http"].as_str().unwrap().to_owned();
        let cookie = format!("vouchsafehttp={id}");
        let asked = allowed(&stranger("GET", "/page").header("Cookie", &cookie), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
    });
}

#[test]
fn a_unix_peer_is_nobodys_proxy_unless_unix_is_listed() {
    let daemon = daemon(|config| config);
    assert!(daemon.log().contains("`unix` is not in `trusted_proxies`"), "{}", daemon.log());
    let socket = daemon.path(SOCKET);
    for check in [Daemon::check("/page").headers(MASTER), Daemon::check("/public/x")] {
        let answer = ask(&socket, &check);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    // At the portal it has no address, so nobody speaks from a master's; what it says of others is ignored.
    for login in [login(), login().header("X-Forwarded-For", "127.0.0.1")] {
        let answer = ask(&socket, &login.body("lmAuth=2_Slave"));
        assert!(!answer.starts_with("HTTP/1.1 200 ") && !answer.contains("Set-Cookie"), "{answer}");
    }
    // A line of the audit is written after the answer.
    for reason in ["untrusted_peer", "no_client_address"] {
        support::wait_for(reason, || daemon.log().contains(reason).then_some(()));
    }
}

#[test]
fn a_trusted_unix_peer_must_say_whom_it_speaks_for() {
    let daemon = trusting();
    let socket = daemon.path(SOCKET);
    let answer = ask(&socket, &login().body("lmAuth=2_Slave"));
    assert!(!answer.contains("Set-Cookie"), "{answer}");
    let reported = login().header("X-Forwarded-For", "127.0.0.1").body("lmAuth=2_Slave");
    let answer = ask(&socket, &reported);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""result":1"#), "{answer}");
}

#[test]
fn the_file_is_there_for_the_group_as_long_as_the_daemon_is() {
    let daemon = trusting();
    let socket = daemon.path(SOCKET);
    let found = socket.metadata().unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    // Another daemon does not take it away.
    let second = Command::new(programs::vouchsafe())
        .args(["--config", daemon.path("config.yaml").to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    // A crash leaves it behind, and the next start replaces it.
    daemon.kill();
    assert!(socket.exists());
    daemon.restart();
    let answer = ask(&socket, &Daemon::check("/public/x"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(daemon.terminate(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn every_listener_can_be_a_unix_socket_and_says_so() {
    let folder = support::temporary_folder();
    let config = std::fs::read_to_string(programs::shipped("config.yaml")).unwrap();
    let config = with_public(&config, "unix:a.sock\n  grpc: unix:b.sock");
    let config = replace(&config, "admin: 127.0.0.1:9082", "admin: unix:c.sock");
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let (path, output) = (folder.path().join("config.yaml"), folder.path().join("output"));
    let arguments = ["--config", path.to_str().unwrap()];
    let mut child = support::children::start(&programs::vouchsafe(), &arguments, &output, "KILL");
    let admin = folder.path().join("c.sock");
    support::wait_for("the admin socket is there", || UnixStream::connect(&admin).ok());
    let answer = ask(&admin, &Request::new("GET", "x", "/readyz"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let said = || std::fs::read_to_string(&output).unwrap();
    support::wait_for("the daemon has said where it listens", || {
        let said = said();
        ["a.sock", "b.sock", "c.sock"].iter().all(|name| said.contains(name)).then_some(())
    });
    let all = ["a.sock", "b.sock", "c.sock"].map(|name| folder.path().join(name));
    assert!(all.iter().all(|path| path.exists()), "{}", said());
    support::children::stop(&mut child);
    assert!(!all.iter().any(|path| path.exists()), "{}", said());
}

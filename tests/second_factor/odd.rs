//! Questions that no good program asks: many names, bombs (A85, A87).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::lab::Lab;
use crate::support::client::{Answer, Connection, Request};
use crate::support::daemon::Daemon;
use crate::world::{MASTER, PROGRAMS, UNREGULATED, about, asking, configured, good};

fn node() -> (Daemon, Lab) {
    let lab = Lab::start();
    let mfa = asking(lab.address, &format!("  api: {{ callers: 127.0.0.0/8 }}\n{UNREGULATED}"));
    // Checks are sent straight to it, as if by a proxy.
    (Daemon::start_with(|config| configured(&config, &mfa)), lab)
}

/// Names and labels of all series of the metrics.
fn series(node: &Daemon) -> BTreeSet<String> {
    let metrics = Request::new("GET", &node.admin.to_string(), "/metrics").send(node.admin);
    let text = String::from_utf8(metrics.body).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// A85.
#[test]
fn odd_questions_add_no_series_to_the_metrics() {
    let (node, lab) = node();
    let before = series(&node);
    let mut connection = Connection::open(node.public).unwrap();
    let mut ask = |method: &str, target: &str| {
        connection.send(&Request::new(method, "any.test", target).body("").bytes()).unwrap();
        let answer = connection.read(true).unwrap();
        assert!(answer.status < 500, "{target} {answer}");
    };
    for number in 0..1000 {
        let odd = format!("odd{number}");
        ask(
            "POST",
            &format!("/validate/check?user={odd}&realm=r{odd}&pass=x&resolver=s{odd}&type=t{odd}"),
        );
        ask("GET", &format!("/validate/polltransaction?transaction_id={odd}"));
        ask("GET", &format!("/validate/polltransaction/{odd}"));
        ask("POST", &format!("/validate/check?serial={odd}&pass=x&{odd}={odd}"));
        ask("GET", &format!("/validate/{odd}?user={odd}"));
    }
    assert!(lab.asked().len() >= 1000);
    let after = series(&node);
    assert!(after.iter().all(|series| !series.contains("odd")), "{after:?}");
    // All of them are there from the beginning.
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), [""; 0]);
    let lab = r#"node="lab""#;
    assert!(after.iter().any(|series| series.contains(lab)), "{after:?}");
}

/// A check that carries this `Authorization`, straight at the daemon.
fn check(node: &Daemon, authorization: &str) -> Option<Answer> {
    let check = Daemon::check_from(&MASTER.to_string(), "GET", "http", PROGRAMS, "/admin");
    let check = check.headers(&about("dwho")).header("Authorization", authorization);
    check.try_send(node.public).ok()
}

/// A87.
#[test]
fn bombs_are_refused_and_the_daemon_lives() {
    let (node, lab) = node();
    let long =
        |bytes: usize| format!("Basic {}", STANDARD.encode(["dwho:", &"x".repeat(bytes)].concat()));
    let no_colon = format!("Basic {}", STANDARD.encode("x".repeat(10_000)));
    let no_text = format!("Basic {}", STANDARD.encode(b"dwho:\xff\xfe"));
    let padded = format!("Basic {}", "=".repeat(1000));
    for odd in [
        &*long(100_000),
        &long(75_000),
        &long(20_000),
        &long(600),
        &no_colon,
        &no_text,
        &padded,
        "Basic ",
        "Basic",
        "Basic =",
        "Basic ZHdobzpnb29k=",
        "Basic ZHdobzpnb29",
        "Basic ZHdob@pnb29k",
        "Basic ZHdobzpnb29k ZHdobzpnb29k",
        "basic\tZHdobzpnb29k",
    ] {
        // Where the head as a whole is too large the connection may end before an answer.
        if let Some(answer) = check(&node, odd) {
            let start = odd.get(..40).unwrap_or(odd);
            assert!((400..500).contains(&answer.status), "{start} {answer}");
        }
    }
    assert_eq!(lab.asked().len(), 0);

    let json = ("Content-Type", "application/json");
    let deep =
        format!(r#"{{"user": "dwho", "pass": {}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let objects = format!("{}1{}", r#"{"user":"#.repeat(10_000), "}".repeat(10_000));
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xff; 200]].concat();
    let post = || Request::new("POST", "any.test", "/validate/check");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let large = ["user=dwho&pass=", &"x".repeat(1 << 20)].concat();
    for request in [
        post().headers(&[json]).body(deep),
        post().headers(&[json]).body(objects),
        post().headers(&[json, ("Content-Encoding", "gzip")]).body(gzip.clone()),
        post().headers(&[form, ("Content-Encoding", "gzip")]).body(gzip),
        post().headers(&[form]).body(large),
        post().headers(&[json]).body("{".repeat(60_000)),
        post().headers(&[json]).body("\"".to_owned()),
        post()
            .headers(&[("Content-Type", "multipart/form-data; boundary=x")])
            .body("--x--x--x".repeat(5000)),
    ] {
        if let Ok(answer) = request.try_send(node.public) {
            assert!((400..500).contains(&answer.status), "{answer}");
        }
    }
    assert_eq!(lab.asked().len(), 0);
    // It is still the same one, and does what it is for.
    let secret = good();
    let right = format!("Basic {}", STANDARD.encode(format!("dwho:{secret}")));
    assert_eq!(check(&node, &right).unwrap().status, 200);
    assert_eq!(lab.asked_for(&secret).len(), 1);
}

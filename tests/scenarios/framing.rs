//! The daemon's own parser, byte by byte: odd requests are refused at once, and never a 200 or a 5xx.

use std::time::{Duration, Instant};

use super::support::client::{Connection, exchange};
use super::*;

/// An allowed check with `lines` inserted before the end of its head, then `rest`.
fn check_with(lines: &str, rest: &str) -> String {
    let check = Daemon::check("/page").headers(MASTER).bytes();
    let head = String::from_utf8(check).unwrap();
    let head = head.strip_suffix("\r\n").unwrap();
    format!("{head}{lines}\r\n{rest}")
}

#[track_caller]
fn is_refused(what: &str, request: &str) {
    let begin = Instant::now();
    let answer = exchange(WORLD.daemon.public, request.as_bytes());
    let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!((400..500).contains(&answer.status), "{what}: {answer}");
    assert_eq!(answer.all("Auth-User"), [""; 0], "{what}: {answer}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{what}: {:?}", begin.elapsed());
}

#[track_caller]
fn is_allowed(what: &str, request: &str) -> Answer {
    let begin = Instant::now();
    let answer = exchange(WORLD.daemon.public, request.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{what}: {answer}");
    assert_eq!(answer.one("Auth-User"), Some("dwho"), "{what}: {answer}");
    assert!(begin.elapsed() < Duration::from_secs(4), "{what}: {:?}", begin.elapsed());
    answer
}

#[test]
fn two_ways_to_say_how_long_a_body_is_are_refused() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    is_refused("CL and TE", &check_with(&format!("Content-Length: 5\r\n{chunked}"), "0\r\n\r\n"));
    is_refused("TE and CL", &check_with(&format!("{chunked}Content-Length: 5\r\n"), "0\r\n\r\n"));
    is_refused("two lengths", &check_with("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"));
}

#[test]
fn a_body_in_an_unknown_form_is_refused() {
    is_refused("xchunked", &check_with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"));
    is_refused("chunked, identity", &check_with("Transfer-Encoding: chunked, identity\r\n", ""));
    is_refused("negative", &check_with("Content-Length: -1\r\n", ""));
    is_refused("signed", &check_with("Content-Length: +5\r\n", "hello"));
    is_refused("no number", &check_with("Content-Length: five\r\n", ""));
}

#[test]
fn no_host_and_two_hosts_are_refused() {
    let plain = check_with("", "");
    is_refused("no Host", &plain.replacen("Host: app.example.com\r\n", "", 1));
    is_refused("two Hosts", &check_with("Host: app.example.com\r\n", ""));
    is_refused("two different Hosts", &check_with("Host: other.example\r\n", ""));
}

#[test]
fn malformed_header_lines_are_refused() {
    is_refused("obs-fold", &check_with("X-Folded: a\r\n CN: evil\r\n", ""));
    is_refused("bare CR", &check_with("X-Return: a\rCN: evil\r\n", ""));
    is_refused("NUL", &check_with("X-Nul: a\0b\r\n", ""));
    is_refused("blank before the colon", &check_with("X-Blank : a\r\n", ""));
    is_refused("no colon", &check_with("X-Nothing\r\n", ""));
    is_refused("no name", &check_with(": a\r\n", ""));
    is_refused("blank in a name", &check_with("X Y: a\r\n", ""));
}

#[test]
fn malformed_request_lines_are_refused() {
    let plain = check_with("", "");
    is_refused("no version", &plain.replacen(" HTTP/1.1", "", 1));
    is_refused("unknown version", &plain.replacen("HTTP/1.1", "HTTP/9.9", 1));
    is_refused("not HTTP", "\x16\x03\x01\x02\0\x01\0\r\n\r\n");
}

#[test]
fn too_many_headers_are_refused_and_many_are_not() {
    let lines = |count: usize| {
        let line = |n| format!("X-{n}: 1\r\n");
        (0..count).map(line).collect::<Vec<_>>().concat()
    };
    let own = check_with("", "").matches("\r\n").count() - 2;
    is_allowed("96 headers", &check_with(&lines(96 - own), ""));
    for count in [97, 98, 120, 128, 129, 200] {
        is_refused(&format!("{count} headers"), &check_with(&lines(count - own), ""));
    }
}

#[test]
fn a_huge_header_is_refused() {
    is_refused("1 MB", &check_with(&format!("X-Huge: {}\r\n", "x".repeat(1 << 20)), ""));
}

#[test]
fn an_input_of_the_dialect_that_stands_twice_is_refused() {
    for line in [
        "X-Original-Method: GET",
        "X-Original-URI: /page",
        "X-Forwarded-Host: app.example.com",
        "X-Forwarded-Proto: http",
        "x-original-uri: /public/",
    ] {
        is_refused(line, &check_with(&format!("{line}\r\n"), ""));
    }
}

#[test]
fn an_announced_body_is_not_waited_for() {
    is_allowed("length without body", &check_with("Content-Length: 5\r\n", ""));
    is_allowed("chunks without end", &check_with("Transfer-Encoding: chunked\r\n", ""));
}

#[test]
fn an_upgrade_is_only_a_header() {
    is_allowed("websocket", &check_with("Connection: Upgrade\r\nUpgrade: websocket\r\n", ""));
    is_allowed("h2c", &check_with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", ""));
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let request = check_with("", "").replacen("HTTP/1.1", "HTTP/1.0", 1);
    is_allowed("HTTP/1.0", &request);
    let mut connection = Connection::open(WORLD.daemon.public).unwrap();
    connection.send(request.as_bytes()).unwrap();
    connection.read(true).unwrap();
    assert_eq!(connection.read_to_end().unwrap(), b"");
}

#[test]
fn two_checks_in_one_packet_get_two_answers() {
    let mut connection = Connection::open(WORLD.daemon.public).unwrap();
    let second = check_with("", "").replacen("CN: dwho", "CN: rtyler", 1);
    connection.send([check_with("", ""), second].concat().as_bytes()).unwrap();
    assert_eq!(connection.read(true).unwrap().one("Auth-User"), Some("dwho"));
    assert_eq!(connection.read(true).unwrap().one("Auth-User"), Some("rtyler"));
}

#[test]
fn two_thousand_slow_clients_delay_nobody_and_are_let_go() {
    let slow = |_| {
        let mut connection = Connection::open(WORLD.daemon.public).unwrap();
        connection.send(b"GET /auth/nginx HTTP/1.1\r\nHost: app.example.com\r\nX-").unwrap();
        connection
    };
    let slow: Vec<_> = (0..2000).map(slow).collect();
    is_allowed("beside slow clients", &check_with("", ""));
    for mut connection in slow {
        let said = connection.read_to_end().expect("closed by the daemon");
        assert!(!said.starts_with(b"HTTP/1.1 2") && !said.starts_with(b"HTTP/1.1 5"));
    }
}

/// A31: older ones could be made to take a part of a body for a request.
#[test]
fn the_http_parser_has_no_known_way_to_smuggle() {
    let lock = std::fs::read_to_string(programs::shipped("Cargo.lock")).unwrap();
    let (_, rest) = lock.split_once("name = \"actix-http\"\nversion = \"").unwrap();
    let mut numbers = rest.split(['.', '"']).map(|number| number.parse::<u32>().unwrap());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(version >= (3, 20), "actix-http {version:?}");
}

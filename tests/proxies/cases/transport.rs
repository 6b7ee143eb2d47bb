//! Sizes, methods, upgrades and framing (attack classes framing, header-smuggling).

use std::time::Duration;

use crate::asking::{
    APP, about, allowed, assert_nobody, from_master, login, marker, never_arrives, refused,
    stranger,
};
use crate::fronts::Front;
use crate::support::client::{Connection, Request};
use crate::support::echo::{Asked, WEBSOCKET_ACCEPT, WEBSOCKET_KEY};
use crate::world::{MASTER, STRANGER, World};

pub fn long_headers(world: &World, front: &Front) {
    let value = "v".repeat(200);
    let names: Vec<String> = (0..30).map(|n| format!("X-Long-{n}")).collect();
    let long: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
    let asked = allowed(front, &from_master("GET", "/page").headers(&long));
    assert_eq!((asked.all("Auth-User"), asked.all("X-Long-29")), (vec!["dwho"], vec![&*value]));
    let cookie = format!("a={}", "c".repeat(4000));
    let asked = allowed(front, &from_master("GET", "/page").header("Cookie", &cookie));
    assert_eq!(asked.all("Cookie"), [&cookie]);
    let names: Vec<String> = (0..200).map(|n| format!("X-Many-{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for path in ["/page", "/public/page", "/assets/page"] {
        never_arrives(world, front, path, |target| from_master("GET", target).headers(&many));
    }
    let huge = "h".repeat(200_000);
    never_arrives(world, front, "/public/page", |target| {
        stranger("GET", target).header("X-Huge", &huge)
    });
}

pub fn upload(world: &World, front: &Front) {
    let body = vec![b'x'; 2 << 20];
    let asked = allowed(front, &from_master("POST", "/upload").body(body.clone()));
    assert_eq!((asked.method(), asked.body_bytes()), ("POST", 2 << 20));
    assert_eq!(asked.all("Auth-User"), ["dwho"]);
    let chunked = from_master("POST", "/upload").header("Transfer-Encoding", "chunked").bytes();
    let mut connection = Connection::open_from(front.address, Some(MASTER)).unwrap();
    connection.send(&[&chunked[..], b"5\r\nhello\r\n0\r\n\r\n"].concat()).unwrap();
    let answer = connection.read(true).unwrap();
    assert_eq!(Asked::from(&answer).map(|asked| asked.body_bytes()), Some(5), "{answer}");
    never_arrives(world, front, "/admin", |target| from_master("POST", target).body(body.clone()));
    never_arrives(world, front, "/page", |target| stranger("PUT", target).body(body.clone()));
}

pub fn methods(world: &World, front: &Front) {
    let head = from_master("HEAD", "/admin").send(front.address);
    assert_eq!((head.status, head.one("X-Echo")), (200, Some("1")), "{head}");
    assert_eq!(stranger("HEAD", "/page").send(front.address).status, 401);
    assert_eq!(allowed(front, &from_master("OPTIONS", "/page")).method(), "OPTIONS");
    refused(front, &from_master("OPTIONS", "/admin"), 403, "forbidden");
    refused(front, &from_master("DELETE", "/admin"), 403, "forbidden");
    refused(front, &stranger("OPTIONS", "/page"), 401, "login");
    for odd in ["get", "TRACE", "FOO", "GET,POST"] {
        never_arrives(world, front, "/admin", |target| from_master(odd, target));
    }
}

fn handshake(target: &str) -> Request {
    Request::new("GET", "sockets.apps.example.com", target).headers(&[
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", WEBSOCKET_KEY),
    ])
}

pub fn websocket(world: &World, front: &Front) {
    let cookie = format!("vouchsafehttp={}", login(front, "dwho").1);
    let open = handshake("/socket").header("Cookie", &cookie);
    let mut connection = Connection::open_from(front.sockets, Some(STRANGER)).unwrap();
    connection.send(&open.bytes()).unwrap();
    let answer = connection.read(false).unwrap();
    assert_eq!(answer.status, 101, "{answer}");
    assert_eq!(answer.one("Sec-WebSocket-Accept"), Some(WEBSOCKET_ACCEPT), "{answer}");
    // A masked text frame, which the application sends back as it came.
    let frame = b"\x81\x85\x00\x00\x00\x00hello";
    connection.send(frame).unwrap();
    assert_eq!(connection.take(frame.len()).unwrap(), frame);

    let marker = marker();
    let answer = handshake(&format!("/socket?{marker}")).from(STRANGER).send(front.sockets);
    assert_eq!(answer.status, 401, "{answer}");
    assert!(!world.application.saw(&marker));
}

pub fn h2c(_: &World, front: &Front) {
    let upgrade = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ];
    let mut connection = Connection::open_from(front.address, Some(MASTER)).unwrap();
    connection.send(&from_master("GET", "/page").headers(&upgrade).bytes()).unwrap();
    match connection.read(true) {
        Err(_) => {}
        Ok(answer) => {
            // A front may speak HTTP/2 to the client itself; what counts is what the application was asked.
            if let Some(asked) = Asked::from(&answer) {
                assert_eq!(asked.all("Upgrade"), [""; 0], "{asked:?}");
            }
        }
    }
}

pub fn framing(world: &World, front: &Front) {
    let marker = marker();
    let master = about("evil").map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let smuggled = format!("GET /page?{marker} HTTP/1.1\r\nHost: {APP}\r\n{master}\r\n");
    let length = smuggled.len();
    let post = |lines: &str, body: &str| {
        format!("POST /public/x HTTP/1.1\r\nHost: {APP}\r\n{lines}\r\n{body}")
    };
    for request in [
        post(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), "0\r\n\r\n"),
        post("Transfer-Encoding: xchunked\r\n", ""),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        post(&format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), ""),
        post("Content-Length: +5\r\n", "hello"),
        post("Content-Length: 5, 5\r\n", "hello"),
        post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff1\r\n"),
        post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        post(&format!("X: y\r{master}"), ""),
        post(&format!("X: y\r\n {}", master.replace("\r\n", " ")), ""),
        format!("GET /public/x HTTP/1.1\r\nHost: {APP}\r\nHost: nowhere.example\r\n\r\n"),
        format!("GET /public/x HTTP/1.1\r\n\r\nHost: {APP}\r\n\r\n"),
        format!("GET http://nowhere.example/public/x HTTP/1.1\r\nHost: {APP}\r\n\r\n"),
        format!("GET /public/x HTTP/1.1\r\nHost: {APP}\r\nAuth-User : evil\r\n\r\n"),
        format!("GET /public/x HTTP/1.1\r\nHost: {APP}\r\nX: a\0b\r\n\r\n"),
    ] {
        // From the stranger: no part of it may be taken for the master's.
        let mut connection = Connection::open_from(front.address, Some(STRANGER)).unwrap();
        connection.set_patience(Duration::from_millis(500)).unwrap();
        connection.send(&[request.as_bytes(), smuggled.as_bytes()].concat()).unwrap();
        while let Ok(answer) = connection.read(true) {
            if let Some(asked) = Asked::from(&answer) {
                let (names, text) = (asked.names(), asked.text());
                assert!(asked.target().starts_with("/public/"), "{request:?} gave {asked:?}");
                assert_nobody(front, &asked);
                assert!(names.iter().all(|name| name != "control" && name != "cn"), "{asked:?}");
                assert!(!text.contains("nowhere.example"), "{request:?} gave {asked:?}");
            }
            if answer.all("Connection").contains(&"close") {
                break;
            }
        }
        assert!(!world.application.saw(&marker), "{request:?}");
    }
}

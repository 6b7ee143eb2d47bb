//! Web sockets: the handshake is a request like others, and no other protocol can be switched to.

use super::applications::APPLICATIONS;
use super::support::client::Connection;
use super::support::echo::{WEBSOCKET_ACCEPT, WEBSOCKET_KEY};
use super::*;

const SOCKETS: &str = "sockets.apps.example.com";

fn handshake(target: &str) -> Request {
    Request::new("GET", SOCKETS, target).headers(&[
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", WEBSOCKET_KEY),
        ("Sec-Fetch-Mode", "websocket"),
        ("Sec-Fetch-Dest", "websocket"),
    ])
}

#[test]
fn whoever_may_see_the_page_may_open_its_socket() {
    APPLICATIONS.behind_each(|front| {
        let marker = marker();
        let mut socket = Connection::open(front.address()).unwrap();
        let request = handshake(&format!("/socket/chat?{marker}")).headers(MASTER);
        socket.send(&request.bytes()).unwrap();
        let answer = socket.read(false).unwrap();
        assert_eq!(answer.status, 101, "{answer}");
        assert_eq!(answer.one("Sec-WebSocket-Accept"), Some(WEBSOCKET_ACCEPT));
        for text in ["first", "and then a second"] {
            socket.send(text.as_bytes()).unwrap();
            assert_eq!(socket.take(text.len()).unwrap(), text.as_bytes());
        }
        assert!(APPLICATIONS.app.saw(&marker));
    });
}

#[test]
fn a_refused_handshake_never_reaches_the_application() {
    APPLICATIONS.behind_each(|front| {
        let marker = marker();
        let target = format!("/socket/chat?{marker}");
        let wrong = [("CN", "dwho"), ("control", "guess")];
        let doubled = handshake(&target).headers(MASTER).header("CN", "root");
        for (request, status, class) in [
            (handshake(&target), 401, "login"),
            (handshake(&target).headers(&wrong), 403, "master-refused"),
            (doubled, 403, "bad-request"),
        ] {
            let answer = refused(&request, front.address(), status, class);
            assert_eq!((answer.one("Upgrade"), answer.one("Location")), (None, None), "{answer}");
        }
        assert!(!APPLICATIONS.app.saw(&marker));
    });
}

#[test]
fn no_other_protocol_is_switched_to() {
    APPLICATIONS.behind_each(|front| {
        for upgrade in ["h2c", "websocket, h2c", "h2c, websocket", "websocket2", "TLS/1.0", ""] {
            let request = Request::new("GET", SOCKETS, "/socket/x").headers(MASTER).headers(&[
                ("Connection", "Upgrade, HTTP2-Settings"),
                ("Upgrade", upgrade),
                ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
            ]);
            let asked = allowed(&request, front.address());
            assert_eq!(asked.all("Upgrade"), [""; 0], "{upgrade}");
            assert_eq!(asked.all("Connection"), [""; 0], "{upgrade}");
        }
        // Beside `websocket`, in a line of its own: the older nginx sees the first, and sends only that.
        let two = handshake("/socket/x").headers(MASTER).header("Upgrade", "h2c");
        let mut connection = Connection::open(front.address()).unwrap();
        connection.send(&two.bytes()).unwrap();
        let answer = connection.read(false).unwrap();
        let upgraded = answer.one("Upgrade").unwrap_or("none");
        assert!(["websocket", "none"].contains(&upgraded), "{answer}");
    });
}

#[test]
fn where_no_socket_is_expected_none_is_opened() {
    APPLICATIONS.behind_each(|front| {
        let asked = allowed(&handshake("/page").headers(MASTER), front.address());
        assert_eq!(asked.all("Upgrade"), [""; 0]);
        assert_eq!(asked.all("Connection"), [""; 0]);
        // Nor is the connection to the application lost for requests below the socket's path.
        let plain = Request::new("GET", SOCKETS, "/socket/x").headers(MASTER);
        assert_eq!(allowed(&plain, front.address()).all("Connection"), [""; 0]);
    });
}

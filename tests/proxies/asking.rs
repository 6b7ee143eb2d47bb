//! Requests as the cases send them, and what must hold of their answers.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::fronts::Front;
use crate::support::client::{Answer, Request};
use crate::support::echo::Asked;
use crate::world::{MASTER, STRANGER, World};

/// The host of the application, of the portal, and of the gRPC application.
pub const APP: &str = "app.example.com";
pub const PORTAL: &str = "auth.example.com";
pub const GRPC: &str = "grpc.apps.example.com";

/// What a browser sends when a person follows a link.
pub const NAVIGATION: &[(&str, &str)] = &[
    ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
];

/// A text that no other request has, to be found (or not) in what the application saw.
pub fn marker() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("marker{}x", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A request to the application without any identity, from an address that nobody trusts.
pub fn stranger(method: &str, target: &str) -> Request {
    Request::new(method, APP, target).from(STRANGER)
}

/// What the master says about `user`.
pub fn about(user: &str) -> [(&str, &str); 4] {
    [
        ("CN", user),
        ("User-Email", "dwho@example.com"),
        ("Auth-Groups", "users;timelords"),
        ("control", "password"),
    ]
}

/// A request to the application that comes from the master.
pub fn from_master(method: &str, target: &str) -> Request {
    Request::new(method, APP, target).headers(&about("dwho")).from(MASTER)
}

/// Sends `request`, which must be allowed, and returns what the application was asked.
#[track_caller]
pub fn allowed(front: &Front, request: &Request) -> Asked {
    let answer = request.send(front.address);
    assert_eq!(answer.status, 200, "{request:?} got {answer}");
    Asked::from(&answer).unwrap_or_else(|| panic!("not the application's answer: {answer}"))
}

/// The application was told of no identity at all.
#[track_caller]
pub fn assert_nobody(front: &Front, asked: &Asked) {
    for name in ["Auth-User", "Auth-Mail", "Auth-Groups"] {
        let values = asked.all(name);
        // Traefik passes on an empty header that it was told to copy.
        let nothing = values.is_empty() || (front.is_traefik() && values == [""]);
        assert!(nothing, "{name} in {asked:?}");
    }
    let names = asked.names();
    let alias = |name: &&String| name.starts_with("auth_") || name.starts_with("auth.");
    assert_eq!(names.iter().find(alias), None, "{asked:?}");
}

/// Sends `request`, which must be refused with `status` and `class` and not reach the application.
#[track_caller]
pub fn refused(front: &Front, request: &Request, status: u16, class: &str) -> Answer {
    let answer = request.send(front.address);
    assert_eq!(answer.status, status, "{request:?} got {answer}");
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some(class), "{request:?} got {answer}");
    assert_eq!(answer.one("Cache-Control"), Some("no-store"), "{request:?} got {answer}");
    assert_eq!(answer.one("X-Echo"), None, "{request:?} reached the application");
    for identity in ["Auth-User", "Auth-Mail", "Auth-Groups"] {
        assert_eq!(answer.one(identity), None, "{request:?} got {answer}");
    }
    answer
}

/// Sends the request that `write` makes for a marked target; it must not reach the application. What the client is
/// told must be a refusal.
#[track_caller]
pub fn never_arrives(
    world: &World,
    front: &Front,
    target: &str,
    write: impl Fn(&str) -> Request,
) -> Option<Answer> {
    let marker = marker();
    let joint = if target.contains('?') { '&' } else { '?' };
    let answer = write(&format!("{target}{joint}{marker}")).try_send(front.address).ok();
    if let Some(answer) = &answer {
        assert_ne!(answer.status, 200, "{target}: {answer}");
        assert_eq!(answer.one("X-Echo"), None, "{target}: {answer}");
    }
    assert!(!world.application.saw(&marker), "{target} reached the application");
    answer
}

/// Logs `user` in through `front`: the ids of the secure cookie and of the plain one.
#[track_caller]
pub fn login(front: &Front, user: &str) -> (String, String) {
    let answer = Request::new("POST", PORTAL, "/")
        .headers(&[("CN", user), ("control", "password"), ("Accept", "application/json")])
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("lmAuth=2_Slave")
        .from(MASTER)
        .send(front.address);
    assert_eq!(answer.status, 200, "{answer}");
    let text = |key: &str| answer.json()[key].as_str().unwrap_or_default().to_owned();
    (text("id"), text("id_http"))
}

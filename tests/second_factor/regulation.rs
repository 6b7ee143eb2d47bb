//! Guessing is slowed down, and nobody is locked out by a stranger (A81, A82, A84).

use std::net::SocketAddr;

use serde_json::Value;

use crate::lab::Lab;
use crate::person::Person;
use crate::support::client::{Answer, Connection, Request};
use crate::support::daemon::Daemon;
use crate::world::{
    BROWSERS, MASTER, PORTAL, PROGRAMS, World, about, allowed, asking, configured, good, refused,
};

/// A daemon that answers programs on this machine, and believes them about their clients.
fn node(regulation: &str) -> (Daemon, Lab) {
    let lab = Lab::start();
    let more = format!(
        "  api: {{ callers: 127.0.0.0/8, override_client: 127.0.0.0/8 }}\n  realms: [hq]\n  \
         regulation: {{ {regulation} }}\n"
    );
    let mfa = asking(lab.address, &more);
    (Daemon::start_with(|config| configured(&config, &mfa)), lab)
}

/// A question of a program about a user, who sits at `client`.
fn question(to: SocketAddr, user: &str, pass: &str, client: &str) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([("user", user), ("pass", pass), ("client", client)]);
    Request::new("POST", &to.to_string(), "/validate/check")
        .header("User-Agent", "simpleSAMLphp")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form.finish())
}

fn check(node: &Daemon, user: &str, pass: &str, client: &str) -> Answer {
    question(node.public, user, pass, client).send(node.public)
}

#[track_caller]
fn assert_throttled(answer: &Answer) {
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("throttled"), "{answer}");
    assert!((400..500).contains(&answer.status), "{answer}");
    assert!(answer.one("Retry-After").is_some(), "{answer}");
    assert_ne!(answer.json()["result"]["value"], true, "{answer}");
}

#[track_caller]
fn assert_value(answer: &Answer, value: bool) {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json()["result"]["value"], Value::Bool(value), "{answer}");
}

/// A81.
#[test]
fn spellings_of_one_user_share_their_failures() {
    let (node, lab) = node("free_failures: 4, pause: 1m, per_client: 1000000");
    let spellings = [
        "alice",
        "Alice",
        "ALICE",
        "alice ",
        " alice",
        "alice@hq",
        "HQ\\alice",
        "ａlice",
        "ALICE@HQ",
    ];
    for (place, first) in spellings.iter().enumerate() {
        let client = format!("192.0.2.{place}");
        for spelling in spellings.iter().cycle().skip(place).take(4) {
            assert_value(&check(&node, spelling, "wrong", &client), false);
        }
        let asked = lab.asked().len();
        for spelling in spellings {
            assert_throttled(&check(&node, spelling, &good(), &client));
        }
        assert_eq!(lab.asked().len(), asked, "{first}");
        // Neither somebody else there, nor the same user elsewhere.
        assert_value(&check(&node, "bob", &good(), &client), true);
    }
    assert_value(&check(&node, "alice", &good(), "203.0.113.9"), true);
}

/// A82.
#[test]
fn ten_thousand_wrong_users_from_one_client_slow_down_nobody_else() {
    let (node, lab) = node("per_client: 30");
    let before = node.resident_kib();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let node = &node;
            scope.spawn(move || {
                let mut connection = Connection::open(node.public).unwrap();
                for user in 0..2500 {
                    let user = format!("user-{thread}-{user}");
                    let request = question(node.public, &user, "wrong", "198.51.100.7");
                    connection.send(&request.bytes()).unwrap();
                    let answer = connection.read(true).unwrap();
                    assert!(answer.status < 500, "{answer}");
                }
            });
        }
    });
    let asked = lab.asked().len();
    // Thirty a minute, and it may have taken some minutes.
    assert!((30..1000).contains(&asked), "{asked} of 10 000 were asked about");
    assert_throttled(&check(&node, "alice", &good(), "198.51.100.7"));
    assert_value(&check(&node, "alice", &good(), "192.0.2.1"), true);
    assert_value(&check(&node, "user-0-0", &good(), "192.0.2.1"), true);
    let grown = node.resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for users that nobody has");
}

#[test]
fn a_stranger_does_not_lock_out_a_user_who_is_known() {
    let (node, _lab) = node("free_failures: 3, pause: 1m, per_client: 1000000");
    assert_value(&check(&node, "alice", &good(), "192.0.2.1"), true);
    for stranger in 0..60 {
        drop(check(&node, "alice", "wrong", &format!("198.51.100.{stranger}")));
    }
    assert_throttled(&check(&node, "alice", &good(), "203.0.113.1"));
    assert_value(&check(&node, "alice", &good(), "192.0.2.1"), true);
    // Her own typing errors do not either, at once.
    assert_value(&check(&node, "alice", "wrong", "192.0.2.1"), false);
    assert_value(&check(&node, "alice", &good(), "192.0.2.1"), true);
}

#[test]
fn what_a_caller_says_about_a_client_counts_only_if_it_is_believed() {
    let (node, _lab) = node("free_failures: 2, pause: 1m, per_client: 10");
    // Behind a caller that reports nobody are all users: it is not slowed down itself.
    let ask = |user: &str, pass: &str| {
        let request = question(node.public, user, pass, "");
        request.send(node.public)
    };
    for user in 0..30 {
        drop(ask(&format!("user{user}"), "wrong"));
    }
    assert_value(&ask("alice", &good()), true);
}

/// A84.
#[test]
fn who_is_throttled_is_told_so_behind_every_proxy() {
    let regulation = "  regulation: { free_failures: 2, pause: 2m, per_client: 1000000 }\n";
    let world = World::around(&BROWSERS, regulation, |config| config);
    for (place, front) in world.fronts.iter().enumerate() {
        eprintln!("behind {} at {}", front.name, front.address);
        let user = format!("user{place}");
        let mut person = Person::logged_in(front.address, &user);
        let form = person.sent_to_form("/admin");
        for _ in 0..2 {
            assert_eq!(person.send(&form, "wrong").status, 403);
        }
        let otp = good();
        let answer = person.send(&form, &otp);
        assert_eq!(answer.status, 429, "{answer}");
        assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("throttled"), "{answer}");
        let seconds: u64 = answer.one("Retry-After").unwrap().parse().unwrap();
        assert!((1..=120).contains(&seconds), "{answer}");
        let program = person.posting(&form.body(&otp)).header("Accept", "application/json");
        let answer = program.send(front.address);
        assert_eq!((answer.status, answer.json()["result"].as_u64()), (429, Some(0)), "{answer}");
        let page = person.visit(PORTAL, "/mfa").send(front.address);
        assert_eq!(page.status, 200, "{page}");

        let (user, status) = (format!("program{place}"), if front.is_nginx() { 403 } else { 429 });
        let call = |pass: &str| {
            Request::new("GET", PROGRAMS, "/admin")
                .headers(&about(&user))
                .header("X-OTP", pass)
                .from(MASTER)
        };
        for pass in ["wrong1", "wrong2"] {
            refused(&call(pass), front.address, 403, "factor-refused");
        }
        let answer = refused(&call(&otp), front.address, status, "throttled");
        assert!(answer.one("Retry-After").is_some(), "{answer}");
        assert_eq!(world.lab.asked_for(&otp).len(), 0);
        // For factors only.
        let page = Request::new("GET", PROGRAMS, "/page").headers(&about(&user)).from(MASTER);
        allowed(&page, front.address);
    }
}

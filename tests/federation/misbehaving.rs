//! A child that does what none should (issue 6, g; SEMANTICS F1, F4, D6).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::asking::{Checked, check, question};
use crate::cast::{PEOPLE, alice_at_hq, with_own_tokens};
use crate::node::{AFTER, Node, Plan, url_of};
use crate::support::bad_node::{BadNode, Manner, accepted, answer, json_answer};
use crate::support::{free_address, wait_for};

/// More than a question may take here, on a busy machine.
const SOON: Duration = Duration::from_secs(6);

/// Settings of a server that is given up soon, and never on account of earlier failures.
const IMPATIENT: &str =
    "timeout: 1s, connect_timeout: 500ms, breaker: { failures: 1000, pause: 30s }";

/// A good answer with other members.
fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut good = accepted("T1");
    change(&mut good);
    good
}

/// Answers that are none, or no acceptance, by the name of the realm that makes the daemon ask.
fn odd_answers() -> Vec<(&'static str, Vec<u8>)> {
    let html = "Content-Type: text/html\r\n";
    let page = "<html><body>{\"result\": {\"status\": true, \"value\": true}}</body></html>";
    let json_type = "Content-Type: application/json\r\n";
    let whole = accepted("T1").to_string();
    let value = |value: Value| with(|good| good["result"]["value"] = value);
    let latin1 = [
        br#"{"detail": {"message": "f"#.as_slice(),
        &[0xfc, b'r'],
        br#"", "serial": "T1"}, "#,
        br#""result": {"status": true, "value": true}}"#,
    ]
    .concat();
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let long = "x".repeat(70_000);
    vec![
        ("html200", answer(200, html, page)),
        ("html502", answer(502, html, page)),
        ("empty200", answer(200, json_type, "")),
        ("empty204", answer(204, "", "")),
        ("list", json_answer(200, &json!([accepted("T1")]))),
        ("text", json_answer(200, &json!("true"))),
        ("nothing", json_answer(200, &json!({}))),
        ("json-null", json_answer(200, &Value::Null)),
        ("json-true", json_answer(200, &json!(true))),
        ("value-text", json_answer(200, &value(json!("true")))),
        ("value-one", json_answer(200, &value(json!(1)))),
        ("value-object", json_answer(200, &value(json!({ "auth": true })))),
        (
            "value-missing",
            json_answer(
                200,
                &with(|good| {
                    good["result"] = json!({ "status": true, "authentication": "ACCEPT" });
                }),
            ),
        ),
        ("status-text", json_answer(200, &with(|good| good["result"]["status"] = json!("true")))),
        ("status-false", json_answer(200, &with(|good| good["result"]["status"] = json!(false)))),
        ("result-list", json_answer(200, &with(|good| good["result"] = json!([true])))),
        ("result-null", json_answer(200, &with(|good| good["result"] = Value::Null))),
        ("detail-null", json_answer(200, &with(|good| good["detail"] = Value::Null))),
        ("detail-text", json_answer(200, &with(|good| good["detail"] = json!("T1")))),
        ("serial-missing", json_answer(200, &with(|good| good["detail"] = json!({})))),
        ("serial-number", json_answer(200, &with(|good| good["detail"]["serial"] = json!(1)))),
        ("status201", json_answer(201, &accepted("T1"))),
        ("status401", json_answer(401, &accepted("T1"))),
        ("status500", json_answer(500, &accepted("T1"))),
        (
            "error904",
            json_answer(
                400,
                &json!({
                    "id": 1, "jsonrpc": "2.0", "detail": null,
                    "result": { "status": false, "error": { "code": 904, "message": "ERR904: nobody" } },
                }),
            ),
        ),
        (
            "error303",
            json_answer(
                403,
                &json!({
                    "id": 1, "jsonrpc": "2.0", "detail": null,
                    "result": { "status": false, "error": { "code": 303, "message": "not you" } },
                }),
            ),
        ),
        ("twice", answer(200, json_type, format!("{whole}{whole}"))),
        ("half", answer(200, json_type, &whole.as_bytes()[..whole.len() / 2])),
        (
            "key-twice",
            answer(
                200,
                json_type,
                r#"{"detail":{"serial":"T1"},"result":{"status":true,"value":false,"value":true}}"#,
            ),
        ),
        ("latin1", answer(200, "Content-Type: application/json; charset=latin-1\r\n", latin1)),
        ("deep", answer(200, json_type, deep)),
        ("long", json_answer(200, &with(|good| good["padding"] = json!(long)))),
        ("no-http", b"true\r\n\r\n".to_vec()),
        (
            "two-lengths",
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Length: 2\r\n\r\n{whole}",
                whole.len()
            )
            .into_bytes(),
        ),
    ]
}

/// Manners that are no answers, whether the request is read as a whole, and whether TLS is expected.
fn odd_manners() -> Vec<(&'static str, Manner, usize, bool)> {
    let good = || json_answer(200, &accepted("T1"));
    vec![
        ("hangs", Manner::Hangs, 1, false),
        ("never-reads", Manner::NeverReads, 0, false),
        ("drips", Manner::Drips(good()), 1, false),
        ("floods", Manner::Floods { says_so: true }, 1, false),
        ("floods-chunks", Manner::Floods { says_so: false }, 1, false),
        ("resets-at-once", Manner::ResetsAtOnce, 0, false),
        ("resets-unanswered", Manner::ResetsUnanswered, 1, false),
        ("resets-within", Manner::ResetsWithin(good()), 1, false),
        ("closes", Manner::Closes, 1, false),
        ("tls-stalls", Manner::NeverReads, 0, true),
        ("tls-resets", Manner::ResetsAtOnce, 0, true),
        ("tls-is-none", Manner::Says(good()), 0, true),
    ]
}

/// How many of the requests that `node` has read carry `secret`.
fn times(node: &BadNode, secret: &str) -> usize {
    node.requests().iter().filter(|request| request.contains(secret)).count()
}

/// A node whose handlers ask the server of the realm's name, and another one wherever that is allowed to follow.
fn ask_by_realm<'a>(
    servers: impl Iterator<Item = (&'a str, String)>,
    settings: &str,
    next: &BadNode,
) -> Node {
    let mut plan = Plan::local(PEOPLE);
    let mut realms = Vec::new();
    for (name, url) in servers {
        let when = format!(
            "event: validate_check, conditions: {{ result_value: false, realm: \"{name}\" }}"
        );
        plan = plan.server(name, &url, settings).handler(&when, &format!("server: {name}"));
        realms.push(name);
    }
    let when = format!(
        "event: validate_check, conditions: {{ result_value: false, realm: [{}] }}",
        realms.join(", ")
    );
    let plan = plan.server("next", &next.url(), IMPATIENT).handler(&when, "server: next");
    let node = Node::start(&plan);
    with_own_tokens(&node);
    node
}

fn ask(node: &Node, realm: &str, secret: &str) -> (Checked, Duration) {
    let parameters = [("user", "alice"), ("realm", realm), ("pass", secret)];
    let begin = Instant::now();
    let answer = question(node.address, "/validate/check", &parameters).send(node.address);
    (Checked(answer), begin.elapsed())
}

/// What must hold of every answer that no good node stands behind.
#[track_caller]
fn assert_closed(what: &str, checked: &Checked, took: Duration) {
    assert!(!checked.is_accepted() && !checked.looks_accepted(), "{what}: {}", checked.0);
    assert!(checked.0.json()["result"].is_object(), "{what}: {}", checked.0);
    assert!(took < SOON, "{what} took {took:?}");
}

#[test]
fn an_odd_answer_is_no_acceptance_and_is_asked_for_once() {
    let next = BadNode::start(Manner::Says(json_answer(200, &accepted("NEXT"))));
    let children: Vec<_> = odd_answers()
        .into_iter()
        .map(|(name, bytes)| (name, BadNode::start(Manner::Says(bytes))))
        .collect();
    let urls = children.iter().map(|(name, child)| (*name, child.url()));
    let node = ask_by_realm(urls, IMPATIENT, &next);
    for (name, child) in &children {
        let secret = format!("s3cret-{name}-x");
        let (checked, took) = ask(&node, name, &secret);
        assert_eq!(times(child, &secret), 1, "{name}");
        match *name {
            // "Not mine" is definite, so the next one is asked.
            "error904" => drop(checked.by("NEXT")),
            // Accepted, but not by any token: no factor, which is for who asks to see.
            "detail-null" | "detail-text" | "serial-missing" | "serial-number" => {
                assert!(!checked.is_accepted(), "{name}: {}", checked.0);
            }
            _ => assert_closed(name, &checked, took),
        }
        assert_eq!(times(&next, &secret), usize::from(*name == "error904"), "{name}");
        let text = node.daemon.log();
        assert!(!text.contains(&secret), "{name}: the secret stands in the log");
    }
    check(node.address, "alice", &alice_at_hq().pass()).by("P-ALICE");
}

#[test]
fn a_child_that_does_not_answer_costs_no_more_than_its_time() {
    let next = BadNode::start(Manner::Says(json_answer(200, &accepted("NEXT"))));
    let children: Vec<_> = odd_manners()
        .into_iter()
        .map(|(name, manner, reads, is_tls)| (name, BadNode::start(manner), reads, is_tls))
        .collect();
    let urls = children.iter().map(|(name, child, _, is_tls)| {
        (*name, if *is_tls { child.url_with_tls() } else { child.url() })
    });
    let node = ask_by_realm(urls, IMPATIENT, &next);
    for (name, child, reads, is_tls) in &children {
        let secret = format!("s3cret-{name}-x");
        let (checked, took) = ask(&node, name, &secret);
        assert_eq!(times(child, &secret), *reads, "{name}");
        let sent_on = times(&next, &secret);
        match *name {
            // F4: it was provably not sent, so another one may have it.
            _ if *is_tls => assert_eq!(sent_on, 1, "{name}: {}", checked.0),
            // Whether it was sent depends on which of the two was quicker.
            "resets-at-once" => assert!(sent_on <= 1),
            _ => assert_eq!(sent_on, 0, "{name}: {}", checked.0),
        }
        if sent_on == 1 {
            drop(checked.by("NEXT"));
        } else {
            assert_closed(name, &checked, took);
        }
        assert!(took < SOON, "{name} took {took:?}");
    }
    assert!(node.daemon.resident_kib() < 400_000, "{} KiB", node.daemon.resident_kib());
    check(node.address, "alice", &alice_at_hq().pass()).by("P-ALICE");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = BadNode::start(Manner::Says(json_answer(200, &accepted("ELSEWHERE"))));
    let next = BadNode::start(Manner::Says(json_answer(200, &accepted("NEXT"))));
    let children: Vec<_> =
        [("r301", 301), ("r302", 302), ("r303", 303), ("r307", 307), ("r308", 308)]
            .into_iter()
            .map(|(name, status)| {
                let to = format!("Location: {}/validate/check\r\n", elsewhere.url());
                (name, BadNode::start(Manner::Says(answer(status, &to, ""))))
            })
            .collect();
    let urls = children.iter().map(|(name, child)| (*name, child.url()));
    let node = ask_by_realm(urls, IMPATIENT, &next);
    for (name, child) in &children {
        let secret = format!("s3cret-{name}-x");
        let (checked, took) = ask(&node, name, &secret);
        assert_closed(name, &checked, took);
        assert_eq!((times(child, &secret), times(&next, &secret)), (1, 0), "{name}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_child_that_is_down_leaves_the_next_one_to_be_asked() {
    let next = BadNode::start(Manner::Says(json_answer(200, &accepted("NEXT"))));
    let servers = [("gone", url_of(free_address()))];
    let node = ask_by_realm(servers.into_iter(), IMPATIENT, &next);
    let (checked, took) = ask(&node, "gone", "s3cret");
    checked.by("NEXT");
    assert!(took < SOON, "took {took:?}");
}

#[test]
fn on_error_fail_ends_the_walk_at_a_child_that_is_down() {
    let next = BadNode::start(Manner::Says(json_answer(200, &accepted("NEXT"))));
    let plan = Plan::local(PEOPLE).server("gone", &url_of(free_address()), IMPATIENT);
    let plan = plan.server("next", &next.url(), IMPATIENT);
    let plan = plan.handler(&format!("{AFTER}, on_error: fail"), "server: gone");
    let node = Node::start(&plan.handler(AFTER, "server: next"));
    let (checked, took) = ask(&node, "", "s3cret");
    assert_closed("down", &checked, took);
    assert_eq!(times(&next, "s3cret"), 0);
}

#[test]
fn a_kept_connection_that_dies_does_not_make_a_secret_travel_twice() {
    let good = json_answer(200, &accepted("T1"));
    let child = BadNode::start(Manner::Says(good.clone()));
    let plan = Plan::local(PEOPLE).server("child", &child.url(), IMPATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: child"));

    // Read on a connection that was good before, and reset: it may have been counted there.
    for (round, manner) in
        [Manner::ResetsUnanswered, Manner::Closes, Manner::ResetsWithin(good.clone())]
            .into_iter()
            .enumerate()
    {
        child.change(Manner::Says(good.clone()));
        check(node.address, "alice", "first").by("T1");
        child.change(manner);
        let secret = format!("s3cret{round}x");
        let (checked, took) = ask(&node, "", &secret);
        assert_closed("a kept connection", &checked, took);
        assert_eq!(times(&child, &secret), 1);
    }

    // Closed behind the last answer, before or while the next question is written.
    child.change(Manner::SaysAndCloses(good));
    for round in 0..30 {
        let secret = format!("an3w{round}x");
        let (checked, took) = ask(&node, "", &secret);
        let sent = times(&child, &secret);
        assert!(sent <= 1, "{sent} times");
        if !checked.is_accepted() {
            assert_closed("a closed connection", &checked, took);
        }
    }
}

#[test]
fn a_child_that_fails_again_and_again_is_left_alone_and_tried_again() {
    let good = json_answer(200, &accepted("T1"));
    let child = BadNode::start(Manner::Says(good.clone()));
    let settings = "timeout: 1s, connect_timeout: 500ms, breaker: { failures: 3, pause: 2s }, \
                    probe_interval: 1h";
    let plan = Plan::local(PEOPLE).server("child", &child.url(), settings);
    let node = Node::start(&plan.handler(AFTER, "server: child"));
    check(node.address, "alice", "first").by("T1");
    child.change(Manner::Hangs);
    for round in 0..3 {
        let (checked, took) = ask(&node, "", &format!("s3cret{round}x"));
        assert_closed("hangs", &checked, took);
        assert_eq!(times(&child, &format!("s3cret{round}x")), 1);
    }
    let (checked, took) = ask(&node, "", "l8ter");
    assert_closed("left alone", &checked, took);
    assert_eq!(times(&child, "l8ter"), 0);

    child.change(Manner::Says(good));
    wait_for("the child is asked again", || {
        check(node.address, "alice", "again").is_accepted().then_some(())
    });
}

#[test]
fn what_a_child_says_about_itself_is_text() {
    let strange = [
        json!("javascript:alert(1)"),
        json!(["https://other.example.com/"]),
        json!("https://other.example.com/\r\nX-Injected: 1"),
        json!("x".repeat(5000)),
        json!({ "url": "https://other.example.com/" }),
        Value::Null,
    ];
    let child = BadNode::start(Manner::Hangs);
    let plan = Plan::local(PEOPLE).server("child", &child.url(), IMPATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: child"));
    let own = format!("{}/validate/check", child.url());
    for origin in strange {
        let said = with(|good| good["detail"]["origin"] = origin.clone());
        child.change(Manner::Says(json_answer(200, &said)));
        let checked = check(node.address, "alice", "s3cret").by("T1");
        let told = checked.detail("origin");
        assert!(told == own || told.starts_with("https://other"), "{origin}: {told}");
        assert!(told.len() <= 255 && checked.0.one("X-Injected").is_none(), "{}", checked.0);
    }
}

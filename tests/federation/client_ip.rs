//! What a handler sends along: the client's address, another realm, another resolver (issue 6, e; SEMANTICS F3, F9).

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::asking::{Checked, check, check_with, checks, question, read};
use crate::cast::{LAB_PEOPLE, PEOPLE, alice_in_lab, lab};
use crate::node::{AFTER, Node, PATIENT, Plan};
use crate::support::bad_node::{BadNode, Manner, accepted, json_answer};
use crate::support::otp::{hotp, seed};

/// Somebody who asks from an address that is not the daemon's own.
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));

/// Asks from [`CALLER`].
fn from_caller(node: &Node, parameters: &[(&str, &str)]) -> Checked {
    Checked(question(node.address, "/validate/check", parameters).from(CALLER).send(node.address))
}

#[test]
fn the_child_sees_the_client_only_where_both_sides_want_it() {
    let (lab, mut alice) = (lab(), alice_in_lab());
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let silent = plan.clone().handler(AFTER, "server: lab, realm: crealm");
    let silent = Node::start(&silent.api("override_client: [127.0.0.0/8]"));
    let plan = plan.handler(AFTER, "server: lab, realm: crealm, client_ip: true");
    let telling = Node::start(&plan);
    let believing = Node::start(&plan.api("override_client: [127.0.0.5]"));

    let mut ask = |node: &Node, client: &str| {
        let pass = alice.pass();
        let mut parameters = vec![("user", "alice"), ("pass", pass.as_str())];
        if !client.is_empty() {
            parameters.push(("client", client));
        }
        from_caller(node, &parameters).by("C-ALICE");
        let asked = checks(&lab).pop().unwrap();
        assert_eq!(asked.parameter("pass"), Some(pass));
        assert_eq!(asked.headers["x-forwarded-for"], Value::Null, "one of the two, not both");
        let seen = lab.audit()[0]["client"].as_str().unwrap().to_owned();
        (asked.parameter("client").unwrap_or_default(), seen)
    };
    let told = |client: &str, seen: &str| (client.to_owned(), seen.to_owned());

    // The child believes nobody.
    assert_eq!(ask(&silent, ""), told("", "127.0.0.1"));
    assert_eq!(ask(&telling, ""), told("127.0.0.5", "127.0.0.1"));
    assert_eq!(ask(&believing, "203.0.113.9"), told("203.0.113.9", "127.0.0.1"));
    lab.believe("127.0.0.1");
    // What a caller says is never handed on as it is.
    assert_eq!(ask(&silent, "203.0.113.9"), told("", "127.0.0.1"));
    assert_eq!(ask(&telling, ""), told("127.0.0.5", "127.0.0.5"));
    assert_eq!(ask(&telling, "203.0.113.9"), told("127.0.0.5", "127.0.0.5"));
    assert_eq!(ask(&believing, "203.0.113.9"), told("203.0.113.9", "203.0.113.9"));
    assert_eq!(ask(&believing, ""), told("127.0.0.5", "127.0.0.5"));
}

#[test]
fn realm_and_resolver_are_those_of_the_handler() {
    let lab = lab();
    lab.realm("crealm2", "cpasswd2", &["alice", "zoe"]);
    for (serial, user, byte) in [("C2-ALICE", "alice", 0x31), ("C2-ZOE", "zoe", 0x32)] {
        let details = json!({ "type": "hotp", "otpkey": seed(byte), "pin": "c2pin" });
        lab.token("crealm2", user, serial, &details);
    }
    let other = |byte, counter| format!("c2pin{}", hotp(&seed(byte), counter));
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let start =
        |options: &str| Node::start(&plan.clone().handler(AFTER, &format!("server: lab{options}")));
    let sent = || {
        let asked = checks(&lab).pop().unwrap();
        ["user", "realm", "resolver"].map(|name| asked.parameter(name).unwrap_or_default())
    };

    let node = start(", realm: crealm2");
    check(node.address, "alice", &other(0x31, 0)).by("C2-ALICE");
    assert_eq!(sent(), ["alice", "crealm2", ""]);
    // A realm behind the user's name would beat the handler's, or make another user of it.
    check(node.address, "alice@prealm", &other(0x31, 1)).by("C2-ALICE");
    assert_eq!(sent(), ["alice", "crealm2", ""]);
    let parameters = [("user", "alice"), ("realm", "prealm"), ("pass", &other(0x31, 2))];
    check_with(node.address, &parameters).by("C2-ALICE");
    assert_eq!(sent(), ["alice", "crealm2", ""]);
    check(node.address, "zoe", &other(0x32, 0)).by("C2-ZOE");
    // What is no realm of anybody's is a part of the name.
    check(node.address, "alice@example.com", &other(0x31, 3)).refused();
    assert_eq!(sent()[0], "alice@example.com");

    let node = start(", realm: crealm2, resolver: cpasswd2");
    check(node.address, "alice", &other(0x31, 3)).by("C2-ALICE");
    assert_eq!(sent(), ["alice", "crealm2", "cpasswd2"]);
    let node = start(", realm: crealm2, resolver: cpasswd");
    check(node.address, "alice", &other(0x31, 4)).refused();
    assert_eq!(sent(), ["alice", "crealm2", "cpasswd"]);

    // Without the option the child's own default decides.
    let mut alice = alice_in_lab();
    let node = start("");
    check(node.address, "alice", &alice.pass()).by("C-ALICE");
}

#[test]
fn options_of_one_handler_do_not_reach_the_next_child() {
    let mut no = accepted("T1");
    no["result"] = json!({ "status": true, "value": false, "authentication": "REJECT" });
    no["detail"] = json!({ "message": "wrong otp pin" });
    let one = BadNode::start(Manner::Says(json_answer(200, &no)));
    let two = BadNode::start(Manner::Says(json_answer(200, &accepted("T2"))));
    let plan = Plan::local(LAB_PEOPLE).server("one", &one.url(), "").server("two", &two.url(), "");
    let plan = plan.handler(
        AFTER,
        "server: one, realm: first, resolver: firstfile, client_ip: true, forward_authorization: true",
    );
    let node = Node::start(&plan.handler(AFTER, "server: two"));
    let request =
        question(node.address, "/validate/check", &[("user", "alice"), ("pass", "s3cret")]);
    let request = request.header("Authorization", "for the first one only");
    Checked(request.send(node.address)).by("T2");

    let of = |node: &BadNode| {
        let requests = node.requests();
        let asked: Vec<_> = requests.into_iter().filter(|text| text.contains("s3cret")).collect();
        assert_eq!(asked.len(), 1);
        read(&asked[0])
    };
    let (first, second) = (of(&one), of(&two));
    assert_eq!(first.parameter("realm").as_deref(), Some("first"));
    assert_eq!(first.parameter("resolver").as_deref(), Some("firstfile"));
    assert_eq!(first.parameter("client").as_deref(), Some("127.0.0.1"));
    assert_eq!(first.headers["authorization"], "for the first one only");
    assert_ne!(second.parameter("realm").as_deref(), Some("first"));
    assert_eq!(second.parameter("resolver").unwrap_or_default(), "");
    assert_eq!(second.parameter("client"), None);
    assert_eq!(second.headers["authorization"], Value::Null);
}

#[test]
fn what_a_caller_invents_does_not_reach_the_child() {
    let child = BadNode::start(Manner::Says(json_answer(200, &accepted("T1"))));
    let plan = Plan::local(LAB_PEOPLE).server("child", &child.url(), "");
    let node = Node::start(&plan.handler(AFTER, "server: child"));
    let parameters = [
        ("user", "alice"),
        ("pass", "s3cret"),
        ("client", "203.0.113.9"),
        ("invented", "1"),
        ("push_wait", "1"),
    ];
    check_with(node.address, &parameters).by("T1");
    let asked = read(&child.requests().pop().unwrap());
    for name in ["client", "invented", "push_wait"] {
        assert_eq!(asked.parameter(name), None, "{name} in {asked:?}");
    }
}

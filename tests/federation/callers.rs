//! Who may ask `/validate` at all (SEMANTICS F9).

use std::net::{IpAddr, Ipv4Addr};

use crate::asking::{Checked, question};
use crate::cast::{LAB_PEOPLE, PEOPLE, alice_at_hq, with_own_tokens};
use crate::node::{AFTER, Node, Plan};
use crate::support::bad_node::{BadNode, Manner, accepted, json_answer};
use crate::support::client::Request;

/// Long enough for a key.
const KEY: &str = "the key of the program that asks";

/// Who may ask, where not everybody may.
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

const PATHS: [&str; 5] = [
    "/validate/check",
    "/validate/samlcheck",
    "/validate/radiuscheck",
    "/validate/triggerchallenge",
    "/validate/polltransaction",
];

fn child() -> BadNode {
    BadNode::start(Manner::Says(json_answer(200, &accepted("T1"))))
}

fn ask(node: &Node, path: &str) -> Request {
    question(node.address, path, &[("user", "alice"), ("pass", "s3cret")])
}

fn is_refused(request: &Request, node: &Node) -> bool {
    let answer = Checked(request.send(node.address));
    (400..500).contains(&answer.0.status) && !answer.looks_accepted()
}

fn was_asked(child: &BadNode) -> bool {
    child.requests().iter().any(|request| request.contains("s3cret"))
}

#[test]
fn without_a_setting_there_is_no_such_path() {
    let child = child();
    let plan = Plan::local(LAB_PEOPLE).server("child", &child.url(), "").callers("");
    let node = Node::start(&plan.handler(AFTER, "server: child"));
    for path in PATHS {
        assert_eq!(ask(&node, path).send(node.address).status, 404, "{path}");
    }
    assert!(!was_asked(&child));
}

#[test]
fn address_and_key_are_both_needed_where_both_are_set() {
    let child = child();
    let plan = Plan::local(LAB_PEOPLE).server("child", &child.url(), "").callers("127.0.0.6");
    let plan = plan.handler(AFTER, "server: child, forward_authorization: true");
    let by_address = Node::start(&plan);
    let by_both =
        Node::start(&plan.api(&format!("keys: [\"{KEY}\", \"another key of some length\"]")));
    for path in PATHS {
        assert!(is_refused(&ask(&by_address, path), &by_address), "{path}");
        assert!(is_refused(&ask(&by_both, path).from(CALLER), &by_both), "{path}");
        let keyed = ask(&by_both, path).header("Authorization", KEY);
        assert!(is_refused(&keyed, &by_both), "{path}");
        for wrong in [KEY.trim_start_matches('t'), &KEY.to_uppercase(), "Basic dGhlIGtleQ=="] {
            let request = ask(&by_both, path).from(CALLER).header("Authorization", wrong);
            assert!(is_refused(&request, &by_both), "{path}");
        }
        let twice = ask(&by_both, path).from(CALLER);
        let twice = twice.header("Authorization", KEY).header("Authorization", KEY);
        assert!(is_refused(&twice, &by_both), "{path}");
    }
    // Nobody triggers anything without a key.
    let trigger = ask(&by_address, "/validate/triggerchallenge").from(CALLER);
    assert!(is_refused(&trigger, &by_address));
    assert!(!was_asked(&child));

    let check = "/validate/check";
    Checked(ask(&by_address, check).from(CALLER).send(by_address.address)).by("T1");
    for key in [KEY.to_owned(), format!("Bearer {KEY}"), "another key of some length".to_owned()] {
        let request = ask(&by_both, check).from(CALLER).header("Authorization", &key);
        Checked(request.send(by_both.address)).by("T1");
    }
    for request in child.requests() {
        assert!(!request.contains(KEY) && !request.contains("another key"), "{request}");
    }
}

#[test]
fn whoever_comes_through_a_proxy_is_not_the_proxy() {
    let node = Node::start(&Plan::local(PEOPLE));
    with_own_tokens(&node);
    let mut alice = alice_at_hq();
    let pass = alice.pass();
    let asks = || question(node.address, "/validate/check", &[("user", "alice"), ("pass", &pass)]);
    for chain in ["203.0.113.9", "127.0.0.1, 203.0.113.9", "odd"] {
        let answer = asks().header("X-Forwarded-For", chain).send(node.address);
        assert!(answer.status == 403 || answer.status == 400, "{chain}: {answer}");
    }
    assert_eq!(asks().send(node.address).json()["result"]["value"], true);
}

//! One OTP, tried many times at once: it is right once (SEMANTICS F4, F12).

use std::net::SocketAddr;
use std::sync::Barrier;

use serde_json::json;

use crate::asking::{Checked, check, question};
use crate::cast::{LAB_PEOPLE, PEOPLE, alice_at_hq, with_own_tokens};
use crate::node::{AFTER, Node, PATIENT, Plan};
use crate::support::bad_node::{BadNode, Manner, accepted, json_answer};
use crate::support::edumfa::Edumfa;

/// Asks all of them the same at the same moment; how many of the answers accept.
fn accepted_of(tries: &[SocketAddr], pass: &str) -> usize {
    let start = &Barrier::new(tries.len());
    std::thread::scope(|scope| {
        let ask = |to: &SocketAddr| {
            let request = question(*to, "/validate/check", &[("user", "alice"), ("pass", pass)]);
            let to = *to;
            scope.spawn(move || {
                start.wait();
                Checked(request.send(to)).is_accepted()
            })
        };
        let asking: Vec<_> = tries.iter().map(ask).collect();
        asking.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    })
}

#[test]
fn one_of_two_hundred_is_accepted() {
    let node = Node::start(&Plan::local(PEOPLE).own("max_fail: 100000"));
    with_own_tokens(&node);
    let mut alice = alice_at_hq();
    for _ in 0..3 {
        assert_eq!(accepted_of(&[node.address; 200], &alice.pass()), 1);
    }
    check(node.address, "alice", &alice.pass()).by("P-ALICE");
}

#[test]
fn one_is_accepted_where_it_comes_directly_and_through_a_real_parent() {
    let node = Node::start(&Plan::local(PEOPLE).own("max_fail: 100000"));
    with_own_tokens(&node);
    let parent = Edumfa::start();
    parent.realm("prealm", "ppasswd", PEOPLE);
    parent.forward("us", &node.url(), &json!({}));
    let mut alice = alice_at_hq();
    let mut tries = vec![parent.address; 6];
    tries.extend([node.address; 20]);
    for _ in 0..3 {
        let pass = alice.pass();
        // At most: the parent's own SQLite can fail where it should hand on that it was right.
        assert!(accepted_of(&tries, &pass) <= 1);
        check(node.address, "alice", &pass).rejected();
    }
    check(parent.address, "alice", &alice.pass()).by("P-ALICE");
}

#[test]
fn one_is_accepted_where_it_comes_directly_and_through_another_daemon() {
    let below = Node::start(&Plan::local(PEOPLE).own("max_fail: 100000"));
    with_own_tokens(&below);
    let plan = Plan::local(&["bob"]).server("below", &below.url(), PATIENT);
    let above = Node::start(&plan.handler(AFTER, "server: below"));
    let mut alice = alice_at_hq();
    let tries = [[above.address; 40], [below.address; 40]].concat();
    for _ in 0..3 {
        assert_eq!(accepted_of(&tries, &alice.pass()), 1);
    }
}

#[test]
fn a_secret_is_never_at_two_children_at_once() {
    let mut no = accepted("T1");
    no["result"] = json!({ "status": true, "value": false, "authentication": "REJECT" });
    no["detail"] = json!({ "message": "wrong otp pin" });
    // The second one is asked once the first has said no, and not before.
    let (one, two) =
        (BadNode::start(Manner::Hangs), BadNode::start(Manner::Says(json_answer(200, &no))));
    let settings = "timeout: 1s, breaker: { failures: 1000, pause: 1s }";
    let plan = Plan::local(LAB_PEOPLE).server("one", &one.url(), settings);
    let plan = plan.server("two", &two.url(), settings);
    let node = Node::start(&plan.handler(AFTER, "server: one").handler(AFTER, "server: two"));
    let asked = |node: &BadNode, secret: &str| {
        node.requests().iter().filter(|request| request.contains(secret)).count()
    };
    assert_eq!(accepted_of(&[node.address; 5], "s3cret"), 0);
    assert_eq!(asked(&two, "s3cret"), 0, "the first one has not answered");
    one.change(Manner::Says(json_answer(200, &no)));
    check(node.address, "alice", "l8ter").rejected();
    assert_eq!((asked(&one, "l8ter"), asked(&two, "l8ter")), (1, 1));
}

//! A real eduMFA asks the daemon, by its own federation handler (issue 6, b).

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::asking::{Checked, check, question};
use crate::cast::{ODD_PIN, PEOPLE, alice_at_hq, carol_at_hq, furnish_lab, ponly, with_own_tokens};
use crate::node::{Node, Plan};
use crate::support::client::Request;
use crate::support::edumfa::Edumfa;

/// The lab's eduMFA asks the headquarters, which are the daemon.
fn above(node: &Node) -> Edumfa {
    let lab = Edumfa::start();
    furnish_lab(&lab);
    lab.realm("empty", "nobodies", &["ponly", "stranger"]);
    lab.forward("hq", &node.url(), &json!({ "option.realm": "prealm" }));
    lab
}

#[test]
fn a_real_parent_believes_the_daemon() {
    let node = Node::start(&Plan::local(PEOPLE));
    with_own_tokens(&node);
    let (parent, mut alice) = (above(&node), alice_at_hq());
    let to = parent.address;

    let pass = alice.pass();
    let good = check(to, "alice", &pass).by("P-ALICE").from(Some(&node.origin()));
    assert_eq!(good.detail("type"), "hotp");
    check(to, "alice", &pass).rejected();
    check(to, "carol", ODD_PIN).by("C-CAROL").from(None);

    let ask = |method: &str, to: SocketAddr, pass: &str| {
        let target = format!("/validate/check?user=alice&pass={pass}");
        Checked(Request::new(method, &to.to_string(), &target).send(to))
    };
    ask("GET", to, &alice.pass()).by("P-ALICE").from(Some(&node.origin()));
    ask("DELETE", node.address, &alice.pass()).by("P-ALICE").from(None);
}

#[test]
fn a_real_parent_gets_an_answer_whatever_is_wrong() {
    let node = Node::start(&Plan::local(PEOPLE));
    with_own_tokens(&node);
    let parent = above(&node);
    let ask = |path: &str, user: &str, realm: &str, pass: &str| {
        let parameters = [("user", user), ("realm", realm), ("pass", pass)];
        question(parent.address, path, &parameters).send(parent.address)
    };
    // Not one of them may be its 500, which a child's error becomes where `detail` is null.
    for (user, realm) in
        [("alice", "crealm"), ("bob", "crealm"), ("conly", "crealm"), ("stranger", "empty")]
    {
        let answer = ask("/validate/check", user, realm, "ppin000000");
        assert!(matches!(answer.status, 200 | 400), "{user}: {answer}");
        assert_ne!(answer.json()["result"]["value"], json!(true), "{user}: {answer}");
    }

    let mut ponly = ponly();
    let pass = ponly.pass();
    let saml = ask("/validate/samlcheck", "ponly", "empty", &pass);
    assert_eq!(saml.json()["result"]["value"]["auth"], json!(true), "{saml}");
    let saml = ask("/validate/samlcheck", "ponly", "empty", &pass);
    assert_eq!(saml.json()["result"]["value"]["auth"], json!(false), "{saml}");
    let pass = ponly.pass();
    let radius = ask("/validate/radiuscheck", "ponly", "empty", &pass);
    assert_eq!((radius.status, radius.body.len()), (204, 0), "{radius}");
    let radius = ask("/validate/radiuscheck", "ponly", "empty", &pass);
    assert_eq!((radius.status, radius.body.len()), (400, 0), "{radius}");
}

#[test]
fn a_percent_sign_in_a_secret_survives_a_real_parent() {
    let node = Node::start(&Plan::local(PEOPLE));
    with_own_tokens(&node);
    let parent = Edumfa::start();
    parent.realm("prealm", "ppasswd", PEOPLE);
    parent.forward("us", &node.url(), &json!({}));
    let mut carol = carol_at_hq();
    check(parent.address, "carol", &carol.pass()).by("P-CAROL").from(Some(&node.origin()));

    // Its test of a server, and its remote tokens, put one layer more around what they send.
    let test = json!({
        "identifier": "us", "url": node.url(), "tls": "0", "username": "carol",
        "password": carol.pass(),
    });
    assert_eq!(parent.admin("POST", "/edumfaserver/test_request", &test), json!(true));
    let us = parent.admin("GET", "/edumfaserver/", &Value::Null)["us"]["id"].take();
    let details = json!({
        "type": "remote", "remote.server_id": us.to_string(), "remote.user": "carol",
        "remote.local_checkpin": "0", "otpkey": "",
    });
    parent.token("prealm", "bob", "R-BOB", &details);
    let answer = check(parent.address, "bob", &carol.pass());
    assert_eq!(answer.0.json()["result"]["value"], Value::Bool(true), "{}", answer.0);
}

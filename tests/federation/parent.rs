//! The daemon asks a real eduMFA (issue 6, a).

use std::collections::HashSet;

use serde_json::json;
use vouchsafe::protocol::edumfa::signature::Signer;

use crate::asking::{check, check_with, checks, question};
use crate::cast::{
    LAB_PEOPLE, ODD_PIN, PEOPLE, alice_in_lab, carol_at_hq, hq_and_lab, lab, with_own_tokens,
};
use crate::node::{AFTER, Node, PATIENT, Plan};
use crate::support::client::Request;
use crate::support::temporary_folder;

#[test]
fn a_token_of_the_child_is_right_and_the_answer_says_where() {
    let (lab, mut alice) = (lab(), alice_in_lab());
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    with_own_tokens(&node);
    let (to, origin) = (node.address, format!("{}/validate/check", lab.url()));

    let pass = alice.pass();
    let good = check(to, "alice", &pass).by("C-ALICE").from(Some(&origin));
    let body = good.0.json();
    assert_eq!(body["detail"]["type"], "hotp");
    assert_eq!(body["id"], 2);
    assert_eq!(good.0.one("Content-Type"), Some("application/json"));
    check(to, "alice", &pass).rejected();
    check(to, "alice", "cpin000000").rejected();
    assert!(!node.daemon.log().contains(&pass), "a secret stands in the log");

    // Known there without a token, or not at all.
    check(to, "bob", "cpin000000").refused();
    check(to, "nobody", "cpin000000").refused();
    check(to, "ponly", "cpin000000").refused();

    // What no encoding on the way may change.
    check(to, "carol", &carol_at_hq().pass()).by("P-CAROL").from(None);
    check(to, "carol", ODD_PIN).by("C-CAROL").from(Some(&origin));
    check_with(to, &[("user", "conly"), ("realm", "crealm"), ("pass", "cpin000000")]).refused();
}

#[test]
fn every_way_to_ask_reaches_the_child() {
    let (lab, mut alice) = (lab(), alice_in_lab());
    let plan = Plan::local(LAB_PEOPLE).server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    let (to, host) = (node.address, node.address.to_string());

    check(to, "carol", ODD_PIN).by("C-CAROL");
    let target = format!("/validate/check?user=alice&pass={}", alice.pass());
    let got = Request::new("GET", &host, &target).send(to);
    assert_eq!(got.json()["result"]["value"], json!(true), "{got}");
    let body = json!({ "user": "alice", "pass": alice.pass() }).to_string();
    let posted = Request::new("POST", &host, "/validate/check");
    let posted = posted.header("Content-Type", "application/json").body(body).send(to);
    assert_eq!(posted.json()["result"]["value"], json!(true), "{posted}");

    let pass = alice.pass();
    let saml = question(to, "/validate/samlcheck", &[("user", "alice"), ("pass", &pass)]).send(to);
    assert_eq!(saml.json()["result"]["value"]["auth"], json!(true), "{saml}");
    let saml = question(to, "/validate/samlcheck", &[("user", "alice"), ("pass", &pass)]).send(to);
    assert_eq!(saml.json()["result"]["value"]["auth"], json!(false), "{saml}");

    let pass = alice.pass();
    let radius = |pass| {
        let parameters = [("user", "alice"), ("pass", pass)];
        let answer = question(to, "/validate/radiuscheck", &parameters).send(to);
        (answer.status, answer.body.len())
    };
    assert_eq!(radius(&pass), (204, 0));
    assert_eq!(radius(&pass), (400, 0));
}

#[test]
fn connections_to_a_child_are_kept() {
    let (lab, mut alice) = (lab(), alice_in_lab());
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    for _ in 0..6 {
        check(node.address, "alice", &alice.pass()).by("C-ALICE");
    }
    let asked = checks(&lab);
    assert_eq!(asked.len(), 6);
    // It closes one that nothing came on for two seconds, which a busy machine can take.
    let connections: HashSet<_> = asked.into_iter().map(|asked| asked.connection).collect();
    assert!(connections.len() < 6, "each check had a connection of its own");
}

#[test]
fn an_answer_that_the_child_has_not_signed_is_none() {
    let (_hq, lab) = hq_and_lab();
    let keys = temporary_folder();
    let mut alice = alice_in_lab();
    let stranger = Signer::generate().unwrap().0.public_pem().unwrap();
    let keep = |name: &str, text: String| {
        let path = keys.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("{PATIENT}, signature_key: \"{}\"", path.display())
    };
    let (good, other) = (keep("lab.pem", lab.public_key()), keep("stranger.pem", stranger));
    for (settings, accepts) in [(good, true), (other, false)] {
        let plan = Plan::local(PEOPLE).server("lab", &lab.url(), &settings);
        let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
        let pass = alice.pass();
        let answer = check(node.address, "alice", &pass);
        assert_eq!(answer.is_accepted(), accepts, "{}", answer.0);
        assert_eq!(answer.looks_accepted(), accepts, "{}", answer.0);
        let asked = checks(&lab);
        let times = asked.iter().filter(|asked| asked.parameter("pass").as_ref() == Some(&pass));
        assert_eq!(times.count(), 1);
    }
}

//! eduMFA, the daemon and eduMFA in a row (issue 6, c).

use serde_json::json;

use crate::asking::{check, check_with, checks};
use crate::cast::{PEOPLE, alice_at_hq, alice_in_lab, hq_and_lab};
use crate::node::{AFTER, Node, PATIENT, Plan};
use crate::support::edumfa::Edumfa;

#[test]
fn the_daemon_stands_between_two_real_servers() {
    let (hq, lab) = hq_and_lab();
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    hq.forward("us", &node.url(), &json!({}));
    lab.challenge("hotp");
    let (mut own, mut others) = (alice_at_hq(), alice_in_lab());

    check(hq.address, "alice", &own.pass()).by("P-ALICE").from(None);
    assert!(checks(&lab).is_empty());
    // It always names the one it has asked itself.
    let pass = others.pass();
    check(hq.address, "alice", &pass).by("C-ALICE").from(Some(&node.origin()));
    check(hq.address, "alice", &pass).rejected();
    check(hq.address, "bob", "wrong").rejected();

    let transaction = check(hq.address, "alice", others.pin).challenged();
    let otp = others.otp();
    let answer = [("user", "alice"), ("pass", &otp), ("transaction_id", &transaction)];
    check_with(hq.address, &answer).by("C-ALICE").from(Some(&node.origin()));
    check_with(hq.address, &answer).rejected();
    let last = checks(&lab).pop().unwrap();
    assert_ne!(last.parameter("transaction_id").as_ref(), Some(&transaction));
}

#[test]
fn an_origin_from_behind_the_child_is_kept() {
    let (hq, lab) = hq_and_lab();
    hq.forward("lab", &lab.url(), &json!({ "option.realm": "crealm" }));
    let plan = Plan::local(PEOPLE).server("hq", &hq.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: hq, realm: prealm"));
    let (mut near, mut far) = (alice_at_hq(), alice_in_lab());

    let origin = |of: &Edumfa| format!("{}/validate/check", of.url());
    check(node.address, "alice", &near.pass()).by("P-ALICE").from(Some(&origin(&hq)));
    check(node.address, "alice", &far.pass()).by("C-ALICE").from(Some(&origin(&lab)));
}

//! The example of eduMFA's documentation: the parent's token or the child's (issue 6, d; SEMANTICS F2, F5).

use crate::asking::{check, checks};
use crate::cast::{
    PEOPLE, alice_at_hq, alice_in_lab, conly, hq_and_lab, lab, ponly, with_own_tokens,
};
use crate::node::{AFTER, Node, PATIENT, Plan};

#[test]
fn either_token_lets_a_user_in_where_the_base_is_the_daemons_own() {
    let lab = lab();
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab"));
    with_own_tokens(&node);
    let to = node.address;
    let origin = format!("{}/validate/check", lab.url());

    let (mut own, mut others) = (alice_at_hq(), alice_in_lab());
    check(to, "alice", &own.pass()).by("P-ALICE").from(None);
    assert!(checks(&lab).is_empty(), "the child was asked though the base had accepted");
    check(to, "alice", &others.pass()).by("C-ALICE").from(Some(&origin));
    check(to, "alice", &own.pass()).by("P-ALICE").from(None);
    check(to, "ponly", &ponly().pass()).by("P-PONLY").from(None);
    // Unknown at the base, which is an answer like any other.
    check(to, "conly", &conly().pass()).by("C-CONLY").from(Some(&origin));
    check(to, "alice", "ppin000000").rejected();
}

#[test]
fn either_token_lets_a_user_in_where_the_base_is_a_real_parent() {
    let (hq, lab) = hq_and_lab();
    let plan = Plan::base("hq").server("hq", &hq.url(), &format!("role: parent, {PATIENT}"));
    let plan = plan.server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    let to = node.address;
    let [of_hq, of_lab] = [&hq, &lab].map(|of| format!("{}/validate/check", of.url()));

    let (mut own, mut others) = (alice_at_hq(), alice_in_lab());
    check(to, "alice", &own.pass()).by("P-ALICE").from(Some(&of_hq));
    assert!(checks(&lab).is_empty(), "the child was asked though the base had accepted");
    check(to, "alice", &others.pass()).by("C-ALICE").from(Some(&of_lab));
    check(to, "ponly", &ponly().pass()).by("P-PONLY").from(Some(&of_hq));
    check(to, "conly", &conly().pass()).by("C-CONLY").from(Some(&of_lab));
    check(to, "alice", "ppin000000").rejected();
}

#[test]
fn fifty_logins_with_the_childs_token_leave_no_failure_at_the_daemons_own() {
    let lab = lab();
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT).own("max_fail: 10");
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    with_own_tokens(&node);
    let (mut own, mut others) = (alice_at_hq(), alice_in_lab());
    for _ in 0..50 {
        check(node.address, "alice", &others.pass()).by("C-ALICE");
    }
    assert_eq!(lab.fail_count("C-ALICE"), 0);
    // Nine failures do not lock a token that had none before.
    for _ in 0..9 {
        check(node.address, "alice", "ppin000000").rejected();
    }
    check(node.address, "alice", &own.pass()).by("P-ALICE").from(None);
    // ... and failures that nobody took back do lock it.
    for _ in 0..10 {
        check(node.address, "alice", "ppin000000").rejected();
    }
    check(node.address, "alice", &own.pass()).rejected();
}

#[test]
fn fifty_logins_with_the_childs_token_leave_no_failure_at_a_real_parent() {
    let (hq, lab) = hq_and_lab();
    let plan = Plan::base("hq").server("hq", &hq.url(), &format!("role: parent, {PATIENT}"));
    let plan = plan.server("lab", &lab.url(), PATIENT);
    let before = "event: validate_check, position: pre";
    let node = Node::start(&plan.handler(before, "server: lab, realm: crealm"));
    let (mut own, mut others) = (alice_at_hq(), alice_in_lab());
    for _ in 0..50 {
        check(node.address, "alice", &others.pass()).by("C-ALICE");
    }
    assert_eq!((hq.fail_count("P-ALICE"), lab.fail_count("C-ALICE")), (0, 0));
    assert!(checks(&hq).is_empty());
    check(node.address, "alice", &own.pass()).by("P-ALICE");
    check(node.address, "ponly", &ponly().pass()).by("P-PONLY");
}

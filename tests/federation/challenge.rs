//! Challenges, at either side: given out, answered once, by the one who got them (issue 6, f; SEMANTICS F6).

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::asking::{Checked, check, check_with, checks, question};
use crate::cast::{
    LAB_PEOPLE, PEOPLE, alice_at_hq, alice_in_lab, hq_and_lab, lab, with_own_tokens,
};
use crate::node::{AFTER, Node, PATIENT, Plan};
use crate::support::bad_node::{BadNode, Manner, accepted, json_answer};
use crate::support::client::{Answer, Request};
use crate::support::edumfa::Edumfa;

/// Another caller.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));

/// Long enough for a key.
const KEY: &str = "the key of the program that asks";

fn poll(node: &Node, transaction: &str) -> Answer {
    let target = format!("/validate/polltransaction?transaction_id={transaction}");
    Request::new("GET", &node.address.to_string(), &target).send(node.address)
}

#[test]
fn a_challenge_of_the_child_is_answered_through_the_daemon() {
    let (lab, mut alice) = (lab(), alice_in_lab());
    lab.challenge("hotp");
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    with_own_tokens(&node);

    let given = check(node.address, "alice", alice.pin);
    let transaction = given.challenged();
    let detail = &given.0.json()["detail"];
    assert_eq!(detail["multi_challenge"][0]["serial"], "C-ALICE", "{}", given.0);
    assert_eq!(detail["multi_challenge"][0]["client_mode"], "interactive", "{}", given.0);
    let otp = alice.otp();
    let answer = |user, transaction| {
        [("user", user), ("pass", otp.as_str()), ("transaction_id", transaction)]
    };

    // Nobody else's, and none that we have not given out: nobody is asked.
    let before = checks(&lab).len();
    let stranger = question(node.address, "/validate/check", &answer("alice", &transaction));
    Checked(stranger.from(STRANGER).send(node.address)).refused();
    check_with(node.address, &answer("bob", &transaction)).refused();
    check_with(node.address, &answer("alice", "01234567890123456789")).refused();
    assert_eq!(checks(&lab).len(), before);

    // A wrong answer leaves it to be answered.
    let wrong = [("user", "alice"), ("pass", "000000"), ("transaction_id", &transaction)];
    check_with(node.address, &wrong).rejected();
    check_with(node.address, &answer("alice", &transaction)).by("C-ALICE");
    let asked = checks(&lab).pop().unwrap();
    let theirs = asked.parameter("transaction_id").unwrap();
    assert_ne!(theirs, transaction, "the child's own name of it was given out");

    // Once.
    let before = checks(&lab).len();
    check_with(node.address, &answer("alice", &transaction)).refused();
    let fresh = alice.otp();
    let replay = [("user", "alice"), ("pass", &fresh), ("transaction_id", &transaction)];
    check_with(node.address, &replay).refused();
    check_with(node.address, &answer("alice", &theirs)).refused();
    assert_eq!(checks(&lab).len(), before);
}

#[test]
fn a_challenge_of_the_daemons_own_is_not_replaced_by_a_childs_reject() {
    let (lab, mut alice) = (lab(), alice_at_hq());
    let plan = Plan::local(PEOPLE).server("lab", &lab.url(), PATIENT);
    let plan = plan.own("challenge_response: [hotp]");
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    with_own_tokens(&node);

    let transaction = check(node.address, "alice", alice.pin).challenged();
    let otp = alice.otp();
    let answer = [("user", "alice"), ("pass", &otp), ("transaction_id", &transaction)];
    let mut of_bob = answer;
    of_bob[0].1 = "bob";
    let stranger = question(node.address, "/validate/check", &answer);
    Checked(stranger.from(STRANGER).send(node.address)).refused();
    check_with(node.address, &of_bob).refused();
    check_with(node.address, &answer).by("P-ALICE").from(None);
    check_with(node.address, &answer).refused();
    // The answers went where the challenge had come from, and nowhere else.
    assert!(checks(&lab).iter().all(|asked| asked.parameter("pass").as_ref() != Some(&otp)));
    // Another one is a new one.
    assert_ne!(check(node.address, "alice", alice.pin).challenged(), transaction);
}

#[test]
fn a_challenge_of_a_remote_base_is_answered_there() {
    let (hq, lab) = hq_and_lab();
    hq.challenge("hotp");
    let plan = Plan::base("hq").server("hq", &hq.url(), &format!("role: parent, {PATIENT}"));
    let plan = plan.server("lab", &lab.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: lab, realm: crealm"));
    let mut alice = alice_at_hq();
    let transaction = check(node.address, "alice", alice.pin).challenged();
    let otp = alice.otp();
    let answer = [("user", "alice"), ("pass", &otp), ("transaction_id", &transaction)];
    let before = checks(&lab).len();
    check_with(node.address, &answer).by("P-ALICE");
    check_with(node.address, &answer).refused();
    assert_eq!(checks(&lab).len(), before);
}

#[test]
fn a_real_parent_hands_a_challenge_of_the_daemon_on() {
    let node = Node::start(&Plan::local(PEOPLE).own("challenge_response: [hotp]"));
    with_own_tokens(&node);
    let parent = Edumfa::start();
    parent.realm("prealm", "ppasswd", PEOPLE);
    parent.forward("us", &node.url(), &json!({}));
    let polled = json!({
        "name": "poll-us", "event": "validate_poll_transaction", "conditions": {}, "ordering": 1,
    });
    parent.forward("us", &node.url(), &polled);
    let mut alice = alice_at_hq();

    let transaction = check(parent.address, "alice", alice.pin).challenged();
    let target = format!("/validate/polltransaction?transaction_id={transaction}");
    let host = parent.address.to_string();
    let answer = Request::new("GET", &host, &target).send(parent.address);
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json()["result"]["value"], json!(false), "{answer}");
    assert_eq!(answer.json()["detail"]["challenge_status"], "pending", "{answer}");

    let otp = alice.otp();
    let answer = [("user", "alice"), ("pass", &otp), ("transaction_id", &transaction)];
    check_with(parent.address, &answer).by("P-ALICE").from(Some(&node.origin()));
    check_with(parent.address, &answer).rejected();
}

#[test]
fn a_challenge_is_triggered_by_who_has_a_key_and_by_nobody_else() {
    let lab = lab();
    lab.challenge("hotp");
    // A real one wants an administrator's own.
    let server = format!("{PATIENT}, api_key: \"{}\"", lab.authorization());
    let plan = Plan::local(PEOPLE).own("challenge_response: [hotp]");
    let plan = plan.server("lab", &lab.url(), &server).api(&format!("keys: \"{KEY}\""));
    let both =
        "event: [validate_triggerchallenge, validate_check], conditions: { result_value: false }";
    let node = Node::start(&plan.handler(both, "server: lab, realm: crealm"));
    with_own_tokens(&node);
    let ask = |path: &str, key: &str, parameters: &[(&str, &str)]| {
        let request = question(node.address, path, parameters);
        let request = if key.is_empty() { request } else { request.header("Authorization", key) };
        request.send(node.address)
    };

    for wrong in ["", "the key of somebody else", "Bearer the key of somebody else"] {
        let answer = ask("/validate/triggerchallenge", wrong, &[("user", "alice")]);
        assert!((400..500).contains(&answer.status), "{wrong}: {answer}");
        let answer = ask("/validate/check", wrong, &[("user", "alice"), ("pass", "x")]);
        assert!((400..500).contains(&answer.status), "{wrong}: {answer}");
    }
    assert!(lab.asked().iter().all(|asked| !asked.target.contains("trigger")));

    // The daemon's own token, and that of a user whom only the child knows.
    for (user, mut device) in [("alice", alice_at_hq()), ("conly", crate::cast::conly())] {
        let answer = ask("/validate/triggerchallenge", KEY, &[("user", user)]);
        assert_eq!(answer.json()["result"]["value"], json!(1), "{answer}");
        let transaction = answer.json()["detail"]["transaction_id"].as_str().unwrap().to_owned();
        let otp = device.otp();
        let parameters = [("user", user), ("pass", &otp), ("transaction_id", &transaction)];
        // The key is the holder, wherever it is used.
        let request = question(node.address, "/validate/check", &parameters).from(STRANGER);
        let bearer = request.header("Authorization", &format!("Bearer {KEY}"));
        Checked(bearer.send(node.address)).by(device.serial);
        Checked(ask("/validate/check", KEY, &parameters)).refused();
    }
    for asked in lab.asked() {
        assert_ne!(asked.headers["authorization"], KEY, "our callers' key went on: {asked:?}");
    }
    let answer = ask("/validate/triggerchallenge", KEY, &[("user", "bob")]);
    assert_eq!(answer.json()["result"]["value"], json!(0), "{answer}");
}

#[test]
fn a_push_is_polled_where_it_was_sent() {
    let theirs = "11111111112222222222";
    let mut challenge = accepted("PUSH1");
    challenge["result"] = json!({ "status": true, "value": false, "authentication": "CHALLENGE" });
    let one = json!({
        "client_mode": "poll", "message": "confirm it", "serial": "PUSH1", "type": "push",
        "transaction_id": theirs,
    });
    challenge["detail"] = json!({
        "client_mode": "poll", "message": "confirm it", "messages": ["confirm it"],
        "multi_challenge": [one], "serial": "PUSH1", "type": "push", "transaction_id": theirs,
        "transaction_ids": [theirs],
    });
    let status = |value: bool, status: &str| {
        let mut polled = accepted("PUSH1");
        let authentication = if value { "ACCEPT" } else { "REJECT" };
        polled["result"] =
            json!({ "status": true, "value": value, "authentication": authentication });
        polled["detail"] = json!({ "challenge_status": status });
        Manner::Says(json_answer(200, &polled))
    };
    let phone = BadNode::start(Manner::Says(json_answer(200, &challenge)));
    let plan = Plan::local(LAB_PEOPLE).server("phone", &phone.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: phone"));
    let transaction = check(node.address, "alice", "pin").challenged();
    let polls = || {
        let requests = phone.requests();
        requests.into_iter().filter(|text| text.contains("/polltransaction")).collect::<Vec<_>>()
    };

    phone.change(status(false, "pending"));
    let pending = poll(&node, &transaction).json();
    assert_eq!(pending["result"]["value"], json!(false));
    assert_eq!(pending["detail"]["challenge_status"], "pending");
    assert_eq!(polls().len(), 1);
    assert!(polls()[0].contains(theirs), "{:?}", polls());

    // Nobody else learns anything, nor is anybody asked.
    phone.change(status(true, "accept"));
    let target = format!("/validate/polltransaction?transaction_id={transaction}");
    let other = Request::new("GET", &node.address.to_string(), &target).from(STRANGER);
    assert_eq!(other.send(node.address).json()["result"]["value"], json!(false));
    let unknown = poll(&node, "01234567890123456789").json();
    assert_eq!(unknown["result"]["value"], json!(false));
    assert_eq!(polls().len(), 1);

    let polled = poll(&node, &transaction).json();
    assert_eq!(polled["result"]["value"], json!(true));
    assert_eq!(polled["detail"]["challenge_status"], "accept");

    phone.change(Manner::Says(json_answer(200, &accepted("PUSH1"))));
    let end = [("user", "alice"), ("pass", ""), ("transaction_id", &transaction)];
    check_with(node.address, &end).by("PUSH1");
    let last = phone.requests().len();
    check_with(node.address, &end).refused();
    let again = poll(&node, &transaction).json();
    assert_eq!(again["result"]["value"], Value::Bool(false));
    assert_eq!(phone.requests().len(), last);
}

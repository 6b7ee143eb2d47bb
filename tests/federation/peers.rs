//! What the other tests stand on, without the daemon: eduMFA alone, and nodes that misbehave.

use std::io::ErrorKind;
use std::time::Duration;

use ring::hmac;
use serde_json::json;

use crate::asking::{check, check_with, question};
use crate::support::bad_node::{BadNode, Manner, accepted, json_answer};
use crate::support::client::Connection;
use crate::support::edumfa::Edumfa;
use crate::support::otp::{RFC_SEED, hotp, hotp_of, seed};

#[test]
fn a_real_parent_asks_a_real_child_where_its_own_token_is_not_right() {
    let (parent, child) = Edumfa::start_two();
    let (own, other) = (seed(1), seed(2));
    for (node, realm, resolver, serial, key) in [
        (&parent, "prealm", "ppasswd", "P-ALICE", &own),
        (&child, "crealm", "cpasswd", "C-ALICE", &other),
    ] {
        node.realm(realm, resolver, &["alice"]);
        let token = json!({ "type": "hotp", "otpkey": key, "pin": "pin" });
        node.token(realm, "alice", serial, &token);
    }
    child.believe("127.0.0.1");
    parent.forward("lab", &child.url(), &json!({ "option.forward_client_ip": true }));

    let mine = format!("pin{}", hotp(&own, 0));
    check(parent.address, "alice", &mine).by("P-ALICE").from(None);
    assert!(child.asked().is_empty());

    let theirs = format!("pin{}", hotp(&other, 0));
    let origin = format!("{}/validate/check", child.url());
    check(parent.address, "alice", &theirs).by("C-ALICE").from(Some(&origin));
    check(parent.address, "alice", &theirs).rejected();

    let asked = child.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].method, "POST");
    assert_eq!(asked[0].parameter("pass"), Some(theirs));
    assert_eq!(asked[0].parameter("client").as_deref(), Some("127.0.0.1"));
    assert_eq!((parent.fail_count("P-ALICE"), child.fail_count("C-ALICE")), (2, 1));
    let audit = child.audit();
    assert_eq!((&audit[0]["success"], &audit[0]["user"]), (&json!(0), &json!("alice")));
    assert_eq!((&audit[1]["success"], &audit[1]["client"]), (&json!(1), &json!("127.0.0.1")));

    child.challenge("hotp");
    let transaction = check(parent.address, "alice", "pin").challenged();
    let (user, otp) = (("user", "alice"), hotp(&other, 1));
    let answer = [user, ("pass", &otp), ("transaction_id", &transaction)];
    assert_eq!(check_with(parent.address, &answer).by("C-ALICE").detail("otplen"), "");
    assert!(child.public_key().starts_with("-----BEGIN PUBLIC KEY-----"));
}

#[test]
fn the_examples_of_rfc_4226_and_6238_come_out() {
    assert_eq!([0, 1, 9].map(|counter| hotp(RFC_SEED, counter)), ["755224", "287082", "520489"]);
    let long = format!("{RFC_SEED}313233343536373839303132");
    assert_eq!(hotp_of(&long, 1, 8, hmac::HMAC_SHA256), "46119246");
}

#[test]
fn a_bad_node_is_as_bad_as_it_should_be() {
    let good = json_answer(200, &accepted("T1"));
    let node = BadNode::start(Manner::Says(good.clone()));
    let ask = || check(node.address, "alice", "secret");
    let request = question(node.address, "/validate/check", &[("user", "alice")]);
    ask().by("T1");
    assert!(node.requests()[0].contains("\r\n\r\nuser=alice&pass=secret"));

    let two_on_one = |manner| {
        node.change(manner);
        let mut connection = Connection::open(node.address).unwrap();
        let once = |connection: &mut Connection| {
            connection.send(&request.bytes())?;
            connection.read(true).map(|answer| answer.status)
        };
        (once(&mut connection).unwrap(), once(&mut connection).ok())
    };
    assert_eq!(two_on_one(Manner::Says(good.clone())), (200, Some(200)));
    assert_eq!(two_on_one(Manner::SaysAndCloses(good.clone())), (200, None));

    let read = |manner| {
        let before = node.requests().len();
        node.change(manner);
        let length = Connection::open(node.address).and_then(|mut connection| {
            connection.set_patience(Duration::from_millis(300))?;
            connection.send(&request.bytes())?;
            Ok(connection.read(true)?.body.len())
        });
        // Whether it hears of a reset depends on which of the two is quicker.
        let is_reset = |kind: &ErrorKind| *kind == ErrorKind::ConnectionReset;
        let end = length.map_err(|error| Some(error.kind()).filter(|kind| !is_reset(kind)));
        let end = end.map_err(|kind| kind.unwrap_or(ErrorKind::UnexpectedEof));
        (end, node.requests().len() - before)
    };
    assert_eq!(read(Manner::Drips(good.clone())), (Err(ErrorKind::WouldBlock), 1));
    assert_eq!(read(Manner::Hangs), (Err(ErrorKind::WouldBlock), 1));
    assert_eq!(read(Manner::NeverReads), (Err(ErrorKind::WouldBlock), 0));
    assert_eq!(read(Manner::ResetsAtOnce), (Err(ErrorKind::UnexpectedEof), 0));
    assert_eq!(read(Manner::ResetsUnanswered), (Err(ErrorKind::UnexpectedEof), 1));
    assert_eq!(read(Manner::ResetsWithin(good)), (Err(ErrorKind::UnexpectedEof), 1));
    assert_eq!(read(Manner::Closes), (Err(ErrorKind::UnexpectedEof), 1));
    for says_so in [true, false] {
        node.change(Manner::Floods { says_so });
        let mut connection = Connection::open(node.address).unwrap();
        connection.send(&request.bytes()).unwrap();
        connection.take(10 << 20).unwrap();
    }
}

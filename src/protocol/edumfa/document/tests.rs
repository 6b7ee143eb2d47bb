use super::*;
use crate::domain::node::{Challenge, Event};
use crate::protocol::edumfa::answer;

const NOW: Timestamp = Timestamp::from_millis(1_795_304_877_919);

fn reply(said: Said<'_>) -> Reply<'_> {
    Reply { said, nonce: None, now: NOW, origin: "" }
}

fn said(endpoint: Endpoint, answer: &Answer) -> (u16, Value) {
    let (status, body) = render(&reply(Said::Answer(endpoint, answer)), None);
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn challenge() -> Answer {
    let one = |serial: &str, mode: &str| Challenge {
        serial: serial.into(),
        token_type: "hotp".into(),
        message: "please enter otp: ".into(),
        client_mode: mode.into(),
    };
    Answer {
        transaction: "07124317411987095981".into(),
        challenges: vec![one("P", "poll"), one("H", "interactive")],
        ..Answer::new(Verdict::Challenged, "please enter otp: , please enter otp: ")
    }
}

#[test]
fn a_check_is_answered_in_edumfas_envelope() {
    let answer = Answer {
        serial: "C-HOTP-ALICE".into(),
        token_type: "hotp".into(),
        otp_length: Some(6),
        ..Answer::new(Verdict::Accepted, "matching 1 tokens, ü")
    };
    let reply = Reply { nonce: Some("abc\"123"), ..reply(Said::Answer(Endpoint::Check, &answer)) };
    let (status, body) = render(&reply, None);
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        r#"{{"detail": {{"message": "matching 1 tokens, \u00fc", "otplen": 6, "serial": "C-HOTP-ALICE", "type": "hotp"}}, "id": 2, "jsonrpc": "2.0", "nonce": "abc\"123", "result": {{"authentication": "ACCEPT", "status": true, "value": true}}, "time": 1795304877.919, "version": "vouchsafe {version}", "versionnumber": "{version}"}}"#
    );
    assert_eq!((status, String::from_utf8(body).unwrap()), (200, expected));
}

#[test]
fn a_signed_answer_verifies() {
    use crate::protocol::edumfa::signature::Verifier;
    let (signer, _) = Signer::generate().unwrap();
    let verifier = Verifier::from_pem(&signer.public_pem().unwrap()).unwrap();
    let answer = challenge();
    let replies = [Said::Answer(Endpoint::Check, &answer), Said::Fault(Fault::UNAVAILABLE)];
    for said in replies {
        let (_, body) = render(&Reply { origin: "http://ü/", ..reply(said) }, Some(&signer));
        assert!(verifier.verify(&body), "{}", String::from_utf8_lossy(&body));
        let text = String::from_utf8(body).unwrap().replace("1795304877.919", "1795304877.918");
        assert!(!verifier.verify(text.as_bytes()));
    }
}

#[test]
fn errors_have_edumfas_status_and_an_empty_detail() {
    let error = |fault| {
        let (status, body) = render(&reply(Said::Fault(fault)), None);
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&document["id"], &document["detail"]), (&json!(1), &json!({})));
        assert_eq!(document["result"]["status"], false);
        assert!(document.get("versionnumber").is_none());
        (status, document["result"]["error"].clone())
    };
    for (code, expected, message) in [
        (905, 400, "ERR905: x"),
        (904, 400, "ERR904: x"),
        (401, 400, "ERR401: x"),
        (303, 403, "x"),
        (601, 404, "x"),
        (4033, 401, "x"),
        (-500, 500, "x"),
    ] {
        let expected = (expected, json!({ "code": code, "message": message }));
        assert_eq!(error(Fault { code, message: "x" }), expected);
    }
    assert_eq!(error(Fault::refused("x")).0, 403);
    assert_eq!(error(Fault::malformed("x")).0, 400);
    assert_eq!(error(Fault::UNAVAILABLE).0, 500);
}

#[test]
fn a_samlcheck_that_fails_does_not_say_accept() {
    let attributes =
        vec![("mail".into(), vec!["a@b".into()]), ("g".into(), vec!["x".into(), "y".into()])];
    let accepted = Answer { attributes, ..Answer::new(Verdict::Accepted, "") };
    let (_, document) = said(Endpoint::Samlcheck, &accepted);
    let value = json!({ "auth": true, "attributes": { "mail": "a@b", "g": ["x", "y"] } });
    assert_eq!(
        document["result"],
        json!({ "status": true, "value": value, "authentication": "ACCEPT" })
    );
    let (_, document) =
        said(Endpoint::Samlcheck, &Answer { verdict: Verdict::Rejected, ..accepted });
    let value = json!({ "auth": false, "attributes": {} });
    assert_eq!(
        document["result"],
        json!({ "status": true, "value": value, "authentication": "REJECT" })
    );
}

#[test]
fn a_radiuscheck_has_no_body_but_with_errors() {
    let radius = |verdict| {
        let answer = Answer::new(verdict, "");
        render(&reply(Said::Answer(Endpoint::Radiuscheck, &answer)), None)
    };
    assert_eq!(radius(Verdict::Accepted), (204, Vec::new()));
    for verdict in [Verdict::Rejected, Verdict::Declined, Verdict::Challenged] {
        assert_eq!(radius(verdict), (400, Vec::new()));
    }
    let (status, body) = radius(Verdict::NotMine);
    assert_eq!((status, body.is_empty()), (400, false));
}

#[test]
fn a_challenge_has_what_clients_look_for() {
    let (status, document) = said(Endpoint::Check, &challenge());
    assert_eq!((status, &document["result"]["value"]), (200, &json!(false)));
    assert_eq!(document["result"]["authentication"], "CHALLENGE");
    let id = "07124317411987095981";
    let message = "please enter otp: ";
    let entry = |serial, mode| {
        json!({ "serial": serial, "type": "hotp", "message": message,
        "client_mode": mode, "transaction_id": id })
    };
    assert_eq!(
        document["detail"],
        json!({
            "client_mode": "interactive", "message": "please enter otp: , please enter otp: ",
            "messages": [message, message], "multi_challenge": [entry("P", "poll"), entry("H", "interactive")],
            "preferred_client_mode": "interactive", "serial": "H", "type": "hotp",
            "transaction_id": id, "transaction_ids": [id, id],
        })
    );
    let bare = Answer { transaction: "1".into(), ..Answer::new(Verdict::Challenged, "m") };
    let (_, document) = said(Endpoint::Check, &bare);
    assert_eq!(document["detail"]["multi_challenge"][0]["transaction_id"], "1");
}

#[test]
fn a_trigger_counts_and_a_poll_tells_how_it_stands() {
    let result = |endpoint, answer: &Answer| {
        let (_, document) = said(endpoint, answer);
        let result = &document["result"];
        (
            result["value"].clone(),
            result["authentication"].as_str().unwrap().to_owned(),
            document["detail"]["challenge_status"].clone(),
        )
    };
    let row = |value: Value, word: &str, status: &str| {
        (value, word.to_owned(), if status.is_empty() { Value::Null } else { status.into() })
    };
    let of = |verdict| Answer::new(verdict, "");
    assert_eq!(result(Endpoint::Trigger, &challenge()), row(2.into(), "ACCEPT", ""));
    for verdict in [Verdict::Rejected, Verdict::Accepted] {
        assert_eq!(result(Endpoint::Trigger, &of(verdict)), row(0.into(), "REJECT", ""));
    }
    assert_eq!(
        result(Endpoint::Poll, &of(Verdict::Accepted)),
        row(true.into(), "ACCEPT", "accept")
    );
    assert_eq!(
        result(Endpoint::Poll, &of(Verdict::Declined)),
        row(false.into(), "DECLINED", "declined")
    );
    assert_eq!(
        result(Endpoint::Poll, &of(Verdict::Rejected)),
        row(false.into(), "REJECT", "pending")
    );
    assert_eq!(result(Endpoint::Poll, &challenge()), row(false.into(), "REJECT", "pending"));
    assert_eq!(
        result(Endpoint::Check, &of(Verdict::Declined)),
        row(false.into(), "DECLINED", "declined")
    );
}

#[test]
fn what_we_write_we_read() {
    let wrong = |verdict, code, message| Answer { code, ..Answer::new(verdict, message) };
    for answer in [
        Answer { serial: "S".into(), otp_length: Some(6), ..Answer::new(Verdict::Accepted, "m") },
        Answer::new(Verdict::Rejected, "wrong otp pin"),
        Answer::new(Verdict::Declined, "no"),
        challenge(),
        wrong(Verdict::NotMine, 904, "ERR904: User <a@b> does not exist."),
        wrong(Verdict::NotMine, 601, "The requested token could not be found."),
        wrong(Verdict::Refused, 303, "no"),
        wrong(Verdict::Refused, 77, "no"),
        wrong(Verdict::Refused, 401, "ERR401: no"),
    ] {
        let (status, body) = render(&reply(Said::Answer(Endpoint::Check, &answer)), None);
        assert_eq!(answer::read(Event::Check, false, status, &body), Ok(answer));
    }
}

#[test]
fn a_node_that_says_nothing_is_spoken_for() {
    let message = |verdict, code| {
        let (_, document) = said(Endpoint::Check, &Answer { code, ..Answer::new(verdict, "") });
        document["result"]["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message(Verdict::NotMine, 0), "ERR904: User does not exist.");
    assert_eq!(message(Verdict::NotMine, 601), "The requested token could not be found.");
    assert_eq!(message(Verdict::Refused, 0), "Not allowed.");
}

#[test]
fn the_origin_of_another_node_is_named() {
    let answer = Answer::new(Verdict::Rejected, "m");
    let origin = "http://127.0.0.1:1/validate/check";
    let (_, body) =
        render(&Reply { origin, ..reply(Said::Answer(Endpoint::Check, &answer)) }, None);
    let read = answer::read(Event::Check, false, 200, &body).unwrap();
    assert_eq!(&*read.origin, origin);
}

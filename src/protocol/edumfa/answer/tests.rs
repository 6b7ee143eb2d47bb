use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(body: &Value) -> Result<Answer, Unreadable> {
    read(Event::Check, false, 200, body.to_string().as_bytes())
}

fn with_detail(value: bool, detail: &Value) -> Answer {
    check(&json!({ "result": { "status": true, "value": value }, "detail": detail })).unwrap()
}

#[track_caller]
fn is_unreadable(event: Event, status: u16, body: &str, why: Unreadable) {
    assert_eq!(read(event, false, status, body.as_bytes()), Err(why), "{status} {body}");
}

#[test]
fn only_the_json_value_true_accepts() {
    let accepted = read(Event::Check, false, 200, br#"{"result":{"status":true,"value":true}}"#);
    assert_eq!(accepted.unwrap().verdict, Verdict::Accepted);
    for value in [r#""true""#, r#""True""#, "1", "1.0", "{}", "[true]", "null", r#"{"auth":true}"#]
    {
        let body = format!(r#"{{"result":{{"status":true,"value":{value}}}}}"#);
        is_unreadable(Event::Check, 200, &body, Unreadable::OddValue);
        is_unreadable(Event::Poll, 200, &body, Unreadable::OddValue);
        let saml = format!(r#"{{"result":{{"status":true,"value":{{"auth":{value}}}}}}}"#);
        assert_eq!(read(Event::Check, true, 200, saml.as_bytes()), Err(Unreadable::OddValue));
    }
}

#[test]
fn what_is_no_answer_of_the_protocol_is_unknown() {
    use Unreadable as U;
    for (body, why) in [
        ("", U::NotJson),
        ("<html>502</html>", U::NotJson),
        ("[]", U::NotAnObject),
        (r#""true""#, U::NotAnObject),
        ("true", U::NotAnObject),
        ("{}", U::NoResult),
        (r#"{"result":null}"#, U::NoResult),
        (r#"{"result":[]}"#, U::NoResult),
        (r#"{"result":{"value":true}}"#, U::OddStatus),
        (r#"{"result":{"status":1,"value":true}}"#, U::OddStatus),
        (r#"{"result":{"status":"true","value":true}}"#, U::OddStatus),
        (r#"{"result":{"status":false,"value":true}}"#, U::OddStatus),
        (r#"{"result":{"status":true}}"#, U::NoValue),
        (r#"{"result":{"status":true,"value":false,"value":true}}"#, U::NotJson),
        (r#"{"result":{"status":false},"result":{"status":true,"value":true}}"#, U::NotJson),
    ] {
        is_unreadable(Event::Check, 200, body, why);
    }
}

#[test]
fn a_good_document_with_another_http_status_is_unknown() {
    let good = r#"{"result":{"status":true,"value":true}}"#;
    for status in [100, 201, 204, 301, 302, 307, 401, 429, 500, 502, 503] {
        is_unreadable(Event::Check, status, good, Unreadable::HttpStatus);
    }
    for status in [400, 403, 404] {
        is_unreadable(Event::Check, status, good, Unreadable::OddStatus);
    }
}

#[test]
fn an_answer_above_the_bound_is_not_read() {
    let mut body = br#"{"result":{"status":true,"value":true}}"#.to_vec();
    body.resize(NODE_ANSWER_BYTES, b' ');
    assert!(read(Event::Check, false, 200, &body).is_ok());
    body.push(b' ');
    assert_eq!(read(Event::Check, false, 200, &body), Err(Unreadable::TooLarge));
}

#[test]
fn texts_in_another_encoding_are_unknown() {
    let body =
        b"{\"result\":{\"status\":true,\"value\":true},\"detail\":{\"message\":\"\xfcber\"}}";
    assert_eq!(read(Event::Check, false, 200, body), Err(Unreadable::NotJson));
}

#[test]
fn errors_that_decide_are_told_from_those_that_do_not() {
    let error = |status: u16, code: i64| {
        let body = json!({
            "detail": null,
            "result": { "status": false, "error": { "code": code, "message": "ERR: x" } },
        });
        read(Event::Check, false, status, body.to_string().as_bytes())
            .map(|answer| (answer.verdict, answer.code, answer.message))
    };
    let said = |verdict, code| Ok((verdict, code, "ERR: x".into()));
    assert_eq!(error(400, 904), said(Verdict::NotMine, 904));
    assert_eq!(error(404, 601), said(Verdict::NotMine, 601));
    assert_eq!(error(403, 303), said(Verdict::Refused, 303));
    assert_eq!(error(403, 77), said(Verdict::Refused, 77));
    assert_eq!(error(400, 401), said(Verdict::Refused, 401));
    assert_eq!(error(400, 1007), said(Verdict::Rejected, 0));
    for (status, code) in [(400, 905), (400, 601), (404, 904), (400, 302), (403, i64::MAX)] {
        assert_eq!(error(status, code), Err(Unreadable::Failed), "{status} {code}");
    }
    assert_eq!(error(200, 904), Err(Unreadable::OddStatus));
    assert_eq!(error(401, 4031), Err(Unreadable::HttpStatus));
    assert_eq!(error(500, -500), Err(Unreadable::HttpStatus));
    is_unreadable(Event::Check, 403, r#"{"result":{"status":false}}"#, Unreadable::Failed);
}

#[test]
fn a_trigger_is_answered_with_a_number() {
    let trigger = |value: &str, detail: &str| {
        let body = format!(r#"{{"result":{{"status":true,"value":{value}}},"detail":{detail}}}"#);
        read(Event::Trigger, false, 200, body.as_bytes()).map(|answer| answer.verdict)
    };
    let detail = r#"{"transaction_id":"1"}"#;
    assert_eq!(trigger("2", detail), Ok(Verdict::Challenged));
    assert_eq!(trigger("2", "{}"), Err(Unreadable::NoTransaction));
    assert_eq!(trigger("0", detail), Ok(Verdict::Rejected));
    for odd in ["true", "-1", "1.0", r#""1""#, "null"] {
        assert_eq!(trigger(odd, detail), Err(Unreadable::OddValue), "{odd}");
    }
}

#[test]
fn a_poll_tells_declined_from_pending() {
    let poll = |value: bool, status: &str| {
        let result = json!({ "status": true, "value": value });
        let body = json!({ "result": result, "detail": { "challenge_status": status } });
        read(Event::Poll, false, 200, body.to_string().as_bytes()).unwrap().verdict
    };
    assert_eq!(poll(true, "accept"), Verdict::Accepted);
    assert_eq!(poll(false, "declined"), Verdict::Declined);
    assert_eq!(poll(false, "pending"), Verdict::Rejected);
    assert_eq!(
        with_detail(false, &json!({ "challenge_status": "declined" })).verdict,
        Verdict::Declined
    );
}

#[test]
fn a_challenge_has_a_transaction() {
    let item =
        json!({ "serial": "S", "type": "hotp", "transaction_id": "7", "client_mode": "poll" });
    let one = with_detail(false, &json!({ "serial": "S", "multi_challenge": [&item] }));
    assert_eq!((one.verdict, &*one.transaction, &*one.serial), (Verdict::Challenged, "7", "S"));
    assert_eq!(&*one.challenges[0].client_mode, "poll");
    let two = with_detail(
        false,
        &json!({ "serial": "S", "transaction_id": "8", "multi_challenge": [&item, 1, &item] }),
    );
    assert_eq!((&*two.transaction, &*two.serial, two.challenges.len()), ("8", "", 2));
    let long = "7".repeat(NODE_TEXT_BYTES + 1);
    let body = json!({ "result": { "status": true, "value": false, "authentication": "CHALLENGE" },
        "detail": { "transaction_id": long } });
    assert_eq!(check(&body), Err(Unreadable::NoTransaction));
}

#[test]
fn texts_and_lists_are_bounded() {
    let message = format!("a\u{7}\r\n{}", "ü".repeat(NODE_TEXT_BYTES));
    let many: Vec<Value> = (0..=NODE_ITEMS).map(|n| json!({ "message": n.to_string() })).collect();
    let detail = json!({ "message": message, "serial": "s".repeat(FACTOR_TEXT_BYTES), "type": "t\n",
        "otplen": 70_000, "transaction_id": "1", "multi_challenge": many });
    let answer = with_detail(false, &detail);
    assert_eq!(answer.message.len(), NODE_TEXT_BYTES - 1, "the last ü does not fit");
    assert!(answer.message.starts_with("aü"));
    assert_eq!((answer.challenges.len(), answer.otp_length), (NODE_ITEMS, None));
    let answer = with_detail(
        true,
        &json!({ "serial": "s".repeat(FACTOR_TEXT_BYTES), "type": "t\n", "otplen": 6 }),
    );
    assert_eq!(
        (answer.serial.len(), &*answer.token_type, answer.otp_length),
        (FACTOR_TEXT_BYTES, "", Some(6))
    );
    let answer = with_detail(true, &json!({ "serial": "s".repeat(FACTOR_TEXT_BYTES + 1) }));
    assert_eq!(&*answer.serial, "");
}

#[test]
fn an_origin_is_a_short_http_address() {
    let origin = |text: &str| with_detail(true, &json!({ "origin": text })).origin;
    assert_eq!(
        &*origin("https://mfa.example.com/validate/check"),
        "https://mfa.example.com/validate/check"
    );
    let longest = format!("http://{}", "ü".repeat(ORIGIN_CHARACTERS - 7));
    assert_eq!(&*origin(&longest), longest);
    for dropped in [&*format!("{longest}x"), "javascript:alert(1)", "//x", "http://a\nb", ""] {
        assert_eq!(&*origin(dropped), "");
    }
}

#[test]
fn attributes_of_somebody_who_is_let_in_are_taken_over() {
    let saml = |auth: bool| {
        let mut attributes = json!({ "mail": "a@b", "uid": 1002, "groups": ["x", 2, null, {}], "flag": true,
            "none": null, "a\nb": "x" });
        attributes["many"] = (0..100).collect();
        let body = json!({ "result": { "status": true, "value": { "auth": auth, "attributes": attributes } } });
        read(Event::Check, true, 200, body.to_string().as_bytes()).unwrap()
    };
    let answer = saml(true);
    assert_eq!(answer.verdict, Verdict::Accepted);
    let read: Vec<(&str, usize)> =
        answer.attributes.iter().map(|(name, values)| (&**name, values.len())).collect();
    assert_eq!(read, [("groups", 2), ("mail", 1), ("many", NODE_ITEMS), ("uid", 1)]);
    assert_eq!(&*answer.attributes[3].1[0], "1002");
    assert_eq!(saml(false).attributes, []);
}

fn anything() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        Just("2".to_owned()),
        Just(r#""true""#.to_owned()),
        Just(r#"{"auth":true}"#.to_owned()),
        Just(r#"[{"transaction_id":"1"}]"#.to_owned()),
    ];
    let names =
        prop_oneof![Just("status"), Just("value"), Just("authentication"), Just("multi_challenge")];
    let pairs = prop::collection::vec((names, value), 0..4).prop_map(|pairs| {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        format!("{{{}}}", pairs.join(","))
    });
    (pairs.clone(), pairs)
        .prop_map(|(result, detail)| format!(r#"{{"result":{result},"detail":{detail}}}"#))
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_unknown(body: Vec<u8>, status in 0..600_u16, samlcheck: bool) {
        for event in Event::ALL {
            let _ = read(event, samlcheck, status, &body);
        }
    }

    #[test]
    fn what_is_accepted_says_so_in_so_many_words(body in anything(), status in prop_oneof![Just(200_u16), Just(400), 0..600_u16], samlcheck: bool) {
        for event in Event::ALL {
            let Ok(answer) = read(event, samlcheck, status, body.as_bytes()) else { continue };
            let document: Value = serde_json::from_str(&body).unwrap();
            let value = &document["result"]["value"];
            let said = if samlcheck && event == Event::Check { &value["auth"] } else { value };
            let is_strict = status == 200 && document["result"]["status"] == true && *said == true;
            prop_assert_eq!(answer.verdict == Verdict::Accepted, is_strict && event != Event::Trigger);
        }
    }
}

//! Replays what real eduMFA servers were asked and answered (`tests/fixtures/edumfa`): a parent and its child.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::answer::{self, Unreadable};
use super::request::{Incoming, Malformed, Parameters};
use super::signature::Verifier;
use crate::domain::node::{Event, Verdict};

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/edumfa")
}

/// All recordings that have an answer, with their names.
fn recordings() -> Vec<(String, Value)> {
    let mut recordings = Vec::new();
    for file in fs::read_dir(fixtures().join("golden")).unwrap() {
        let path = file.unwrap().path();
        let recording: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if recording["response"]["status"].is_u64() {
            recordings.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), recording));
        }
    }
    recordings.sort_by(|left, right| left.0.cmp(&right.0));
    assert!(recordings.len() > 190, "only {} recordings", recordings.len());
    recordings
}

/// What was asked, by the path: the event, and whether it is a samlcheck.
fn asked(request: &Value) -> Option<(Event, bool)> {
    let path = request["path"].as_str().unwrap().split('?').next().unwrap();
    match path.split('/').nth(2).unwrap() {
        "check" | "radiuscheck" => Some((Event::Check, false)),
        "samlcheck" => Some((Event::Check, true)),
        "triggerchallenge" => Some((Event::Trigger, false)),
        "polltransaction" => Some((Event::Poll, false)),
        _ => None,
    }
}

/// A number, or as the tap of a server has it: `200 OK`.
fn status(response: &Value) -> u16 {
    let status = response["status"].to_string();
    status.trim_matches('"').split(' ').next().unwrap().parse().unwrap()
}

fn body(response: &Value) -> Vec<u8> {
    if response["json"].is_null() {
        return response["text"].as_str().unwrap_or_default().as_bytes().to_vec();
    }
    serde_json::to_vec(&response["json"]).unwrap()
}

/// What a recorded answer means, told by other means than our reading.
fn meant(event: Event, response: &Value) -> Option<Verdict> {
    let result = &response["json"]["result"];
    let is_accepted = result["value"] == true || result["value"]["auth"] == true;
    match (status(response), result["error"]["code"].as_i64()) {
        (200, None) if event == Event::Trigger => {
            let is_any = result["value"].as_u64()? > 0;
            Some(if is_any { Verdict::Challenged } else { Verdict::Rejected })
        }
        (200, None) if is_accepted => Some(Verdict::Accepted),
        (200, None) if result["authentication"] == "CHALLENGE" => Some(Verdict::Challenged),
        (200, None) | (400, Some(1007)) => Some(Verdict::Rejected),
        (400, Some(904)) | (404, Some(601)) => Some(Verdict::NotMine),
        (403, Some(303)) => Some(Verdict::Refused),
        _ => None,
    }
}

/// The recorded exchanges of both servers: what was sent to one, and what it answered.
fn exchanges() -> Vec<(String, Value, Value)> {
    let mut exchanges = Vec::new();
    for (name, recording) in recordings() {
        for seen in recording["seen_by_child"].as_array().into_iter().flatten() {
            let label = format!("{name} as the child saw it");
            exchanges.push((label, seen["request"].clone(), seen["response"].clone()));
        }
        exchanges.push((name, recording["request"].clone(), recording["response"].clone()));
    }
    exchanges
}

#[test]
fn every_recorded_answer_is_read_as_what_it_means() {
    let mut counts = [0; 7];
    for (name, request, response) in exchanges() {
        let Some((event, samlcheck)) = asked(&request) else { continue };
        let read = answer::read(event, samlcheck, status(&response), &body(&response));
        let meant = meant(event, &response);
        assert_eq!(read.as_ref().ok().map(|answer| answer.verdict), meant, "{name}: {read:?}");
        counts[meant.map_or(6, |verdict| verdict as usize)] += 1;
        if let Ok(answer) = read {
            let detail = &response["json"]["detail"];
            assert_eq!(answer.transaction.is_empty(), answer.verdict != Verdict::Challenged);
            if answer.challenges.len() < 2 && answer.code == 0 {
                assert_eq!(
                    &*answer.serial,
                    detail["serial"].as_str().unwrap_or_default(),
                    "{name}"
                );
            }
            assert_eq!(&*answer.origin, detail["origin"].as_str().unwrap_or_default(), "{name}");
        }
    }
    let [accepted, challenged, rejected, _, not_mine, refused, unknown] = counts;
    assert!(accepted > 100 && challenged > 7 && rejected > 60, "{counts:?}");
    assert!(not_mine > 10 && refused > 1 && unknown > 40, "{counts:?}");
}

#[test]
fn answers_that_tell_much_are_read_to_the_end() {
    let recordings = recordings();
    let read = |name: &str| {
        let (_, recording) = recordings.iter().find(|(found, _)| found == name).unwrap();
        let (event, samlcheck) = asked(&recording["request"]).unwrap();
        let response = &recording["response"];
        answer::read(event, samlcheck, status(response), &body(response))
    };
    let challenge = read("challenge_multi_trigger").unwrap();
    assert_eq!(&*challenge.transaction, "07124317411987095981");
    let serials: Vec<&str> = challenge.challenges.iter().map(|one| &*one.serial).collect();
    assert_eq!(serials, ["C-HOTP-GRACE", "C-TOTP-GRACE"]);
    assert_eq!(&*challenge.challenges[0].client_mode, "interactive");
    let saml = read("samlcheck_ok").unwrap();
    assert_eq!((&*saml.serial, saml.otp_length), ("C-SPASS-CAROL", Some(6)));
    let mail = saml.attributes.iter().find(|(name, _)| &**name == "email").unwrap();
    assert_eq!(*mail.1, [Box::from("carol@example.test")]);
    assert_eq!(read("samlcheck_fail").unwrap().attributes, []);
    let two = read("check_two_tokens_match").unwrap();
    assert_eq!((two.verdict, &*two.serial), (Verdict::Accepted, ""));
    let unknown = read("check_unknown_user").unwrap();
    assert_eq!(
        (unknown.code, &*unknown.message),
        (904, "ERR904: User <nobody@crealm> does not exist.")
    );
    assert_eq!(&*read("fed_child_latin1").unwrap().message, "über");
    assert_eq!(read("fed_child_status500ok"), Err(Unreadable::HttpStatus));
    assert_eq!(read("fed_child_json401detail"), Err(Unreadable::HttpStatus));
    assert_eq!(read("check_trailing_slash"), Err(Unreadable::NotJson));
    assert_eq!(read("radiuscheck_ok"), Err(Unreadable::HttpStatus));
}

fn parse(request: &Value) -> Option<Result<Parameters, Malformed>> {
    let (event, _) = asked(request)?;
    let (path, query) = match request["path"].as_str()?.split_once('?') {
        Some((path, query)) => (path, query),
        None => (request["path"].as_str()?, ""),
    };
    let header = |name: &str| request["headers"][name].as_str();
    Some(Parameters::read(&Incoming {
        event,
        query,
        content_type: header("Content-Type"),
        body: request["body"].as_str().unwrap_or_default().as_bytes(),
        user_agent: header("User-Agent"),
        transaction: path.strip_prefix("/validate/polltransaction/"),
    }))
}

fn secret(parameters: &Parameters) -> String {
    let secret = parameters.secret.as_ref().map(|secret| secret.expose().to_vec());
    String::from_utf8(secret.unwrap_or_default()).unwrap()
}

#[test]
fn what_edumfa_found_malformed_is_malformed_in_the_same_words() {
    let mut malformed = 0;
    for (name, request, response) in exchanges() {
        let Some(read) = parse(&request) else { continue };
        let error = &response["json"]["result"]["error"];
        if error["code"] == 905 {
            let message = read.map(|_| ()).unwrap_err().to_string();
            assert_eq!(error["message"], format!("ERR905: {message}"), "{name}");
            malformed += 1;
        } else if ["check_bad_json", "check_json_array", "check_json_number_pass"].contains(&&*name)
        {
            assert!(read.is_err(), "{name}: eduMFA's 500 is our 400");
        } else if response["json"].is_object() {
            assert!(read.is_ok(), "{name}: {read:?}");
        }
    }
    assert!(malformed >= 8, "{malformed}");
}

#[test]
fn secrets_are_read_as_edumfa_read_them() {
    let mut seen = 0;
    for (name, recording) in recordings() {
        let request = &recording["request"];
        let is_accepted = recording["response"]["json"]["result"]["value"] == true;
        let Some(Ok(read)) = parse(request) else { continue };
        if name.starts_with("special_") {
            assert_eq!((secret(&read).as_str(), is_accepted), ("p%41+& ü/€", true), "{name}");
        } else if name.starts_with("check_")
            && name != "check_api_key_missing"
            && &*read.user == "carol"
        {
            assert_eq!(secret(&read) == "cspass", is_accepted, "{name}");
        }
        // A node behind a real eduMFA gets the secret as the parent understood it, whatever is in it: a real child
        // does not (golden cases `fed_special_json_fail`, `fed_pass_percent*`).
        for seen_by in ["seen_by_child", "seen_by_fake"] {
            for forwarded in recording[seen_by].as_array().into_iter().flatten() {
                let forwarded = forwarded.get("request").unwrap_or(forwarded);
                if forwarded["path"] == "/validate/check" && !name.contains("redirect302") {
                    let child = parse(forwarded).unwrap().unwrap();
                    assert_eq!(secret(&child), secret(&read), "{name}");
                    assert_eq!(child.transaction, read.transaction, "{name}");
                    if !name.starts_with("remote_") {
                        assert_eq!((&child.user, child.is_federated()), (&read.user, true));
                    }
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn what_was_forwarded_shows_who_forwarded_it() {
    let recordings = recordings();
    let child = |name: &str| {
        let (_, recording) = recordings.iter().find(|(found, _)| found == name).unwrap();
        parse(&recording["seen_by_child"][0]["request"]).unwrap().unwrap()
    };
    assert!(child("fed_child_ok").is_federated());
    assert!(child("fed_get_ok").is_federated());
    assert!(!child("remote_token_ok").is_federated(), "a remote token is another program");
    let client = child("fed_opt_client_ip_child_honours").client;
    assert_eq!(client.map(|address| address.to_string()).as_deref(), Some("192.0.2.7"));
    assert_eq!(&*child("fed_opt_realm").realm, "crealm2");
    assert_eq!(child("fed_nonce").nonce.as_deref(), Some("n0nce"));
}

#[test]
fn recorded_answers_verify_unless_they_were_forwarded() {
    let key = |name: &str| {
        let pem = fs::read_to_string(fixtures().join("keys").join(name)).unwrap();
        Verifier::from_pem(&pem).unwrap()
    };
    let (parent, child) = (key("parent.pem"), key("child.pem"));
    let (mut own, mut forwarded) = (0, 0);
    for (name, recording) in recordings() {
        let is_of_child = recording["request"]["server"] == "child";
        let seen = recording["seen_by_child"].as_array().into_iter().flatten();
        let seen = seen.map(|seen| (true, &seen["response"]));
        for (is_of_child, response) in seen.chain([(is_of_child, &recording["response"])]) {
            let document = &response["json"];
            // Its answer has no signature that would have been in the parent's way.
            let is_forwarded = name != "fed_child_json401detail"
                && (document["detail"]["origin"].is_string()
                    || (WITHOUT_DETAIL.contains(&&*name) && !is_of_child));
            let is_own = document["signature"].is_string() && !is_forwarded;
            let body = body(response);
            let expected = [is_own && !is_of_child, is_own && is_of_child];
            assert_eq!([parent.verify(&body), child.verify(&body)], expected, "{name}");
            own += usize::from(is_own);
            forwarded += usize::from(is_forwarded);
        }
    }
    assert!(own > 180 && forwarded > 45, "{own} {forwarded}");
}

/// Forwarded answers in which no origin stands, as they have no detail.
const WITHOUT_DETAIL: [&str; 3] =
    ["fed_child_nodetail", "fed_policy_no_detail_fail", "fed_policy_no_detail_success"];

//! Our answers in eduMFA's envelope.
//!
//! `detail` is always an object: eduMFA's federation fails at null. Direct callers get a node's own words, as that is
//! the protocol. Must not know who asked, nor how an answer came about.

use serde_json::{Map, Value, json};

use crate::domain::node::{Answer, Verdict};
use crate::domain::time::Timestamp;
use crate::protocol::edumfa::json;
use crate::protocol::edumfa::signature::Signer;

/// What was asked, as far as the form of the answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/validate/check`; also radiuscheck of another node, which can only pass JSON on (SEMANTICS F10).
    Check,
    /// `/validate/samlcheck`
    Samlcheck,
    /// `/validate/radiuscheck` of a program: no body, but with errors.
    Radiuscheck,
    /// `/validate/triggerchallenge`
    Trigger,
    /// `/validate/polltransaction`
    Poll,
}

/// An error: no answer to the question.
#[derive(Debug, Clone, Copy)]
pub struct Fault<'a> {
    /// eduMFA's number; the HTTP status follows from it.
    pub code: i32,
    /// What to tell, without the number.
    pub message: &'a str,
}

impl Fault<'_> {
    /// Nobody knows, or nobody can be asked: 500.
    pub const UNAVAILABLE: Self =
        Self { code: -500, message: "The request cannot be answered now." };

    /// The request is malformed, which `message` says: 400.
    #[must_use]
    pub const fn malformed(message: &str) -> Fault<'_> {
        Fault { code: 905, message }
    }

    /// A policy does not allow it: 403.
    #[must_use]
    pub const fn refused(message: &str) -> Fault<'_> {
        Fault { code: 303, message }
    }

    /// As eduMFA's error handlers have it.
    const fn status(self) -> u16 {
        match self.code {
            303 => 403,
            601 => 404,
            4031..=4306 => 401,
            -600 | -500 => 500,
            _ => 400,
        }
    }
}

/// What is said.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// An answer.
    Answer(Endpoint, &'a Answer),
    /// An error.
    Fault(Fault<'a>),
}

/// What is said, and what stands around it.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// What is said.
    pub said: Said<'a>,
    /// The request's, echoed so that a signature is worth something.
    pub nonce: Option<&'a str>,
    /// The time, in `time`.
    pub now: Timestamp,
    /// `detail.origin` (SEMANTICS F7); empty if this node answers for itself.
    pub origin: &'a str,
}

/// HTTP status and body; a body that is not empty is `application/json`.
///
/// Source: golden cases `check_*`, `challenge_*`, `poll_*`, `triggerchallenge_*`, `samlcheck_*`, `radiuscheck_*`.
/// Otherwise than there, a samlcheck that fails does not say `ACCEPT`, `detail` is never null nor absent, and there
/// is no `threadid`. A user or token that is not known is 400 or 404, as there, which eduMFA's federation hands on since
/// `detail` is an object. If the system has no randomness for a signature, the answer has none.
#[must_use]
pub fn render(reply: &Reply<'_>, signer: Option<&Signer>) -> (u16, Vec<u8>) {
    let (status, mut document) = match reply.said {
        Said::Answer(endpoint, answer) => match answer.verdict {
            Verdict::NotMine => error(if answer.code == 601 { 404 } else { 400 }, not_mine(answer)),
            // `authorized=deny_access` is the one refusal that is 400.
            Verdict::Refused if answer.code == 401 => error(400, refused(answer)),
            Verdict::Refused => error(403, refused(answer)),
            Verdict::Accepted if endpoint == Endpoint::Radiuscheck => return (204, Vec::new()),
            Verdict::Challenged | Verdict::Rejected | Verdict::Declined
                if endpoint == Endpoint::Radiuscheck =>
            {
                return (400, Vec::new());
            }
            Verdict::Accepted | Verdict::Challenged | Verdict::Rejected | Verdict::Declined => {
                (200, envelope(endpoint, answer, reply.origin))
            }
        },
        Said::Fault(fault) => error(fault.status(), fault),
    };
    document.insert("jsonrpc".to_owned(), "2.0".into());
    document.insert("version".to_owned(), concat!("vouchsafe ", env!("CARGO_PKG_VERSION")).into());
    document.insert("time".to_owned(), seconds(reply.now));
    if let Some(nonce) = reply.nonce {
        document.insert("nonce".to_owned(), nonce.into());
    }
    let mut body = json::dump(&Value::Object(document));
    if let Some(signature) = signer.and_then(|signer| signer.sign(&body)) {
        body.pop();
        body.push_str(", \"signature\": ");
        json::write_text(&mut body, &signature);
        body.push('}');
    }
    (status, body.into_bytes())
}

type Object = Map<String, Value>;

/// Whole milliseconds as seconds: a `f64` holds them exactly enough for ages.
fn seconds(now: Timestamp) -> Value {
    let text = format!("{}.{:03}", now.as_seconds(), now.as_millis() % 1000);
    text.parse::<f64>().map_or(Value::Null, Value::from)
}

fn not_mine(answer: &Answer) -> Fault<'_> {
    let (code, words) = match answer.code {
        601 => (601, "The requested token could not be found."),
        _ => (904, "User does not exist."),
    };
    Fault { code, message: said_or(answer, words) }
}

fn refused(answer: &Answer) -> Fault<'_> {
    let code = if answer.code == 0 { 303 } else { answer.code };
    Fault { code, message: said_or(answer, "Not allowed.") }
}

fn said_or<'a>(answer: &'a Answer, words: &'a str) -> &'a str {
    if answer.message.is_empty() { words } else { &answer.message }
}

fn error(status: u16, fault: Fault<'_>) -> (u16, Object) {
    // A node behind us has put the number before its words already.
    let message = if status == 400 && !fault.message.starts_with("ERR") {
        format!("ERR{}: {}", fault.code, fault.message)
    } else {
        fault.message.to_owned()
    };
    let error = json!({ "code": fault.code, "message": message });
    let result = json!({ "status": false, "error": error });
    let entries = [("id", 1.into()), ("detail", json!({})), ("result", result)];
    (status, entries.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

fn envelope(endpoint: Endpoint, answer: &Answer, origin: &str) -> Object {
    let is_accepted = answer.verdict == Verdict::Accepted;
    let is_challenged = answer.verdict == Verdict::Challenged;
    let word = match answer.verdict {
        Verdict::Accepted => "ACCEPT",
        Verdict::Challenged => "CHALLENGE",
        Verdict::Declined => "DECLINED",
        Verdict::Rejected | Verdict::NotMine | Verdict::Refused => "REJECT",
    };
    let (value, word) = match endpoint {
        Endpoint::Check | Endpoint::Radiuscheck => (is_accepted.into(), word),
        Endpoint::Samlcheck => {
            let attributes = if is_accepted { attributes(answer) } else { json!({}) };
            (json!({ "auth": is_accepted, "attributes": attributes }), word)
        }
        // The number of challenges, of which eduMFA makes ACCEPT (golden case `triggerchallenge_ok`).
        Endpoint::Trigger if is_challenged => (answer.challenges.len().max(1).into(), "ACCEPT"),
        Endpoint::Trigger => (0.into(), "REJECT"),
        Endpoint::Poll => (is_accepted.into(), if is_challenged { "REJECT" } else { word }),
    };
    let mut detail = detail(endpoint, answer);
    if !origin.is_empty() {
        detail.insert("origin".to_owned(), origin.into());
    }
    let entries = [
        ("id", 2.into()),
        ("versionnumber", env!("CARGO_PKG_VERSION").into()),
        ("detail", Value::Object(detail)),
        ("result", json!({ "status": true, "value": value, "authentication": word })),
    ];
    entries.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn attributes(answer: &Answer) -> Value {
    let value = |values: &[Box<str>]| match values {
        [one] => Value::from(&**one),
        list => list.iter().map(|text| &**text).collect(),
    };
    answer.attributes.iter().map(|(name, values)| (name.to_string(), value(values))).collect()
}

fn detail(endpoint: Endpoint, answer: &Answer) -> Object {
    let mut detail = Object::new();
    let mut put = |name: &str, value: Value| drop(detail.insert(name.to_owned(), value));
    if endpoint == Endpoint::Poll {
        put(
            "challenge_status",
            match answer.verdict {
                Verdict::Accepted => "accept".into(),
                Verdict::Declined => "declined".into(),
                Verdict::Challenged | Verdict::Rejected | Verdict::NotMine | Verdict::Refused => {
                    "pending".into()
                }
            },
        );
        return detail;
    }
    put("message", (&*answer.message).into());
    if answer.verdict == Verdict::Declined {
        put("challenge_status", "declined".into());
    }
    if answer.verdict == Verdict::Challenged {
        detail.extend(challenge(answer));
        return detail;
    }
    for (name, text) in [("serial", &answer.serial), ("type", &answer.token_type)] {
        if !text.is_empty() {
            put(name, (&**text).into());
        }
    }
    if let Some(length) = answer.otp_length {
        put("otplen", length.into());
    }
    detail
}

/// What clients look for in a challenge; `serial` and `type` are the last token's.
fn challenge(answer: &Answer) -> Object {
    let transaction = &*answer.transaction;
    let mut list: Vec<[&str; 4]> = Vec::new();
    for one in &answer.challenges {
        list.push([&one.serial, &one.token_type, &one.message, &one.client_mode]);
    }
    if list.is_empty() {
        // Without an entry nobody takes it for a challenge.
        list.push([&answer.serial, &answer.token_type, &answer.message, "interactive"]);
    }
    let modes: Vec<&str> = list.iter().map(|[.., mode]| *mode).collect();
    let preferred = match modes.iter().find(|mode| **mode == "interactive").or(modes.first()) {
        Some(mode) => *mode,
        None => "interactive",
    };
    let [serial, token_type, _, mode] = list.last().copied().unwrap_or_default();
    let entries = list.iter().map(|[serial, token_type, message, mode]| {
        json!({
            "serial": serial, "type": token_type, "message": message, "client_mode": mode,
            "transaction_id": transaction,
        })
    });
    let pairs = [
        ("client_mode", mode.into()),
        ("messages", list.iter().map(|[_, _, message, _]| *message).collect()),
        ("multi_challenge", entries.collect()),
        ("preferred_client_mode", preferred.into()),
        ("serial", serial.into()),
        ("transaction_id", transaction.into()),
        ("transaction_ids", list.iter().map(|_| transaction).collect()),
        ("type", token_type.into()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

#[cfg(test)]
mod tests;

//! What a node answers, read strictly: whatever is not exactly a definite answer is unknown (SEMANTICS F4).
//!
//! A node may be broken, replaced by a proxy's page, or hostile. Must not know which node it was, nor what is done
//! with the answer. Nothing of a body ever stands in an error.

use serde_json::{Map, Value};

use crate::domain::limits::{FACTOR_TEXT_BYTES, NODE_ANSWER_BYTES, NODE_ITEMS, NODE_TEXT_BYTES};
use crate::domain::node::{Answer, Challenge, Event, Verdict};
use crate::protocol::edumfa::json;

/// Characters of `detail.origin` (SEMANTICS F7).
const ORIGIN_CHARACTERS: usize = 255;

/// Why an answer says nothing: nobody knows what became of the question, so nobody else may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A redirect, a server's failure, anything but an answer of the protocol.
    #[error("the HTTP status is none that answers a question")]
    HttpStatus,
    /// More than `NODE_ANSWER_BYTES`.
    #[error("the answer is too large")]
    TooLarge,
    /// No JSON in UTF-8, or a name stands twice in an object.
    #[error("the answer is not JSON")]
    NotJson,
    /// JSON, but a list, a text, ...
    #[error("the answer is no object")]
    NotAnObject,
    /// `result` is absent or no object.
    #[error("the answer has no result")]
    NoResult,
    /// `result.status` is no boolean, or another one than the HTTP status says.
    #[error("the result's status is odd")]
    OddStatus,
    /// `result.value` is absent.
    #[error("the result has no value")]
    NoValue,
    /// `result.value` is not of the type that this question is answered with.
    #[error("the result's value is odd")]
    OddValue,
    /// A challenge that cannot be answered, as it has no usable transaction.
    #[error("the challenge has no transaction")]
    NoTransaction,
    /// An error of the node that decides nothing.
    #[error("the node failed")]
    Failed,
}

/// Whether a body is an answer or an error of the protocol, whatever it says: what a probe wants to know.
#[must_use]
pub fn is_protocol(body: &[u8]) -> bool {
    let document = serde_json::from_slice::<Value>(body);
    document.is_ok_and(|document| {
        document
            .get("result")
            .and_then(|result| result.get("status"))
            .is_some_and(Value::is_boolean)
    })
}

/// The answer to a question of this kind; `samlcheck` if it was asked at `/validate/samlcheck`, which only a check is.
///
/// Source: golden cases `check_*`, `challenge_*`, `poll_*`, `triggerchallenge_*`, `samlcheck_*`.
///
/// # Errors
/// [`Unreadable`]: the question may have been understood all the same, and its OTP be spent.
pub fn read(event: Event, samlcheck: bool, status: u16, body: &[u8]) -> Result<Answer, Unreadable> {
    if !matches!(status, 200 | 400 | 403 | 404) {
        return Err(Unreadable::HttpStatus);
    }
    if body.len() > NODE_ANSWER_BYTES {
        return Err(Unreadable::TooLarge);
    }
    let document = json::parse(body).ok_or(Unreadable::NotJson)?;
    let document = document.as_object().ok_or(Unreadable::NotAnObject)?;
    let result = object(document, "result").ok_or(Unreadable::NoResult)?;
    let is_good = result.get("status").and_then(Value::as_bool).ok_or(Unreadable::OddStatus)?;
    if is_good != (status == 200) {
        return Err(Unreadable::OddStatus);
    }
    if !is_good {
        return refusal(status, result);
    }
    let value = result.get("value").ok_or(Unreadable::NoValue)?;
    let nothing = Map::new();
    let detail = object(document, "detail").unwrap_or(&nothing);
    match event {
        Event::Check if samlcheck => {
            let saml = value.as_object().ok_or(Unreadable::OddValue)?;
            let mut answer = checked(saml.get("auth").unwrap_or(&Value::Null), result, detail)?;
            // A denial carries no identity (SEMANTICS D3).
            if answer.verdict == Verdict::Accepted
                && let Some(attributes) = object(saml, "attributes")
            {
                answer.attributes = read_attributes(attributes);
            }
            Ok(answer)
        }
        Event::Check => checked(value, result, detail),
        Event::Trigger => match value.as_u64().ok_or(Unreadable::OddValue)? {
            0 => Ok(plain(Verdict::Rejected, detail)),
            _ => challenged(detail),
        },
        Event::Poll => Ok(plain(
            match (truth(value)?, is_declined(detail)) {
                (true, _) => Verdict::Accepted,
                (false, true) => Verdict::Declined,
                (false, false) => Verdict::Rejected,
            },
            detail,
        )),
    }
}

/// An error, as eduMFA numbers them: those that say that the secret was not looked at, or is of no use there.
fn refusal(status: u16, result: &Map<String, Value>) -> Result<Answer, Unreadable> {
    let error = object(result, "error").ok_or(Unreadable::Failed)?;
    let code = error.get("code").and_then(Value::as_i64).ok_or(Unreadable::Failed)?;
    let verdict = match (status, code) {
        (400, 904) | (404, 601) => Verdict::NotMine,
        // 401 is `authorized=deny_access`.
        (403, _) | (400, 401) => Verdict::Refused,
        // The token is locked or revoked (golden case `check_revoked_token`): that node has decided.
        (400, 1007) => Verdict::Rejected,
        _ => return Err(Unreadable::Failed),
    };
    let mut answer = Answer::new(verdict, &text(error, "message"));
    if verdict != Verdict::Rejected {
        answer.code = i32::try_from(code).map_err(|_| Unreadable::Failed)?;
    }
    Ok(answer)
}

fn checked(
    value: &Value,
    result: &Map<String, Value>,
    detail: &Map<String, Value>,
) -> Result<Answer, Unreadable> {
    if truth(value)? {
        return Ok(plain(Verdict::Accepted, detail));
    }
    let word = result.get("authentication").and_then(Value::as_str);
    if detail.get("multi_challenge").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        || (word == Some("CHALLENGE") && detail.contains_key("transaction_id"))
    {
        return challenged(detail);
    }
    let verdict = if is_declined(detail) { Verdict::Declined } else { Verdict::Rejected };
    Ok(plain(verdict, detail))
}

/// JSON's own, and nothing that is like it.
fn truth(value: &Value) -> Result<bool, Unreadable> {
    value.as_bool().ok_or(Unreadable::OddValue)
}

fn is_declined(detail: &Map<String, Value>) -> bool {
    detail.get("challenge_status").and_then(Value::as_str) == Some("declined")
}

/// An answer without a challenge.
fn plain(verdict: Verdict, detail: &Map<String, Value>) -> Answer {
    let mut answer = Answer::new(verdict, &text(detail, "message"));
    answer.serial = name(detail, "serial", FACTOR_TEXT_BYTES);
    answer.token_type = name(detail, "type", FACTOR_TEXT_BYTES);
    answer.otp_length =
        detail.get("otplen").and_then(Value::as_u64).and_then(|length| length.try_into().ok());
    answer.origin = origin(detail);
    answer
}

fn challenged(detail: &Map<String, Value>) -> Result<Answer, Unreadable> {
    let mut answer = plain(Verdict::Challenged, detail);
    let list = detail.get("multi_challenge").and_then(Value::as_array);
    let items = || list.into_iter().flatten().filter_map(Value::as_object).take(NODE_ITEMS);
    answer.challenges = items()
        .map(|item| Challenge {
            serial: name(item, "serial", FACTOR_TEXT_BYTES),
            token_type: name(item, "type", FACTOR_TEXT_BYTES),
            message: text(item, "message"),
            client_mode: name(item, "client_mode", FACTOR_TEXT_BYTES),
        })
        .collect();
    if answer.challenges.len() > 1 {
        // `detail` names the last one's.
        answer.serial = Box::default();
        answer.token_type = Box::default();
    }
    answer.transaction = name(detail, "transaction_id", NODE_TEXT_BYTES);
    if answer.transaction.is_empty() {
        let first = items().next();
        answer.transaction =
            first.map(|item| name(item, "transaction_id", NODE_TEXT_BYTES)).unwrap_or_default();
    }
    if answer.transaction.is_empty() { Err(Unreadable::NoTransaction) } else { Ok(answer) }
}

fn read_attributes(attributes: &Map<String, Value>) -> Vec<(Box<str>, Vec<Box<str>>)> {
    let mut read = Vec::new();
    for (key, value) in attributes {
        if key.is_empty() || !is_name(key, FACTOR_TEXT_BYTES) {
            continue;
        }
        let values: Vec<Box<str>> = match value {
            Value::Array(items) => items.iter().filter_map(scalar).take(NODE_ITEMS).collect(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => scalar(value).into_iter().collect(),
        };
        if !values.is_empty() {
            read.push((key.as_str().into(), values));
        }
        if read.len() == NODE_ITEMS {
            break;
        }
    }
    read
}

/// A text, or a number as one.
fn scalar(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => Some(shown(text)),
        Value::Number(_) => Some(json::dump(value).into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn object<'a>(parent: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    parent.get(name)?.as_object()
}

/// A text to show: cut, as a part of it is as good; empty if it is none.
fn text(parent: &Map<String, Value>, key: &str) -> Box<str> {
    parent.get(key).and_then(Value::as_str).map(shown).unwrap_or_default()
}

fn shown(text: &str) -> Box<str> {
    let mut shown = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if shown.len() + character.len_utf8() > NODE_TEXT_BYTES {
            break;
        }
        shown.push(character);
    }
    shown.into()
}

/// A text that names something: whole, or not at all.
fn name(parent: &Map<String, Value>, key: &str, bytes: usize) -> Box<str> {
    let text = parent.get(key).and_then(Value::as_str).filter(|text| is_name(text, bytes));
    text.unwrap_or_default().into()
}

fn is_name(text: &str, bytes: usize) -> bool {
    text.len() <= bytes && !text.contains(char::is_control)
}

fn origin(detail: &Map<String, Value>) -> Box<str> {
    let is_origin = |text: &&str| {
        (text.starts_with("http://") || text.starts_with("https://"))
            && text.chars().count() <= ORIGIN_CHARACTERS
            && !text.contains(char::is_control)
    };
    detail.get("origin").and_then(Value::as_str).filter(is_origin).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;

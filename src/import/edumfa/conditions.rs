//! eduMFA's conditions, each as a condition that holds no more often, or not at all.
//!
//! Source: eduMFA 2.9.5's event handlers, golden case `conditions_matrix`. Must not know: handlers.

use ipnet::IpNet;
use serde_json::Value;

use crate::import::edumfa::pattern;
use crate::import::yaml::{scalar, shown};

/// Longest part of a value that a reason quotes, in characters.
const QUOTED_CHARS: usize = 40;

/// What eduMFA makes of a condition about something that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It is always known, or not knowing it is an answer.
    Never,
    /// The condition holds, which is `when_unknown: match`.
    Holds,
    /// The condition does not hold, which is `when_unknown: no_match`.
    Fails,
}

/// A condition of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its value, as YAML on one line.
    pub value: String,
    /// What is not quite the same.
    pub note: Option<String>,
    /// What eduMFA does where it does not know.
    pub unknown: Unknown,
}

impl Written {
    fn new(value: impl Into<String>, unknown: Unknown) -> Self {
        Self { value: value.into(), note: None, unknown }
    }

    fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

/// Translates a condition; what is written has the same name.
///
/// # Errors
/// Why it is not translated, and what to do.
pub fn translate(key: &str, value: &Value) -> Result<Written, String> {
    match key {
        "result_value" => Ok(answer(value)),
        "result_status" => Ok(answer(value).noted(
            "eduMFA asks handlers of successes only; here a user whom the base does not know is an error, too",
        )),
        "result_authentication" => {
            word(value, &["ACCEPT", "CHALLENGE", "DECLINED", "REJECT"], Unknown::Never)
        }
        "logged_in_user" => word(value, &["admin", "user"], Unknown::Never),
        "realm" => name(value, true).map(|name| Written::new(name, Unknown::Never)),
        "resolver" => name(value, false).map(|name| Written::new(name, Unknown::Fails)),
        "client_ip" => client_ip(value),
        "detail_message" => regex(value, Unknown::Never),
        "detail_error_message" => Err(
            "no answer of eduMFA has what it searches, so it holds always or never there; remove it, or write \
             what was meant"
                .to_owned(),
        ),
        "serial" => regex(value, Unknown::Holds),
        "tokentype" | "tokenrealm" | "tokenresolver" => list(value),
        "token_locked" => Ok(Written::new(is_true_text(value).to_string(), Unknown::Fails)),
        "token_validity_period" => {
            Ok(Written::new(is_true_text(value).to_string(), Unknown::Holds))
        }
        "token_has_owner" | "token_is_orphaned" => flag(value),
        "user_token_number" | "otp_counter" | "failcounter" | "count_auth"
        | "count_auth_success" | "count_auth_fail" => comparison(value),
        "last_auth" => last_auth(value),
        "rollout_state" => rollout_state(value),
        "tokeninfo" => token_info(value),
        "counter" => {
            Err("counters of eduMFA's counter handlers do not exist here; remove it".to_owned())
        }
        _ => Err("eduMFA ignores it, as there is no such condition; remove it, or write what was meant"
            .to_owned()),
    }
}

const NEVER: &str = "so it never holds in eduMFA either; correct it if something else was meant";
const FAILS: &str = "at which eduMFA fails with an error; correct it";

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("its value is no text, {FAILS}"))
}

/// What eduMFA takes for true where an answer is compared.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::String(text) => matches!(text.as_str(), "1" | "True" | "true" | "TRUE"),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// What it takes for true where a token is.
fn is_true_text(value: &Value) -> bool {
    *value == Value::Bool(true) || *value == "True"
}

/// Everything is true or false for eduMFA.
fn answer(value: &Value) -> Written {
    let written = Written::new(is_true(value).to_string(), Unknown::Never);
    let is_plain = value.is_boolean()
        || value.as_str().is_some_and(|text| {
            ["true", "false", "1", "0"].iter().any(|word| word.eq_ignore_ascii_case(text))
        });
    if is_plain {
        return written;
    }
    let note =
        format!("its value is neither true nor false; eduMFA takes it for {}", is_true(value));
    written.noted(note)
}

fn flag(value: &Value) -> Result<Written, String> {
    let is_true = is_true_text(value);
    if is_true || *value == Value::Bool(false) || *value == "False" {
        return Ok(Written::new(is_true.to_string(), Unknown::Holds));
    }
    Err("its value is neither True nor False, so it holds of unknown tokens only; correct it"
        .to_owned())
}

fn word(value: &Value, words: &[&str], unknown: Unknown) -> Result<Written, String> {
    let text = text(value)?;
    if words.contains(&text) {
        return Ok(Written::new(text, unknown));
    }
    Err(format!("its value is none of {}, {NEVER}", words.join(", ")))
}

/// One name, which is compared as a whole.
fn name(value: &Value, is_realm: bool) -> Result<String, String> {
    let text = text(value)?;
    if text.is_empty() {
        return Err("it is about requests that name no user, which cannot be said here".to_owned());
    }
    if text.contains(',') || text.trim() != text {
        return Err(format!(
            "eduMFA compares '{}' as a whole, {NEVER}; of several, make a handler each",
            shown(text, QUOTED_CHARS)
        ));
    }
    if is_realm && text.to_lowercase() != text {
        return Err(format!("eduMFA's realms are lower case, {NEVER}"));
    }
    Ok(scalar(text))
}

/// Names with commas between; blanks are part of a name.
fn list(value: &Value) -> Result<Written, String> {
    let text = text(value)?;
    let is_name = |item: &&str| !item.is_empty() && item.trim() == *item;
    let items: Vec<String> = text.split(',').filter(is_name).map(scalar).collect();
    if items.is_empty() {
        return Err(format!("it names nothing, {NEVER}"));
    }
    let is_whole = text.split(',').all(|item| is_name(&item));
    let written = Written::new(format!("[{}]", items.join(", ")), Unknown::Holds);
    if is_whole {
        return Ok(written);
    }
    Ok(written.noted(
        "what has a blank beside its comma never matches in eduMFA, and is left out; add it if it was meant",
    ))
}

fn client_ip(value: &Value) -> Result<Written, String> {
    let mut networks = Vec::new();
    let (mut is_inside, mut is_cut) = (false, false);
    for entry in text(value)?.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let excluded = entry.strip_prefix(['!', '-']);
        let network = excluded.unwrap_or(entry);
        let sign = if excluded.is_some() { "!" } else { "" };
        is_inside |= excluded.is_none();
        if network.parse::<std::net::IpAddr>().is_ok() {
            networks.push(scalar(&format!("{sign}{network}")));
            continue;
        }
        let parsed: IpNet = network
            .parse()
            .map_err(|_| format!("'{}' is no network, {FAILS}", shown(network, QUOTED_CHARS)))?;
        is_cut |= parsed != parsed.trunc();
        networks.push(scalar(&format!("{sign}{}", parsed.trunc())));
    }
    if !is_inside {
        return Err(format!("it names no network that the client is in, {NEVER}"));
    }
    let written = Written::new(format!("[{}]", networks.join(", ")), Unknown::Never);
    Ok(if is_cut { written.noted("networks are written without their host bits") } else { written })
}

fn regex(value: &Value, unknown: Unknown) -> Result<Written, String> {
    let pattern = pattern::read(text(value)?)
        .map_err(|why| format!("the pattern {why}; write another one"))?;
    Ok(Written::new(scalar(&pattern), unknown))
}

/// As eduMFA reads it: blanks anywhere are nothing, the longer operators first.
fn comparison(value: &Value) -> Result<Written, String> {
    let text = text(value)?.replace(' ', "");
    let operators = ["==", "!=", ">=", "=>", "<=", "=<", "=", "<", ">"];
    let found = operators.iter().find_map(|sign| Some((*sign, text.strip_prefix(sign)?)));
    let (sign, number) = found.unwrap_or(("", &text));
    let digits = number.strip_prefix('-').unwrap_or(number);
    match number.parse::<i64>() {
        Ok(number) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(Written::new(scalar(&format!("{sign}{number}")), Unknown::Holds))
        }
        _ => Err(format!(
            "'{}' is no comparison with a whole number, {NEVER}",
            shown(&text, QUOTED_CHARS)
        )),
    }
}

fn last_auth(value: &Value) -> Result<Written, String> {
    let text = text(value)?.trim();
    let span = text.strip_prefix('+').unwrap_or(text).trim_start();
    let number = span.strip_suffix(['s', 'm', 'h', 'd', 'y']).map(str::trim_end);
    // More is beyond what Python's dates can hold.
    let is_number = |number: &str| {
        (1..=9).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    match (number, span.chars().last()) {
        (Some(number), Some(unit)) if is_number(number) => {
            Ok(Written::new(scalar(&format!("{number}{unit}")), Unknown::Holds))
        }
        _ => Err(format!(
            "'{}' is no time that has passed; write e.g. 10d",
            shown(text, QUOTED_CHARS)
        )),
    }
}

fn rollout_state(value: &Value) -> Result<Written, String> {
    let text = text(value)?;
    if text.trim() != text {
        return Err(format!("no state has blanks around it, {NEVER}"));
    }
    Ok(Written::new(scalar(text), Unknown::Holds))
}

fn token_info(value: &Value) -> Result<Written, String> {
    let text = text(value)?;
    if text.contains(['{', '}']) {
        return Err("`{now}` and other tags do not exist here; remove it".to_owned());
    }
    let sides = ["==", ">", "<"].iter().find_map(|sign| Some((*sign, text.split_once(sign)?)));
    let (sign, (key, value)) = sides.ok_or_else(|| format!("it compares nothing, {FAILS}"))?;
    let (key, value) = (key.trim(), value.trim());
    let is_odd = |side: &str| side.is_empty() || side.contains(['=', '<', '>', '!']);
    if is_odd(key) || is_odd(value) {
        return Err("it compares more than one thing with one; write `key == value`".to_owned());
    }
    if sign != "==" && value.parse::<i64>().is_err() {
        return Err("dates are not compared here, only whole numbers; remove it".to_owned());
    }
    Ok(Written::new(scalar(&format!("{key} {sign} {value}")), Unknown::Holds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn is_written(key: &str, value: &Value, yaml: &str) -> Option<String> {
        let written = translate(key, value).unwrap_or_else(|why| panic!("{key} {value}: {why}"));
        assert_eq!(written.value, yaml, "{key} {value}");
        written.note
    }

    #[test]
    fn what_holds_in_the_same_cases_is_written() {
        for (key, value, yaml) in [
            ("result_value", json!("False"), "false"),
            ("result_value", json!("1"), "true"),
            ("result_value", json!(true), "true"),
            ("result_authentication", json!("REJECT"), "REJECT"),
            ("realm", json!("prealm"), "prealm"),
            ("resolver", json!("It's"), "\"It's\""),
            (
                "client_ip",
                json!("10.0.0.0/8, !10.0.0.1,-::1"),
                "['10.0.0.0/8', '!10.0.0.1', '!::1']",
            ),
            ("tokentype", json!("hotp,totp"), "[hotp, totp]"),
            ("tokenrealm", json!("no"), "['no']"),
            ("serial", json!("P-"), "'P\\-'"),
            ("serial", json!(""), "'^'"),
            ("user_token_number", json!(" > = 1 0"), "'>=10'"),
            ("failcounter", json!("0"), "'0'"),
            ("otp_counter", json!("=<-3"), "'=<-3'"),
            ("token_locked", json!("true"), "false"),
            ("token_has_owner", json!("True"), "true"),
            ("last_auth", json!(" + 5 d "), "'5d'"),
            ("rollout_state", json!(""), "''"),
            ("tokeninfo", json!("a b==c"), "'a b == c'"),
            ("tokeninfo", json!("n > 5"), "'n > 5'"),
        ] {
            assert_eq!(is_written(key, &value, yaml), None, "{key} {value}");
        }
    }

    #[test]
    fn what_is_not_quite_the_same_is_written_with_a_note() {
        for (key, value, yaml) in [
            ("result_value", json!(""), "false"),
            ("result_status", json!("True"), "true"),
            ("tokentype", json!("hotp, spass"), "[hotp]"),
            ("client_ip", json!("10.0.0.5/8"), "['10.0.0.0/8']"),
        ] {
            assert!(is_written(key, &value, yaml).is_some(), "{key} {value}");
        }
    }

    #[test]
    fn what_never_holds_fails_or_does_not_exist_is_not_written() {
        for (key, value) in [
            ("foo", json!("bar")),
            ("counter", json!("c == 0")),
            ("detail_error_message", json!("")),
            ("detail_message", json!("^(?!.*Failcounter)")),
            ("realm", json!("PREALM")),
            ("realm", json!("")),
            ("realm", json!("a,b")),
            ("realm", json!(5)),
            ("resolver", json!(" x")),
            ("client_ip", json!("")),
            ("client_ip", json!("!10.0.0.1")),
            ("client_ip", json!("nonsense")),
            ("client_ip", json!("10.0.0.0/8 10.0.0.1")),
            ("client_ip", json!("!!10.0.0.1, 10.0.0.0/8")),
            ("tokentype", json!(" , ")),
            ("tokentype", json!(["hotp"])),
            ("user_token_number", json!("x")),
            ("user_token_number", json!("")),
            ("user_token_number", json!(1)),
            ("otp_counter", json!("<>5")),
            ("otp_counter", json!("=+5")),
            ("otp_counter", json!("99999999999999999999")),
            ("token_has_owner", json!("yes")),
            ("logged_in_user", json!("User")),
            ("last_auth", json!("-5d")),
            ("last_auth", json!("5")),
            ("last_auth", json!("d")),
            ("rollout_state", json!(" x")),
            ("tokeninfo", json!("nonsense")),
            ("tokeninfo", json!("a != b")),
            ("tokeninfo", json!("a <= 3")),
            ("tokeninfo", json!("a == ")),
            ("tokeninfo", json!("last_auth < {now}-5h")),
            ("tokeninfo", json!("last_auth < 2026-01-01")),
            ("result_authentication", json!("OK")),
        ] {
            let why = translate(key, &value).unwrap_err();
            assert!(!why.is_empty(), "{key} {value}");
        }
    }
}

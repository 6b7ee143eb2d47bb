//! `mfa.handlers[].conditions`: eduMFA's conditions, in one reading each.
//!
//! There, an unknown key is ignored and a misread value never matches; here both are errors.

use std::time::Duration;

use crate::config::compile::{Compiler, patterns};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawComparison, RawConditions, RawFlag};
use crate::config::raw_value::{OneOrMany, RawDuration};
use crate::config::reader::suggestion;
use crate::config::units;
use crate::domain::network::Networks;
use crate::mfa::settings::{Authentication, Comparison, Condition, LoggedIn, Operator};

/// eduMFA's year, which is not an astronomer's.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Operators of numbers; the longer ones first, as some begin like others.
const NUMBER_OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    ("=<", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=>", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// Operators of `tokeninfo`.
const INFO_OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

const AUTHENTICATIONS: &[(&str, Authentication)] = &[
    ("ACCEPT", Authentication::Accept),
    ("CHALLENGE", Authentication::Challenge),
    ("DECLINED", Authentication::Declined),
    ("REJECT", Authentication::Reject),
];

const ROLES: &[(&str, LoggedIn)] = &[("user", LoggedIn::User), ("admin", LoggedIn::Admin)];

/// The conditions of one handler, as they are read; `None` once one of them is wrong.
struct Reading<'r, 'c, 'd> {
    parent: &'r KeyPath,
    compiler: &'c mut Compiler<'d>,
    conditions: Option<Vec<Condition>>,
}

impl Reading<'_, '_, '_> {
    fn add<R: ?Sized, T>(
        &mut self,
        key: &str,
        raw: Option<&R>,
        read: impl FnOnce(&KeyPath, &R, &mut Compiler<'_>) -> Option<T>,
        make: impl FnOnce(T) -> Condition,
    ) {
        let Some(raw) = raw else { return };
        match (read(&self.parent.key(key), raw, self.compiler), &mut self.conditions) {
            (Some(value), Some(conditions)) => conditions.push(make(value)),
            _ => self.conditions = None,
        }
    }

    fn flag(&mut self, key: &str, raw: Option<&RawFlag>, make: impl FnOnce(bool) -> Condition) {
        self.add(key, raw, |_, raw, _| Some(raw.0), make);
    }

    fn number(
        &mut self,
        key: &str,
        raw: Option<&RawComparison>,
        make: impl FnOnce(Comparison) -> Condition,
    ) {
        self.add(key, raw, comparison, make);
    }

    fn list(
        &mut self,
        key: &str,
        raw: Option<&OneOrMany>,
        make: impl FnOnce(Vec<Box<str>>) -> Condition,
    ) {
        self.add(key, raw, list, make);
    }
}

/// Checks all conditions of one handler.
pub fn conditions(
    raw: &RawConditions,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<Condition>> {
    let mut reading = Reading { parent, compiler, conditions: Some(Vec::new()) };
    about_the_question(raw, &mut reading);
    about_the_token(raw, &mut reading);
    reading.conditions
}

fn about_the_question(raw: &RawConditions, reading: &mut Reading<'_, '_, '_>) {
    reading.flag("result_value", raw.result_value.as_ref(), Condition::ResultValue);
    reading.flag("result_status", raw.result_status.as_ref(), Condition::ResultStatus);
    let authentication = raw.result_authentication.as_deref();
    reading.add(
        "result_authentication",
        authentication,
        |path, written, compiler| word(AUTHENTICATIONS, path, written, compiler),
        Condition::ResultAuthentication,
    );
    reading.list("realm", raw.realm.as_ref(), Condition::Realm);
    reading.list("resolver", raw.resolver.as_ref(), Condition::Resolver);
    let client = |(inside, outside)| Condition::ClientIp(inside, outside);
    reading.add("client_ip", raw.client_ip.as_ref(), client_ip, client);
    reading.add(
        "logged_in_user",
        raw.logged_in_user.as_deref(),
        |path, written, compiler| word(ROLES, path, written, compiler),
        Condition::LoggedInUser,
    );
    let message = raw.detail_message.as_deref();
    reading.add("detail_message", message, patterns::in_text, Condition::DetailMessage);
    let error = raw.detail_error_message.as_deref();
    reading.add("detail_error_message", error, patterns::in_text, Condition::DetailErrorMessage);
    let number = raw.user_token_number.as_ref();
    reading.number("user_token_number", number, Condition::UserTokenNumber);
}

fn about_the_token(raw: &RawConditions, reading: &mut Reading<'_, '_, '_>) {
    reading.add("serial", raw.serial.as_deref(), patterns::from_start, Condition::Serial);
    reading.list("tokentype", raw.tokentype.as_ref(), Condition::TokenType);
    reading.list("tokenrealm", raw.tokenrealm.as_ref(), Condition::TokenRealm);
    reading.list("tokenresolver", raw.tokenresolver.as_ref(), Condition::TokenResolver);
    reading.flag("token_locked", raw.token_locked.as_ref(), Condition::TokenLocked);
    reading.flag("token_has_owner", raw.token_has_owner.as_ref(), Condition::TokenHasOwner);
    reading.flag("token_is_orphaned", raw.token_is_orphaned.as_ref(), Condition::TokenIsOrphaned);
    let period = raw.token_validity_period.as_ref();
    reading.flag("token_validity_period", period, Condition::TokenIsValid);
    reading.number("otp_counter", raw.otp_counter.as_ref(), Condition::OtpCounter);
    reading.number("failcounter", raw.failcounter.as_ref(), Condition::FailCounter);
    reading.number("count_auth", raw.count_auth.as_ref(), Condition::CountAuth);
    let success = raw.count_auth_success.as_ref();
    reading.number("count_auth_success", success, Condition::CountAuthSuccess);
    reading.number("count_auth_fail", raw.count_auth_fail.as_ref(), Condition::CountAuthFail);
    reading.add("last_auth", raw.last_auth.as_ref(), last_auth, Condition::LastAuth);
    let state = |_: &KeyPath, written: &str, _: &mut Compiler<'_>| Some(written.trim().into());
    reading.add("rollout_state", raw.rollout_state.as_deref(), state, Condition::RolloutState);
    let info = |(key, operator, value)| Condition::TokenInfo(key, operator, value);
    reading.add("tokeninfo", raw.tokeninfo.as_deref(), token_info, info);
}

/// One of the words, in any case.
fn word<T: Copy>(
    words: &[(&str, T)],
    path: &KeyPath,
    written: &str,
    compiler: &mut Compiler<'_>,
) -> Option<T> {
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(written.trim()));
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = format!("unknown value `{written}`; {}", suggestion(written, &known));
        compiler.error(path, &text);
    }
    found.map(|(_, value)| *value)
}

/// Texts with commas, or a list of them; blanks around an item are not part of it.
fn list(path: &KeyPath, written: &OneOrMany, compiler: &mut Compiler<'_>) -> Option<Vec<Box<str>>> {
    let items = written.items.iter().flat_map(|item| item.split(','));
    let items: Vec<Box<str>> =
        items.map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect();
    if items.is_empty() {
        compiler.error(path, "without a value it never matches; write at least one");
        return None;
    }
    Some(items)
}

/// Networks in which the client is, and those which are left out of them.
fn client_ip(
    path: &KeyPath,
    written: &OneOrMany,
    compiler: &mut Compiler<'_>,
) -> Option<(Networks, Networks)> {
    let (mut inside, mut outside, mut is_good) = (Networks::default(), Networks::default(), true);
    for (index, item) in written.items.iter().enumerate() {
        let at = if written.is_list { path.index(index) } else { path.clone() };
        let entries = item.split(|c: char| c == ',' || c.is_whitespace());
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let excluded = entry.strip_prefix(['!', '-']);
            let (list, network) = match excluded {
                Some("") => {
                    let text =
                        format!("'{entry}' leaves nothing out; write the network right behind it");
                    compiler.error(&at, &text);
                    is_good = false;
                    continue;
                }
                Some(network) => (&mut outside, network),
                None => (&mut inside, entry),
            };
            match compiler.checked(&at, Networks::parse(network)) {
                Some(networks) => list.extend(networks),
                None => is_good = false,
            }
        }
    }
    if is_good && inside.is_empty() {
        let text = "without a network that the client is in, it never matches; add one, e.g. 0.0.0.0/0 \
                    and ::/0";
        compiler.error(path, text);
        return None;
    }
    is_good.then_some((inside, outside))
}

fn comparison(
    path: &KeyPath,
    written: &RawComparison,
    compiler: &mut Compiler<'_>,
) -> Option<Comparison> {
    let text = written.0.trim();
    let operators = NUMBER_OPERATORS.iter();
    let mut found =
        operators.filter_map(|(sign, operator)| Some((text.strip_prefix(sign)?, *operator)));
    let (number, operator) = found.next().unwrap_or((text, Operator::Equal));
    let number = number.trim();
    match number.parse() {
        Ok(parsed) if !number.starts_with('+') => Some(Comparison { operator, number: parsed }),
        _ => {
            let text = format!(
                "'{text}' is no comparison with a whole number; write e.g. 5, '<5' or '>=5'"
            );
            compiler.error(path, &text);
            None
        }
    }
}

/// In our units, and in eduMFA's, whose year has 365 days.
fn last_auth(
    path: &KeyPath,
    written: &RawDuration,
    compiler: &mut Compiler<'_>,
) -> Option<Duration> {
    let text = written.0.trim();
    let years = text.strip_suffix('y').and_then(|number| number.trim().parse().ok());
    match years.and_then(|years| YEAR.checked_mul(years)) {
        Some(span) => Some(span),
        None => compiler.checked(path, units::duration(text)),
    }
}

fn token_info(
    path: &KeyPath,
    written: &str,
    compiler: &mut Compiler<'_>,
) -> Option<(Box<str>, Operator, Box<str>)> {
    // eduMFA looks for `==` anywhere before it looks for `<`; what is ambiguous there is an error here.
    let first = INFO_OPERATORS
        .iter()
        .filter_map(|(sign, operator)| Some((written.find(sign)?, *sign, *operator)))
        .min_by_key(|(at, ..)| *at);
    let parts = first.and_then(|(_, sign, operator)| {
        let (key, value) = written.split_once(sign)?;
        Some((key.trim(), operator, value.trim()))
    });
    let is_odd = |text: &str| text.contains(['=', '<', '>']);
    match parts {
        Some((_, _, value)) if value.contains("{now}") => {
            let text = "`{now}` is not available in this version; remove it, or the handler";
            compiler.error(path, text);
            None
        }
        Some((key, operator, value)) if !key.is_empty() && !is_odd(key) && !is_odd(value) => {
            Some((key.into(), operator, value.into()))
        }
        _ => {
            let text =
                format!("'{written}' is no condition; write `key == value`, or with !=, < or >");
            compiler.error(path, &text);
            None
        }
    }
}

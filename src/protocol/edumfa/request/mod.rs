//! Requests to `/validate/*`, as eduMFA and privacyIDEA read them.
//!
//! A value may stand in the query, a form or a JSON body, and clients disagree about how often it is quoted. Must not
//! know who may ask, nor what is answered.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::limits::{FACTOR_SECRET_BYTES, VALIDATE_BYTES, VALIDATE_PARAMETERS};
use crate::domain::node::Event;
use crate::domain::secret::Secret;
use crate::protocol::edumfa::{hops, json, multipart};

/// Programs that quote their values once, as everybody should; by the leading word of their User-Agent.
const QUOTE_ONCE: [&str; 5] =
    ["eduMFA-LDAP-Proxy", "simpleSAMLphp", "eduMFA-cp", "privacyIDEA-LDAP-Proxy", "privacyidea-cp"];

/// What eduMFA's handler for federation leaves in the parameters that it forwards.
const LEFT_BY_EDUMFA: &str = "increase_failcounter_on_challenge";

/// A request as it came. Its method does not matter: eduMFA reads GET, POST and DELETE alike.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// What it asks for.
    pub event: Event,
    /// What stands behind the `?` of its target.
    pub query: &'a str,
    /// Its Content-Type, if it has one.
    pub content_type: Option<&'a str>,
    /// Its body.
    pub body: &'a [u8],
    /// Its User-Agent, if it has one.
    pub user_agent: Option<&'a str>,
    /// What stands in the path behind `/validate/polltransaction/`, quoted; it counts more than the parameter.
    pub transaction: Option<&'a str>,
}

/// Why a request cannot be answered. Each is 400 and ERR905; the words are eduMFA's where it has some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Neither user nor serial.
    #[error("You need to specify a serial or a user.")]
    NoSubject,
    /// A `*` in the serial.
    #[error("Invalid serial number.")]
    Serial,
    /// A `%` in the user.
    #[error("Invalid user.")]
    User,
    /// A check without `pass`.
    #[error("Missing parameter: 'pass'")]
    NoSecret,
    /// A poll without a transaction.
    #[error("Missing parameter: 'transaction_id'")]
    NoTransaction,
    /// A body that is neither a form nor a JSON object. eduMFA answers 500, or ignores it.
    #[error("The body cannot be read.")]
    Body,
    /// A parameter that is no text, or too long. eduMFA answers 500.
    #[error("A parameter has no usable value.")]
    Value,
    /// More than `VALIDATE_PARAMETERS`, or than `VALIDATE_BYTES`.
    #[error("Too many parameters.")]
    TooMany,
}

/// What a request asks, all of it bounded by `VALIDATE_BYTES`.
pub struct Parameters {
    /// Without blanks around it; empty if there is a serial.
    pub user: Box<str>,
    /// Lower case; empty if none is named.
    pub realm: Box<str>,
    /// Empty if none is named.
    pub resolver: Box<str>,
    /// Empty if there is a user.
    pub serial: Box<str>,
    /// Empty if any will do.
    pub token_type: Box<str>,
    /// At most `FACTOR_SECRET_BYTES`; there is one if it is a check.
    pub secret: Option<Secret>,
    /// `transaction_id`, else `state`; empty if none is named.
    pub transaction: Box<str>,
    /// `otponly`: only if it says yes. To eduMFA even `0` does.
    pub otp_only: bool,
    /// `client`, if it is an address; only some callers may say it (SEMANTICS F9).
    pub client: Option<IpAddr>,
    /// To be echoed in the answer.
    pub nonce: Option<Box<str>>,
    /// The hop marker, valid or empty (SEMANTICS F8).
    pub hops: Box<str>,
    is_from_edumfa: bool,
}

impl Parameters {
    /// Reads a request: JSON counts more than the query, the query more than a form, the first of two more than the
    /// second.
    ///
    /// Source: eduMFA 2.9.5, `get_all_params`; golden cases `check_query_beats_body`, `check_json_*`,
    /// `check_duplicate_param`, `special_*`. Otherwise than there, a GET's form does not count more than its query.
    ///
    /// # Errors
    /// [`Malformed`], to be answered with its text.
    pub fn read(request: &Incoming<'_>) -> Result<Self, Malformed> {
        if request.body.len() > VALIDATE_BYTES || request.query.len() > VALIDATE_BYTES {
            return Err(Malformed::TooMany);
        }
        let (object, form) = read_body(request)?;
        let mut quoted = url_encoded(request.query.as_bytes());
        quoted.extend(form);
        let is_from_edumfa = object.iter().chain(&quoted).any(|(name, _)| name == LEFT_BY_EDUMFA);
        if object.len() + quoted.len() > VALIDATE_PARAMETERS {
            return Err(Malformed::TooMany);
        }
        let again = is_quoted_twice(request.user_agent, is_from_edumfa);
        let mut all = Values(object);
        for (name, value) in quoted {
            all.0.push((name, if again { unquote(&value) } else { value }));
        }
        if let Some(transaction) = request.transaction {
            // A path is quoted once in any case.
            let once = unquote(transaction);
            let value = if again { unquote(&once) } else { once };
            all.0.insert(0, ("transaction_id".to_owned(), value));
        }
        let parameters = Self::of(&all, is_from_edumfa)?;
        parameters.check(request.event)?;
        Ok(parameters)
    }

    fn of(all: &Values, is_from_edumfa: bool) -> Result<Self, Malformed> {
        let text = |name| all.get(name).unwrap_or_default().into();
        let trimmed = |name| all.get(name).unwrap_or_default().trim();
        let transaction = all.get("transaction_id").filter(|text| !text.is_empty());
        let hops = all.get(hops::PARAMETER).unwrap_or_default();
        let secret = all.get("pass");
        if secret.is_some_and(|secret| secret.len() > FACTOR_SECRET_BYTES)
            || !(hops.is_empty() || hops::is_marker(hops))
        {
            return Err(Malformed::Value);
        }
        Ok(Self {
            user: trimmed("user").into(),
            realm: trimmed("realm").to_lowercase().into(),
            resolver: trimmed("resolver").into(),
            serial: trimmed("serial").into(),
            token_type: text("type"),
            secret: secret.map(|secret| Secret::new(secret.as_bytes().to_vec())),
            transaction: transaction.or(all.get("state")).unwrap_or_default().into(),
            otp_only: matches!(trimmed("otponly"), "1" | "true" | "True"),
            client: trimmed("client").parse::<IpAddr>().ok().map(|address| address.to_canonical()),
            nonce: all.get("nonce").map(Into::into),
            hops: hops.into(),
            is_from_edumfa,
        })
    }

    /// Whether what must be there is there.
    fn check(&self, event: Event) -> Result<(), Malformed> {
        if event == Event::Poll {
            return if self.transaction.is_empty() {
                Err(Malformed::NoTransaction)
            } else {
                Ok(())
            };
        }
        if self.user.is_empty() && self.serial.is_empty() {
            Err(Malformed::NoSubject)
        } else if self.serial.contains('*') {
            Err(Malformed::Serial)
        } else if self.user.contains('%') {
            Err(Malformed::User)
        } else if event == Event::Check && self.secret.is_none() {
            Err(Malformed::NoSecret)
        } else {
            Ok(())
        }
    }

    /// Whether another node forwarded it, ours or eduMFA's: it wants JSON where programs want an empty answer
    /// (SEMANTICS F10).
    #[must_use]
    pub fn is_federated(&self) -> bool {
        self.is_from_edumfa || !self.hops.is_empty()
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("is_federated", &self.is_federated())
            .finish_non_exhaustive()
    }
}

type Pairs = Vec<(String, Zeroizing<String>)>;

/// The values in the order in which they count.
struct Values(Pairs);

impl Values {
    fn get(&self, wanted: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether a second layer of percent signs is to be taken off the values of query and form.
///
/// eduMFA does so for all but a few programs, and its own clients quote twice, but for its federation, which is
/// corrupted by eduMFA as a child and not by us (golden cases `check_double_quoted_*`, `fed_special_*`).
fn is_quoted_twice(user_agent: Option<&str>, is_from_edumfa: bool) -> bool {
    let Some(user_agent) = user_agent.filter(|text| !text.is_empty()) else { return true };
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let length = user_agent.bytes().take_while(is_of_word).count();
    match user_agent.get(..length) {
        None | Some("") => false,
        Some("python-requests") if is_from_edumfa => false,
        Some(word) => !QUOTE_ONCE.contains(&word),
    }
}

fn unquote(text: &str) -> Zeroizing<String> {
    Zeroizing::new(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// At most one more than may be: whoever counts them sees it.
fn url_encoded(text: &[u8]) -> Pairs {
    form_urlencoded::parse(text)
        .take(VALIDATE_PARAMETERS + 1)
        .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())))
        .collect()
}

/// The parameters of a JSON body, and those of a form.
fn read_body(request: &Incoming<'_>) -> Result<(Pairs, Pairs), Malformed> {
    if request.body.is_empty() {
        return Ok((Pairs::new(), Pairs::new()));
    }
    let content_type = request.content_type.unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok((Pairs::new(), url_encoded(request.body)));
    }
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        let boundary = multipart::boundary(content_type).ok_or(Malformed::Body)?;
        let fields = multipart::fields(request.body, boundary, VALIDATE_PARAMETERS);
        let own = |(name, value): (&str, &str)| (name.to_owned(), Zeroizing::new(value.to_owned()));
        let form = fields.ok_or(Malformed::Body)?.into_iter().map(own).collect();
        return Ok((Pairs::new(), form));
    }
    let Some(Value::Object(object)) = json::parse(request.body) else {
        return Err(Malformed::Body);
    };
    let mut pairs = Pairs::new();
    for (name, value) in object {
        if let Some(value) = json_value(&name, value)? {
            pairs.push((name, value));
        }
    }
    Ok((pairs, Pairs::new()))
}

/// A text, or what eduMFA would make one of when it forwards; lists and objects are no parameters of ours.
fn json_value(name: &str, value: Value) -> Result<Option<Zeroizing<String>>, Malformed> {
    let text = match value {
        Value::String(text) => text,
        // A code that is a number has lost its leading zeros.
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)
            if name == "pass" =>
        {
            return Err(Malformed::Value);
        }
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => return Ok(None),
        Value::Array(_) | Value::Object(_) if KNOWN.contains(&name) => {
            return Err(Malformed::Value);
        }
        Value::Array(_) | Value::Object(_) => String::new(),
    };
    Ok(Some(Zeroizing::new(text)))
}

/// What is read; other parameters are ignored.
const KNOWN: [&str; 12] = [
    "user",
    "realm",
    "resolver",
    "serial",
    "type",
    "pass",
    "transaction_id",
    "state",
    "otponly",
    "client",
    "nonce",
    hops::PARAMETER,
];

#[cfg(test)]
mod tests;

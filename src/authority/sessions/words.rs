//! What is said about sessions at the admin API and on the command line: filters, lists, what ended.
//!
//! A session's key is a hash of its id: nobody can make a cookie of it. Must not know: HTTP, stores.

use std::collections::BTreeMap;
use std::net::IpAddr;

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::authority::sessions::SessionsError;
use crate::domain::factor::Factor;
use crate::domain::identity::SessionKey;
use crate::session::Keyed;
use crate::session::listing::Cursor;
use crate::session::record::{Kind, Session};

/// Which sessions are meant, and which part of them. What is empty or absent is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionQuery {
    /// Only those of this user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Only those of this realm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Only those that this master asserted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub master: String,
    /// Only those that this client opened: an address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// Only those of at least this level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Only those whose key begins like this, as in the audit log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Where to go on: `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many are enough for a list, 100 if not said; a page may have somewhat more, or fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A second factor of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedFactor {
    /// The node that was asked.
    pub node: String,
    /// The token's type, in the node's words.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its serial.
    pub serial: String,
    /// When it was checked, in milliseconds since the epoch.
    pub at: u64,
}

/// A session as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedSession {
    /// Its key: 64 hex digits, of which the audit log shows the first 12.
    pub key: String,
    /// `cookie` for a person's, `call` for that of a program's calls.
    pub kind: String,
    /// Whose it is.
    pub user: String,
    /// The user's realm.
    pub realm: String,
    /// The master that asserted the user.
    pub master: String,
    /// The client that opened it.
    pub client: IpAddr,
    /// Its level.
    pub level: u8,
    /// When it was opened, in milliseconds since the epoch.
    pub created: u64,
    /// When it was last used, to within `sessions.touch_interval`.
    pub last_use: u64,
    /// The second factors that were checked for it; the newest is the last.
    pub factors: Vec<ListedFactor>,
}

/// A page of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionList {
    /// The sessions, in no order that means anything; perhaps none although more follow.
    pub sessions: Vec<ListedSession>,
    /// What `after` must be for the next page; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// One session and its variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownSession {
    /// What a list shows of it.
    #[serde(flatten)]
    pub session: ListedSession,
    /// Its exported variables. The values of those that `log.variables` does not name are not shown: `null`.
    pub variables: BTreeMap<String, Option<Vec<String>>>,
}

/// Which sessions are to end.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndWish {
    /// Which ones, and where to go on.
    pub sessions: SessionQuery,
    /// Really all of them, where that asks for nothing.
    pub all: bool,
    /// Only those that were opened before, in milliseconds since the epoch: `before` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// What one step of ending sessions did. There are more to look at as long as there is a `next`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndReport {
    /// How many ended.
    pub ended: u64,
    /// Sessions that were looked at.
    pub seen: u64,
    /// What `sessions.after` must be for the next step; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// What `before` must be for the next step.
    pub before: u64,
}

impl SessionQuery {
    /// Whether every session fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { after: self.after.clone(), limit: self.limit, ..Self::default() }
    }

    /// What it asks for, once read.
    pub(super) fn read(&self) -> Result<Wanted<'_>, SessionsError> {
        let client = match self.client.as_str() {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| {
                SessionsError::Invalid("`client` is not an address; write e.g. 203.0.113.7")
            })?),
        };
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.key.len() > 64 || !self.key.bytes().all(is_hex) {
            return Err(SessionsError::Invalid(
                "a session's key consists of the digits 0-9 and a-f; copy it from the audit log or from a list",
            ));
        }
        Ok(Wanted { query: self, client: client.map(|client| client.to_canonical()) })
    }
}

/// A query that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'f> {
    query: &'f SessionQuery,
    client: Option<IpAddr>,
}

impl Wanted<'_> {
    pub(super) fn fits(&self, (key, session): &Keyed) -> bool {
        let is = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        let query = self.query;
        is(&query.user, session.user())
            && query.realm.as_deref().is_none_or(|realm| realm == session.realm())
            && is(&query.master, session.master())
            && self.client.is_none_or(|client| client == session.client())
            && query.level.is_none_or(|level| session.level() >= level)
            && key_text(*key).starts_with(&query.key)
    }
}

/// A key in full.
pub(super) fn key_text(key: SessionKey) -> String {
    HEXLOWER.encode(&key.0)
}

/// A key that was written in full.
pub(super) fn key_of(text: &str) -> Result<SessionKey, SessionsError> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    key.map(SessionKey).ok_or(SessionsError::Invalid(
        "a session's key has 64 digits, 0-9 and a-f; `vouchsafe session list` shows it",
    ))
}

/// A cursor for outside.
pub(super) fn cursor_text(cursor: &Cursor) -> String {
    HEXLOWER.encode(&cursor.0)
}

/// A cursor that comes back.
pub(super) fn cursor_of(text: &str) -> Result<Cursor, SessionsError> {
    let bytes = HEXLOWER.decode(text.as_bytes());
    bytes.map(|bytes| Cursor(bytes.into())).map_err(|_| {
        SessionsError::Invalid("`after` is not what a page before said as `next`; begin again")
    })
}

impl From<&Keyed> for ListedSession {
    fn from((key, session): &Keyed) -> Self {
        let kind = if session.kind() == Kind::Cookie { "cookie" } else { "call" };
        Self {
            key: key_text(*key),
            kind: kind.to_owned(),
            user: session.user().to_owned(),
            realm: session.realm().to_owned(),
            master: session.master().to_owned(),
            client: session.client(),
            level: session.level(),
            created: session.created().as_millis(),
            last_use: session.last_use().as_millis(),
            factors: session.factors().map(ListedFactor::from).collect(),
        }
    }
}

impl From<Factor<'_>> for ListedFactor {
    fn from(factor: Factor<'_>) -> Self {
        Self {
            node: factor.node().to_owned(),
            kind: factor.token_type().to_owned(),
            serial: factor.serial().to_owned(),
            at: factor.at().as_millis(),
        }
    }
}

impl ShownSession {
    /// `keyed` with the values of the variables in `shown`.
    pub(super) fn of(keyed: &Keyed, shown: &[Box<str>]) -> Self {
        Self { session: keyed.into(), variables: variables(&keyed.1, shown) }
    }
}

fn variables(session: &Session, shown: &[Box<str>]) -> BTreeMap<String, Option<Vec<String>>> {
    let mut variables: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    session.each_value(|name, value| {
        let is_shown = shown.iter().any(|variable| **variable == *name);
        let values = variables.entry(name.to_owned()).or_insert(is_shown.then(Vec::new));
        if let Some(values) = values {
            values.push(value.to_owned());
        }
    });
    variables
}

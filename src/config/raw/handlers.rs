//! `mfa.handlers`: when which node is asked, with conditions named as eduMFA names them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use crate::config::raw_value::{OneOrMany, RawDuration};

/// An event handler.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawHandler {
    /// Its name, at most 64 characters. Required.
    #[schemars(with = "String")]
    pub name: Option<String>,
    /// What it listens for, one or a list: `validate_check` (stands for samlcheck and radiuscheck too),
    /// `validate_triggerchallenge`, `validate_poll_transaction`. Required.
    pub event: OneOrMany,
    /// `pre`: before the base, and its answer counts; `post`: after the base, on the answer so far. Default: `post`.
    pub position: RawPosition,
    /// Handlers run by this number; those of equal number in the order of the file. Default: 0.
    pub order: i64,
    /// Whether it runs at all. Default: true.
    pub active: bool,
    /// What must all hold. Default: it always runs.
    pub conditions: RawConditions,
    /// Whether a condition about a token that is not known, or not one, holds. Default: `no_match`.
    pub when_unknown: RawWhenUnknown,
    /// `forward`, which is the only one. Required.
    #[schemars(with = "RawAction")]
    pub action: Option<RawAction>,
    /// How the question is forwarded.
    pub options: RawForward,
    /// What follows on a server that was provably not asked: `next` asks others, `fail` gives up. Default: `next`.
    pub on_error: RawOnError,
    /// `sequence`, or `race`: handlers that stand together are asked at once, which a check never is. Default:
    /// `sequence`.
    pub mode: RawMode,
}

/// When a handler runs.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPosition {
    /// Before the base.
    Pre,
    /// After the base.
    Post,
}

/// Whether a condition about an unknown token holds.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawWhenUnknown {
    /// It does.
    Match,
    /// It does not.
    NoMatch,
}

/// What a handler does.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawAction {
    /// It asks a server.
    Forward,
}

/// What follows on a server that was provably not asked.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawOnError {
    /// The walk goes on.
    Next,
    /// The walk ends.
    Fail,
}

/// Whether handlers that stand together are asked one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawMode {
    /// One after the other.
    Sequence,
    /// At once.
    Race,
}

/// How a question is forwarded; holds for this handler's question alone.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawForward {
    /// A server of `mfa.servers`. Required.
    #[schemars(with = "String")]
    pub server: Option<String>,
    /// Whether the client's address goes along. Default: false.
    pub client_ip: bool,
    /// The realm instead of the question's. Default: the question's.
    #[schemars(with = "String")]
    pub realm: Option<String>,
    /// The resolver instead of the question's. Default: the question's.
    #[schemars(with = "String")]
    pub resolver: Option<String>,
    /// Whether the `Authorization` of a caller of `/validate/*` goes along, unless it is one of our own keys.
    /// Default: false.
    pub forward_authorization: bool,
}

/// Conditions, all of which must hold. Lists are YAML lists, or one text with commas; numbers are compared (`5`,
/// `<5`, `>=3`, `!=0`).
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawConditions {
    /// Whether the answer so far accepts; no answer does not.
    #[schemars(with = "RawFlag")]
    pub result_value: Option<RawFlag>,
    /// Whether there is an answer so far, and it is no error.
    #[schemars(with = "RawFlag")]
    pub result_status: Option<RawFlag>,
    /// The answer so far in one word: `ACCEPT`, `CHALLENGE`, `DECLINED` or `REJECT`.
    #[schemars(with = "String")]
    pub result_authentication: Option<String>,
    /// The user's realm is one of these, exactly.
    #[schemars(with = "OneOrMany")]
    pub realm: Option<OneOrMany>,
    /// The user's resolver is one of these, exactly.
    #[schemars(with = "OneOrMany")]
    pub resolver: Option<OneOrMany>,
    /// Networks that the client is in; those with `!` or `-` in front are left out.
    #[schemars(with = "OneOrMany")]
    pub client_ip: Option<OneOrMany>,
    /// Who asks: `user`, as everybody is here, or `admin`.
    #[schemars(with = "String")]
    pub logged_in_user: Option<String>,
    /// Regular expression that matches somewhere in the message of the answer so far.
    #[schemars(with = "String")]
    pub detail_message: Option<String>,
    /// Regular expression that matches somewhere in the error message of the answer so far.
    #[schemars(with = "String")]
    pub detail_error_message: Option<String>,
    /// How many tokens the user has.
    #[schemars(with = "RawComparison")]
    pub user_token_number: Option<RawComparison>,
    /// Regular expression that matches the token's serial from its beginning.
    #[schemars(with = "String")]
    pub serial: Option<String>,
    /// The token's type is one of these.
    #[schemars(with = "OneOrMany")]
    pub tokentype: Option<OneOrMany>,
    /// One of the token's realms is one of these.
    #[schemars(with = "OneOrMany")]
    pub tokenrealm: Option<OneOrMany>,
    /// The resolver of the token's owner is one of these.
    #[schemars(with = "OneOrMany")]
    pub tokenresolver: Option<OneOrMany>,
    /// Whether the token's fail counter is at its maximum.
    #[schemars(with = "RawFlag")]
    pub token_locked: Option<RawFlag>,
    /// Whether the token has an owner.
    #[schemars(with = "RawFlag")]
    pub token_has_owner: Option<RawFlag>,
    /// Whether the token's owner does not exist any more.
    #[schemars(with = "RawFlag")]
    pub token_is_orphaned: Option<RawFlag>,
    /// Whether now lies in the token's validity period.
    #[schemars(with = "RawFlag")]
    pub token_validity_period: Option<RawFlag>,
    /// The token's HOTP counter.
    #[schemars(with = "RawComparison")]
    pub otp_counter: Option<RawComparison>,
    /// The token's fail counter.
    #[schemars(with = "RawComparison")]
    pub failcounter: Option<RawComparison>,
    /// How often the token was tried.
    #[schemars(with = "RawComparison")]
    pub count_auth: Option<RawComparison>,
    /// How often with success.
    #[schemars(with = "RawComparison")]
    pub count_auth_success: Option<RawComparison>,
    /// How often without.
    #[schemars(with = "RawComparison")]
    pub count_auth_fail: Option<RawComparison>,
    /// The token's last success is longer ago than this (`10d`, `1h`, `2y`); one that never had any is not.
    #[schemars(with = "RawDuration")]
    pub last_auth: Option<RawDuration>,
    /// The token's rollout state; empty is one that is ready.
    #[schemars(with = "String")]
    pub rollout_state: Option<String>,
    /// What is noted about the token: `key == value`, or with `!=`, `<`, `>`.
    #[schemars(with = "String")]
    pub tokeninfo: Option<String>,
}

/// True or false, also as eduMFA writes it.
pub struct RawFlag(pub bool);

/// A number, or how to compare with it, as written.
pub struct RawComparison(pub String);

impl Default for RawHandler {
    fn default() -> Self {
        Self {
            name: None,
            event: OneOrMany::default(),
            position: RawPosition::Post,
            order: 0,
            active: true,
            conditions: RawConditions::default(),
            when_unknown: RawWhenUnknown::NoMatch,
            action: None,
            options: RawForward::default(),
            on_error: RawOnError::Next,
            mode: RawMode::Sequence,
        }
    }
}

// === Deserialize ===

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = RawFlag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawFlag, E> {
        Ok(RawFlag(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<RawFlag, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawFlag, E> {
        match text.trim() {
            "1" => Ok(RawFlag(true)),
            "0" => Ok(RawFlag(false)),
            text if text.eq_ignore_ascii_case("true") => Ok(RawFlag(true)),
            text if text.eq_ignore_ascii_case("false") => Ok(RawFlag(false)),
            _ => Err(E::custom(format!("'{text}' is neither true nor false; write one of them"))),
        }
    }
}

impl<'de> Deserialize<'de> for RawFlag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct ComparisonVisitor;

impl Visitor<'_> for ComparisonVisitor {
    type Value = RawComparison;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or a comparison with one, e.g. '>=3'")
    }

    fn visit_u64<E>(self, number: u64) -> Result<RawComparison, E> {
        Ok(RawComparison(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<RawComparison, E> {
        Ok(RawComparison(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<RawComparison, E> {
        Ok(RawComparison(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for RawComparison {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ComparisonVisitor)
    }
}

// === JsonSchema ===

impl JsonSchema for RawFlag {
    fn schema_name() -> Cow<'static, str> {
        "Flag".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "boolean" }, { "enum": [0, 1, "0", "1", "true", "false", "True", "False"] }]
        })
    }
}

impl JsonSchema for RawComparison {
    fn schema_name() -> Cow<'static, str> {
        "Comparison".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\s*(=|==|!=|<|<=|=<|>|>=|=>)?\s*-?[0-9]+\s*$";
        json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": pattern }] })
    }
}

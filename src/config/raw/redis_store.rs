//! `sessions.store` with `kind: redis`: what only Redis has.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use crate::config::raw_value::RawSecret;

/// How the primary is found by asking sentinels.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSentinel {
    /// What they call the primary. Required.
    #[schemars(with = "String")]
    pub master: Option<String>,
    /// The user that the sentinels themselves know. Default: the default user.
    #[schemars(with = "String")]
    pub username: Option<String>,
    /// Its password: `{ file: ... }` or `{ env: ... }`. Default: none.
    #[schemars(with = "RawSecret")]
    pub password: Option<RawSecret>,
}

/// TLS towards Redis and its sentinels, 1.2 and 1.3.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawStoreTls {
    /// PEM file of the authorities that issue the servers' certificates. Default: the system's authorities.
    #[schemars(with = "String")]
    pub ca: Option<String>,
    /// PEM file of our own certificate, then its intermediate ones. Default: none is shown.
    #[schemars(with = "String")]
    pub cert: Option<String>,
    /// PEM file of its private key, without a passphrase.
    #[schemars(with = "String")]
    pub key: Option<String>,
}

/// How changes by other nodes are heard of.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawInvalidation {
    /// The server says which records were changed (`CLIENT TRACKING`).
    Tracking,
    /// Nodes tell each other over a channel, where tracking is not to be had.
    Pubsub,
}

/// On how many replicas a login, logout or factor is to be.
#[derive(Clone, Copy)]
pub enum RawReplicas {
    /// On one, where there are any.
    Auto,
    /// On so many.
    Exactly(u16),
}

struct ReplicasVisitor;

impl Visitor<'_> for ReplicasVisitor {
    type Value = RawReplicas;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("auto or a number of replicas")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawReplicas, E> {
        if text == "auto" {
            return Ok(RawReplicas::Auto);
        }
        Err(E::custom(format!("unknown value `{text}`; write auto or a number")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<RawReplicas, E> {
        let number = u16::try_from(number).ok().filter(|number| *number <= MOST_REPLICAS);
        let error = || E::custom(format!("no primary has so many; write at most {MOST_REPLICAS}"));
        number.map(RawReplicas::Exactly).ok_or_else(error)
    }
}

/// The most replicas that may be waited for.
const MOST_REPLICAS: u16 = 16;

impl<'de> Deserialize<'de> for RawReplicas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReplicasVisitor)
    }
}

impl JsonSchema for RawReplicas {
    fn schema_name() -> Cow<'static, str> {
        "Replicas".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 0, "maximum": MOST_REPLICAS }]
        })
    }
}

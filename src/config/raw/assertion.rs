//! `assertion`: the keys of signed identity assertions.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::defaults;
use crate::config::raw_value::{RawDuration, RawSecret};

/// Signed identity assertions, for applications with `assertion: true`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAssertion {
    /// Private keys in PEM files, Ed25519 or P-256: `{ file: ... }` or a list of them. The first one signs, all are
    /// published at `/.well-known/jwks.json`. `vouchsafe key new` makes one. Required.
    #[schemars(with = "RawSecret")]
    pub keys: Option<RawSecret>,
    /// How long a token is good for: whole seconds, `1m` to `5m`. Default: `2m`.
    pub lifetime: RawDuration,
}

impl Default for RawAssertion {
    fn default() -> Self {
        Self { keys: None, lifetime: RawDuration(defaults::ASSERTION_LIFETIME.to_owned()) }
    }
}

//! `admin`: who may use the admin listener's API.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw_value::{OneOrMany, RawSecret};

/// The admin listener's API. Metrics and health need none of this.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAdmin {
    /// Names under which the API is reached, besides `localhost` and the listener's own address. Default: none.
    pub hosts: OneOrMany,
    /// What whoever uses the API must present (`Authorization: Bearer ...`): `{ file: ... }` (created if absent),
    /// `{ env: ... }`, or a list of them while you rotate; at least 16 characters. Required.
    #[schemars(with = "RawSecret")]
    pub credential: Option<RawSecret>,
}

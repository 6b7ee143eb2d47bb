//! `applications`: protected hosts and their rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw_value::{OneOrMany, Ordered, RawDuration};

/// A protected virtual host.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawApplication {
    /// Its name, for metrics and logs: 1 to 64 of `A-Z a-z 0-9 . _ -`. Required.
    #[schemars(with = "String")]
    pub name: Option<String>,
    /// Its hosts: names, or `*.` and a name for everything below it. Required.
    pub hosts: OneOrMany,
    /// Where people begin, for the portal's menu: an absolute `http` or `https` URL of one of the hosts.
    /// Default: the first host that is no wildcard, with the portal's scheme and port.
    #[schemars(with = "String")]
    pub url: Option<String>,
    /// Accepts `;name=value` in segments of a path, as old Java applications have it. Then each rule is
    /// tried on the path with parameters and without them, and the stricter effect wins. Default: false.
    pub allow_path_parameters: bool,
    /// Accepts `%2F` in segments of a path, as APIs like GitLab's have it. Then each rule is tried on the
    /// path with `%2F` (so a rule's `path` may have it too) and with `/` instead, and the stricter effect
    /// wins. Default: false.
    pub allow_encoded_slash: bool,
    /// Headers that it gets, each with its variable. Default: none.
    pub exports: Ordered<String>,
    /// For how long nginx may reuse an allow without asking again, if `nginx/snippets/auth_cached.conf` is
    /// included: whole seconds, `2s` to `60s`. A logout may take that long. Default: never.
    #[schemars(with = "RawDuration")]
    pub cache: Option<RawDuration>,
    /// Who may do what; the first match wins. Default: none, so everything is denied.
    pub rules: Vec<RawRule>,
}

/// A rule: clauses that must all hold, and what happens then.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRule {
    /// Prefix of whole segments: `/admin` is itself and below, `/admin/` only below. Default: any path.
    #[schemars(with = "String")]
    pub path: Option<String>,
    /// One method or a list of them, upper case. Default: any method.
    #[schemars(with = "OneOrMany")]
    pub method: Option<OneOrMany>,
    /// What happens. Required, unless `require_master` is given: then `allow`.
    #[schemars(with = "RawEffect")]
    pub effect: Option<RawEffect>,
    /// A master must assert the identity on each request; only with `allow`. Default: false.
    #[schemars(with = "bool")]
    pub require_master: Option<bool>,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawEffect {
    /// Allow a session.
    Allow,
    /// Refuse everybody.
    Deny,
    /// Allow anybody; the session is not looked up.
    Skip,
    /// Allow anybody; a session's exports are sent if there is one.
    Unprotect,
}

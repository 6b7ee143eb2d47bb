//! `applications`: protected hosts and their rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw_value::{OneOrMany, Ordered, RawDuration};
use crate::config::raw_variable::RawExport;

/// A protected virtual host.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the file")]
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
    /// Also says who is asking in a signed token, the header `X-Vouchsafe-Assertion`, which the application can
    /// check itself; needs `assertion.keys`. Default: false.
    pub assertion: bool,
    /// Takes a second factor in the request itself, where a rule demands one: `X-OTP`, or `Authorization: Basic` of
    /// the user with PIN and OTP as its password; needs `mfa`. Default: false.
    pub factor_in_request: bool,
    /// Headers that it gets, each with its variable or expression. Default: none.
    pub exports: Ordered<RawExport>,
    /// For how long nginx may reuse an allow without asking again, if `nginx/snippets/auth_cached.conf` is
    /// included: whole seconds, `2s` to `60s`. A logout may take that long. Default: never.
    #[schemars(with = "RawDuration")]
    pub cache: Option<RawDuration>,
    /// Refuses every request of this application for now, with 503. Default: false.
    pub maintenance: bool,
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
    /// Just this path. Default: any path.
    #[schemars(with = "String")]
    pub path_exact: Option<String>,
    /// Pattern of the whole path: `*` stands for anything within a segment, `**` also across segments, `?`
    /// for one character, `{a,b}` for one of these, `[a-z]` for one character of these. Default: any path.
    #[schemars(with = "String")]
    pub path_glob: Option<String>,
    /// Regular expression that matches somewhere in the path; write `^` and `$` where you mean them. Bytes,
    /// ASCII classes. Default: any path.
    #[schemars(with = "String")]
    pub path_regex: Option<String>,
    /// One method or a list of them, upper case. Default: any method.
    #[schemars(with = "OneOrMany")]
    pub method: Option<OneOrMany>,
    /// Query parameters, each with one value or a list of them; one of its values, decoded, must be one
    /// of these. Default: any query.
    #[schemars(with = "Ordered<OneOrMany>")]
    pub query: Option<Ordered<OneOrMany>>,
    /// Networks that the client must be in: addresses and CIDR networks. Default: anywhere.
    #[schemars(with = "OneOrMany")]
    pub client: Option<OneOrMany>,
    /// Days and hours in which the rule applies. Default: always.
    #[schemars(with = "RawHours")]
    pub time: Option<RawHours>,
    /// The master that asserted the identity, or a list of them. Default: any, or nobody.
    #[schemars(with = "OneOrMany")]
    pub master: Option<OneOrMany>,
    /// The user, or a list of them. Default: anybody, or nobody.
    #[schemars(with = "OneOrMany")]
    pub user: Option<OneOrMany>,
    /// A group, or a list of them of which one is enough: values of the variable `groups`. Default: any.
    #[schemars(with = "OneOrMany")]
    pub group: Option<OneOrMany>,
    /// Exported variables or macros, each with one value or a list of them of which one is enough. Default: any.
    #[schemars(with = "Ordered<OneOrMany>")]
    pub variable: Option<Ordered<OneOrMany>>,
    /// The least level that the session has, for the rule to match. To demand one, use `level`. Default: any.
    #[schemars(with = "u8")]
    pub session_level: Option<u8>,
    /// Expression in CEL that must be true besides, over `user`, `groups`, `vars`, `session`, `client` and
    /// `request`: docs/expressions.md. A rule whose expression cannot be evaluated denies. Default: true.
    #[schemars(with = "String")]
    pub when: Option<String>,
    /// What happens. Required, unless `level`, `factor_max_age` or `require_master` is given: then `allow`.
    #[schemars(with = "RawEffect")]
    pub effect: Option<RawEffect>,
    /// The least level that the session must have; only with `allow`. Default: any.
    #[schemars(with = "u8")]
    pub level: Option<u8>,
    /// How long ago a second factor may have been checked for the session at most, as `15m`; only with `allow`. A
    /// session without a cookie never has one, and over plain HTTP beside a double cookie none counts. Default:
    /// none is needed.
    #[schemars(with = "RawDuration")]
    pub factor_max_age: Option<RawDuration>,
    /// A master must assert the identity on each request; only with `allow`. Default: false.
    #[schemars(with = "bool")]
    pub require_master: Option<bool>,
}

/// Days and hours.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawHours {
    /// Days of the week, one or a list: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`, or from one to another:
    /// `mon-fri`. Default: all.
    pub days: OneOrMany,
    /// When it begins on each of the days, as `08:00`. Default: `00:00`.
    #[schemars(with = "String")]
    pub from: Option<String>,
    /// When it ends, as `18:00`; before `from`: on the next day. Default: `24:00`.
    #[schemars(with = "String")]
    pub to: Option<String>,
    /// The time zone, as `Europe/Berlin`. Default: `UTC`.
    #[schemars(with = "String")]
    pub zone: Option<String>,
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
    /// Send everybody to the portal's logout. The session ends there, not here.
    Logout,
    /// Refuse everybody for now, with 503.
    Maintenance,
}

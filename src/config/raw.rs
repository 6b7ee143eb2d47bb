//! What the operator may write: one struct a mapping, one doc comment a key (`config.schema.json` is made
//! of them).
//!
//! Must not know: what a value means; that is `compile`'s. Nothing here has a `Debug`, because
//! the file may hold secrets. No key is required here: a missing one is reported with all the others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::defaults;
use crate::config::raw_value::{
    OneOrMany, Ordered, RawDuration, RawListener, RawLogo, RawSecret, RawSize, RawVariable,
};

/// Vouchsafe's configuration. Relative paths start at the file's folder.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// Where the daemon listens.
    pub listen: RawListen,
    /// The reverse proxies that may speak for a client: addresses and CIDR networks, and `unix` for whoever
    /// may open a unix socket of `listen`; a list or one text separated by blanks or commas. Default: none,
    /// so nobody gets an answer on `/auth/*`.
    pub trusted_proxies: OneOrMany,
    /// The portal, as browsers see it.
    pub portal: RawPortal,
    /// The slave backend: masters and what is read from their headers.
    pub slave: RawSlave,
    /// The life of sessions.
    pub sessions: RawSessions,
    /// Protected virtual hosts. Default: none.
    pub applications: Vec<RawApplication>,
    /// The operator's log.
    pub log: RawLog,
    /// The audit file: logins, logouts and switches. Default: audit lines go to the log.
    #[schemars(with = "RawAudit")]
    pub audit: Option<RawAudit>,
}

/// Listeners, each `address:port`, `unix:/path`, or a mapping with its TLS.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawListen {
    /// For subrequests and the portal. Default: `127.0.0.1:9080`.
    pub public: RawListener,
    /// For Envoy's gRPC `ext_authz` and `grpc.health.v1`. Default: off.
    #[schemars(with = "RawListener")]
    pub grpc: Option<RawListener>,
    /// For metrics and health. Default: off.
    #[schemars(with = "RawListener")]
    pub admin: Option<RawListener>,
}

/// TLS of a listener, 1.2 and 1.3.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTls {
    /// PEM file of the certificate, the listener's own first, then its intermediate ones. Required.
    #[schemars(with = "String")]
    pub cert: Option<String>,
    /// PEM file of its private key, without a passphrase. Required.
    #[schemars(with = "String")]
    pub key: Option<String>,
    /// PEM file of the authorities whose clients may connect; everybody else is refused. Default: clients
    /// show no certificate.
    #[schemars(with = "String")]
    pub client_ca: Option<String>,
}

/// The portal.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawPortal {
    /// Where browsers are sent to log in: an absolute `http` or `https` URL. Required.
    #[schemars(with = "String")]
    pub url: Option<String>,
    /// The cookies' domain: the portal's host or a domain above it. Default: host-only cookies.
    #[schemars(with = "String")]
    pub domain: Option<String>,
    /// Where `url=` may lead besides the applications and the portal: names, or `*.` and a name. Default:
    /// none.
    pub trusted_domains: OneOrMany,
    /// Accepted values of `lmAuth`, each with the backend it means (`slave`). Default: `lmAuth` is ignored.
    #[schemars(with = "Ordered<RawBackend>")]
    pub choice: Option<Ordered<RawBackend>>,
}

/// A login backend.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawBackend {
    /// The slave backend.
    Slave,
}

/// What a backend may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawRole {
    /// Logging in.
    Authentication,
    /// Reading exported variables.
    Users,
}

/// The slave backend.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSlave {
    /// Level of the sessions it opens, 0 to 255. Default: 2.
    pub auth_level: u8,
    /// The master's header with the login. Required.
    #[schemars(with = "String")]
    pub user_header: Option<String>,
    /// Regular expression that a login must match as a whole; bytes, ASCII classes.
    /// Default: `^[\w.\-@]+$`.
    pub user_pattern: String,
    /// `authentication`, and `users` to read `exported_vars` too. Default: both.
    pub roles: Vec<RawRole>,
    /// Who may assert identities; of several that match a request the first is taken. Default: nobody.
    pub masters: Vec<RawMaster>,
    /// Variables, each with the master's header that it is read from. Default: none.
    pub exported_vars: Ordered<RawVariable>,
    /// Picture on the page of `portal.choice`: `true` for the built-in one, or the path of your own (png,
    /// svg, jpg, webp or gif, at most 256 KiB). Default: false.
    #[schemars(with = "RawLogo")]
    pub display_logo: Option<RawLogo>,
}

/// A master.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawMaster {
    /// Its name: 1 to 32 of `a-z 0-9 _ -`. Required.
    #[schemars(with = "String")]
    pub name: Option<String>,
    /// Where it speaks from: addresses and CIDR networks, a list or one text separated by blanks or
    /// commas. Default: empty, which is not checked.
    pub ips: OneOrMany,
    /// The header by which it proves itself. Default: empty, which is not checked.
    pub control_header: String,
    /// What that header must hold: a text, `{ file: ... }`, `{ env: ... }`, or a list of them while you
    /// rotate. Default: none.
    #[schemars(with = "RawSecret")]
    pub control_content: Option<RawSecret>,
    /// The realm of its users. Default: empty.
    pub realm: String,
    /// Whether the address left of the master in `X-Forwarded-For` is the user's. Default: false.
    pub reports_client: bool,
    /// A field of the client's certificate that it must pass on. Default: not checked.
    #[schemars(with = "RawCertificate")]
    pub certificate: Option<RawCertificate>,
    /// Must be true for a master with neither `ips` nor `control_header`: anybody may then assert
    /// anything. Default: false.
    pub anyone: bool,
}

/// A certificate check.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawCertificate {
    /// The header that carries the field. Required.
    #[schemars(with = "String")]
    pub header: Option<String>,
    /// Regular expression that the whole value must match; bytes, ASCII classes. Required.
    #[schemars(with = "String")]
    pub pattern: Option<String>,
}

/// The life of sessions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSessions {
    /// The session cookies.
    pub cookie: RawCookie,
    /// The key of fingerprint sessions, at least 32 bytes: `{ file: ... }` (created if absent) or
    /// `{ env: ... }`. Default: `{ file: data/sessions.key }`.
    pub key: RawSecret,
    /// A session never lives longer: a number with its unit (`20h`). Default: 20h.
    pub timeout: RawDuration,
    /// Nor longer without being used; at most `timeout`. Default: 1h.
    pub idle_timeout: RawDuration,
    /// How often a session's last use is written; at most a quarter of `idle_timeout`.
    /// Default: 1m, or that quarter if it is shorter.
    #[schemars(with = "RawDuration")]
    pub touch_interval: Option<RawDuration>,
    /// Bound of the session cache, and of the memory store: a number with its unit; at least 1MiB.
    /// Default: 512MiB.
    pub max_bytes: RawSize,
    /// How many sessions may be opened.
    pub quotas: RawQuotas,
    /// Where sessions are kept.
    pub store: RawStore,
}

/// The session cookies.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawCookie {
    /// Their base name. Default: `vouchsafe`.
    pub name: String,
    /// 0: one cookie without `Secure`; 1: one with it; 2: both, each with a session of its own.
    /// Default: 2.
    #[schemars(range(max = 2))]
    pub secured: u8,
    /// The `SameSite` attribute. Default: `lax`.
    pub same_site: RawSameSite,
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawSameSite {
    /// Never sent from another site.
    Strict,
    /// Sent when the user navigates from another site.
    Lax,
    /// Always sent; browsers demand `Secure` with it.
    None,
}

/// Sessions opened a minute.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawQuotas {
    /// By one client behind a master that reports its clients; sessions a minute. Default: 600.
    #[schemars(range(min = 1))]
    pub per_client: u32,
    /// By one master; sessions a minute. Default: 60000.
    #[schemars(range(min = 1))]
    pub per_master: u32,
}

/// The session store.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawStore {
    /// `memory` (nothing survives a restart) or `embedded` (a file). Default: `embedded`.
    pub kind: RawStoreKind,
    /// The embedded store's file; its folder is created if absent. Default: `data/sessions.redb`.
    #[schemars(with = "String")]
    pub path: Option<String>,
}

/// A kind of store.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawStoreKind {
    /// In this process only.
    Memory,
    /// In a file.
    Embedded,
}

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

/// The operator's log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    /// The least important lines that are written. Default: `info`.
    pub level: RawLevel,
    /// `text` for people or `json` for machines. Default: `text`.
    pub format: RawFormat,
}

/// A log level.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawLevel {
    /// Only what needs action.
    Error,
    /// And what will.
    Warn,
    /// And the daemon's life, and denials.
    Info,
    /// And every decision.
    Debug,
}

/// A log format.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The audit file.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAudit {
    /// The file; one JSON object a line. Required.
    #[schemars(with = "String")]
    pub path: Option<String>,
}

// === defaults ===

impl Default for RawListen {
    fn default() -> Self {
        Self { public: RawListener::at(defaults::PUBLIC), grpc: None, admin: None }
    }
}

impl Default for RawSlave {
    fn default() -> Self {
        Self {
            auth_level: defaults::AUTH_LEVEL,
            user_header: None,
            user_pattern: defaults::USER_PATTERN.to_owned(),
            roles: vec![RawRole::Authentication, RawRole::Users],
            masters: Vec::new(),
            exported_vars: Ordered::default(),
            display_logo: None,
        }
    }
}

impl Default for RawSessions {
    fn default() -> Self {
        Self {
            cookie: RawCookie::default(),
            key: RawSecret::file(defaults::KEY_FILE),
            timeout: RawDuration(defaults::TIMEOUT.to_owned()),
            idle_timeout: RawDuration(defaults::IDLE_TIMEOUT.to_owned()),
            touch_interval: None,
            max_bytes: RawSize(defaults::MAX_BYTES.to_owned()),
            quotas: RawQuotas::default(),
            store: RawStore::default(),
        }
    }
}

impl Default for RawCookie {
    fn default() -> Self {
        Self {
            name: defaults::COOKIE_NAME.to_owned(),
            secured: defaults::SECURED,
            same_site: RawSameSite::Lax,
        }
    }
}

impl Default for RawQuotas {
    fn default() -> Self {
        Self { per_client: defaults::PER_CLIENT, per_master: defaults::PER_MASTER }
    }
}

impl Default for RawStore {
    fn default() -> Self {
        Self { kind: RawStoreKind::Embedded, path: None }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self { level: RawLevel::Info, format: RawFormat::Text }
    }
}

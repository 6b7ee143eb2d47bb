//! What the operator may write: one struct a mapping, one doc comment a key (`config.schema.json` is made
//! of them).
//!
//! Must not know: what a value means; that is `compile`'s. Nothing here has a `Debug`, because
//! the file may hold secrets. No key is required here: a missing one is reported with all the others.

mod admin;
mod applications;
mod assertion;
mod handlers;
mod listen;
mod mfa;
mod redis_store;
mod sessions;
mod slave;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw_value::{OneOrMany, Ordered};

pub use admin::RawAdmin;
pub use applications::{RawApplication, RawEffect, RawHours, RawRule};
pub use assertion::RawAssertion;
pub use handlers::{
    RawComparison, RawConditions, RawFlag, RawForward, RawHandler, RawMode, RawOnError,
    RawPosition, RawWhenUnknown,
};
pub use listen::{RawListen, RawTls};
pub use mfa::{
    RawKeyFile, RawLocal, RawMfa, RawNodeRole, RawNodeTls, RawPin, RawRegulation, RawServer,
    RawValidate,
};
pub use redis_store::{RawInvalidation, RawReplicas, RawSentinel, RawStoreTls};
pub use sessions::{RawCookie, RawSameSite, RawSessions, RawStore, RawStoreKind};
pub use slave::{RawCertificate, RawMaster, RawRole, RawSlave};

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
    /// Variables that are made of others, each with an expression in CEL over `user`, `realm`, `master`, `groups`
    /// (as the master sent them), exported variables and the macros above it: docs/expressions.md. Its value is a
    /// text, a number, true or false, or a list of texts. Default: none.
    pub macros: Ordered<String>,
    /// Groups with a condition each, an expression in CEL over the same and all macros; whoever meets it has the
    /// group in the variable `groups`, behind those that the master sent. Default: none.
    pub groups: Ordered<String>,
    /// The variable that names a user in proxies' access logs and the audit log: an exported one, a macro, or
    /// `user`. Default: `user`, the login, which is also taken where the variable is unset.
    #[schemars(with = "String")]
    pub trace_name: Option<String>,
    /// The life of sessions.
    pub sessions: RawSessions,
    /// Protected virtual hosts. Default: none.
    pub applications: Vec<RawApplication>,
    /// Who may use the admin listener's API.
    #[schemars(with = "RawAdmin")]
    pub admin: Option<RawAdmin>,
    /// Signed identity assertions, for applications with `assertion: true`. Default: none are signed.
    #[schemars(with = "RawAssertion")]
    pub assertion: Option<RawAssertion>,
    /// Second factors, and the nodes that check them. Default: none are checked.
    #[schemars(with = "RawMfa")]
    pub mfa: Option<RawMfa>,
    /// The operator's log.
    pub log: RawLog,
    /// The audit file: logins, logouts and switches. Default: audit lines go to the log.
    #[schemars(with = "RawAudit")]
    pub audit: Option<RawAudit>,
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

/// The operator's log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    /// The least important lines that are written. Default: `info`.
    pub level: RawLevel,
    /// `text` for people or `json` for machines. Default: `text`.
    pub format: RawFormat,
    /// Variables, macros among them, whose values may be shown where a refusal is explained afterwards.
    /// Default: none.
    pub variables: OneOrMany,
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

impl Default for RawLog {
    fn default() -> Self {
        Self { level: RawLevel::Info, format: RawFormat::Text, variables: OneOrMany::default() }
    }
}

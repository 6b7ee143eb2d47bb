//! `sessions`: their life, their cookies and their store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::defaults;
use crate::config::raw_value::{RawDuration, RawSecret, RawSize};

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

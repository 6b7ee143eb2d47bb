//! `sessions`: their life, their cookies and their store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::defaults;
use crate::config::raw::redis_store::{RawInvalidation, RawReplicas, RawSentinel, RawStoreTls};
use crate::config::raw_value::{OneOrMany, RawDuration, RawSecret, RawSize};

/// The life of sessions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSessions {
    /// The session cookies.
    pub cookie: RawCookie,
    /// The key of fingerprint sessions and of forms, at least 32 bytes: `{ file: ... }` (created if absent) or
    /// `{ env: ... }`. Or a list, to replace it (docs/keys.md): the first is used for what is new, and what was
    /// made with the others is still found. Default: `{ file: data/sessions.key }`.
    pub key: RawSecret,
    /// Encrypts what lies in the store, with at least 32 random bytes: `{ file: ... }` (created if absent; with
    /// `redis` it must exist) or `{ env: ... }`, on all nodes the same. Or a list, to replace it: the first encrypts, all of
    /// them decrypt. Default: records are not encrypted.
    #[schemars(with = "RawSecret")]
    pub encryption_key: Option<RawSecret>,
    /// Whether records that are not encrypted are believed. `true` while sessions of before `encryption_key` are
    /// to go on: who can write to the store can then make any session. Default: false.
    pub encryption_migrate: bool,
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
    /// How many sessions with a cookie a user has at most, in all browsers; the oldest end when one more is
    /// opened. 1 makes each login end the one before. Default: any number.
    #[schemars(with = "u32", range(min = 1))]
    pub max_per_user: Option<u32>,
    /// For how long after changes of sessions were heard of last a known session is served while a shared
    /// store cannot be asked, at the slave backend's level. A logout elsewhere may be missed for as long.
    /// Default: 0s, never.
    pub stale_max: RawDuration,
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
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawStore {
    /// `memory` (nothing survives a restart), `embedded` (a file) or `redis` (Redis or Valkey, which many nodes
    /// share). Default: `embedded`.
    pub kind: RawStoreKind,
    /// The embedded store's file; its folder is created if absent. Default: `data/sessions.redb`.
    #[schemars(with = "String")]
    pub path: Option<String>,
    /// One Redis server: `redis://host:port/database`, or `rediss://` for TLS. A URL with a password in it stands
    /// elsewhere: `{ file: ... }` or `{ env: ... }`.
    #[schemars(with = "RawSecret")]
    pub url: Option<RawSecret>,
    /// Some servers of a Redis Cluster; with `sentinel`, all sentinels. Each as `url`, without a password.
    #[schemars(with = "OneOrMany")]
    pub urls: Option<OneOrMany>,
    /// How sentinels are asked which server is the primary. Default: `urls` are a cluster.
    #[schemars(with = "RawSentinel")]
    pub sentinel: Option<RawSentinel>,
    /// The user that Redis knows. Default: the default user.
    #[schemars(with = "String")]
    pub username: Option<String>,
    /// The password of that user: `{ file: ... }` or `{ env: ... }`. Default: none.
    #[schemars(with = "RawSecret")]
    pub password: Option<RawSecret>,
    /// Certificates, with `rediss://` URLs. Default: the system's authorities, and none of our own.
    #[schemars(with = "RawStoreTls")]
    pub tls: Option<RawStoreTls>,
    /// What the names of all our keys and channels begin with; the same on all nodes. Default: `vouchsafe`.
    #[schemars(with = "String")]
    pub prefix: Option<String>,
    /// How long Redis may take for one call: a number with its unit, 10ms to 30s. Default: 500ms.
    #[schemars(with = "RawDuration")]
    pub timeout: Option<RawDuration>,
    /// On how many replicas a login, a logout or a factor is to be before it is answered. Default: `auto`, which is 1
    /// where the primary has had a replica in the last minute.
    #[schemars(with = "RawReplicas")]
    pub replicas: Option<RawReplicas>,
    /// How changes by other nodes are heard of; the same on all nodes. Default: `tracking`.
    #[schemars(with = "RawInvalidation")]
    pub invalidation: Option<RawInvalidation>,
}

/// A kind of store.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawStoreKind {
    /// In this process only.
    Memory,
    /// In a file.
    #[default]
    Embedded,
    /// In Redis or Valkey.
    Redis,
}

impl Default for RawSessions {
    fn default() -> Self {
        Self {
            cookie: RawCookie::default(),
            key: RawSecret::file(defaults::KEY_FILE),
            encryption_key: None,
            encryption_migrate: false,
            timeout: RawDuration(defaults::TIMEOUT.to_owned()),
            idle_timeout: RawDuration(defaults::IDLE_TIMEOUT.to_owned()),
            touch_interval: None,
            max_bytes: RawSize(defaults::MAX_BYTES.to_owned()),
            max_per_user: None,
            stale_max: RawDuration(defaults::STALE_MAX.to_owned()),
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

//! Every default of the configuration, in one place. The shipped file shows most of them.

/// `listen.public`
pub const PUBLIC: &str = "127.0.0.1:9080";
/// `slave.auth_level`
pub const AUTH_LEVEL: u8 = 2;
/// `slave.user_pattern`
pub const USER_PATTERN: &str = r"^[\w.\-@]+$";
/// `sessions.cookie.name`
pub const COOKIE_NAME: &str = "vouchsafe";
/// `sessions.cookie.secured`
pub const SECURED: u8 = 2;
/// `sessions.stale_max`
pub const STALE_MAX: &str = "0s";
/// `sessions.key.file`
pub const KEY_FILE: &str = "data/sessions.key";
/// A good name for `sessions.encryption_key`.
pub const ENCRYPTION_KEY_FILE: &str = "data/store.key";
/// `sessions.timeout`
pub const TIMEOUT: &str = "20h";
/// `sessions.idle_timeout`
pub const IDLE_TIMEOUT: &str = "1h";
/// `sessions.touch_interval`, unless a quarter of `idle_timeout` is shorter
pub const TOUCH_INTERVAL: std::time::Duration = std::time::Duration::from_mins(1);
/// `sessions.max_bytes`
pub const MAX_BYTES: &str = "512MiB";
/// `sessions.quotas.per_client`
pub const PER_CLIENT: u32 = 600;
/// `sessions.quotas.per_master`
pub const PER_MASTER: u32 = 60_000;
/// `sessions.store.path`
pub const STORE_PATH: &str = "data/sessions.redb";
/// `assertion.lifetime`
pub const ASSERTION_LIFETIME: &str = "2m";
/// `sessions.store.prefix`
pub const STORE_PREFIX: &str = "vouchsafe";
/// `sessions.store.timeout`
pub const STORE_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(500);
/// The port of a `redis` URL without one
pub const REDIS_PORT: u16 = 6379;
/// The same of a sentinel's
pub const SENTINEL_PORT: u16 = 26379;
/// What joins the values of a list that came without a separator.
pub const JOINER: &str = "; ";
/// `mfa.base`: the local node, which no server may be called.
pub const BASE: &str = "local";
/// `mfa.auth_level`
pub const MFA_LEVEL: u8 = 5;
/// `mfa.challenge_validity`
pub const CHALLENGE_VALIDITY: &str = "120s";
/// `mfa.regulation.free_failures`
pub const FREE_FAILURES: u32 = 5;
/// `mfa.regulation.pause`
pub const PAUSE: &str = "1s";
/// `mfa.regulation.longest_pause`
pub const LONGEST_PAUSE: &str = "5m";
/// `mfa.regulation.per_client`
pub const FAILURES_PER_CLIENT: u32 = 30;
/// `mfa.servers.*.connect_timeout`, unless `timeout` is shorter
pub const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
/// `mfa.servers.*.timeout`
pub const NODE_TIMEOUT: &str = "5s";
/// `mfa.servers.*.in_flight`
pub const IN_FLIGHT: u32 = 64;
/// `mfa.servers.*.breaker.failures`
pub const BREAKER_FAILURES: u32 = 5;
/// `mfa.servers.*.breaker.pause`
pub const BREAKER_PAUSE: &str = "30s";
/// `mfa.servers.*.probe_interval`
pub const PROBE_INTERVAL: &str = "30s";
/// `mfa.local.store.path`
pub const TOKEN_STORE_PATH: &str = "data/mfa.redb";
/// `mfa.local.key.file`
pub const TOKEN_KEY_FILE: &str = "data/mfa.key";
/// `mfa.local.default_realm`, unless a user has a realm
pub const REALM: &str = "local";
/// `mfa.local.max_fail`
pub const MAX_FAIL: u32 = 10;
/// `mfa.local.window`
pub const HOTP_WINDOW: u32 = 10;
/// `mfa.local.time_window`
pub const TIME_WINDOW: &str = "180s";

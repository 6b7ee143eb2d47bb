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
/// `sessions.key.file`
pub const KEY_FILE: &str = "data/sessions.key";
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
/// What joins the values of a list that came without a separator.
pub const JOINER: &str = "; ";

//! What an operator may set about sessions, checked.

use std::num::NonZeroU32;
use std::time::Duration;

/// The LemonLDAP::NG `securedCookie` modes (SEMANTICS S6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecuredMode {
    /// 0: one cookie without `Secure`.
    Unsecured,
    /// 1: one cookie with `Secure`.
    Secured,
    /// 2: a `Secure` cookie, and `<name>http` with an id and a session of its own for plain HTTP.
    DoubleCookie,
    /// 3: the same two cookies with two ids for one session.
    DoubleCookieOneSession,
}

/// The `SameSite` attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never sent from another site.
    Strict,
    /// Sent when the user navigates from another site.
    Lax,
    /// Always sent; browsers demand `Secure` with it.
    None,
}

/// The session cookies.
#[derive(Debug, Clone)]
pub struct CookieSettings {
    /// Base name: a token without `=` or `;`.
    pub name: Box<str>,
    /// Which cookies there are.
    pub secured: SecuredMode,
    /// Their `SameSite`.
    pub same_site: SameSite,
    /// Their `Domain`; `None` makes host-only cookies.
    pub domain: Option<Box<str>>,
}

/// How many sessions may be opened a minute (SEMANTICS S10).
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// By one client behind a master that reports its clients.
    pub per_client: NonZeroU32,
    /// By one master.
    pub per_master: NonZeroU32,
}

/// Everything about the life of sessions.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// The cookies.
    pub cookie: CookieSettings,
    /// A session never lives longer than this.
    pub timeout: Duration,
    /// Nor longer than this without being used.
    pub idle_timeout: Duration,
    /// `last_use` is written at most this often; at most a quarter of `idle_timeout`.
    pub touch_interval: Duration,
    /// Bound of the session cache, and of the memory store.
    pub max_bytes: u64,
    /// Bounds on opening.
    pub quotas: Quotas,
    /// How many cookie sessions a user has at most; `None` is any number.
    pub max_per_user: Option<NonZeroU32>,
    /// What is served while the store cannot be asked.
    pub stale: StaleSettings,
}

/// What a session is worth that may have been changed elsewhere (SEMANTICS O2).
#[derive(Debug, Clone, Copy)]
pub struct StaleSettings {
    /// For how long after it was known to be good; zero is never.
    pub max: Duration,
    /// The highest level that it has, the slave backend's.
    pub level: u8,
}

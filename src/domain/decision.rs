//! The answer: a closed set of decisions, each with one closed reason.
//!
//! A denial is a value here and an answer at the edge; it is never an error.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

macro_rules! reasons {
    ($($variant:ident = $text:literal, $class:ident, $meaning:literal;)*) => {
        /// Why a decision is what it is. Label of metrics, field of logs, row of `docs/reasons.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Reason { $(#[doc = $meaning] $variant),* }

        impl Reason {
            /// All reasons, in the order of their discriminants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The exact reason, for operators.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The class, all that clients learn.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class),* }
            }

            /// What happened and what to do, for the documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

reasons! {
    Session = "session", Allowed, "Allowed with the exports of a session.";
    Unprotected = "unprotected", Allowed, "Allowed for anybody by a rule `unprotect`; a session's exports are sent if there is one.";
    Skipped = "skipped", Allowed, "Allowed for anybody by a rule `skip`; no session was looked up.";
    LoggedOut = "logged_out", Allowed, "Logged out at the portal, or by the master.";
    LoginRequired = "login_required", Login, "No master asserted an identity and there is no cookie. The client must log in.";
    SessionUnknown = "session_unknown", Login, "The session cookie is not (or no longer) known: expired, ended long ago, from another installation, or made up.";
    SessionExpired = "session_expired", Login, "The session is older than `sessions.timeout` or was idle for longer than `sessions.idle_timeout`.";
    SessionEnded = "session_ended", Login, "The session was ended or replaced less than a minute ago.";
    MasterRequired = "master_required", Login, "The rule demands that a master asserts the identity on each request, and none did.";
    ConflictingSessions = "conflicting_sessions", Login, "Two different live sessions came under one cookie name; both were ended. Look for a foreign cookie on a parent domain.";
    LevelTooLow = "level_too_low", FactorNeeded, "The session's level is lower than what is demanded. A second factor can raise it.";
    FactorTooOld = "factor_too_old", FactorNeeded, "The rule demands that a second factor was checked for this session no longer than `factor_max_age` ago, and none was. Have a second factor checked (again).";
    FactorAccepted = "factor_accepted", Allowed, "A second factor was accepted.";
    FactorRefused = "factor_refused", FactorRefused, "No node accepted the second factor: it is wrong, its token is locked, disabled or unknown, or it was declined on the other device. The node's own log tells which.";
    FactorUserMismatch = "factor_user_mismatch", FactorRefused, "The credentials in `Authorization` are of another user than the session; no node was asked.";
    FactorWithoutToken = "factor_without_token", FactorRefused, "A node accepted, but named no token: several of the user's tokens match, or its policy lets users without tokens pass. Set `mfa.accept_without_serial` if that shall count.";
    FactorPending = "factor_pending", FactorPending, "A challenge has to be answered first, or a node has not answered yet. Send the same again, or answer the challenge.";
    FactorThrottled = "factor_throttled", Throttled, "Too many second factors were refused for this user, or for this client; see `mfa.regulation`.";
    FactorUnavailable = "factor_unavailable", Unavailable, "No node told whether the second factor is right: one that might have accepted it is down or gave no definite answer. See the log, and `vouchsafe node test`.";
    CallerNotAdmitted = "caller_not_admitted", Forbidden, "A caller of `/validate/*` is not in `mfa.api.callers`, or presents none of `mfa.api.keys`.";
    MalformedQuestion = "malformed_question", BadRequest, "A request to `/validate/*` cannot be read, or a parameter is missing.";
    LogoutByRule = "logout_by_rule", Login, "A rule with effect `logout` matched; the client is sent to the portal's logout.";
    UntrustedPeer = "untrusted_peer", Forbidden, "The asking address is not in `trusted_proxies`, or asks on a unix socket while `unix` is not in it. Add the proxy, or find out who is asking.";
    NoClientAddress = "no_client_address", BadRequest, "The proxy did not report the client's address, and a unix socket's peer has none of its own. Set X-Forwarded-For in the proxy.";
    MalformedForwardedFor = "malformed_forwarded_for", BadRequest, "X-Forwarded-For holds something that is not an address.";
    DuplicateHeader = "duplicate_header", BadRequest, "A header that decides stands twice. Somebody adds it in front of the proxy, or the proxy appends instead of replacing.";
    AliasedHeader = "aliased_header", BadRequest, "A header that programs confuse with one that decides (`_` or `.` for `-`).";
    ReservedHeader = "reserved_header", BadRequest, "The client sent a header in the reserved X-Vouchsafe- name space that the shipped proxy files do not remove.";
    MissingInput = "missing_input", BadRequest, "The proxy did not report method, host or URI. Include the shipped snippet unchanged.";
    MalformedMethod = "malformed_method", BadRequest, "The reported method is not a token.";
    MalformedScheme = "malformed_scheme", BadRequest, "X-Forwarded-Proto is neither http nor https.";
    MalformedHost = "malformed_host", BadRequest, "The reported host is not one host name.";
    UnknownApplication = "unknown_application", Forbidden, "The proxy names an application that is not configured (`context_extensions`).";
    UnknownHost = "unknown_host", Forbidden, "No application has this host. Add it to `applications[].hosts`.";
    MalformedTarget = "malformed_target", BadRequest, "The reported URI is not a path, is too long, or holds control bytes.";
    AmbiguousPath = "ambiguous_path", BadRequest, "The path can be read in two ways (dot segments, encoded slashes, parameters, double encoding).";
    MasterAddress = "master_address", MasterRefused, "The login came from an address that is no master's (`slave.masters[].ips`).";
    ControlMissing = "control_missing", MasterRefused, "The login came without the control header.";
    ControlMismatch = "control_mismatch", MasterRefused, "The control header is there and wrong. Compare the secret on both sides; somebody may be guessing.";
    CertificateMismatch = "certificate_mismatch", MasterRefused, "The certificate header is missing or does not match the master's pattern.";
    LoginMissing = "login_missing", MasterRefused, "The master sent no login header, or an empty one.";
    MalformedLogin = "malformed_login", MasterRefused, "The login does not match `slave.user_pattern`, is too long, or is not UTF-8.";
    MalformedAttribute = "malformed_attribute", MasterRefused, "An exported variable is not what its `encoding` says; `utf8` if it says nothing.";
    OversizedAttribute = "oversized_attribute", MasterRefused, "An exported variable is larger than docs/limits.md allows.";
    ChoiceMissing = "choice_missing", Login, "The portal was asked without a known `lmAuth`, which `portal.choice` demands.";
    RuleDenied = "rule_denied", Forbidden, "A rule with effect `deny` matched.";
    RuleFailed = "rule_failed", Forbidden, "The expression (`when`) of a rule, or a macro or group that the rule asks for, has no value, so the rule denies. The log names the rule's line and the cause.";
    NoRuleMatched = "no_rule_matched", Forbidden, "No rule of the application matched; what is not allowed is denied.";
    Throttled = "throttled", Throttled, "More sessions were opened than `sessions.quotas` allows.";
    LoginLoop = "login_loop", Login, "The browser came back from the portal again and again without the session cookie. Compare the cookie's domain and Secure attribute with the page's host and scheme.";
    BadReturnUrl = "bad_return_url", BadRequest, "`url=` is not base64, or not one absolute http(s) URL that all programs read alike.";
    ForeignReturnUrl = "foreign_return_url", BadRequest, "`url=` leads to a host that is no application's, or carries a user. Add it to `portal.trusted_domains` if it is yours.";
    CrossSite = "cross_site", Forbidden, "A page of another site made the browser send this to the portal.";
    MethodNotAllowed = "method_not_allowed", BadRequest, "The portal does not answer this method.";
    OversizedForm = "oversized_form", BadRequest, "The body of a portal request is larger than docs/limits.md allows.";
    MalformedForm = "malformed_form", BadRequest, "The body of a portal request could not be read.";
    Maintenance = "maintenance", Unavailable, "The application is in maintenance: by its key `maintenance`, or by a rule with that effect.";
    StoreFailed = "store_failed", Unavailable, "The session store did not answer. See the log for the cause.";
    Unconfirmed = "unconfirmed", Unavailable, "A login, logout or factor was written, but no replica of the session store confirmed it in time, so that it may be lost; the client was told to try again.";
    Full = "full", Unavailable, "The session store is full (`sessions.max_bytes`, or the server's `maxmemory`); new sessions are refused before live ones are evicted.";
    AssertionFailed = "assertion_failed", Unavailable, "The identity assertion could not be signed, because the system gives no randomness.";
    AuditFailed = "audit_failed", Unavailable, "The audit log could not be written; logins wait for it and then fail closed.";
}

/// What a client may learn about a decision (`X-Vouchsafe-Reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Not a refusal.
    Allowed,
    /// Log in.
    Login,
    /// The master was not believed.
    MasterRefused,
    /// A second factor is needed.
    FactorNeeded,
    /// The second factor was not accepted.
    FactorRefused,
    /// The second factor waits for something.
    FactorPending,
    /// Not for you.
    Forbidden,
    /// The question itself was wrong.
    BadRequest,
    /// Later.
    Throttled,
    /// We failed, not you.
    Unavailable,
}

impl Class {
    /// The value of `X-Vouchsafe-Reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Login => "login",
            Self::MasterRefused => "master-refused",
            Self::FactorNeeded => "factor-needed",
            Self::FactorRefused => "factor-refused",
            Self::FactorPending => "factor-pending",
            Self::Forbidden => "forbidden",
            Self::BadRequest => "bad-request",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
        }
    }
}

/// One header to set on the request that goes on to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedHeader {
    /// The name, lower case; shared by every session.
    pub name: Arc<str>,
    /// The value, free of control bytes, in the encoding that the application wants; empty when the
    /// identity has none.
    pub value: Bytes,
}

/// All exports of one application for one identity, each name exactly once, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportedHeaders {
    /// The headers.
    pub headers: Box<[ExportedHeader]>,
    /// Whose they are; `None` for nobody.
    pub subject: Option<Subject>,
}

/// Who was allowed, for a proxy's access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The login, or what `trace_name` calls the user; cloning it shares the bytes.
    pub user: Bytes,
    /// The level.
    pub level: u8,
    /// The session's short form; no cookie can be made from it.
    pub session: Box<str>,
}

/// The Cookie header as it goes on to an application: without our own cookies (SEMANTICS M6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookiesLeft {
    /// None of ours was in it.
    Unchanged,
    /// What is left, as one header.
    Some(Vec<u8>),
    /// Nothing is left.
    Nothing,
}

/// A signed token that says who is asking, to one application.
#[derive(Clone, PartialEq, Eq)]
pub struct Assertion(Bytes);

impl Assertion {
    /// Takes a token in its compact form: letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self(token.into())
    }

    /// The token; cloning the bytes shares them.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl std::fmt::Debug for Assertion {
    /// Whoever has the token is believed until it expires.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assertion(..)")
    }
}

/// A cookie to hand to the client, complete with its attributes.
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie(pub String);

impl std::fmt::Debug for SetCookie {
    /// The name only: the value is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetCookie({}=..)", self.0.split('=').next().unwrap_or_default())
    }
}

/// What an allowed request takes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Why: a session, `unprotect` or `skip`.
    pub reason: Reason,
    /// The application's place in the configuration.
    pub application: u32,
    /// The application's headers; empty values where there is no identity.
    pub exports: Arc<ExportedHeaders>,
    /// The same signed, where there is an identity and the application wants it (R5).
    pub assertion: Option<Assertion>,
    /// Cookies of a session that this answer opened; nearly always none.
    pub cookies: Vec<SetCookie>,
    /// For how long the same question may be given this answer without asking; nearly always zero (D5).
    pub reuse: Duration,
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Let it through.
    Allow(Grant),
    /// Send the client to the portal.
    Challenge(Reason),
    /// Refuse it.
    Deny(Reason),
    /// We cannot tell; the proxy must fail closed.
    Unavailable(Reason),
}

impl Decision {
    /// The one reason of this decision.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Allow(grant) => grant.reason,
            Self::Challenge(reason) | Self::Deny(reason) | Self::Unavailable(reason) => *reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reasons_have_distinct_names_fit_for_a_label() {
        let names: HashSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn discriminants_index_the_table() {
        assert!(Reason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
    }

    #[test]
    fn a_token_is_not_printed() {
        assert_eq!(format!("{:?}", Assertion::new("a.b.c".into())), "Assertion(..)");
    }

    #[test]
    fn a_cookie_value_is_not_printed() {
        assert_eq!(format!("{:?}", SetCookie("a=secret; Path=/".into())), "SetCookie(a=..)");
    }
}

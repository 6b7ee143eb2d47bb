//! `mfa`: second factors, the nodes that check them, and who may ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::defaults;
use crate::config::raw::handlers::RawHandler;
use crate::config::raw_value::{OneOrMany, Ordered, RawDuration, RawSecret};

/// Second factors.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawMfa {
    /// The node that is asked between `pre` and `post` handlers: `local`, or a server with role `parent`.
    /// Default: `local`.
    pub base: String,
    /// Who may ask `/validate/*`. Default: nobody, there is no such path.
    #[schemars(with = "RawValidate")]
    pub api: Option<RawValidate>,
    /// What a checked factor raises the session to. Default: 5.
    pub auth_level: u8,
    /// Whether a success without a serial (several tokens matched) counts as a factor. Default: false.
    pub accept_without_serial: bool,
    /// The RSA key that signs our answers on `/validate/*`: `{ file: ... }`, PEM, created if absent. Default: they
    /// are not signed.
    #[schemars(with = "RawKeyFile")]
    pub signing_key: Option<RawKeyFile>,
    /// How long one of our challenges can be answered. Default: `120s`.
    pub challenge_validity: RawDuration,
    /// Realms besides those of masters, users and conditions, which are cut off a login (`user@realm`) where a
    /// handler sets another one. Default: none.
    pub realms: OneOrMany,
    /// Other nodes, by name: 1 to 64 of `A-Z a-z 0-9 . _ -`, not `local`. Default: none.
    pub servers: Ordered<RawServer>,
    /// When which of them is asked. Default: none, so only the base is.
    pub handlers: Vec<RawHandler>,
    /// The embedded node. Default: as it is when everything in it is left out if `base` is `local`, else none.
    #[schemars(with = "RawLocal")]
    pub local: Option<RawLocal>,
    /// What slows down guessing.
    pub regulation: RawRegulation,
}

/// Who may ask `/validate/*`: who is in `callers` and has one of the `keys`, as far as they are given; at least one
/// of the two is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawValidate {
    /// Where callers are: addresses and CIDR networks. Default: empty, which is not checked.
    pub callers: OneOrMany,
    /// What callers must present (`Authorization: KEY` or `Bearer KEY`), any of them: a text, `{ file: ... }`,
    /// `{ env: ... }`, or a list of them; at least 16 characters each. Default: none, which is not checked; then
    /// `/validate/triggerchallenge` is refused.
    #[schemars(with = "RawSecret")]
    pub keys: Option<RawSecret>,
    /// Callers whose parameter `client` is believed: addresses and CIDR networks. Default: none.
    pub override_client: OneOrMany,
}

/// A key in a file.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawKeyFile {
    /// The file. Required.
    #[schemars(with = "String")]
    pub file: Option<String>,
}

/// What slows down guessing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRegulation {
    /// Failures in a row that cost a user nothing. Default: 5.
    pub free_failures: u32,
    /// The pause after the first failure above that; it doubles with each further one. Default: `1s`.
    pub pause: RawDuration,
    /// The longest pause. Default: `5m`.
    pub longest_pause: RawDuration,
    /// Failures of one client, whichever users it tries; a minute. Default: 30.
    #[schemars(range(min = 1))]
    pub per_client: u32,
}

// === Servers ===

/// Another MFA node.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawServer {
    /// Where it is: an absolute `http` or `https` URL. Required.
    #[schemars(with = "String")]
    pub url: Option<String>,
    /// Whether it may be the base: `parent` or `child`. Default: `child`.
    pub role: RawNodeRole,
    /// How its certificate is checked. Default: against the authorities that the system trusts.
    #[schemars(with = "RawNodeTls")]
    pub tls: Option<RawNodeTls>,
    /// A connection that takes longer is given up; at most `timeout`. Default: `2s`, or `timeout` if that is
    /// shorter.
    #[schemars(with = "RawDuration")]
    pub connect_timeout: Option<RawDuration>,
    /// A question that takes longer, connection included, is given up. Default: `5s`.
    pub timeout: RawDuration,
    /// Questions on their way at a time; further ones count as not sent. Default: 64.
    #[schemars(range(min = 1))]
    pub in_flight: u32,
    /// When it is not asked for a while.
    pub breaker: RawBreaker,
    /// How often it is asked whether it lives. Default: `30s`.
    pub probe_interval: RawDuration,
    /// What it wants in `Authorization`: a text, `{ file: ... }` or `{ env: ... }`. Default: nothing.
    #[schemars(with = "RawSecret")]
    pub api_key: Option<RawSecret>,
    /// A PEM file with its public RSA key; then an answer that it did not sign counts as unknown. Default: answers
    /// need no signature.
    #[schemars(with = "String")]
    pub signature_key: Option<String>,
}

/// What a server may be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawNodeRole {
    /// It may be the base, too.
    Parent,
    /// It is asked through handlers only.
    Child,
}

/// How a server's certificate is checked, and what we show of ourselves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawNodeTls {
    /// Whether it is checked at all. Default: true.
    pub verify: bool,
    /// A PEM file with the authorities that may have issued it. Default: those that the system trusts.
    #[schemars(with = "String")]
    pub ca: Option<String>,
    /// A PEM file with our own certificate, for a server that wants one; with `client_key`. Default: none.
    #[schemars(with = "String")]
    pub client_certificate: Option<String>,
    /// A PEM file with the private key of `client_certificate`. Default: none.
    #[schemars(with = "String")]
    pub client_key: Option<String>,
}

/// When a server is not asked for a while.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawBreaker {
    /// After this many failures in a row. Default: 5.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// For this long; then one question tries it. Default: `30s`.
    pub pause: RawDuration,
}

// === The local node ===

/// The embedded node.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawLocal {
    /// The users, a file that is read at start. `.yaml`, `.yml`: a list of `{ user, realm, resolver, attributes }`;
    /// `.csv`: columns `user`, `realm`, `resolver`, and one for each attribute. Default: whoever has a token is one.
    #[schemars(with = "String")]
    pub users: Option<String>,
    /// Where tokens are kept.
    pub store: RawTokenStore,
    /// The key that tokens are encrypted with, at least 32 bytes: `{ file: ... }` (created if absent) or
    /// `{ env: ... }`. Default: `{ file: data/mfa.key }`.
    pub key: RawSecret,
    /// The realm of a question that names none. Default: that of the first user who has one, or else `local`.
    #[schemars(with = "String")]
    pub default_realm: Option<String>,
    /// Whether a PIN stands in front of an OTP or behind it. Default: `front`.
    pub pin: RawPin,
    /// Types of tokens, of `hotp` and `totp`, that ask for their OTP in a second step once the PIN alone was right.
    /// Default: none.
    pub challenge_response: OneOrMany,
    /// Failures after which a token is locked. Default: 10.
    #[schemars(range(min = 1))]
    pub max_fail: u32,
    /// After this long without a failure a lock is lifted. Default: never, an administrator lifts it.
    #[schemars(with = "RawDuration")]
    pub fail_reset: Option<RawDuration>,
    /// HOTP values that are tried: 1 to 1000. Default: 10.
    #[schemars(range(min = 1, max = 1000))]
    pub window: u32,
    /// How far a TOTP token's clock may be off, in either direction: at most `1h`. Default: `180s`.
    pub time_window: RawDuration,
    /// Whether two values in a row that are further off set the counter or clock right. Default: false.
    pub auto_resync: bool,
}

/// Where a PIN stands.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPin {
    /// In front of the OTP.
    Front,
    /// Behind it.
    Behind,
}

/// Where tokens are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTokenStore {
    /// The file; its folder is created if absent. Default: `data/mfa.redb`.
    pub path: String,
}

// === Defaults ===

fn span(written: &str) -> RawDuration {
    RawDuration(written.to_owned())
}

impl Default for RawMfa {
    fn default() -> Self {
        Self {
            base: defaults::BASE.to_owned(),
            api: None,
            auth_level: defaults::MFA_LEVEL,
            accept_without_serial: false,
            signing_key: None,
            challenge_validity: span(defaults::CHALLENGE_VALIDITY),
            realms: OneOrMany::default(),
            servers: Ordered::default(),
            handlers: Vec::new(),
            local: None,
            regulation: RawRegulation::default(),
        }
    }
}

impl Default for RawRegulation {
    fn default() -> Self {
        Self {
            free_failures: defaults::FREE_FAILURES,
            pause: span(defaults::PAUSE),
            longest_pause: span(defaults::LONGEST_PAUSE),
            per_client: defaults::FAILURES_PER_CLIENT,
        }
    }
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            url: None,
            role: RawNodeRole::Child,
            tls: None,
            connect_timeout: None,
            timeout: span(defaults::NODE_TIMEOUT),
            in_flight: defaults::IN_FLIGHT,
            breaker: RawBreaker::default(),
            probe_interval: span(defaults::PROBE_INTERVAL),
            api_key: None,
            signature_key: None,
        }
    }
}

impl Default for RawNodeTls {
    fn default() -> Self {
        Self { verify: true, ca: None, client_certificate: None, client_key: None }
    }
}

impl Default for RawBreaker {
    fn default() -> Self {
        Self { failures: defaults::BREAKER_FAILURES, pause: span(defaults::BREAKER_PAUSE) }
    }
}

impl Default for RawLocal {
    fn default() -> Self {
        Self {
            users: None,
            store: RawTokenStore::default(),
            key: RawSecret::file(defaults::TOKEN_KEY_FILE),
            default_realm: None,
            pin: RawPin::Front,
            challenge_response: OneOrMany::default(),
            max_fail: defaults::MAX_FAIL,
            fail_reset: None,
            window: defaults::HOTP_WINDOW,
            time_window: span(defaults::TIME_WINDOW),
            auto_resync: false,
        }
    }
}

impl Default for RawTokenStore {
    fn default() -> Self {
        Self { path: defaults::TOKEN_STORE_PATH.to_owned() }
    }
}

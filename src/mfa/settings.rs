//! What an operator may set about nodes and handlers, checked.
//!
//! Names refer to each other here; that they exist was found out at load.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use crate::domain::network::Networks;
use crate::domain::node::Event;
use crate::domain::secret::Secret;

/// The federation as a whole.
#[derive(Debug)]
pub struct FederationSettings {
    /// The node asked between `pre` and `post` handlers.
    pub base: Base,
    /// The servers, in the order of the file.
    pub servers: Vec<ServerSettings>,
    /// The handlers, by `order`, those of equal order as in the file.
    pub handlers: Vec<HandlerSettings>,
    /// Realms that are cut off a user's name, behind its last `@`, where a handler sets another realm: those of
    /// masters, users and conditions. Lower case.
    pub realms: Vec<Box<str>>,
    /// How long one of our challenges can be answered.
    pub challenge_validity: Duration,
}

/// The node asked first, unless a handler at `pre` has settled the question (F2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The embedded one.
    Local,
    /// This server, by its place in [`FederationSettings::servers`].
    Server(usize),
}

/// What a server is to us; only for the operator's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It may be the base.
    Parent,
    /// It is asked through handlers only.
    Child,
}

/// One server.
#[derive(Debug)]
pub struct ServerSettings {
    /// Its name, which factors carry.
    pub name: Arc<str>,
    /// `http` or `https`, no query, no user, no slash at the end.
    pub url: Box<str>,
    /// What it is to us.
    pub role: Role,
    /// How its certificate is checked; ignored for `http`.
    pub tls: NodeTls,
    /// A connection that takes longer is given up.
    pub connect_timeout: Duration,
    /// A question that takes longer, connection included, is given up.
    pub timeout: Duration,
    /// Questions on their way at a time; further ones count as not sent.
    pub in_flight: NonZeroUsize,
    /// When it is not asked for a while.
    pub breaker: BreakerSettings,
    /// How often it is asked whether it lives.
    pub probe_interval: Duration,
    /// What it wants in `Authorization`.
    pub api_key: Option<Secret>,
    /// Its public key, PEM: an answer that it did not sign counts as unknown.
    pub signature_key: Option<Box<str>>,
}

/// How a server's certificate is checked. Everything is PEM, found to be readable at load.
#[derive(Debug, Default)]
pub struct NodeTls {
    /// Do not check it at all.
    pub is_unverified: bool,
    /// Who may have issued it, instead of those that the system trusts.
    pub ca: Option<Box<[u8]>>,
    /// Our own certificates and key.
    pub client: Option<(Box<[u8]>, Secret)>,
}

/// When a server is not asked for a while.
#[derive(Debug, Clone, Copy)]
pub struct BreakerSettings {
    /// After this many failures in a row.
    pub failures: u32,
    /// For this long; then one question tries it.
    pub pause: Duration,
}

/// When a handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before the base; its answer counts.
    Pre,
    /// After the base, on the answer so far.
    Post,
}

/// What happens after a server that was provably not asked (F4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The walk goes on.
    Next,
    /// The walk ends; the question is not answered.
    Fail,
}

/// Whether handlers that stand together are asked one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One after the other.
    Sequence,
    /// Those that stand together at once; the first challenge or acceptance counts. Never for a check (F4).
    Race,
}

/// One event handler (F3). Its action is to forward, which is the only one.
#[derive(Debug)]
pub struct HandlerSettings {
    /// Its name, for people.
    pub name: Box<str>,
    /// Whether it runs at all.
    pub is_active: bool,
    /// What it listens for; never empty.
    pub events: Vec<Event>,
    /// When it runs.
    pub position: Position,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// Whether a condition about a token that is not known, or not one, holds.
    pub unknown_matches: bool,
    /// What happens after a server that was provably not asked.
    pub on_error: OnError,
    /// Whether handlers that stand together are asked at once.
    pub mode: Mode,
    /// How it forwards.
    pub forward: ForwardSettings,
}

/// How a question is forwarded. Holds for this handler's question alone.
#[derive(Debug)]
pub struct ForwardSettings {
    /// The server, by its place in [`FederationSettings::servers`].
    pub server: usize,
    /// Whether the client's address goes along.
    pub client_ip: bool,
    /// The realm instead of the question's.
    pub realm: Option<Box<str>>,
    /// The resolver instead of the question's.
    pub resolver: Option<Box<str>>,
    /// Whether the caller's own Authorization goes along (F9).
    pub authorization: bool,
}

/// A condition of a handler, named as eduMFA names it.
#[derive(Debug)]
pub enum Condition {
    /// `result_value`: whether the answer so far accepts; no answer does not.
    ResultValue(bool),
    /// `result_status`: whether there is an answer so far and it is no error.
    ResultStatus(bool),
    /// `result_authentication`: the answer so far in one word.
    ResultAuthentication(Authentication),
    /// `realm` of the user is one of these, byte for byte.
    Realm(Vec<Box<str>>),
    /// `resolver` of the user is one of these, byte for byte.
    Resolver(Vec<Box<str>>),
    /// `client_ip` lies in the first and not in the second; an unknown address in neither.
    ClientIp(Networks, Networks),
    /// `logged_in_user`: who asks. `/validate/*` and the portal count as a user.
    LoggedInUser(LoggedIn),
    /// `detail_message` of the answer so far matches somewhere.
    DetailMessage(Regex),
    /// `detail_error_message` of the answer so far, which only an error has, matches somewhere.
    DetailErrorMessage(Regex),
    /// `user_token_number`: how many tokens the user has.
    UserTokenNumber(Comparison),
    /// `serial` of the token concerned matches from its beginning.
    Serial(Regex),
    /// `tokentype` is one of these.
    TokenType(Vec<Box<str>>),
    /// `tokenrealm`: one of the token's realms is one of these.
    TokenRealm(Vec<Box<str>>),
    /// `tokenresolver`: its owner's resolver is one of these.
    TokenResolver(Vec<Box<str>>),
    /// `token_locked`: whether its fail counter is at its maximum.
    TokenLocked(bool),
    /// `token_has_owner`.
    TokenHasOwner(bool),
    /// `token_is_orphaned`: whether its owner does not exist any more.
    TokenIsOrphaned(bool),
    /// `token_validity_period`: whether now lies in it.
    TokenIsValid(bool),
    /// `otp_counter`.
    OtpCounter(Comparison),
    /// `failcounter`.
    FailCounter(Comparison),
    /// `count_auth`: how often it was tried.
    CountAuth(Comparison),
    /// `count_auth_success`.
    CountAuthSuccess(Comparison),
    /// `count_auth_fail`.
    CountAuthFail(Comparison),
    /// `last_auth`: its last success is longer ago than this; one that never had any is not.
    LastAuth(Duration),
    /// `rollout_state`; empty is a token that is ready.
    RolloutState(Box<str>),
    /// `tokeninfo`: what is noted about it under a key.
    TokenInfo(Box<str>, Operator, Box<str>),
}

/// `result.authentication`, in eduMFA's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Accepted.
    Accept,
    /// A challenge has to be answered.
    Challenge,
    /// Declined on the other device.
    Declined,
    /// Everything else.
    Reject,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedIn {
    /// An administrator; never, as administrators' requests are not forwarded.
    Admin,
    /// Anybody else.
    User,
}

/// A number compared with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// How.
    pub operator: Operator,
    /// With what.
    pub number: i64,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`, `==`, or nothing.
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`, `=<`
    AtMost,
    /// `>`
    Greater,
    /// `>=`, `=>`
    AtLeast,
}

impl Operator {
    /// Whether `left` is to `right` as it says.
    #[must_use]
    pub fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

// === The local node ===

/// The local node (F12).
#[derive(Debug)]
pub struct LocalSettings {
    /// The users; `None` if everybody who has a token is one.
    pub users: Option<Users>,
    /// The realm of a question that names none.
    pub default_realm: Box<str>,
    /// Whether a PIN stands in front of an OTP, or behind it.
    pub pin: PinPosition,
    /// Types of tokens that ask for their OTP in a second step, once the PIN alone was right.
    pub challenge_response: Vec<TokenKind>,
    /// Failures after which a token is locked, for tokens that have no number of their own.
    pub max_fail: u32,
    /// After this long without a failure a lock is lifted; `None`: only an administrator lifts it.
    pub fail_reset: Option<Duration>,
    /// HOTP values that are tried.
    pub window: u32,
    /// TOTP: how far the token's clock may be off, in either direction.
    pub time_window: Duration,
    /// Whether two values in a row that are further off set the counter or clock right.
    pub auto_resync: bool,
}

/// Where the PIN stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinPosition {
    /// In front of the OTP.
    Front,
    /// Behind it.
    Behind,
}

/// The types of tokens that the local node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// RFC 4226, by a counter.
    Hotp,
    /// RFC 6238, by the time.
    Totp,
    /// The PIN alone.
    Spass,
    /// A static password.
    Password,
}

impl TokenKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Hotp, Self::Totp, Self::Spass, Self::Password];

    /// The name, as eduMFA has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hotp => "hotp",
            Self::Totp => "totp",
            Self::Spass => "spass",
            Self::Password => "pw",
        }
    }

    /// The kind of this name, in any case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// The users of the local node, as their file has them.
#[derive(Debug, Default)]
pub struct Users(pub Vec<User>);

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: Box<str>,
    /// The realm, lower case.
    pub realm: Box<str>,
    /// The resolver.
    pub resolver: Box<str>,
    /// What samlcheck tells about the user.
    pub attributes: Vec<(Box<str>, Box<str>)>,
}

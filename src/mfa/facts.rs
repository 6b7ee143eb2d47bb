//! What is known of a user and of the token concerned, for conditions. `None` everywhere means: not known.

use crate::domain::node::Answer;
use crate::domain::time::Timestamp;

/// What is known of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The user's resolver.
    pub resolver: Option<Box<str>>,
    /// How many tokens the user has.
    pub tokens: Option<i64>,
    /// The token concerned: the one that was asked about, else the user's only one.
    pub token: Option<TokenFacts>,
}

/// What is known of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// Its serial.
    pub serial: Option<Box<str>>,
    /// Its type.
    pub token_type: Option<Box<str>>,
    /// Its realms.
    pub realms: Option<Vec<Box<str>>>,
    /// Its owner's resolver.
    pub resolver: Option<Box<str>>,
    /// Whether its fail counter is at its maximum.
    pub is_locked: Option<bool>,
    /// Whether somebody has it.
    pub has_owner: Option<bool>,
    /// Whether its owner is no user any more.
    pub is_orphaned: Option<bool>,
    /// Whether now lies in its validity period.
    pub is_valid: Option<bool>,
    /// The next counter, or the last step.
    pub otp_counter: Option<i64>,
    /// Failures since the last success.
    pub fail_counter: Option<i64>,
    /// How often it was tried.
    pub count_auth: Option<i64>,
    /// How often with success.
    pub count_auth_success: Option<i64>,
    /// How often without.
    pub count_auth_fail: Option<i64>,
    /// When it succeeded the last time.
    pub last_auth: LastAuth,
    /// How far its enrolment is; empty is done.
    pub rollout_state: Option<Box<str>>,
    /// What is noted about it.
    pub info: Option<Vec<(Box<str>, Box<str>)>>,
}

/// When a token succeeded the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastAuth {
    /// Not known.
    #[default]
    Unknown,
    /// It never did.
    Never,
    /// Then.
    At(Timestamp),
}

impl Facts {
    /// What a foreign node's `answer` tells of the token.
    #[must_use]
    pub fn told_by(answer: &Answer) -> Self {
        let told = |text: &str| (!text.is_empty()).then(|| text.into());
        let (serial, token_type) = (told(&answer.serial), told(&answer.token_type));
        let token = serial.is_some() || token_type.is_some();
        let token = token.then(|| TokenFacts { serial, token_type, ..TokenFacts::default() });
        Self { resolver: None, tokens: None, token }
    }
}

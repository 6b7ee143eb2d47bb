//! MFA nodes: what one is asked and what it answers, in nobody's wire format.
//!
//! A node is the local one or a server; both are asked the same and answer the same. Texts of an answer are a
//! foreign node's word: bounded, unverified, shown escaped.

use std::net::IpAddr;

use crate::domain::identity::SessionKey;
use crate::domain::secret::Secret;

/// What a node is asked to do; also what a handler listens for (SEMANTICS F3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Event {
    /// Check a secret, or the answer to a challenge.
    Check,
    /// Trigger challenges without a secret.
    Trigger,
    /// Say whether a challenge was answered elsewhere, by a push.
    Poll,
}

impl Event {
    /// All events, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Check, Self::Trigger, Self::Poll];

    /// The name, as eduMFA has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "validate_check",
            Self::Trigger => "validate_triggerchallenge",
            Self::Poll => "validate_poll_transaction",
        }
    }
}

/// Who asks, as far as challenges are concerned: only the same one may answer them (SEMANTICS F6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder<'a> {
    /// A session; its challenges die with it.
    Session(SessionKey),
    /// A caller of `/validate/*`: the key that it presented, else its address.
    Caller(&'a str),
}

/// One question to the federation, or to one node of it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What to do.
    pub event: Event,
    /// Whose second factor it is; empty if only a serial was given.
    pub user: &'a str,
    /// The user's realm; empty means the node's default.
    pub realm: &'a str,
    /// The user's resolver; empty means any.
    pub resolver: &'a str,
    /// The one token to check; empty means any of the user's.
    pub serial: &'a str,
    /// Only tokens of this type; empty means any.
    pub token_type: &'a str,
    /// PIN and OTP, or the answer to a challenge.
    pub secret: Option<&'a Secret>,
    /// The challenge that is answered or polled, as we gave it out; empty means none.
    pub transaction: &'a str,
    /// Whether what is known of the user is wanted, too: samlcheck.
    pub attributes: bool,
    /// Check the OTP alone, without a PIN (F10).
    pub otp_only: bool,
    /// The end user's address, if it is known.
    pub client: Option<IpAddr>,
    /// Who asks.
    pub holder: Holder<'a>,
    /// The caller's own Authorization, for handlers that forward it; never one that admitted the caller.
    pub authorization: Option<&'a Secret>,
    /// The nodes that this question came through, as the hop marker tells (F8); empty for a first one.
    pub hops: &'a str,
}

impl<'a> Question<'a> {
    /// A question about nobody yet.
    #[must_use]
    pub const fn new(event: Event, holder: Holder<'a>) -> Self {
        Self {
            event,
            user: "",
            realm: "",
            resolver: "",
            serial: "",
            token_type: "",
            secret: None,
            transaction: "",
            attributes: false,
            otp_only: false,
            client: None,
            holder,
            authorization: None,
            hops: "",
        }
    }
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// The secret is right; the push was confirmed.
    Accepted,
    /// The user has to answer a challenge first.
    Challenged,
    /// Wrong secret, or nothing to check it against; a poll finds no answer yet.
    Rejected,
    /// The user declined, on the other device.
    Declined,
    /// The node does not know the user, the realm or the serial.
    NotMine,
    /// The node's policy does not let it answer.
    Refused,
}

impl Verdict {
    /// All verdicts, in the order of their discriminants.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Challenged,
        Self::Rejected,
        Self::Declined,
        Self::NotMine,
        Self::Refused,
    ];

    /// The name in metrics, logs and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Challenged => "challenged",
            Self::Rejected => "rejected",
            Self::Declined => "declined",
            Self::NotMine => "not_mine",
            Self::Refused => "refused",
        }
    }
}

/// One token that waits for the answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Challenge {
    /// The token.
    pub serial: Box<str>,
    /// Its type.
    pub token_type: Box<str>,
    /// What to tell the user.
    pub message: Box<str>,
    /// How it is answered: `interactive` by typing, `poll` elsewhere, others not at all here.
    pub client_mode: Box<str>,
}

/// A definite answer of a node. Every text is bounded (`NODE_TEXT_BYTES`), every list too (`NODE_ITEMS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What became of the question.
    pub verdict: Verdict,
    /// The node's words.
    pub message: Box<str>,
    /// The token concerned, if it is exactly one; empty otherwise.
    pub serial: Box<str>,
    /// Its type; empty if unknown.
    pub token_type: Box<str>,
    /// Characters of its OTP, if known.
    pub otp_length: Option<u16>,
    /// With [`Verdict::Challenged`]: what has to be answered.
    pub challenges: Vec<Challenge>,
    /// With [`Verdict::Challenged`]: how the node calls the challenge.
    pub transaction: Box<str>,
    /// `detail.origin` of a node behind the one that was asked (F7): never called.
    pub origin: Box<str>,
    /// What samlcheck adds about the user.
    pub attributes: Vec<(Box<str>, Vec<Box<str>>)>,
    /// With [`Verdict::NotMine`] and [`Verdict::Refused`]: eduMFA's number of the error; 0 otherwise.
    pub code: i32,
}

impl Answer {
    /// An answer that says nothing but `verdict` and `message`.
    #[must_use]
    pub fn new(verdict: Verdict, message: &str) -> Self {
        Self {
            verdict,
            message: message.into(),
            serial: Box::default(),
            token_type: Box::default(),
            otp_length: None,
            challenges: Vec::new(),
            transaction: Box::default(),
            origin: Box::default(),
            attributes: Vec::new(),
            code: 0,
        }
    }

    /// Whether it ends a walk through the federation: only who was rejected, or is not known, is asked for elsewhere (F4).
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self.verdict {
            Verdict::Accepted | Verdict::Challenged | Verdict::Declined | Verdict::Refused => true,
            Verdict::Rejected | Verdict::NotMine => false,
        }
    }
}

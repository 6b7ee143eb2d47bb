//! A token as it is kept: everything about it in one record. Must not know: encryption, stores, what a try does to it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::settings::TokenKind;
use crate::mfa::token::hotp::{Algorithm, Digits};
use crate::mfa::token::pin::{PinHash, hex};

/// Seconds of a TOTP step where nobody says otherwise (RFC 6238, 4.1).
pub const PERIOD: u64 = 30;

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The user's name.
    pub user: Box<str>,
    /// The realm, lower case.
    pub realm: Box<str>,
    /// The resolver; empty if there is no users' file.
    pub resolver: Box<str>,
}

/// A one-time password that was right but too far off; the next one sets the token right, if it comes in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarOff {
    /// Its counter or step.
    pub counter: u64,
    /// Until when the next one may come, in milliseconds.
    pub until: u64,
}

/// A token. Its `Debug` shows no secret.
#[derive(Serialize, Deserialize)]
pub struct Token {
    /// The name, which is unique.
    pub serial: Box<str>,
    /// Its type.
    #[serde(serialize_with = "kind_to_name", deserialize_with = "kind_from_name")]
    pub kind: TokenKind,
    /// Whose it is; nobody's if it was not assigned.
    pub owner: Option<Owner>,
    /// The key of its one-time passwords; empty without any.
    #[serde(serialize_with = "secret_to_hex", deserialize_with = "secret_from_hex")]
    pub secret: Secret,
    /// How many digits one has.
    pub digits: Digits,
    /// The hash under its HMAC.
    pub algorithm: Algorithm,
    /// Seconds of a step.
    pub period: u64,
    /// The first counter or step that was not used yet. Never goes back.
    pub next: u64,
    /// Seconds by which its clock is ahead of ours.
    pub time_shift: i64,
    /// Its PIN; none if it is empty.
    pub pin: Option<PinHash>,
    /// A static password and the number of its characters.
    pub password: Option<(PinHash, u16)>,
    /// Failures in a row.
    pub fail_count: u32,
    /// Failures that lock it, if the settings' number is not its own.
    pub max_fail: Option<u32>,
    /// When the newest failure was counted, in milliseconds.
    pub failed_at: Option<u64>,
    /// How often the failures were forgotten: what was reserved before is not given back after (F5).
    pub fail_epoch: u64,
    /// From when it is good, in milliseconds.
    pub valid_from: Option<u64>,
    /// Until when, in milliseconds.
    pub valid_until: Option<u64>,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// For people.
    pub description: Box<str>,
    /// Tries that were counted.
    pub count_auth: u64,
    /// Those of them that succeeded.
    pub count_auth_success: u64,
    /// Those that failed.
    pub count_auth_fail: u64,
    /// When it succeeded last, in milliseconds.
    pub last_auth: Option<u64>,
    /// Empty if it is ready.
    pub rollout_state: Box<str>,
    /// What is noted about it.
    pub info: BTreeMap<Box<str>, Box<str>>,
    /// Its own window: HOTP values, or seconds for TOTP.
    pub window: Option<u32>,
    /// A one-time password that was too far off.
    pub far_off: Option<FarOff>,
}

impl Token {
    /// A token of this kind that nobody owns and nobody has used.
    #[must_use]
    pub fn new(serial: &str, kind: TokenKind, secret: Secret) -> Self {
        Self {
            serial: serial.into(),
            kind,
            owner: None,
            secret,
            digits: Digits::default(),
            algorithm: Algorithm::default(),
            period: PERIOD,
            next: 0,
            time_shift: 0,
            pin: None,
            password: None,
            fail_count: 0,
            max_fail: None,
            failed_at: None,
            fail_epoch: 0,
            valid_from: None,
            valid_until: None,
            is_enabled: true,
            description: Box::default(),
            count_auth: 0,
            count_auth_success: 0,
            count_auth_fail: 0,
            last_auth: None,
            rollout_state: Box::default(),
            info: BTreeMap::new(),
            window: None,
            far_off: None,
        }
    }

    /// Characters of what follows the PIN, as eduMFA counts them: an SPASS token says six, though it has none.
    #[must_use]
    pub fn otp_length(&self) -> u16 {
        match (self.kind, &self.password) {
            (TokenKind::Password, Some((_, length))) => *length,
            (TokenKind::Password, None) => 0,
            (TokenKind::Hotp | TokenKind::Totp | TokenKind::Spass, _) => {
                u16::from(u8::from(self.digits))
            }
        }
    }

    /// When it succeeded last.
    #[must_use]
    pub fn last_success(&self) -> Option<Timestamp> {
        self.last_auth.map(Timestamp::from_millis)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("serial", &self.serial)
            .field("kind", &self.kind)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

// === Fields that serde cannot write alone ===

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's interface")]
fn kind_to_name<S: Serializer>(kind: &TokenKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

fn kind_from_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenKind, D::Error> {
    deserializer.deserialize_str(Text(|text: &str| TokenKind::of(text)))
}

fn secret_to_hex<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(secret.expose()))
}

fn secret_from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    deserializer.deserialize_str(Text(|text: &str| {
        data_encoding::HEXLOWER.decode(text.as_bytes()).ok().map(Secret::new)
    }))
}

/// Writes bytes as hex digits.
pub(crate) fn bytes_to_hex<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}

/// Reads exactly so many bytes.
pub(crate) fn bytes_from_hex<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    deserializer.deserialize_str(Text(|text: &str| {
        let bytes = Zeroizing::new(data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?);
        bytes.as_slice().try_into().ok()
    }))
}

/// Reads a text without keeping a copy of it, as it may be a secret.
struct Text<F>(F);

impl<T, F: FnOnce(&str) -> Option<T>> serde::de::Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text of the right form")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).ok_or_else(|| E::custom("a text has not the right form"))
    }
}

//! What is said about tokens at the admin API and on the command line: wishes, lists, reports.
//!
//! The only place where a secret is written out is [`SecretText`]. Must not know: HTTP, stores.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::mfa::node::local::{self, NewToken};
use crate::mfa::settings::TokenKind;
use crate::mfa::token::hotp::{Algorithm, Digits};
use crate::mfa::token::import::{ImportError, csv, pskc};
use crate::mfa::token::record::PERIOD;

/// Who issues a token, where nobody says otherwise; authenticators show it.
const ISSUER: &str = "Vouchsafe";

/// A secret on its way in or out. Wiped when dropped; its `Debug` shows nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over.
    #[must_use]
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, for whoever it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn secret(&self) -> Secret {
        Secret::new(self.0.as_bytes().to_vec())
    }

    /// A text that was kept as bytes; what is no text is none of ours, and empty.
    fn of(secret: &Secret) -> Self {
        Self(Zeroizing::new(str::from_utf8(secret.expose()).unwrap_or_default().to_owned()))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A token as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenWish {
    /// `hotp`, `totp`, `spass` or `pw`. Default: `totp`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whose it is, with or without the realm. Default: nobody's.
    pub user: String,
    /// The owner's realm. Default: as `user` says, else the local node's default realm.
    pub realm: String,
    /// Its serial: 1 to 40 letters, digits, `-`, `.`, `_`. Default: a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The key of its OTPs, base32 or hexadecimal digits. Default: a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// Digits of an OTP, 6 or 8. Default: 6.
    pub digits: u8,
    /// `sha1`, `sha256` or `sha512`. Default: `sha1`, the only one that all authenticators know.
    pub algorithm: String,
    /// Seconds of a TOTP step. Default: 30.
    pub period: u64,
    /// The first HOTP counter. Default: 0.
    pub counter: u64,
    /// The PIN. Default: none, which SPASS tokens may not have.
    pub pin: SecretText,
    /// The password of a token of type `pw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
    /// For people.
    pub description: String,
    /// From when it is good, in milliseconds since the epoch. Default: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<u64>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<u64>,
    /// Failures in a row that lock it. Default: `mfa.local.max_fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fail: Option<u32>,
    /// Its own window: HOTP values, or seconds for TOTP. Default: as `mfa.local` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// What is to be noted about it.
    pub info: BTreeMap<String, String>,
    /// What authenticators show beside the user. Default: `Vouchsafe`.
    pub issuer: String,
}

impl Default for TokenWish {
    fn default() -> Self {
        Self {
            kind: TokenKind::Totp.as_str().to_owned(),
            user: String::new(),
            realm: String::new(),
            serial: None,
            secret: None,
            digits: 6,
            algorithm: "sha1".to_owned(),
            period: PERIOD,
            counter: 0,
            pin: SecretText::default(),
            password: None,
            description: String::new(),
            valid_from: None,
            valid_until: None,
            max_fail: None,
            window: None,
            info: BTreeMap::new(),
            issuer: ISSUER.to_owned(),
        }
    }
}

impl TokenWish {
    /// The token to be; what the node can find out is not checked here.
    ///
    /// # Errors
    /// What cannot be read, and how to write it.
    pub(super) fn token(&self) -> Result<NewToken, &'static str> {
        let kind = TokenKind::of(&self.kind).ok_or("the type is none of hotp, totp, spass, pw")?;
        let secret = self.secret.as_ref().map(|secret| csv::secret(secret.expose())).transpose()?;
        Ok(NewToken {
            serial: self.serial.as_deref().map(Into::into),
            user: self.user.as_str().into(),
            realm: self.realm.as_str().into(),
            secret,
            digits: Digits::try_from(self.digits).map_err(|_| "an OTP has 6 or 8 digits")?,
            algorithm: Algorithm::of(&self.algorithm)
                .ok_or("the algorithm is none of sha1, sha256, sha512")?,
            period: self.period,
            counter: self.counter,
            pin: self.pin.secret(),
            password: self.password.as_ref().map(SecretText::secret),
            description: self.description.as_str().into(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            max_fail: self.max_fail,
            window: self.window,
            info: self.info.iter().map(|(n, v)| (n.as_str().into(), v.as_str().into())).collect(),
            ..NewToken::new(kind)
        })
    }

    /// The wish that such a token would come of.
    fn of(new: NewToken) -> Self {
        let secret = |key: &Secret| {
            SecretText::new(Zeroizing::new(data_encoding::HEXLOWER.encode(key.expose())))
        };
        Self {
            kind: new.kind.as_str().to_owned(),
            user: new.user.into(),
            realm: new.realm.into(),
            serial: new.serial.map(Into::into),
            secret: new.secret.as_ref().map(secret),
            digits: new.digits.into(),
            algorithm: new.algorithm.as_str().to_lowercase(),
            period: new.period,
            counter: new.counter,
            pin: SecretText::of(&new.pin),
            password: new.password.as_ref().map(SecretText::of),
            description: new.description.into(),
            valid_from: new.valid_from,
            valid_until: new.valid_until,
            max_fail: new.max_fail,
            window: new.window,
            info: new.info.into_iter().map(|(n, v)| (n.into(), v.into())).collect(),
            issuer: ISSUER.to_owned(),
        }
    }
}

/// A token that now is. What it holds is shown this once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AddedToken {
    /// Its serial.
    pub serial: String,
    /// What authenticators read, as text or as a QR code; only HOTP and TOTP have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<SecretText>,
    /// The key of its OTPs in base32, for typing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
}

/// Which tokens are to be listed; all that is said must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenFilter {
    /// Whose they are, with or without the realm.
    pub user: String,
    /// The realm of the owner.
    pub realm: String,
    /// Their serial.
    pub serial: String,
    /// Only those behind this serial: the last one of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many; 100 if not said, and never more than 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What is shown of a token: everything but secrets. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListedToken {
    /// Its serial.
    pub serial: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The owner's name; empty if it is nobody's.
    pub user: String,
    /// The owner's realm.
    pub realm: String,
    /// The owner's resolver.
    pub resolver: String,
    /// For people.
    pub description: String,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// Whether it failed too often.
    pub is_locked: bool,
    /// Whether it has a PIN.
    pub has_pin: bool,
    /// Failures in a row.
    pub fail_count: u32,
    /// Failures that lock it.
    pub max_fail: u32,
    /// Tries that were counted.
    pub count_auth: u64,
    /// Those of them that succeeded.
    pub count_auth_success: u64,
    /// Those that failed.
    pub count_auth_fail: u64,
    /// When it succeeded last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_auth: Option<u64>,
    /// From when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<u64>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<u64>,
    /// Empty if it is ready.
    pub rollout_state: String,
    /// What is noted about it.
    pub info: BTreeMap<String, String>,
}

impl From<local::Listed> for ListedToken {
    fn from(token: local::Listed) -> Self {
        let (user, realm, resolver) = token.owner.map_or_else(Default::default, |owner| {
            (owner.user.into(), owner.realm.into(), owner.resolver.into())
        });
        Self {
            serial: token.serial.into(),
            kind: token.kind.to_owned(),
            user,
            realm,
            resolver,
            description: token.description.into(),
            is_enabled: token.is_enabled,
            is_locked: token.is_locked,
            has_pin: token.has_pin,
            fail_count: token.fail_count,
            max_fail: token.max_fail,
            count_auth: token.count_auth,
            count_auth_success: token.count_auth_success,
            count_auth_fail: token.count_auth_fail,
            last_auth: token.last_auth,
            valid_from: token.valid_from,
            valid_until: token.valid_until,
            rollout_state: token.rollout_state.into(),
            info: token.info.into_iter().map(|(n, v)| (n.into(), v.into())).collect(),
        }
    }
}

/// How a file of tokens is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFormat {
    /// Lines of values.
    Csv,
    /// XML of RFC 6030.
    Pskc,
}

impl TokenFormat {
    /// The tokens of a file.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn read(self, text: &str) -> Result<Vec<TokenWish>, ImportError> {
        let tokens = match self {
            Self::Csv => csv::read(text)?,
            Self::Pskc => pskc::read(text)?,
        };
        Ok(tokens.into_iter().map(TokenWish::of).collect())
    }
}

/// Tokens to import.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "format", rename_all = "lowercase", deny_unknown_fields)]
pub enum TokenImport {
    /// A file of comma separated values.
    Csv {
        /// Its text.
        text: SecretText,
    },
    /// A file of RFC 6030, with its keys in the clear.
    Pskc {
        /// Its text.
        text: SecretText,
    },
    /// Tokens one by one.
    Tokens {
        /// Each with its secret.
        tokens: Vec<TokenWish>,
    },
}

impl TokenImport {
    /// The tokens.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub(super) fn tokens(self) -> Result<Vec<TokenWish>, ImportError> {
        match self {
            Self::Csv { text } => TokenFormat::Csv.read(text.expose()),
            Self::Pskc { text } => TokenFormat::Pskc.read(text.expose()),
            Self::Tokens { tokens } => Ok(tokens),
        }
    }
}

/// What became of an import. One token that cannot be made does not hold up the others.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ImportReport {
    /// The serials of those that now are.
    pub added: Vec<String>,
    /// Those that are not.
    pub failed: Vec<ImportFailure>,
}

/// A token that was not imported.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ImportFailure {
    /// Which one, from 1.
    pub place: usize,
    /// Its serial, if it was to have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Why not, and what to do.
    pub error: String,
}

/// What is to happen to a token.
#[derive(Debug, Clone)]
pub enum TokenChange {
    /// It may be used.
    Enable,
    /// It may not.
    Disable,
    /// Its failures are forgotten.
    Reset,
    /// Its counter or clock is set right.
    Resync(Otps),
    /// It has another PIN.
    Pin(NewPin),
}

impl TokenChange {
    /// The event in the audit log.
    #[must_use]
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Enable => "token_enable",
            Self::Disable => "token_disable",
            Self::Reset => "token_reset",
            Self::Resync(_) => "token_resync",
            Self::Pin(_) => "token_pin",
        }
    }
}

/// Two OTPs in a row.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Otps {
    /// The first one.
    pub otp1: SecretText,
    /// The next one.
    pub otp2: SecretText,
}

/// Another PIN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPin {
    /// Itself; empty means none.
    pub pin: SecretText,
}

impl Otps {
    /// Both.
    pub(super) fn secrets(&self) -> [Secret; 2] {
        [&self.otp1, &self.otp2].map(SecretText::secret)
    }
}

impl NewPin {
    /// Itself.
    pub(super) fn secret(&self) -> Secret {
        self.pin.secret()
    }
}

//! What administrators do with tokens: add, list, remove, enable, reset, resync, set a PIN, import.
//!
//! Must not know: HTTP, who may do so, files' formats. A secret leaves at creation and never again (O1).

use std::fmt;

use crate::domain::limits::{
    FACTOR_SECRET_BYTES, FACTOR_TEXT_BYTES, SERIAL_BYTES, TOKEN_NOTES, TOKENS_PER_USER,
};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::node::local::people::Who;
use crate::mfa::node::local::tokens::TRIES;
use crate::mfa::node::local::{LocalError, LocalNode};
use crate::mfa::settings::TokenKind;
use crate::mfa::token::enrolment::{Enrolment, NoEntropy, random_secret, random_serial};
use crate::mfa::token::hotp::{Algorithm, Digits};
use crate::mfa::token::record::{Owner, PERIOD, Token};

/// Bytes of a secret that is brought along; 80 bits are what old authenticators have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 10..=128;

/// Seconds of a TOTP step.
const PERIODS: std::ops::RangeInclusive<u64> = 5..=3600;

/// Tokens of one page at most.
const PAGE: usize = 1000;

/// A token to be.
pub struct NewToken {
    /// Its serial; made up if there is none.
    pub serial: Option<Box<str>>,
    /// Its type.
    pub kind: TokenKind,
    /// Whose it is, with or without the realm; nobody's if empty.
    pub user: Box<str>,
    /// The owner's realm; empty means as `user` says.
    pub realm: Box<str>,
    /// The key of its OTPs; random if there is none. Not for SPASS and passwords.
    pub secret: Option<Secret>,
    /// Digits of an OTP.
    pub digits: Digits,
    /// The hash of its OTPs.
    pub algorithm: Algorithm,
    /// Seconds of a TOTP step.
    pub period: u64,
    /// The first HOTP counter.
    pub counter: u64,
    /// The PIN; empty means none.
    pub pin: Secret,
    /// The password of a password token.
    pub password: Option<Secret>,
    /// For people.
    pub description: Box<str>,
    /// From when it is good, in milliseconds.
    pub valid_from: Option<u64>,
    /// Until when.
    pub valid_until: Option<u64>,
    /// Failures that lock it, if not as for all.
    pub max_fail: Option<u32>,
    /// Its own window: HOTP values, or seconds for TOTP.
    pub window: Option<u32>,
    /// What is to be noted about it.
    pub info: Vec<(Box<str>, Box<str>)>,
}

impl NewToken {
    /// A token of this kind with nothing special about it.
    #[must_use]
    pub fn new(kind: TokenKind) -> Self {
        Self {
            serial: None,
            kind,
            user: Box::default(),
            realm: Box::default(),
            secret: None,
            digits: Digits::default(),
            algorithm: Algorithm::default(),
            period: PERIOD,
            counter: 0,
            pin: Secret::new(Vec::new()),
            password: None,
            description: Box::default(),
            valid_from: None,
            valid_until: None,
            max_fail: None,
            window: None,
            info: Vec::new(),
        }
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("NewToken");
        shown.field("serial", &self.serial).field("kind", &self.kind).field("user", &self.user);
        shown.finish_non_exhaustive()
    }
}

/// A token that now is, with what its owner needs to set up an authenticator, for showing once.
#[derive(Debug)]
pub struct Added {
    /// Its serial.
    pub serial: Box<str>,
    /// For HOTP and TOTP.
    pub enrolment: Option<Enrolment>,
}

/// Which tokens to list; all conditions must hold, an empty one does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Whose they are.
    pub user: &'a str,
    /// In which realm the owner is.
    pub realm: &'a str,
    /// Their serial.
    pub serial: &'a str,
}

/// What an administrator sees of a token: everything but secrets. Times are in milliseconds.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields of `Token`, where they are explained")]
pub struct Listed {
    pub serial: Box<str>,
    pub kind: &'static str,
    pub owner: Option<Owner>,
    pub description: Box<str>,
    pub is_enabled: bool,
    pub is_locked: bool,
    pub has_pin: bool,
    pub fail_count: u32,
    pub max_fail: u32,
    pub count_auth: u64,
    pub count_auth_success: u64,
    pub count_auth_fail: u64,
    pub last_auth: Option<u64>,
    pub valid_from: Option<u64>,
    pub valid_until: Option<u64>,
    pub rollout_state: Box<str>,
    pub info: Vec<(Box<str>, Box<str>)>,
}

/// Why something was not done; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// The node cannot: try again later, or look at its store.
    #[error("the local node does not work")]
    Node(#[from] LocalError),
    /// There is one of this serial.
    #[error("there is a token '{0}' already")]
    Exists(Box<str>),
    /// There is none of this serial.
    #[error("there is no token '{0}'")]
    Unknown(Box<str>),
    /// It cannot be as it was asked for.
    #[error("{0}")]
    Invalid(&'static str),
}

use AdministrationError::Invalid;

impl From<NoEntropy> for AdministrationError {
    fn from(NoEntropy: NoEntropy) -> Self {
        Self::Node(LocalError::NoEntropy)
    }
}

impl LocalNode {
    /// Makes a token; its secret is in what comes back, and nowhere else to be seen again.
    ///
    /// # Errors
    /// Nothing was made.
    pub async fn add(&self, new: NewToken, now: Timestamp) -> Result<Added, AdministrationError> {
        validate(&new)?;
        let owner = self.owner(&new)?;
        if let Some(owner) = &owner {
            let who = Who { user: owner.user.clone(), realm: owner.realm.clone() };
            if self.tokens.of(&who, now).await?.len() >= TOKENS_PER_USER {
                return Err(Invalid("the user has as many tokens as one may have"));
            }
        }
        let pin = self.hashes.hash(&new.pin).await.map_err(LocalError::from)?;
        let password = match &new.password {
            Some(password) => {
                let length = String::from_utf8_lossy(password.expose()).chars().count();
                let length =
                    u16::try_from(length).map_err(|_| Invalid("a password is too long"))?;
                let hash = self.hashes.hash(password).await.map_err(LocalError::from)?;
                hash.map(|hash| (hash, length))
            }
            None => None,
        };
        let secret = match (new.kind, new.secret) {
            (TokenKind::Spass | TokenKind::Password, _) => Secret::new(Vec::new()),
            (TokenKind::Hotp | TokenKind::Totp, Some(secret)) => secret,
            (TokenKind::Hotp | TokenKind::Totp, None) => random_secret(new.algorithm)?,
        };
        let mut token = Token {
            owner,
            digits: new.digits,
            algorithm: new.algorithm,
            period: new.period,
            next: if new.kind == TokenKind::Hotp { new.counter } else { 0 },
            pin,
            password,
            max_fail: new.max_fail,
            valid_from: new.valid_from,
            valid_until: new.valid_until,
            description: new.description,
            info: new.info.into_iter().collect(),
            window: new.window,
            ..Token::new("", new.kind, secret)
        };
        self.create(&mut token, new.serial, now).await?;
        let serial = token.serial.clone();
        let has_otp = matches!(token.kind, TokenKind::Hotp | TokenKind::Totp);
        Ok(Added { serial, enrolment: has_otp.then(|| Enrolment::of(token)) })
    }

    /// Makes tokens, one after the other; one that cannot be made does not hold up the others. Says of each, in
    /// order, what became of it; a PIN costs some 20 ms.
    pub async fn import(
        &self,
        list: Vec<NewToken>,
        now: Timestamp,
    ) -> Vec<Result<Added, AdministrationError>> {
        let mut report = Vec::with_capacity(list.len());
        for new in list {
            report.push(self.add(new, now).await);
        }
        report
    }

    /// At most `limit` tokens, and never more than 1000, in an order that means nothing but is always the same;
    /// `after` is the last serial of the page before. A user's tokens come on one page.
    ///
    /// # Errors
    /// The tokens cannot be read.
    pub async fn list(
        &self,
        filter: Filter<'_>,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Listed>, LocalError> {
        let limit = limit.min(PAGE);
        let who = self.resolve(filter.user, filter.realm);
        let realm = filter.realm.trim().to_lowercase();
        let wanted = |token: &Token| {
            let owner = token.owner.as_ref();
            (who.user.is_empty() || owner.is_some_and(|owner| owner.is(&who)))
                && (realm.is_empty() || owner.is_some_and(|owner| *owner.realm == *realm))
                && (filter.serial.is_empty() || *token.serial == *filter.serial)
        };
        let mut found = Vec::new();
        if !filter.serial.is_empty() || !who.user.is_empty() {
            if after.is_none() {
                found.extend(match filter.serial {
                    "" => self.tokens.of(&who, now).await?,
                    serial => self.tokens.get(serial, now).await?.into_iter().collect(),
                });
            }
            found.retain(|loaded| wanted(&loaded.token));
        } else {
            let mut after = after.map(Box::from);
            while found.len() < limit {
                let page = self.tokens.page(after.as_deref(), PAGE, now).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.token.serial.clone());
                found.extend(page.into_iter().filter(|loaded| wanted(&loaded.token)));
            }
            found.truncate(limit);
        }
        Ok(found.into_iter().map(|loaded| self.listed(loaded.token, now)).collect())
    }

    /// Removes a token for good.
    ///
    /// # Errors
    /// It is still there, or never was.
    pub async fn remove(&self, serial: &str, now: Timestamp) -> Result<(), AdministrationError> {
        for _ in 0..TRIES {
            let Some(loaded) = self.tokens.get(serial, now).await? else {
                return Err(AdministrationError::Unknown(serial.into()));
            };
            if self.tokens.delete(&loaded, now).await? {
                return Ok(());
            }
        }
        Err(LocalError::Busy.into())
    }

    /// Lets a token be used, or not.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn set_enabled(
        &self,
        serial: &str,
        is_enabled: bool,
        now: Timestamp,
    ) -> Result<(), AdministrationError> {
        self.change(serial, now, |token| token.is_enabled = is_enabled).await
    }

    /// Forgets a token's failures.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn reset(&self, serial: &str, now: Timestamp) -> Result<(), AdministrationError> {
        self.change(serial, now, Token::forget_failures).await
    }

    /// Gives a token another PIN; empty means none.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn set_pin(
        &self,
        serial: &str,
        pin: &Secret,
        now: Timestamp,
    ) -> Result<(), AdministrationError> {
        check_pin(pin)?;
        let hash = self.hashes.hash(pin).await.map_err(LocalError::from)?;
        let change = |token: &mut Token| {
            let is_refused = hash.is_none() && token.kind == TokenKind::Spass;
            if !is_refused {
                token.pin.clone_from(&hash);
            }
            (!is_refused, !is_refused)
        };
        match self.tokens.change(serial, now, change).await? {
            Some(true) => Ok(()),
            Some(false) => Err(Invalid(SPASS_WITHOUT_PIN)),
            None => Err(AdministrationError::Unknown(serial.into())),
        }
    }

    /// Sets a token's counter or clock right by two OTPs in a row, which are used up; false if they are not found
    /// within 1000 of where it stands.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn resync(
        &self,
        serial: &str,
        first: &Secret,
        second: &Secret,
        now: Timestamp,
    ) -> Result<bool, AdministrationError> {
        let text = |otp| std::str::from_utf8(Secret::expose(otp)).unwrap_or("");
        let change = |token: &mut Token| {
            let is_found = token.resync(text(first), text(second), now);
            (is_found, is_found)
        };
        let found = self.tokens.change(serial, now, change).await?;
        found.ok_or_else(|| AdministrationError::Unknown(serial.into()))
    }

    async fn change(
        &self,
        serial: &str,
        now: Timestamp,
        change: impl Fn(&mut Token),
    ) -> Result<(), AdministrationError> {
        let change = |token: &mut Token| (change(token), true);
        let done = self.tokens.change(serial, now, change).await?;
        done.ok_or_else(|| AdministrationError::Unknown(serial.into()))
    }

    async fn create(
        &self,
        token: &mut Token,
        serial: Option<Box<str>>,
        now: Timestamp,
    ) -> Result<(), AdministrationError> {
        if let Some(serial) = serial {
            token.serial = serial;
            let is_new = self.tokens.create(token, now).await?;
            return if is_new {
                Ok(())
            } else {
                Err(AdministrationError::Exists(token.serial.clone()))
            };
        }
        for _ in 0..TRIES {
            token.serial = random_serial(token.kind)?;
            if self.tokens.create(token, now).await? {
                return Ok(());
            }
        }
        Err(LocalError::Busy.into())
    }

    fn owner(&self, new: &NewToken) -> Result<Option<Owner>, AdministrationError> {
        let Who { user, realm } = self.resolve(&new.user, &new.realm);
        if user.is_empty() {
            return Ok(None);
        }
        let who = Who { user, realm };
        let listed = self.people.find(&who, "");
        if self.people.are_listed() && listed.is_none() {
            return Err(Invalid("there is no such user in the users' file"));
        }
        let resolver = listed.map_or_else(Box::default, |user| user.resolver.clone());
        Ok(Some(Owner { user: who.user, realm: who.realm, resolver }))
    }

    fn listed(&self, mut token: Token, now: Timestamp) -> Listed {
        token.lift(&self.settings, now);
        Listed {
            kind: token.kind.as_str(),
            is_locked: token.is_locked(&self.settings),
            max_fail: token.max_fail(&self.settings),
            has_pin: token.pin.is_some(),
            serial: token.serial,
            owner: token.owner,
            description: token.description,
            is_enabled: token.is_enabled,
            fail_count: token.fail_count,
            count_auth: token.count_auth,
            count_auth_success: token.count_auth_success,
            count_auth_fail: token.count_auth_fail,
            last_auth: token.last_auth,
            valid_from: token.valid_from,
            valid_until: token.valid_until,
            rollout_state: token.rollout_state,
            info: token.info.into_iter().collect(),
        }
    }
}

const SPASS_WITHOUT_PIN: &str = "a token that is its PIN alone has to have one";

fn check_pin(pin: &Secret) -> Result<(), AdministrationError> {
    let is_text = std::str::from_utf8(pin.expose()).is_ok();
    if is_text && pin.expose().len() < FACTOR_SECRET_BYTES {
        Ok(())
    } else {
        Err(Invalid("a PIN or password is too long, or no text"))
    }
}

/// What can be said without looking at other tokens or users.
fn validate(new: &NewToken) -> Result<(), AdministrationError> {
    let is_serial = |serial: &str| {
        (1..=SERIAL_BYTES).contains(&serial.len())
            && serial.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    if !new.serial.as_deref().is_none_or(is_serial) {
        return Err(Invalid("a serial has 1 to 40 letters, digits, '-', '.' and '_'"));
    }
    check_pin(&new.pin)?;
    new.password.as_ref().map_or(Ok(()), check_pin)?;
    let has_password = new.password.as_ref().is_some_and(|text| !text.expose().is_empty());
    if (new.kind == TokenKind::Password) != has_password {
        return Err(Invalid("a password token has a password, and no other token has"));
    }
    if new.kind == TokenKind::Spass && new.pin.expose().is_empty() {
        return Err(Invalid(SPASS_WITHOUT_PIN));
    }
    let fits = |secret: &Secret| SECRET_BYTES.contains(&secret.expose().len());
    if !new.secret.as_ref().is_none_or(fits) {
        return Err(Invalid("a secret has 10 to 128 bytes"));
    }
    if !PERIODS.contains(&new.period) {
        return Err(Invalid("a step has 5 to 3600 seconds"));
    }
    let is_short =
        |text: &str| text.len() <= FACTOR_TEXT_BYTES && !text.chars().any(char::is_control);
    let texts = [&new.user, &new.realm, &new.description];
    let notes = new.info.iter().flat_map(|(name, value)| [name, value]);
    if !texts.into_iter().chain(notes).all(|text| is_short(text)) {
        return Err(Invalid("a text has at most 255 bytes and no control characters"));
    }
    if new.info.len() > TOKEN_NOTES {
        return Err(Invalid("at most 16 things are noted about a token"));
    }
    Ok(())
}

//! The local node: tokens of our own, checked here (SEMANTICS F12).
//!
//! Must not know: handlers, other nodes, HTTP, what a factor is worth. Its state is in the store alone, changed by
//! compare-and-swap, so that of many uses of one one-time password exactly one succeeds, here or on another node of
//! the same store.
//!
//! What a question costs: an argon2 hash for each token of the user that has a PIN, a second one where the PIN alone
//! would trigger a challenge and PIN and OTP were not right. A user who is unknown here, or has no token, costs none:
//! those are the ones that other nodes know, and they must not wait for a dummy. That the two can be told apart by
//! the time they take is the edge's matter (D1).

mod administration;
mod judge;
mod people;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;
pub mod users;

use std::sync::Arc;

use crate::domain::limits::FACTOR_SECRET_BYTES;
use crate::domain::node::{Answer, Event, Question, Verdict};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::facts::{Facts, LastAuth, TokenFacts};
use crate::mfa::settings::{LocalSettings, TokenKind};
use crate::mfa::token::pin::{HashError, HashPool, Proofs};
use crate::mfa::token::record::{Owner, Token};
use crate::mfa::token::seal::SealError;
use crate::store::{Store, StoreError};

pub use administration::{Added, AdministrationError, Filter, Listed, NewToken};
pub use people::Who;

use judge::{Form, Outcome};
use people::People;
use tokens::{Loaded, TRIES, Tokens};

/// The local node.
#[derive(Debug)]
pub struct LocalNode {
    settings: LocalSettings,
    people: People,
    tokens: Tokens,
    hashes: HashPool,
}

/// Why a question was not answered. Nothing is known about the secret, and it may have been used up.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The store failed.
    #[error("the tokens cannot be read or written")]
    Store(#[from] StoreError),
    /// A token's record does not open: somebody changed it, or the key is another one.
    #[error("a token's record does not open: wrong key, or damaged")]
    Damaged,
    /// Too many wait for their PIN to be checked, or change the same token.
    #[error("too many questions at a time")]
    Busy,
    /// The system gave no random bytes, or no memory.
    #[error("no random bytes to be had")]
    NoEntropy,
}

impl From<SealError> for LocalError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Damaged => Self::Damaged,
            SealError::NoEntropy => Self::NoEntropy,
        }
    }
}

impl From<HashError> for LocalError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Failed => Self::NoEntropy,
        }
    }
}

/// The failures that a question has counted: serials, and the epoch of each token's failures. To be given back if
/// another node accepts (F5), else dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reserved(Vec<(Box<str>, u64)>);

impl Reserved {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An answer, and what it cost the user.
#[derive(Debug)]
pub struct LocalAnswer {
    /// The answer.
    pub answer: Answer,
    /// The failures that were counted.
    pub reserved: Reserved,
}

impl From<Answer> for LocalAnswer {
    fn from(answer: Answer) -> Self {
        Self { answer, reserved: Reserved::default() }
    }
}

impl LocalNode {
    /// The node whose tokens lie in `store`, sealed under keys that come out of `key`, 32 random bytes.
    #[must_use]
    pub fn new(mut settings: LocalSettings, store: Arc<Store>, key: &Secret) -> Self {
        let people = People::new(settings.users.take(), &settings.default_realm);
        Self { settings, people, tokens: Tokens::new(store, key), hashes: HashPool::default() }
    }

    /// Who is meant by a name and a realm: `user@realm` and `realm\user` are taken apart if there is such a realm,
    /// `realm` beats both, and without any it is the default one.
    #[must_use]
    pub fn resolve(&self, user: &str, realm: &str) -> Who {
        self.people.resolve(user, realm)
    }

    /// The realms that there are: the default one and those of the users' file.
    pub fn realms(&self) -> impl Iterator<Item = &str> {
        self.people.realms()
    }

    /// Answers a question. `answering` names the tokens of the challenge of ours that its secret answers: then it is
    /// the OTP alone.
    ///
    /// Source: eduMFA's `check_token_list`, goldens `check_*` and `challenge_*`. Deviations: F10 (`otp_only` skips the
    /// PIN alone), and a token that is locked counts no tries.
    ///
    /// # Errors
    /// Nothing is known about the secret, and it may have been used up: ask nobody else (F4).
    pub async fn ask(
        &self,
        question: &Question<'_>,
        answering: Option<&[Box<str>]>,
        now: Timestamp,
    ) -> Result<LocalAnswer, LocalError> {
        match question.event {
            Event::Check => self.check(question, answering, now).await,
            Event::Trigger => Ok(match self.concerned(question, now).await? {
                Err(answer) => answer.into(),
                Ok(loaded) => {
                    let mut tokens: Vec<_> = loaded.into_iter().map(|one| one.token).collect();
                    judge::trigger(&mut tokens, &self.settings, now).into()
                }
            }),
            // No token of ours is answered on another device.
            Event::Poll => Ok(Answer::new(Verdict::Rejected, "").into()),
        }
    }

    /// Takes back the failures that a question has counted, as another node has accepted it. Each is taken back once,
    /// whatever happens at the same time; those that a success or an administrator has forgotten since are gone anyway.
    ///
    /// # Errors
    /// Some may still be counted: the user is worse off, nobody else is.
    pub async fn give_back(&self, reserved: Reserved, now: Timestamp) -> Result<(), LocalError> {
        for (serial, epoch) in reserved.0 {
            let forgive = |token: &mut Token| ((), token.forgive(epoch));
            self.tokens.change(&serial, now, forgive).await?;
        }
        Ok(())
    }

    /// What is known of whom a question is about, and of the token of its serial, else the user's only one.
    ///
    /// # Errors
    /// The tokens cannot be read: nothing is known.
    pub async fn facts(
        &self,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Facts, LocalError> {
        let named = match question.serial {
            "" => None,
            serial => self.tokens.get(serial, now).await?,
        };
        let who = match named.as_ref().and_then(|loaded| loaded.token.owner.as_ref()) {
            Some(owner) if question.user.trim().is_empty() => {
                Some(Who { user: owner.user.clone(), realm: owner.realm.clone() })
            }
            _ => {
                let who = self.resolve(question.user, question.realm);
                Some(who).filter(|who| !who.user.is_empty())
            }
        };
        let mut own = match &who {
            Some(who) => self.tokens.of(who, now).await?,
            None => Vec::new(),
        };
        own.retain(|loaded| is_from(&loaded.token, question.resolver));
        let resolver =
            who.and_then(|who| self.people.find(&who, "")).map(|user| user.resolver.clone());
        let tokens = i64::try_from(own.len()).ok();
        let only = if own.len() == 1 && question.serial.is_empty() { own.pop() } else { None };
        let token = named.or(only).map(|loaded| self.token_facts(loaded.token, now));
        Ok(Facts { resolver, tokens, token })
    }

    fn token_facts(&self, mut token: Token, now: Timestamp) -> TokenFacts {
        let number = |count: u64| i64::try_from(count).ok();
        token.lift(&self.settings, now);
        let is_locked = token.is_locked(&self.settings);
        let is_valid = token.is_valid_at(now);
        let used = token.next.saturating_sub(u64::from(token.kind == TokenKind::Totp));
        let last_auth = token.last_success().map_or(LastAuth::Never, LastAuth::At);
        let has_owner = token.owner.is_some();
        let is_orphaned = self.people.are_listed()
            && token.owner.as_ref().is_some_and(|owner| self.owner_of(owner).is_none());
        let (realm, resolver) = token.owner.map(|owner| (owner.realm, owner.resolver)).unzip();
        TokenFacts {
            serial: Some(token.serial),
            token_type: Some(token.kind.as_str().into()),
            realms: Some(realm.into_iter().collect()),
            resolver: Some(resolver.unwrap_or_default()),
            is_locked: Some(is_locked),
            has_owner: Some(has_owner),
            is_orphaned: Some(is_orphaned),
            is_valid: Some(is_valid),
            otp_counter: number(used),
            fail_counter: Some(i64::from(token.fail_count)),
            count_auth: number(token.count_auth),
            count_auth_success: number(token.count_auth_success),
            count_auth_fail: number(token.count_auth_fail),
            last_auth,
            rollout_state: Some(token.rollout_state),
            info: Some(token.info.into_iter().collect()),
        }
    }

    /// The user that a token belongs to, if the users' file still has it.
    fn owner_of(&self, owner: &Owner) -> Option<&crate::mfa::settings::User> {
        let who = Who { user: owner.user.clone(), realm: owner.realm.clone() };
        self.people.find(&who, &owner.resolver)
    }

    async fn check(
        &self,
        question: &Question<'_>,
        answering: Option<&[Box<str>]>,
        now: Timestamp,
    ) -> Result<LocalAnswer, LocalError> {
        let secret = match readable(question.secret) {
            Ok(secret) => secret,
            Err(answer) => return Ok((*answer).into()),
        };
        let form = match answering {
            Some(_) => Form::Response,
            None if question.otp_only && !question.serial.is_empty() => Form::OtpAlone,
            None => Form::PinAndOtp,
        };
        let mut proofs = Proofs::default();
        for _ in 0..TRIES {
            let mut loaded = match self.concerned(question, now).await? {
                Ok(loaded) => loaded,
                Err(answer) => return Ok(answer.into()),
            };
            if let Some(serials) = answering {
                loaded.retain(|one| serials.contains(&one.token.serial));
            }
            let (mut tokens, revisions): (Vec<_>, Vec<_>) =
                loaded.into_iter().map(|one| (one.token, one.revision)).unzip();
            self.prove(&mut proofs, &tokens, secret, form).await?;
            let outcome = judge::judge(&mut tokens, secret, form, &proofs, &self.settings, now);
            let all = tokens.iter().zip(revisions).enumerate();
            let changed =
                all.filter(|(place, _)| outcome.changed.contains(place)).map(|(_, one)| one);
            if self.tokens.save(changed, now).await? {
                return Ok(self.finish(outcome, &tokens));
            }
        }
        Err(LocalError::Busy)
    }

    /// Hashes what has to be compared and was not yet.
    async fn prove(
        &self,
        proofs: &mut Proofs,
        tokens: &[Token],
        secret: &str,
        form: Form,
    ) -> Result<(), LocalError> {
        let mut claims = judge::claims(tokens, secret, form, &self.settings);
        claims.retain(|claim| !proofs.know(claim));
        proofs.extend(self.hashes.verify(claims).await?);
        Ok(())
    }

    fn finish(&self, outcome: Outcome, tokens: &[Token]) -> LocalAnswer {
        let Outcome { mut answer, changed, raised } = outcome;
        let of = |places: &[usize]| -> Vec<&Token> {
            places.iter().filter_map(|&place| tokens.get(place)).collect()
        };
        if answer.verdict == Verdict::Accepted
            && let Some(owner) = of(&changed).first().and_then(|token| token.owner.as_ref())
        {
            answer.attributes = self.attributes(owner);
        }
        let reserved = |token: &Token| (token.serial.clone(), token.fail_epoch);
        LocalAnswer { answer, reserved: Reserved(of(&raised).into_iter().map(reserved).collect()) }
    }

    /// What samlcheck tells about a user.
    fn attributes(&self, owner: &Owner) -> Vec<(Box<str>, Vec<Box<str>>)> {
        let row = |(name, value): (&str, &str)| (name.into(), vec![value.into()]);
        let own =
            [("username", &owner.user), ("realm", &owner.realm), ("resolver", &owner.resolver)];
        let own = own.map(|(name, value)| row((name, value)));
        let listed = self.owner_of(owner).map_or(&[][..], |user| &user.attributes);
        own.into_iter().chain(listed.iter().map(|(name, value)| row((name, value)))).collect()
    }

    /// The tokens that a question is about, or the answer if there are none.
    async fn concerned(
        &self,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Result<Vec<Loaded>, Answer>, LocalError> {
        let who = self.resolve(question.user, question.realm);
        let unknown = || {
            let message = format!("ERR904: User <{}@{}> does not exist.", who.user, who.realm);
            error(Verdict::NotMine, 904, &message)
        };
        if !who.user.is_empty() {
            if !question.resolver.is_empty() && !self.people.has_resolver(question.resolver) {
                let message =
                    format!("ERR904: The resolver '{}' does not exist!", question.resolver);
                return Ok(Err(error(Verdict::NotMine, 904, &message)));
            }
            if self.people.are_listed() && self.people.find(&who, "").is_none() {
                return Ok(Err(unknown()));
            }
        }
        let mut loaded = if !question.serial.is_empty() {
            let Some(one) = self.tokens.get(question.serial, now).await? else {
                let message = "The requested token could not be found.";
                return Ok(Err(error(Verdict::NotMine, 601, message)));
            };
            let is_theirs = |owner: &Owner| owner.is(&who);
            if !who.user.is_empty() && !one.token.owner.as_ref().is_some_and(is_theirs) {
                let message = "ERR905: Given serial does not belong to given user!";
                return Ok(Err(error(Verdict::NotMine, 905, message)));
            }
            vec![one]
        } else if who.user.is_empty() {
            let message = "ERR905: You need to specify a serial or a user.";
            return Ok(Err(error(Verdict::Refused, 905, message)));
        } else {
            self.tokens.of(&who, now).await?
        };
        if loaded.is_empty() && !self.people.are_listed() {
            return Ok(Err(unknown()));
        }
        let kind = question.token_type;
        loaded.retain(|Loaded { token, .. }| {
            is_from(token, question.resolver)
                && (kind.is_empty() || token.kind.as_str().eq_ignore_ascii_case(kind))
        });
        if loaded.is_empty() {
            return Ok(Err(Answer::new(Verdict::Rejected, "The user has no tokens assigned")));
        }
        Ok(Ok(loaded))
    }
}

/// Whether a token's owner is in this resolver; an empty one means any.
fn is_from(token: &Token, resolver: &str) -> bool {
    resolver.is_empty() || token.owner.as_ref().is_some_and(|owner| *owner.resolver == *resolver)
}

/// The secret as text, or why it is not looked at.
fn readable(secret: Option<&Secret>) -> Result<&str, Box<Answer>> {
    let Some(secret) = secret else {
        return Err(Box::new(error(Verdict::Refused, 905, "ERR905: Missing parameter: 'pass'")));
    };
    std::str::from_utf8(secret.expose())
        .ok()
        .filter(|text| text.len() <= FACTOR_SECRET_BYTES)
        .ok_or_else(|| Box::new(error(Verdict::Refused, 905, "ERR905: Invalid parameter: 'pass'")))
}

fn error(verdict: Verdict, code: i32, message: &str) -> Answer {
    Answer { code, ..Answer::new(verdict, message) }
}

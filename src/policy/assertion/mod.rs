//! The signed assertion: who is asking, for one application's host, in a token that it can check itself.
//!
//! Source: SEMANTICS R5. A JWT in the compact form, made here and never read here: a daemon that verifies no
//! token cannot be talked into an algorithm or a key. Its header says nothing about where keys are (no `jku`,
//! `jwk`, `x5u`): applications have one fixed URL for them (attack A101).

mod key;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;

use crate::domain::decision::Assertion;
use crate::domain::time::Timestamp;
use crate::policy::export::SessionView;

use key::key_set;
pub use key::{BrokenKey, SEED_BYTES, SigningKey, new_key};

/// Random bytes of a token's id.
pub const ID_BYTES: usize = 16;

/// How a session's user was authenticated (`amr`), without and with a second factor. The one place that says so.
const METHODS: &[&str] = &["slave"];
/// `mfa` as RFC 8176 has it.
const METHODS_WITH_FACTOR: &[&str] = &["slave", "mfa"];

/// Nothing can be signed: the system gives no randomness. Answer Unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an assertion cannot be signed, because the system gives no randomness")]
pub struct Unsigned;

/// Signs assertions in the name of one portal.
#[derive(Debug)]
pub struct Assertions {
    issuer: Box<str>,
    lifetime: Duration,
    key: SigningKey,
    published: Bytes,
}

/// What is not about the identity: for whom, when, and until when at most.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The canonical host that the token is for.
    pub audience: &'a str,
    /// Now.
    pub now: Timestamp,
    /// When the session ends by itself; no token lives longer.
    pub ends: Timestamp,
    /// The token's id: fresh randomness.
    pub id: [u8; ID_BYTES],
}

/// A token, and how long it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The token.
    pub token: Assertion,
    /// Half its life: then the next one is signed.
    pub fresh_until: Timestamp,
    /// Its end.
    pub expires: Timestamp,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    realm: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: &'a str,
    level: u8,
    amr: &'static [&'static str],
    auth_time: u64,
}

impl Assertions {
    /// Signs with `key`. All of `others` are published with it, so that what they have signed or will sign is
    /// accepted too (rotation).
    #[must_use]
    pub fn new(issuer: &str, lifetime: Duration, key: SigningKey, others: &[SigningKey]) -> Self {
        let published = key_set(std::iter::once(&key).chain(others)).into();
        Self { issuer: issuer.into(), lifetime, key, published }
    }

    /// The public keys as RFC 7517 writes them.
    #[must_use]
    pub const fn key_set(&self) -> &Bytes {
        &self.published
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.key.id()
    }

    /// A new token about `identity`.
    ///
    /// # Errors
    /// The signature needs randomness and there is none.
    pub fn sign(
        &self,
        identity: &dyn SessionView,
        occasion: &Occasion<'_>,
    ) -> Result<Signed, Unsigned> {
        let Occasion { audience, now, ends, id } = *occasion;
        let expires = now.plus(self.lifetime).min(ends);
        let claims = Claims {
            iss: &self.issuer,
            aud: audience,
            sub: identity.owner().user,
            realm: identity.owner().realm,
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: expires.as_seconds(),
            jti: &URL_SAFE_NO_PAD.encode(id),
            level: identity.level(),
            amr: if identity.has_factor() { METHODS_WITH_FACTOR } else { METHODS },
            auth_time: identity.created().as_seconds(),
        };
        // Texts and numbers: this cannot fail, and if it did there would be no token.
        let claims = serde_json::to_vec(&claims).map_err(|_| Unsigned)?;
        let token = self.key.sign(&claims)?;
        let token = Assertion::new(token);
        Ok(Signed { token, fresh_until: now.plus(expires.since(now) / 2), expires })
    }
}

#[cfg(test)]
mod tests;

//! Keys that sign assertions, and what of them is published.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::policy::assertion::Unsigned;

/// Random bytes that an Ed25519 key is made of.
pub const SEED_BYTES: usize = 32;

/// RFC 8410: an Ed25519 private key in PKCS#8, version 1, up to the seed. The version without the public key,
/// because every OpenSSL reads it.
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Bytes of one coordinate on P-256.
const P256_BYTES: usize = 32;

/// Not PKCS#8, or of a kind that nothing is signed with here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 or P-256 key in PKCS#8")]
pub struct BrokenKey;

/// A private key. ring keeps it in a form of its own for the process's life; nobody can read it back.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
    /// The token's first part and its dot: the same for every token.
    head: Box<str>,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// As RFC 7517 has it. Nothing private is in this type, so nothing private can be published.
#[derive(Serialize)]
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    r#use: &'static str,
    alg: &'static str,
    kid: String,
}

#[derive(Serialize)]
struct Head<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl SigningKey {
    /// Reads a PKCS#8 key; its kind decides about the algorithm.
    ///
    /// # Errors
    /// Name the file and how to make a good one to the operator.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, BrokenKey> {
        // Unchecked means: the public key need not be there. OpenSSL writes none for Ed25519.
        let pair = match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(pair) => Pair::Ed25519(pair),
            Err(_) => EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                der,
                &SystemRandom::new(),
            )
            .map(Pair::P256)
            .map_err(|_| BrokenKey)?,
        };
        let public = PublicKey::of(&pair).ok_or(BrokenKey)?;
        let head = Head { alg: public.alg, typ: "JWT", kid: &public.kid };
        let head = serde_json::to_vec(&head).map_err(|_| BrokenKey)?;
        let head = format!("{}.", URL_SAFE_NO_PAD.encode(head)).into();
        Ok(Self { pair, public, head })
    }

    /// The RFC 7638 thumbprint of the public key: the same on every node, and nobody has to choose it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.public.kid
    }

    /// The compact form of a token with these claims.
    ///
    /// # Errors
    /// ECDSA needs randomness and there is none.
    pub(super) fn sign(&self, claims: &[u8]) -> Result<String, Unsigned> {
        let mut token = String::with_capacity(self.head.len() + claims.len() * 4 / 3 + 96);
        token.push_str(&self.head);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(token.as_bytes()),
            Pair::P256(pair) => {
                pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| Unsigned)?
            }
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

impl PublicKey {
    fn of(pair: &Pair) -> Option<Self> {
        let (alg, kty, crv, x, y) = match pair {
            Pair::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key());
                ("EdDSA", "OKP", "Ed25519", x, None)
            }
            Pair::P256(pair) => {
                // Uncompressed: a 4, then both coordinates.
                let coordinates = pair.public_key().as_ref().strip_prefix(&[4])?;
                let (x, y) = coordinates.split_at_checked(P256_BYTES)?;
                let y = Some(URL_SAFE_NO_PAD.encode(y));
                ("ES256", "EC", "P-256", URL_SAFE_NO_PAD.encode(x), y)
            }
        };
        // RFC 7638: the required members, in order, without blanks.
        let rest = y.as_ref().map(|y| format!(r#","y":"{y}""#)).unwrap_or_default();
        let canonical = format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"{rest}}}"#);
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
        Some(Self { kty, crv, x, y, r#use: "sig", alg, kid })
    }
}

/// The set of public keys as JSON.
pub fn key_set<'k>(keys: impl Iterator<Item = &'k SigningKey>) -> String {
    #[derive(Serialize)]
    struct KeySet<'k> {
        keys: Vec<&'k PublicKey>,
    }
    let set = KeySet { keys: keys.map(|key| &key.public).collect() };
    // Texts only: this cannot fail.
    serde_json::to_string(&set).unwrap_or_default()
}

/// The Ed25519 key of a random seed: its id, and itself as a PEM file holds it.
///
/// # Errors
/// None that a test does not show.
pub fn new_key(seed: &[u8; SEED_BYTES]) -> Result<(String, Secret), BrokenKey> {
    let der = Zeroizing::new([&ED25519_PKCS8[..], seed].concat());
    let key = SigningKey::from_pkcs8(&der)?;
    let text = Zeroizing::new(STANDARD.encode(&*der));
    let lines = ["-----BEGIN PRIVATE KEY-----\n", &text, "\n-----END PRIVATE KEY-----\n"];
    Ok((key.public.kid, Secret::new(lines.concat().into_bytes())))
}

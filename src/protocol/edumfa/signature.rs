//! Signatures under eduMFA's answers: RSA-PSS with SHA-256 over the document without its signature.
//!
//! Must not know what a document says, nor where keys are kept.

use std::fmt::{self, Write as _};

use getrandom::SysRng;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, DecodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _};
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::pss::{Signature, SigningKey, VerifyingKey};
use rsa::rand_core::UnwrapErr;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Verifier as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::Value;
use sha2::Sha256;

use crate::domain::limits::NODE_ANSWER_BYTES;
use crate::domain::secret::Secret;
use crate::protocol::edumfa::json;

/// What stands before the hexadecimal digits.
const PREFIX: &str = "rsa_sha256_pss:";

/// Bits of a key that is made here, and the fewest of one that is taken.
const FEWEST_BITS: u32 = 2048;

/// The most: signing takes eight times as long for twice the bits.
const MOST_BITS: u32 = 4096;

/// Why a key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not what it should be, in PEM.
    #[error("it is no RSA key in PEM")]
    Unreadable,
    /// It has fewer than 2048 bits, or more than 4096.
    #[error("it has fewer than 2048 bits or more than 4096")]
    Size,
    /// None could be made.
    #[error("no key could be made")]
    NotMade,
}

/// Signs our answers.
pub struct Signer(SigningKey<Sha256>);

impl Signer {
    /// From a private key in PEM: PKCS#8 (`BEGIN PRIVATE KEY`) or PKCS#1 (`BEGIN RSA PRIVATE KEY`), not encrypted.
    ///
    /// # Errors
    /// [`KeyError`], which the operator has to mend.
    pub fn from_pem(pem: &Secret) -> Result<Self, KeyError> {
        let pem = std::str::from_utf8(pem.expose()).map_err(|_| KeyError::Unreadable)?;
        let key =
            RsaPrivateKey::from_pkcs8_pem(pem).or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem));
        Self::of(key.map_err(|_| KeyError::Unreadable)?)
    }

    /// A new key, and its PEM (PKCS#8) to be kept. Takes up to some seconds.
    ///
    /// # Errors
    /// [`KeyError::NotMade`].
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn generate() -> Result<(Self, Secret), KeyError> {
        let key = RsaPrivateKey::new(&mut UnwrapErr(SysRng), FEWEST_BITS as usize)
            .map_err(|_| KeyError::NotMade)?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::NotMade)?;
        let secret = Secret::new(pem.as_bytes().to_vec());
        Ok((Self::of(key)?, secret))
    }

    fn of(key: RsaPrivateKey) -> Result<Self, KeyError> {
        let salt = salt_bytes(&key.to_public_key())?;
        Ok(Self(SigningKey::new_with_salt_len(key, salt)))
    }

    /// The public key in PEM (`BEGIN PUBLIC KEY`), for whoever verifies.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`], which a key that was taken does not have.
    pub fn public_pem(&self) -> Result<String, KeyError> {
        let key: &RsaPrivateKey = self.0.as_ref();
        let pem = key.to_public_key().to_public_key_pem(LineEnding::LF);
        pem.map_err(|_| KeyError::Unreadable)
    }

    /// What stands in `signature` of the document whose text this is; `None` if the system has no randomness.
    pub(super) fn sign(&self, text: &str) -> Option<String> {
        let signature = self.0.try_sign_with_rng(&mut SysRng, text.as_bytes()).ok()?;
        let mut field = PREFIX.to_owned();
        for byte in signature.to_bytes() {
            write!(field, "{byte:02x}").ok()?;
        }
        Some(field)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// Verifies the answers of one node.
#[derive(Debug)]
pub struct Verifier(VerifyingKey<Sha256>);

impl Verifier {
    /// From a public key in PEM, `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// [`KeyError`], which the operator has to mend.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key =
            RsaPublicKey::from_public_key_pem(pem).or_else(|_| RsaPublicKey::from_pkcs1_pem(pem));
        let key = key.map_err(|_| KeyError::Unreadable)?;
        let salt = salt_bytes(&key)?;
        Ok(Self(VerifyingKey::new_with_salt_len(key, salt)))
    }

    /// Whether the node signed this answer. An answer that a node passed on from another one is signed by neither
    /// (golden cases `fed_*`).
    #[must_use]
    pub fn verify(&self, body: &[u8]) -> bool {
        self.try_verify(body).is_some()
    }

    fn try_verify(&self, body: &[u8]) -> Option<()> {
        if body.len() > NODE_ANSWER_BYTES {
            return None;
        }
        let mut document = json::parse(body)?;
        let Value::String(field) = document.as_object_mut()?.remove("signature")? else {
            return None;
        };
        let signature = hex(field.strip_prefix(PREFIX)?)?;
        let signature = Signature::try_from(signature.as_slice()).ok()?;
        self.0.verify(json::dump(&document).as_bytes(), &signature).ok()
    }
}

/// The longest salt that a signature of the key can hold, as eduMFA has it: 222 bytes for 2048 bits.
fn salt_bytes(key: &RsaPublicKey) -> Result<usize, KeyError> {
    const DIGEST_BYTES: usize = 32;
    let bits = key.n().bits();
    if !(FEWEST_BITS..=MOST_BITS).contains(&bits) {
        return Err(KeyError::Size);
    }
    let encoded = usize::try_from(bits - 1).map_err(|_| KeyError::Size)?.div_ceil(8);
    encoded.checked_sub(DIGEST_BYTES + 2).ok_or(KeyError::Size)
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() || digits.len() > MOST_BITS as usize / 4 {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    thread_local! {
        static KEYS: (Signer, Verifier) = {
            let (signer, pem) = Signer::generate().unwrap();
            let verifier = Verifier::from_pem(&signer.public_pem().unwrap()).unwrap();
            assert_eq!(Signer::from_pem(&pem).unwrap().public_pem(), signer.public_pem());
            (signer, verifier)
        };
    }

    fn signed(document: &Value) -> Value {
        let mut signed = document.clone();
        signed["signature"] =
            KEYS.with(|(signer, _)| signer.sign(&json::dump(document)).unwrap()).into();
        signed
    }

    fn verifies(document: &Value) -> bool {
        KEYS.with(|(_, verifier)| verifier.verify(document.to_string().as_bytes()))
    }

    #[test]
    fn a_document_that_was_changed_does_not_verify() {
        let document = signed(&serde_json::json!({ "a": 1, "ü": [1.0, "😀"] }));
        assert!(verifies(&document));
        for (name, value) in [("a", 2), ("b", 1)] {
            let mut changed = document.clone();
            changed[name] = value.into();
            assert!(!verifies(&changed));
        }
        for odd in ["", "rsa_sha256_pss:", "rsa_sha256_pss:0", "rsa_sha256_pss:zz", "00"] {
            let mut changed = document.clone();
            changed["signature"] = odd.into();
            assert!(!verifies(&changed), "{odd}");
        }
        let mut changed = document.clone();
        changed.as_object_mut().unwrap().remove("signature");
        assert!(!verifies(&changed));
    }

    #[test]
    fn a_document_in_which_a_name_stands_twice_does_not_verify() {
        let body = signed(&serde_json::json!({ "a": 1 })).to_string();
        let twice = body.replacen('{', r#"{"a":2,"#, 1);
        assert!(!KEYS.with(|(_, verifier)| verifier.verify(twice.as_bytes())));
    }

    #[test]
    fn what_is_no_key_of_a_good_size_is_refused() {
        assert_eq!(
            Signer::from_pem(&Secret::new(b"x".to_vec())).map(|_| ()),
            Err(KeyError::Unreadable)
        );
        assert_eq!(Verifier::from_pem("x").map(|_| ()), Err(KeyError::Unreadable));
        let weak = RsaPrivateKey::new(&mut UnwrapErr(SysRng), 1024).unwrap();
        let weak = weak.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
        assert_eq!(Verifier::from_pem(&weak).map(|_| ()), Err(KeyError::Size));
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..5)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        });
        prop::collection::hash_map(any::<String>(), value, 0..5)
            .prop_map(|entries| entries.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_signed_verifies(document in document()) {
            prop_assert!(verifies(&signed(&document)));
        }

        #[test]
        fn any_bytes_are_verified_without_harm(body: Vec<u8>) {
            prop_assert!(!KEYS.with(|(_, verifier)| verifier.verify(&body)));
        }
    }
}

//! Secrets: what must never be printed, stored in the clear or compared byte by byte.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Key material. Wiped when dropped; its `Debug` shows nothing.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller must not keep a copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one function that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The name that logs, commands and records know a random key by.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new().chain_update("vouchsafe key id\0").chain_update(self.expose());
        let hash: [u8; 32] = hash.finalize().into();
        KeyId(hash.first_chunk().copied().unwrap_or_default())
    }
}

/// Which key; says nothing about what it is, if it is random.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A secret that is only ever compared: its SHA-256 is kept, the text is not.
///
/// Both sides are hashed before they are compared in constant time, so neither the place of the
/// first wrong byte nor a wrong length shows in the time it takes (attack A08).
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Digest of the secret's exact bytes.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether `candidate` is the secret, byte for byte.
    #[must_use]
    pub fn matches(&self, candidate: &Self) -> bool {
        self.0.ct_eq(&candidate.0).into()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_bytes_match() {
        let secret = SecretDigest::of(b"s3cret!");
        assert!(secret.matches(&SecretDigest::of(b"s3cret!")));
        for wrong in [&b"s3cret"[..], b"S3cret!", b"s3cret! ", b".*", b""] {
            assert!(!secret.matches(&SecretDigest::of(wrong)));
        }
    }

    #[test]
    fn a_key_has_always_the_same_id_and_another_one_another() {
        let id = |key: &[u8]| Secret::new(key.to_vec()).id().to_string();
        assert_eq!(id(&[7; 32]), "eee5f2d5");
        assert_ne!(id(&[7; 32]), id(&[8; 32]));
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(b"hush".to_vec())), "Secret(..)");
        assert_eq!(format!("{:?}", SecretDigest::of(b"hush")), "SecretDigest(..)");
    }
}

//! Sealing bytes under a key: XChaCha20-Poly1305 with a random nonce, bound to the place that they belong to.
//!
//! Must not know: what is sealed, where keys come from. What does not open is an error, never bytes.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

/// Long enough to be random for as many records as there will ever be.
const NONCE_BYTES: usize = 24;

/// What sealing adds: the nonce and the tag.
pub const SEAL_BYTES: usize = NONCE_BYTES + 16;

/// Seals and opens with one key.
pub struct Sealer(XChaCha20Poly1305);

/// Why something was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key, another place, a flipped bit: never use it.
    #[error("it does not open: wrong key, wrong place, or damaged")]
    Closed,
    /// The system gave no random bytes.
    #[error("no random bytes to be had")]
    NoEntropy,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// Derives a key of its own for each purpose that `label` names, so that one secret may serve several.
    #[must_use]
    pub fn derived(secret: &Secret, label: &str) -> Self {
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(
            hmac(secret.expose()).chain_update(label).finalize().into_bytes().into(),
        );
        Self(XChaCha20Poly1305::new((&*key).into()))
    }

    /// Appends nonce and sealed bytes to `out`. They open for the same `place` only.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn seal(&self, place: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoEntropy)?;
        let payload = Payload { msg: plain, aad: place };
        let sealed =
            self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Closed)?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    /// What was sealed for `place`.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Closed)?;
        let payload = Payload { msg: sealed, aad: place };
        let plain =
            self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Closed)?;
        Ok(Zeroizing::new(plain))
    }
}

/// A keyed hash under a secret of any length.
pub(crate) fn hmac(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    hmac::KeyInit::new_from_slice(key).expect("any length is a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_open_under_their_own_key_label_and_place_only() {
        let sealer = |key: u8, label| Sealer::derived(&Secret::new(vec![key; 32]), label);
        let mut sealed = Vec::new();
        sealer(1, "a").seal(b"here", b"plain", &mut sealed).unwrap();
        assert_eq!(sealed.len(), 5 + SEAL_BYTES);
        assert_eq!(**sealer(1, "a").open(b"here", &sealed).unwrap(), *b"plain");
        for (key, label, place) in [(2, "a", "here"), (1, "b", "here"), (1, "a", "there")] {
            let opened = sealer(key, label).open(place.as_bytes(), &sealed);
            assert_eq!(opened.unwrap_err(), SealError::Closed);
        }
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(sealer(1, "a").open(b"here", &flipped).is_err());
            assert!(sealer(1, "a").open(b"here", &sealed[..at]).is_err());
        }
        assert_eq!(format!("{:?}", sealer(1, "a")), "Sealer(..)");
    }
}

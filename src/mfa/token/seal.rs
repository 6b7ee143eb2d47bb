//! Records of tokens as they lie in a store: encrypted whole, under keys that nobody can guess.
//!
//! Must not know: stores. The record's key and the version are authenticated with it, so that no record can be put in
//! another one's place. What does not open is an error, never a token.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::mfa::token::record::Token;
use crate::store::seal::{self, hmac};

/// The version of everything in a sealed record; a change of layout is a new number.
const VERSION: u8 = 1;

/// Room for a token as JSON, so that writing it leaves no half copies in memory.
const ROOM: usize = 4096;

/// Seals and opens tokens. Everything in it comes out of one key.
pub struct Sealer {
    seal: seal::Sealer,
    owners: Hmac<Sha256>,
}

/// Why a token was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was made with another key or is not what was written: never use it.
    #[error("a token's record does not open: wrong key, or damaged")]
    Damaged,
    /// The system gave no random bytes.
    #[error("no random bytes to be had")]
    NoEntropy,
}

impl From<seal::SealError> for SealError {
    fn from(error: seal::SealError) -> Self {
        match error {
            seal::SealError::Closed => Self::Damaged,
            seal::SealError::NoEntropy => Self::NoEntropy,
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// The key of a token's record.
#[must_use]
pub fn key_of(serial: &str) -> [u8; 32] {
    hash("vouchsafe token", serial)
}

/// The key of a token's entry in the directory.
#[must_use]
pub fn entry_of(serial: &str) -> [u8; 32] {
    hash("vouchsafe token entry", serial)
}

fn hash(label: &str, serial: &str) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update([0]).chain_update(serial).finalize().into()
}

impl Sealer {
    /// Derives what it needs from the key file's bytes.
    #[must_use]
    pub fn new(key: &Secret) -> Self {
        let owners = hmac(key.expose()).chain_update("vouchsafe token owner").finalize();
        let owners: Zeroizing<[u8; 32]> = Zeroizing::new(owners.into_bytes().into());
        let seal = seal::Sealer::derived(key, "vouchsafe token seal");
        Self { seal, owners: hmac(&*owners) }
    }

    /// The index of all tokens of a user: a keyed hash, so that nobody can make two users share one.
    #[must_use]
    pub fn owner(&self, user: &str, realm: &str) -> u64 {
        let length = user.len() as u64;
        let mac = self.owners.clone().chain_update(length.to_le_bytes()).chain_update(user);
        let bytes: [u8; 32] = mac.chain_update(realm).finalize().into_bytes().into();
        u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
    }

    /// The bytes to store.
    ///
    /// # Errors
    /// The system gave no random bytes; a token that cannot be written is `Damaged`.
    pub fn seal(&self, token: &Token) -> Result<Vec<u8>, SealError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *plain, token).map_err(|_| SealError::Damaged)?;
        let mut bytes = Vec::with_capacity(1 + seal::SEAL_BYTES + plain.len());
        bytes.push(VERSION);
        self.seal.seal(&aad(&key_of(&token.serial)), &plain, &mut bytes)?;
        Ok(bytes)
    }

    /// The token in the bytes that were stored under `key`.
    ///
    /// # Errors
    /// It does not open: another key, another place, a flipped bit, an unknown version.
    pub fn open(&self, key: &[u8; 32], bytes: &[u8]) -> Result<Token, SealError> {
        let (&version, rest) = bytes.split_first().ok_or(SealError::Damaged)?;
        if version != VERSION {
            return Err(SealError::Damaged);
        }
        let plain = self.seal.open(&aad(key), rest)?;
        let token: Token = serde_json::from_slice(&plain).map_err(|_| SealError::Damaged)?;
        if key_of(&token.serial) == *key { Ok(token) } else { Err(SealError::Damaged) }
    }
}

fn aad(key: &[u8; 32]) -> [u8; 33] {
    let mut aad = [VERSION; 33];
    if let Some((_, place)) = aad.split_first_mut() {
        place.copy_from_slice(key);
    }
    aad
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mfa::settings::TokenKind;
    use crate::mfa::token::record::{FarOff, Owner};

    fn sealer(key: u8) -> Sealer {
        Sealer::new(&Secret::new(vec![key; 32]))
    }

    fn token(serial: &str) -> Token {
        Token::new(serial, TokenKind::Totp, Secret::new(b"12345678901234567890".to_vec()))
    }

    #[test]
    fn a_token_opens_under_its_own_key_and_in_its_own_place_only() {
        let bytes = sealer(1).seal(&token("A")).unwrap();
        let opened = sealer(1).open(&key_of("A"), &bytes).unwrap();
        assert_eq!(opened.secret.expose(), b"12345678901234567890");
        assert_eq!(sealer(2).open(&key_of("A"), &bytes).unwrap_err(), SealError::Damaged);
        assert_eq!(sealer(1).open(&key_of("B"), &bytes).unwrap_err(), SealError::Damaged);
        assert_ne!(bytes, sealer(1).seal(&token("A")).unwrap(), "the nonce is new each time");
    }

    #[test]
    fn no_flipped_bit_and_no_missing_byte_goes_unnoticed() {
        let bytes = sealer(1).seal(&token("A")).unwrap();
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            assert!(sealer(1).open(&key_of("A"), &flipped).is_err(), "{place}");
            assert!(sealer(1).open(&key_of("A"), &bytes[..place]).is_err(), "{place}");
        }
    }

    #[test]
    fn nothing_of_a_token_can_be_read_in_the_store() {
        let bytes = sealer(1).seal(&token("SERIAL")).unwrap();
        for word in [&b"SERIAL"[..], b"12345678", b"totp", b"3132333435"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word));
        }
        assert_eq!(format!("{:?}", sealer(1)), "Sealer(..)");
        let shown = format!("{:?}", token("SERIAL"));
        assert!(!shown.contains("1234") && !shown.contains("3132"), "{shown}");
    }

    #[test]
    fn owners_are_told_apart() {
        let sealer = sealer(1);
        assert_eq!(sealer.owner("alice", "r"), sealer.owner("alice", "r"));
        assert_ne!(sealer.owner("alice", "r"), sealer.owner("alic", "er"));
        assert_ne!(
            sealer.owner("alice", "r"),
            Sealer::new(&Secret::new(vec![2])).owner("alice", "r")
        );
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(
            serial in "[A-Za-z0-9._-]{1,40}", user in ".{0,40}", next: u64, shift: i64, fails: u32,
            secret in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,40}", at: Option<u64>,
        ) {
            let owner = Owner { user: user.into(), realm: "r".into(), resolver: text.clone().into() };
            let written = Token {
                owner: Some(owner), next, time_shift: shift, fail_count: fails, failed_at: at,
                description: text.clone().into(), secret: Secret::new(secret),
                far_off: at.map(|until| FarOff { counter: next, until }),
                info: [(text.clone().into(), text.into())].into(),
                ..token(&serial)
            };
            let read = sealer(1).open(&key_of(&serial), &sealer(1).seal(&written).unwrap()).unwrap();
            prop_assert_eq!(&read.owner, &written.owner);
            prop_assert_eq!(read.secret.expose(), written.secret.expose());
            let numbers = |t: &Token| (t.next, t.time_shift, t.fail_count, t.failed_at, t.far_off);
            prop_assert_eq!(numbers(&read), numbers(&written));
            prop_assert_eq!((&read.info, &read.description), (&written.info, &written.description));
        }

        #[test]
        fn no_bytes_make_opening_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(sealer(1).open(&[0; 32], &bytes).is_err());
        }
    }
}

//! Session ids: random values that only ever stand in a cookie.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain::identity::SessionKey;
use crate::store::Partition;

/// 256 random bits. Whoever knows them is the session; stores and logs see [`SessionKey`] only.
#[derive(PartialEq, Eq)]
pub struct SessionId([u8; 32]);

/// There are no good random bytes. Nothing may be opened without them.
#[derive(Debug, thiserror::Error)]
pub enum NoEntropy {
    /// The system gave none.
    #[error("no random bytes to be had")]
    None(#[source] getrandom::Error),
    /// It gave some that were not.
    #[error("the system's random bytes are not random")]
    Bad,
}

/// Candidates that are taken from the system at once: fewer cost calls, more are mostly thrown away.
const BLOCK: usize = 8;

/// How many blocks may hold no id for a partition: by chance, that happens once in 10^27 times.
const MOST_BLOCKS: usize = 2048;

impl SessionId {
    /// A fresh id whose key lies in `partition`. Whoever knows the partition knows 8 bits of the key, and no
    /// more of the id than that: ids are drawn until one fits, so all that fit are equally likely.
    ///
    /// That takes 256 hashes on average: less than a tenth of a millisecond (measured on x86-64 with SHA
    /// extensions; most of it is the system's random bytes), once a session.
    ///
    /// # Errors
    /// The system's source failed: answer Unavailable.
    pub fn random_in(partition: Partition) -> Result<Self, NoEntropy> {
        let mut block = Zeroizing::new([0; 32 * BLOCK]);
        for _ in 0..MOST_BLOCKS {
            getrandom::fill(&mut *block).map_err(NoEntropy::None)?;
            let fits = |id: &&[u8; 32]| Sha256::digest(id).first() == Some(&partition);
            if let Some(id) = block.as_chunks().0.iter().find(fits) {
                return Ok(Self(*id));
            }
        }
        Err(NoEntropy::Bad)
    }

    /// Reads 64 lower-case hex digits; anything else is no id of ours.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let mut value = 0;
            for digit in pair {
                value = value << 4
                    | match digit {
                        b'0'..=b'9' => digit - b'0',
                        b'a'..=b'f' => digit - b'a' + 10,
                        _ => return None,
                    };
            }
            *byte = value;
        }
        Some(Self(bytes))
    }

    /// The 64 hex digits for the cookie and the login's answer.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The key under which the session is kept.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        SessionKey(Sha256::digest(self.0).into())
    }
}

impl Drop for SessionId {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_64_lower_case_hex_digits() {
        let id = SessionId::random_in(7).unwrap();
        let hex = id.to_hex();
        assert!(hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert_eq!(SessionId::parse(hex.as_bytes()), Some(id));
    }

    #[test]
    fn other_spellings_are_no_ids() {
        let hex = "ab".repeat(32);
        assert!(SessionId::parse(hex.as_bytes()).is_some());
        for bad in [
            hex.to_uppercase(),
            "a".repeat(63),
            "a".repeat(65),
            format!("\"{}\"", "a".repeat(62)),
            "g".repeat(64),
            "é".repeat(32),
        ] {
            assert_eq!(SessionId::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_key_of_an_id_lies_in_the_partition_that_was_asked_for() {
        for partition in [0, 1, 0x80, 0xff] {
            let id = SessionId::random_in(partition).unwrap();
            assert_eq!(id.key().0.first(), Some(&partition));
        }
    }

    #[test]
    fn ids_do_not_repeat_and_are_not_printed() {
        let ids: std::collections::HashSet<String> =
            (0..1_000).map(|_| SessionId::random_in(1).unwrap().to_hex()).collect();
        assert_eq!(ids.len(), 1_000);
        // All bytes of an id differ from one to the next, although a part of the key is given.
        for at in 0..64 {
            let digits: std::collections::HashSet<_> =
                ids.iter().filter_map(|id| id.chars().nth(at)).collect();
            assert_eq!(digits.len(), 16, "digit {at}");
        }
        let id = SessionId::random_in(1).unwrap();
        assert_eq!(format!("{id:?}"), "SessionId(..)");
        assert!(!id.to_hex().contains(&format!("{:?}", id.key())));
    }
}

//! Session ids: random values that only ever stand in a cookie.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

use crate::domain::identity::SessionKey;

/// 256 random bits. Whoever knows them is the session; stores and logs see [`SessionKey`] only.
#[derive(PartialEq, Eq)]
pub struct SessionId([u8; 32]);

/// The system gave no random bytes. Nothing may be opened without them.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes to be had")]
pub struct NoEntropy(#[source] getrandom::Error);

impl SessionId {
    /// A fresh id.
    ///
    /// # Errors
    /// The system's source failed: answer Unavailable.
    pub fn random() -> Result<Self, NoEntropy> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(NoEntropy)?;
        Ok(Self(bytes))
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
        let id = SessionId::random().unwrap();
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
    fn ids_do_not_repeat_and_are_not_printed() {
        let ids: std::collections::HashSet<String> =
            (0..10_000).map(|_| SessionId::random().unwrap().to_hex()).collect();
        assert_eq!(ids.len(), 10_000);
        let id = SessionId::random().unwrap();
        assert_eq!(format!("{id:?}"), "SessionId(..)");
        assert!(!id.to_hex().contains(&format!("{:?}", id.key())));
    }
}

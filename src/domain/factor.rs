//! A second factor that was checked: by which node, with what, when. Its texts are borrowed from wherever they
//! stand; what a factor is worth is a rule's business.

use crate::domain::limits::FACTOR_TEXT_BYTES;
use crate::domain::time::Timestamp;

/// A second-factor check that succeeded. Each text has 1 to [`FACTOR_TEXT_BYTES`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor<'a> {
    node: &'a str,
    token_type: &'a str,
    serial: &'a str,
    at: Timestamp,
}

/// A text of a factor is missing or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a factor's node, token type and serial have 1 to {FACTOR_TEXT_BYTES} bytes each; do not count it as a factor"
)]
pub struct MalformedFactor;

impl<'a> Factor<'a> {
    /// A check by `node`, the configured server that was asked, of a token of this type and serial.
    ///
    /// # Errors
    /// A text is empty or too long. A success without a serial is no factor (SEMANTICS F1).
    pub fn new(
        node: &'a str,
        token_type: &'a str,
        serial: &'a str,
        at: Timestamp,
    ) -> Result<Self, MalformedFactor> {
        let fits = |text: &str| (1..=FACTOR_TEXT_BYTES).contains(&text.len());
        if [node, token_type, serial].into_iter().all(fits) {
            Ok(Self { node, token_type, serial, at })
        } else {
            Err(MalformedFactor)
        }
    }

    /// The configured server that was asked (F7).
    #[must_use]
    pub const fn node(&self) -> &'a str {
        self.node
    }

    /// What kind of token it was, in the node's words.
    #[must_use]
    pub const fn token_type(&self) -> &'a str {
        self.token_type
    }

    /// Which token it was, in the node's words.
    #[must_use]
    pub const fn serial(&self) -> &'a str {
        self.serial
    }

    /// When it was checked.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_has_three_texts_that_are_neither_empty_nor_long() {
        let at = Timestamp::from_millis(7);
        let longest = "x".repeat(FACTOR_TEXT_BYTES);
        let factor = Factor::new("local", &longest, "OATH0001", at).unwrap();
        assert_eq!((factor.node(), factor.serial(), factor.at()), ("local", "OATH0001", at));
        assert_eq!(factor.token_type(), longest);
        let longer = "x".repeat(FACTOR_TEXT_BYTES + 1);
        for bad in ["", &longer] {
            assert_eq!(Factor::new(bad, "totp", "1", at), Err(MalformedFactor));
            assert_eq!(Factor::new("local", bad, "1", at), Err(MalformedFactor));
            assert_eq!(Factor::new("local", "totp", bad, at), Err(MalformedFactor));
        }
    }
}

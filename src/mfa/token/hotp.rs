//! One-time passwords by a counter (RFC 4226). Must not know: tokens, time, fail counters.

use std::ops::Range;

use hmac::digest::block_api::EagerHash;
use hmac::{Hmac, KeyInit as _};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use crate::domain::secret::Secret;

/// How far apart from its token a counter may be to be found again by two values in a row.
pub const SYNC_WINDOW: u64 = 1000;

/// The hash under the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-1, the only one that RFC 4226 knows.
    #[default]
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// The name in otpauth URIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// The algorithm of this name, in any case, with or without `HMAC-` in front and `-` inside.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let name = name.strip_prefix("HMAC").unwrap_or(&name).replace('-', "");
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Bytes of a new secret: as many as the hash has (RFC 4226, R6; RFC 6238, 5.1).
    #[must_use]
    pub const fn secret_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// How many digits a one-time password has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Digits {
    /// Six.
    #[default]
    Six,
    /// Eight.
    Eight,
}

/// A number of digits that no token has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a one-time password has 6 or 8 digits")]
pub struct OddDigits;

impl TryFrom<u8> for Digits {
    type Error = OddDigits;

    fn try_from(number: u8) -> Result<Self, OddDigits> {
        match number {
            6 => Ok(Self::Six),
            8 => Ok(Self::Eight),
            _ => Err(OddDigits),
        }
    }
}

impl From<Digits> for u8 {
    fn from(digits: Digits) -> Self {
        match digits {
            Digits::Six => 6,
            Digits::Eight => 8,
        }
    }
}

impl Digits {
    const fn modulus(self) -> u32 {
        match self {
            Self::Six => 1_000_000,
            Self::Eight => 100_000_000,
        }
    }

    /// The number that `text` stands for, if it has exactly so many digits and nothing else.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<Otp> {
        let whole = text.len() == usize::from(u8::from(self));
        (whole && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
            .map(Otp)
    }
}

/// A one-time password, given or computed. Compared in constant time; prints nothing.
#[derive(Clone, Copy)]
pub struct Otp(u32);

impl Otp {
    /// Whether both are the same.
    #[must_use]
    pub fn matches(self, other: Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The text that a token shows.
    #[cfg(test)]
    pub(crate) fn show(self, digits: Digits) -> String {
        format!("{:0width$}", self.0, width = usize::from(u8::from(digits)))
    }
}

impl std::fmt::Debug for Otp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Otp(..)")
    }
}

/// Computes one-time passwords of one secret.
pub struct Generator {
    mac: Keyed,
    digits: Digits,
}

/// HMACs with the secret in them.
enum Keyed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Generator(..)")
    }
}

impl Generator {
    /// Prepares the HMAC, so that a window costs two hashes a value.
    #[must_use]
    pub fn new(secret: &Secret, algorithm: Algorithm, digits: Digits) -> Self {
        let mac = match algorithm {
            Algorithm::Sha1 => Keyed::Sha1(keyed(secret)),
            Algorithm::Sha256 => Keyed::Sha256(keyed(secret)),
            Algorithm::Sha512 => Keyed::Sha512(keyed(secret)),
        };
        Self { mac, digits }
    }

    /// The value at this counter, or at this time step.
    ///
    /// Source: RFC 4226, 5.3.
    #[must_use]
    pub fn at(&self, counter: u64) -> Otp {
        let number = match &self.mac {
            Keyed::Sha1(mac) => truncate(&finish(mac, counter)),
            Keyed::Sha256(mac) => truncate(&finish(mac, counter)),
            Keyed::Sha512(mac) => truncate(&finish(mac, counter)),
        };
        Otp(number % self.digits.modulus())
    }

    /// The first counter of `range` with this value.
    #[must_use]
    pub fn find(&self, otp: Otp, range: Range<u64>) -> Option<u64> {
        range.into_iter().find(|&counter| self.at(counter).matches(otp))
    }

    /// The first counter of `range` with the value `first` that has `second` right behind it.
    #[must_use]
    pub fn find_pair(&self, first: Otp, second: Otp, range: Range<u64>) -> Option<u64> {
        range.into_iter().find(|&counter| {
            self.at(counter).matches(first) && self.at(counter.saturating_add(1)).matches(second)
        })
    }
}

fn keyed<D: EagerHash>(secret: &Secret) -> Hmac<D>
where
    Hmac<D>: hmac::KeyInit,
{
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(secret.expose()).expect("any length is a key")
}

fn finish<M: hmac::Mac + Clone>(mac: &M, counter: u64) -> Vec<u8> {
    mac.clone().chain_update(counter.to_be_bytes()).finalize().into_bytes().to_vec()
}

/// Four bytes of the HMAC, at the place that its last four bits say, without the sign.
fn truncate(bytes: &[u8]) -> u32 {
    let place = usize::from(bytes.last().copied().unwrap_or(0) & 0x0f);
    let four = bytes.get(place..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    u32::from_be_bytes(four) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc() -> Generator {
        let secret = Secret::new(b"12345678901234567890".to_vec());
        Generator::new(&secret, Algorithm::Sha1, Digits::Six)
    }

    #[test]
    fn the_values_of_rfc_4226_appendix_d() {
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (counter, value) in (0..).zip(expected) {
            assert_eq!(rfc().at(counter).show(Digits::Six), value);
        }
    }

    #[test]
    fn a_value_is_found_in_its_window_only() {
        let otp = Digits::Six.parse("520489").unwrap();
        assert_eq!(rfc().find(otp, 0..10), Some(9));
        assert_eq!(rfc().find(otp, 0..9), None);
        assert_eq!(rfc().find(otp, 10..20), None);
        let before = Digits::Six.parse("399871").unwrap();
        assert_eq!(rfc().find_pair(before, otp, 0..10), Some(8));
        assert_eq!(rfc().find_pair(otp, before, 0..10), None);
    }

    #[test]
    fn only_so_many_digits_are_a_one_time_password() {
        for text in
            ["", "12345", "1234567", "12345a", "+12345", " 12345", "１２３４５６", "12345６"]
        {
            assert!(Digits::Six.parse(text).is_none(), "{text}");
        }
        assert!(Digits::Six.parse("000000").is_some());
        assert!(Digits::Eight.parse("000000").is_none());
        assert!(Digits::try_from(7).is_err());
    }

    #[test]
    fn algorithms_are_found_by_the_names_that_files_give_them() {
        for (name, algorithm) in [
            ("sha1", Some(Algorithm::Sha1)),
            ("HMAC-SHA256", Some(Algorithm::Sha256)),
            ("HmacSHA512", Some(Algorithm::Sha512)),
            ("SHA-256", Some(Algorithm::Sha256)),
            ("md5", None),
            ("", None),
        ] {
            assert_eq!(Algorithm::of(name), algorithm, "{name}");
        }
    }

    #[test]
    fn debug_output_shows_nothing() {
        let otp = Digits::Six.parse("755224").unwrap();
        assert_eq!(format!("{otp:?} {:?}", rfc()), "Otp(..) Generator(..)");
    }
}

//! One-time passwords as a token shows them, by another library than the daemon's own node has.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac::{self, Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY as SHA1};

/// The seed of RFC 4226's examples, as hexadecimal digits.
pub const RFC_SEED: &str = "3132333435363738393031323334353637383930";

/// A seed of twenty equal bytes, as hexadecimal digits.
pub fn seed(byte: u8) -> String {
    format!("{byte:02x}").repeat(20)
}

/// RFC 4226, six digits of SHA-1.
pub fn hotp(seed: &str, counter: u64) -> String {
    hotp_of(seed, counter, 6, SHA1)
}

/// RFC 6238, six digits of SHA-1 and steps of 30 s: the one of now, or of `steps` later.
pub fn totp(seed: &str, steps: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30;
    hotp(seed, now.checked_add_signed(steps).unwrap())
}

/// RFC 4226 with any number of digits and RFC 6238's other algorithms.
pub fn hotp_of(seed: &str, counter: u64, digits: u32, algorithm: Algorithm) -> String {
    let pairs = seed.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let key: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let mac = hmac::sign(&hmac::Key::new(algorithm, &key), &counter.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 15);
    let cut = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:0width$}", cut % 10_u32.pow(digits), width = digits as usize)
}

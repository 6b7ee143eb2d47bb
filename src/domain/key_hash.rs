//! Hashing of what is a hash already.
//!
//! Session keys are SHA-256 or HMAC values, so folding one is as good as hashing it again, and nobody can
//! choose them: a client chooses a cookie, never its digest.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`KeyHasher`]s.
pub type BuildKeyHasher = BuildHasherDefault<KeyHasher>;

/// Folds the words of a key, and mixes small numbers in.
#[derive(Debug, Default, Clone)]
pub struct KeyHasher(u64);

/// An odd constant that spreads small numbers over all bits (Fibonacci hashing).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.as_chunks().0 {
            self.0 = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(SPREAD);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 ^= u64::from(number).wrapping_add(1).wrapping_mul(SPREAD);
    }

    /// The length of a key is always the same and tells nothing.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    use super::*;
    use crate::domain::identity::SessionKey;

    #[test]
    fn keys_and_pairs_of_keys_and_numbers_have_hashes_of_their_own() {
        let build = BuildKeyHasher::default();
        let key = |n: u8| SessionKey([n; 32]);
        let hashes: HashSet<u64> = (0..=255).map(|n| build.hash_one(key(n))).collect();
        assert_eq!(hashes.len(), 256);
        let pairs: HashSet<u64> = (0..=255)
            .flat_map(|n| (0..100_u32).map(move |id| (key(n), id)))
            .map(|pair| build.hash_one(pair))
            .collect();
        assert_eq!(pairs.len(), 25_600);
    }
}

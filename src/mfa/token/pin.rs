//! PINs and static passwords: kept as argon2id hashes, verified on few threads of their own.
//!
//! Must not know: tokens, questions. A hash costs some 19 MiB and 20 ms on purpose, so it is never made on a thread
//! that answers others, no more than [`AT_ONCE`] are made at a time, and what would wait behind [`WAITING`] others is
//! refused at once.

use std::fmt;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::mfa::token::record::{bytes_from_hex, bytes_to_hex};

/// Questions whose hashes are made at a time.
pub const AT_ONCE: usize = 2;

/// Questions that wait for that; further ones are refused.
pub const WAITING: usize = 64;

/// KiB of memory of a hash. Source: OWASP, argon2id with 19 MiB, two passes and one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What a hash may cost at most, however it came into the record.
const MOST_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 4;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// The argon2id hash of a PIN, with its salt and its costs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinHash {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    #[serde(serialize_with = "bytes_to_hex", deserialize_with = "bytes_from_hex")]
    salt: [u8; SALT_BYTES],
    #[serde(serialize_with = "bytes_to_hex", deserialize_with = "bytes_from_hex")]
    hash: [u8; HASH_BYTES],
}

impl fmt::Debug for PinHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinHash(..)")
    }
}

/// Why a hash was not made. Nothing is known about the PIN.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("too many PINs wait to be checked")]
    Busy,
    /// The system gave no random bytes, or not the memory.
    #[error("a PIN could not be hashed")]
    Failed,
}

impl PinHash {
    /// The hash of `pin`. Takes long: see [`HashPool`].
    fn of(pin: &[u8]) -> Result<Self, HashError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| HashError::Failed)?;
        let costs = (MEMORY_KIB, PASSES, LANES);
        let hash = derive(pin, &salt, costs).ok_or(HashError::Failed)?;
        Ok(Self { memory_kib: costs.0, passes: costs.1, lanes: costs.2, salt, hash: *hash })
    }

    /// Whether `pin` has this hash. Takes long: see [`HashPool`].
    fn verify(&self, pin: &[u8]) -> bool {
        let costs = (self.memory_kib, self.passes, self.lanes);
        derive(pin, &self.salt, costs).is_some_and(|hash| hash.ct_eq(&self.hash).into())
    }
}

fn derive(
    pin: &[u8],
    salt: &[u8],
    (memory_kib, passes, lanes): (u32, u32, u32),
) -> Option<Zeroizing<[u8; HASH_BYTES]>> {
    if memory_kib > MOST_KIB || passes > MOST_PASSES || lanes > MOST_LANES {
        return None;
    }
    let params = Params::new(memory_kib, passes, lanes, Some(HASH_BYTES)).ok()?;
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pin, salt, &mut *hash)
        .ok()?;
    Some(hash)
}

/// Something to verify: does `text` have `hash`?
pub struct Claim {
    /// The hash that it should have.
    pub hash: PinHash,
    /// The PIN or password.
    pub text: Secret,
    /// Only of interest if the claim before it is wrong.
    pub is_second_chance: bool,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim(..)")
    }
}

/// Which claims were verified, with what result.
#[derive(Default)]
pub struct Proofs(Vec<(Claim, bool)>);

impl Proofs {
    /// Whether `text` was found to have `hash`; what nobody verified is wrong.
    #[must_use]
    pub fn hold(&self, hash: &PinHash, text: &str) -> bool {
        self.find(hash, text.as_bytes()).unwrap_or(false)
    }

    /// Whether the claim has been looked at.
    #[must_use]
    pub fn know(&self, claim: &Claim) -> bool {
        self.find(&claim.hash, claim.text.expose()).is_some()
    }

    /// Takes what was verified in.
    pub fn extend(&mut self, verified: Vec<(Claim, bool)>) {
        self.0.extend(verified);
    }

    fn find(&self, hash: &PinHash, text: &[u8]) -> Option<bool> {
        let of = |claim: &Claim| claim.hash == *hash && claim.text.expose().ct_eq(text).into();
        self.0.iter().find(|(claim, _)| of(claim)).map(|&(_, holds)| holds)
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proofs(..)")
    }
}

/// The threads on which hashes are made: tokio's blocking ones, but few of them.
#[derive(Debug)]
pub struct HashPool {
    working: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Default for HashPool {
    fn default() -> Self {
        Self { working: Arc::new(Semaphore::new(AT_ONCE)), waiting: Semaphore::new(WAITING) }
    }
}

impl HashPool {
    /// The hash of a new PIN; none for an empty one.
    ///
    /// # Errors
    /// Too many wait, or the system gave no random bytes or memory.
    pub async fn hash(&self, pin: &Secret) -> Result<Option<PinHash>, HashError> {
        if pin.expose().is_empty() {
            return Ok(None);
        }
        let pin = Secret::new(pin.expose().to_vec());
        self.run(move || PinHash::of(pin.expose())).await?.map(Some)
    }

    /// Verifies all claims, one after the other on one thread.
    ///
    /// # Errors
    /// Too many wait, or a thread is gone; nothing is known about any claim.
    pub async fn verify(&self, claims: Vec<Claim>) -> Result<Vec<(Claim, bool)>, HashError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        self.run(move || {
            let mut before = false;
            let verify = |claim: Claim| {
                before =
                    !(claim.is_second_chance && before) && claim.hash.verify(claim.text.expose());
                (claim, before)
            };
            claims.into_iter().map(verify).collect()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let waiting = self.waiting.try_acquire().map_err(|_| HashError::Busy)?;
        let working =
            Arc::clone(&self.working).acquire_owned().await.map_err(|_| HashError::Busy)?;
        drop(waiting);
        // The permit goes with the work: a question that is given up still occupies its thread.
        let job = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(working);
            done
        });
        job.await.map_err(|_| HashError::Failed)
    }
}

/// Hex digits for a person, or for a record.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(HEXLOWER.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    fn claim(hash: &PinHash, text: &str) -> Claim {
        Claim { hash: hash.clone(), text: secret(text), is_second_chance: false }
    }

    #[tokio::test]
    async fn only_the_pin_itself_is_proven_and_what_nobody_looked_at_is_wrong() {
        let pool = HashPool::default();
        let hash = pool.hash(&secret("cpin")).await.unwrap().unwrap();
        let claims = ["cpin", "cpix", "", "cpin "].map(|text| claim(&hash, text));
        let mut proofs = Proofs::default();
        proofs.extend(pool.verify(claims.into()).await.unwrap());
        assert!(proofs.hold(&hash, "cpin"));
        assert!(!proofs.hold(&hash, "cpix") && !proofs.hold(&hash, ""));
        assert!(!proofs.hold(&hash, "other") && !proofs.know(&claim(&hash, "other")));
        let again = pool.hash(&secret("cpin")).await.unwrap().unwrap();
        assert_ne!(again, hash, "the salt is new each time");
        assert_eq!(pool.hash(&secret("")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_second_chance_is_looked_at_only_if_the_first_was_lost() {
        let pool = HashPool::default();
        let hash = pool.hash(&secret("cpin")).await.unwrap().unwrap();
        let second = || Claim { is_second_chance: true, ..claim(&hash, "cpin") };
        let rows = pool.verify(vec![claim(&hash, "cpin"), second()]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), [true, false]);
        let rows = pool.verify(vec![claim(&hash, "no"), second()]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), [false, true]);
    }

    #[tokio::test]
    async fn what_would_wait_too_long_is_refused_at_once() {
        let pool = HashPool::default();
        let all = pool.working.acquire_many(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
        let waiting = pool.waiting.acquire_many(u32::try_from(WAITING).unwrap()).await.unwrap();
        assert!(matches!(pool.hash(&secret("x")).await, Err(HashError::Busy)));
        drop((all, waiting));
        assert!(pool.hash(&secret("x")).await.is_ok());
    }

    #[test]
    fn a_record_cannot_make_a_hash_that_costs_everything() {
        assert!(derive(b"x", &[0; 16], (MOST_KIB + 1, 1, 1)).is_none());
        assert!(derive(b"x", &[0; 16], (64, MOST_PASSES + 1, 1)).is_none());
        assert!(derive(b"x", &[0; 16], (64, 1, 99)).is_none());
        assert!(derive(b"x", &[0; 16], (64, 1, 1)).is_some());
    }

    #[tokio::test]
    async fn debug_output_shows_nothing() {
        let hash = HashPool::default().hash(&secret("cpin")).await.unwrap().unwrap();
        assert_eq!(format!("{hash:?} {:?}", claim(&hash, "cpin")), "PinHash(..) Claim(..)");
    }
}

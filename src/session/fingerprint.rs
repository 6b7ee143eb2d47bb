//! Fingerprints: the session key of an asserted identity that carries no cookie (SEMANTICS S2).

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::domain::identity::{Asserted, Owner, SessionKey};
use crate::domain::network::octets;
use crate::domain::secret::Secret;
use crate::session::owner::index_of;
use crate::store::{Partition, partition_of};

/// Makes the key of an identity; the same on every node that has the same `sessions.key`.
///
/// While that is being replaced there are several: the first makes what is new, and what the others made is
/// still found (SEMANTICS S11).
#[derive(Clone)]
pub struct Fingerprinter {
    first: Mac,
    others: Vec<Mac>,
}

type Mac = Hmac<Sha256>;

/// The keys under which something may lie.
#[derive(Debug, Clone)]
pub struct PossibleKeys {
    /// Made with the first key: where what is new goes.
    pub first: SessionKey,
    /// Made with the others.
    pub others: Vec<SessionKey>,
}

impl PossibleKeys {
    /// All of them, the first in front.
    pub fn iter(&self) -> impl Iterator<Item = SessionKey> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl Fingerprinter {
    /// Prepares the keyed hash.
    #[must_use]
    pub fn new(key: &Secret) -> Self {
        Self { first: mac(key), others: Vec::new() }
    }

    /// The same, which also finds what was made with `key`.
    #[must_use]
    pub fn and(mut self, key: &Secret) -> Self {
        self.others.push(mac(key));
        self
    }

    /// HMAC over master, realm, user and client, each with its length in front, so that no two
    /// identities make the same text (A65). Attributes are not in it: they may change.
    #[must_use]
    pub fn keys(&self, asserted: &Asserted<'_>) -> PossibleKeys {
        let partition = partition_of(index_of(asserted.owner()));
        let parts = [asserted.master, asserted.realm, asserted.user];
        self.each(|mac| within(partition, hash(mac, parts, asserted.client)))
    }

    /// What a form that belongs to this session carries, so that no other page can send it: 64 hex digits.
    #[must_use]
    pub fn form_token(&self, session: SessionKey) -> String {
        form_token(&self.first, session)
    }

    /// Whether `token` is what a form of this session carries. Takes the same time for all that are not.
    #[must_use]
    pub fn is_form_token(&self, session: SessionKey, token: &str) -> bool {
        let is = |mac| form_token(mac, session).as_bytes().ct_eq(token.as_bytes());
        self.all().fold(Choice::from(0), |found, mac| found | is(mac)).into()
    }

    /// HMAC over what credentials are used for, whose they are said to be, from where, and their hash.
    #[must_use]
    pub fn credential_keys(
        &self,
        use_of: &str,
        owner: Owner<'_>,
        client: IpAddr,
        credentials: &[u8],
    ) -> PossibleKeys {
        let partition = partition_of(index_of(owner));
        let credentials = Sha256::digest(credentials);
        let of = |mac: &Mac| {
            let mut mac = mac.clone();
            mac.update(b"vouchsafe credentials\0");
            for part in [use_of, owner.master, owner.realm, owner.user] {
                mac.update(&(part.len() as u64).to_le_bytes());
                mac.update(part.as_bytes());
            }
            mac.update(&octets(client));
            mac.update(&credentials);
            within(partition, mac.finalize().into_bytes().into())
        };
        self.each(of)
    }

    fn each(&self, of: impl Fn(&Mac) -> SessionKey) -> PossibleKeys {
        PossibleKeys { first: of(&self.first), others: self.others.iter().map(&of).collect() }
    }

    fn all(&self) -> impl Iterator<Item = &Mac> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

fn mac(key: &Secret) -> Mac {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(key.expose()).expect("any length is a key")
}

fn hash(mac: &Mac, parts: [&str; 3], client: IpAddr) -> [u8; 32] {
    let mut mac = mac.clone();
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part.as_bytes());
    }
    mac.update(&octets(client));
    mac.finalize().into_bytes().into()
}

/// The key of a hash, where all that is the same owner's lies; 248 bits are left of the hash.
fn within(partition: Partition, mut hash: [u8; 32]) -> SessionKey {
    let [first, ..] = &mut hash;
    *first = partition;
    SessionKey(hash)
}

fn form_token(mac: &Mac, session: SessionKey) -> String {
    let mut mac = mac.clone();
    mac.update(b"vouchsafe form\0");
    mac.update(&session.0);
    let hash: [u8; 32] = mac.finalize().into_bytes().into();
    HEXLOWER.encode(&hash)
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprinter(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::network::LOOPBACK;

    fn secret(key: &str) -> Secret {
        Secret::new(key.as_bytes().to_vec())
    }

    fn hashed(key: &str, parts: [&str; 3], client: IpAddr) -> [u8; 32] {
        hash(&mac(&secret(key)), parts, client)
    }

    #[test]
    fn the_key_depends_on_every_part_and_on_the_secret() {
        let one = hashed("k", ["sso", "r", "dwho"], LOOPBACK);
        assert_eq!(one, hashed("k", ["sso", "r", "dwho"], LOOPBACK));
        for other in [
            hashed("K", ["sso", "r", "dwho"], LOOPBACK),
            hashed("k", ["ss", "or", "dwho"], LOOPBACK),
            hashed("k", ["sso", "", "rdwho"], LOOPBACK),
            hashed("k", ["sso", "r", "dwho"], "10.0.0.1".parse().unwrap()),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_an_older_key_made_is_found_and_the_first_makes_what_is_new() {
        let (old, new) = (secret("old"), secret("new"));
        let owner = Owner { master: "sso", realm: "", user: "dwho" };
        let session = SessionKey([3; 32]);
        let before = Fingerprinter::new(&old);
        let first = Fingerprinter::new(&old).and(&new);
        let then = Fingerprinter::new(&new).and(&old);
        let after = Fingerprinter::new(&new);
        let keys = |print: &Fingerprinter| print.credential_keys("kept", owner, LOOPBACK, b"x");
        assert_eq!(keys(&first).first, keys(&before).first);
        assert_eq!(keys(&then).first, keys(&after).first);
        assert_eq!(keys(&then).others, [keys(&before).first]);
        for (maker, readers) in [(&before, [&first, &then]), (&then, [&first, &after])] {
            let token = maker.form_token(session);
            assert!(readers.iter().all(|reader| reader.is_form_token(session, &token)));
            assert!(!first.is_form_token(SessionKey([4; 32]), &token));
        }
        assert!(!after.is_form_token(session, &before.form_token(session)));
        assert!(!after.is_form_token(session, ""));
    }

    #[test]
    fn all_keys_of_an_owner_lie_in_one_partition() {
        let print = Fingerprinter::new(&secret("old")).and(&secret("new"));
        for user in ["dwho", "rtyler", "", "msmith"] {
            let owner = Owner { master: "sso", realm: "r", user };
            let partition = partition_of(index_of(owner));
            for (use_of, client) in [("kept", LOOPBACK), ("otp", "10.0.0.1".parse().unwrap())] {
                let keys = print.credential_keys(use_of, owner, client, b"secret");
                assert_eq!(keys.iter().count(), 2);
                assert!(keys.iter().all(|key| key.0.first() == Some(&partition)));
            }
        }
    }

    proptest! {
        #[test]
        fn different_identities_never_share_a_key(a: [String; 3], b: [String; 3]) {
            prop_assume!(a != b);
            let of = |parts: &[String; 3]| {
                hashed("k", [&parts[0], &parts[1], &parts[2]], LOOPBACK)
            };
            prop_assert_ne!(of(&a), of(&b));
        }
    }
}

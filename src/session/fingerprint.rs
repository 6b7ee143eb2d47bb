//! Fingerprints: the session key of an asserted identity that carries no cookie (SEMANTICS S2).

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::domain::identity::{Asserted, Owner, SessionKey};
use crate::domain::network::octets;
use crate::domain::secret::Secret;

/// Makes the key of an identity; the same on every node that has the same `sessions.key`.
#[derive(Clone)]
pub struct Fingerprinter(Hmac<Sha256>);

impl Fingerprinter {
    /// Prepares the keyed hash.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it cannot panic, see below")]
    pub fn new(key: &Secret) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac = Hmac::new_from_slice(key.expose()).expect("any length is a key");
        Self(mac)
    }

    /// HMAC over master, realm, user and client, each with its length in front, so that no two
    /// identities make the same text (A65). Attributes are not in it: they may change.
    #[must_use]
    pub fn key(&self, asserted: &Asserted<'_>) -> SessionKey {
        self.hash([asserted.master, asserted.realm, asserted.user], asserted.client)
    }

    /// What a form that belongs to this session carries, so that no other page can send it: 64 hex digits.
    #[must_use]
    pub fn form_token(&self, session: SessionKey) -> String {
        let mut mac = self.0.clone();
        mac.update(b"vouchsafe form\0");
        mac.update(&session.0);
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        HEXLOWER.encode(&hash)
    }

    /// HMAC over what credentials are used for, whose they are said to be, from where, and their hash.
    #[must_use]
    pub fn credential_key(
        &self,
        use_of: &str,
        owner: Owner<'_>,
        client: IpAddr,
        credentials: &[u8],
    ) -> SessionKey {
        let mut mac = self.0.clone();
        mac.update(b"vouchsafe credentials\0");
        for part in [use_of, owner.master, owner.realm, owner.user] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&octets(client));
        mac.update(&Sha256::digest(credentials));
        SessionKey(mac.finalize().into_bytes().into())
    }

    fn hash(&self, parts: [&str; 3], client: IpAddr) -> SessionKey {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&octets(client));
        SessionKey(mac.finalize().into_bytes().into())
    }
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

    fn fingerprinter(key: &str) -> Fingerprinter {
        Fingerprinter::new(&Secret::new(key.as_bytes().to_vec()))
    }

    #[test]
    fn the_key_depends_on_every_part_and_on_the_secret() {
        let one = fingerprinter("k").hash(["sso", "r", "dwho"], LOOPBACK);
        assert_eq!(one, fingerprinter("k").hash(["sso", "r", "dwho"], LOOPBACK));
        for other in [
            fingerprinter("K").hash(["sso", "r", "dwho"], LOOPBACK),
            fingerprinter("k").hash(["ss", "or", "dwho"], LOOPBACK),
            fingerprinter("k").hash(["sso", "", "rdwho"], LOOPBACK),
            fingerprinter("k").hash(["sso", "r", "dwho"], "10.0.0.1".parse().unwrap()),
        ] {
            assert_ne!(one, other);
        }
    }

    proptest! {
        #[test]
        fn different_identities_never_share_a_key(a: [String; 3], b: [String; 3]) {
            prop_assume!(a != b);
            let print = fingerprinter("k");
            let key = |parts: &[String; 3]| print.hash([&parts[0], &parts[1], &parts[2]], LOOPBACK);
            prop_assert_ne!(key(&a), key(&b));
        }
    }
}

//! The index by which a store finds all sessions of one user.

use sha2::{Digest as _, Sha256};

use crate::domain::identity::Owner;
use crate::store::Index;

/// A hash of the owner's parts, each with its length in front (A65). It needs no key: it stands beside
/// the user's name in the record, and must stay the same when `sessions.key` changes.
#[must_use]
pub fn index_of(owner: Owner<'_>) -> Index {
    let mut hash = Sha256::new();
    for part in [owner.master, owner.realm, owner.user] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().map_or(0, Index::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_depends_on_every_part_and_where_it_ends() {
        let of = |master, realm, user| index_of(Owner { master, realm, user });
        assert_eq!(of("sso", "", "dwho"), of("sso", "", "dwho"));
        for other in [of("ss", "o", "dwho"), of("sso", "d", "who"), of("sso", "", "dwhO")] {
            assert_ne!(of("sso", "", "dwho"), other);
        }
    }

    #[test]
    fn the_index_never_changes_because_it_lies_on_disks() {
        let of = index_of(Owner { master: "sso", realm: "", user: "dwho" });
        assert_eq!(of, 0x3575_de37_b2f3_f87e);
    }
}

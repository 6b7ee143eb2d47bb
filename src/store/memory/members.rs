//! Which records share an index: rows beside the cache, one for each record that has an index.
//!
//! A row may outlive its record for a moment and never the other way round, so whoever reads rows
//! looks at the records too. Must not know: the cache, time, what a record holds. The lock is held
//! for a look-up in a tree, and nothing else is called meanwhile: the cache's listener takes it
//! with the cache's own locks in hand.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{Index, Key};

/// Which row belongs to a record. It lies in every record, so it is 16 bytes, absent or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) index: Index,
    serial: NonZeroU64,
}

/// The rows of a store.
#[derive(Debug, Default)]
pub(super) struct Members(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    /// How many rows were ever added.
    added: u64,
    /// Each row, with the number of the write that it belongs to: of two writes of one key and one
    /// index the second takes the row over, and the first must not remove it when its end is told
    /// late. One tree and not a map of sets, in which a group of one would cost far more.
    serials: BTreeMap<(Index, Key), NonZeroU64>,
}

impl Members {
    /// Adds the row of a record that is about to be written, or takes over that of its predecessor.
    pub(super) fn add(&self, index: Index, key: Key) -> Membership {
        let mut rows = self.lock();
        let serial = NonZeroU64::MIN.saturating_add(rows.added);
        rows.added = serial.get();
        rows.serials.insert((index, key), serial);
        Membership { index, serial }
    }

    /// Removes the row of a record that is gone, unless a later write has taken it over.
    pub(super) fn remove(&self, key: Key, Membership { index, serial }: Membership) {
        let mut rows = self.lock();
        if rows.serials.get(&(index, key)) == Some(&serial) {
            rows.serials.remove(&(index, key));
        }
    }

    /// The keys of this index, those included whose records are just going.
    pub(super) fn candidates(&self, index: Index) -> Vec<Key> {
        let rows = self.lock();
        let group = rows.serials.range((index, [u8::MIN; 32])..=(index, [u8::MAX; 32]));
        group.map(|(&(_, key), _)| key).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        // Nothing that is called under the lock panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Members {
    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.lock().serials.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_its_own_rows_up_to_the_last_key() {
        let members = Members::default();
        for (index, byte) in [(7, 0), (7, 9), (7, 255), (6, 255), (8, 0), (0, 1), (u64::MAX, 255)] {
            members.add(index, [byte; 32]);
        }
        assert_eq!(members.candidates(7), [[0; 32], [9; 32], [255; 32]]);
        assert_eq!(members.candidates(u64::MAX), [[255; 32]]);
        assert_eq!(members.candidates(9), [[0; 32]; 0]);
    }

    #[test]
    fn a_late_word_of_a_records_end_does_not_remove_the_row_of_its_successor() {
        let members = Members::default();
        let first = members.add(7, [1; 32]);
        let second = members.add(7, [1; 32]);
        members.remove([1; 32], first);
        assert_eq!(members.candidates(7), [[1; 32]]);
        members.remove([1; 32], second);
        members.remove([1; 32], second);
        assert_eq!(members.rows(), 0);
    }

    #[test]
    fn a_record_that_moves_leaves_its_old_index_only() {
        let members = Members::default();
        let old = members.add(7, [1; 32]);
        members.add(8, [1; 32]);
        members.remove([1; 32], old);
        assert_eq!((members.candidates(7), members.candidates(8)), (vec![], vec![[1; 32]]));
    }

    #[test]
    fn a_record_pays_16_bytes_for_being_a_member_or_not() {
        assert_eq!(size_of::<Option<Membership>>(), 16);
    }
}

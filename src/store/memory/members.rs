//! Which records share an index: a row for each record that has one.
//!
//! Must not know: time, what a record holds, locks. Rows are changed together with their records, by whoever
//! may write, so the two always agree.

use std::collections::BTreeSet;

use crate::store::Index;

/// Where a record is: its shard, and its slot there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) slot: u32,
    pub(super) shard: u8,
}

impl Place {
    const FIRST: Self = Self { slot: u32::MIN, shard: u8::MIN };
    const LAST: Self = Self { slot: u32::MAX, shard: u8::MAX };
}

/// The rows of a store: one tree and not a map of sets, in which a group of one would cost far more.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeSet<(Index, Place)>);

impl Members {
    /// Moves the row of the record at `place` from one index to another.
    pub(super) fn regroup(&mut self, place: Place, from: Option<Index>, to: Option<Index>) {
        if from != to {
            from.map(|index| self.0.remove(&(index, place)));
            to.map(|index| self.0.insert((index, place)));
        }
    }

    /// Where the records of this index are.
    pub(super) fn of(&self, index: Index) -> impl Iterator<Item = Place> {
        self.0.range((index, Place::FIRST)..=(index, Place::LAST)).map(|(_, place)| *place)
    }

    /// How many rows there are.
    #[cfg(test)]
    pub(super) fn rows(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(slot: u32) -> Place {
        Place { slot, shard: 63 }
    }

    #[test]
    fn an_index_has_its_own_rows_up_to_the_last_place() {
        let mut members = Members::default();
        let last = u32::MAX;
        for (index, slot) in
            [(7, 0), (7, 9), (7, last), (6, last), (8, 0), (0, 1), (u64::MAX, last)]
        {
            members.regroup(place(slot), None, Some(index));
        }
        let of = |index| members.of(index).map(|place| place.slot).collect::<Vec<_>>();
        assert_eq!(of(7), [0, 9, last]);
        assert_eq!(of(u64::MAX), [last]);
        assert_eq!(of(9), [0_u32; 0]);
    }

    #[test]
    fn a_record_that_moves_leaves_its_old_index_only() {
        let mut members = Members::default();
        members.regroup(place(1), None, Some(7));
        members.regroup(place(1), Some(7), Some(8));
        assert_eq!((members.of(7).count(), members.of(8).count()), (0, 1));
        members.regroup(place(1), Some(8), None);
        members.regroup(place(1), None, None);
        assert_eq!(members.rows(), 0);
    }

    #[test]
    fn a_row_is_as_small_as_the_account_says() {
        assert_eq!(size_of::<(Index, Place)>(), 16);
    }
}

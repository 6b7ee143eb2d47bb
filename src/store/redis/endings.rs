//! What was ended lately: written again on a primary that may have missed it (SEMANTICS O2, S4).
//!
//! A failover loses what the old primary had not handed on, and with it a logout would be undone. Must not know: what
//! is ended, connections.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::store::{Expect, Write};

/// How long replicas may lag behind.
const WINDOW: Duration = Duration::from_secs(60);

/// How many writes are remembered; the oldest are forgotten first.
const MOST: usize = 100_000;

#[derive(Debug, Clone)]
struct Ending {
    number: u64,
    at: Timestamp,
    write: Write,
    /// Whether the primary, and replicas where there are any, said that they have it.
    is_kept: bool,
}

#[derive(Debug, Default)]
struct Remembered {
    next: u64,
    /// In the order of their numbers.
    endings: VecDeque<Ending>,
}

/// The endings of the last minute in which changes were heard of.
#[derive(Debug, Default)]
pub(super) struct Endings(Mutex<Remembered>);

/// Numbers of what was remembered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembering {
    from: u64,
    to: u64,
}

impl Endings {
    /// Remembers what a batch ends, before it is sent: writes that make a record of no group, or none. Those of a batch
    /// with conditions are not: nobody knows whether they hold when it is written again.
    pub(super) fn remember(&self, batch: &[Write], now: Timestamp) -> Remembering {
        let mut remembered = self.lock();
        let from = remembered.next;
        let is_plain = batch.iter().all(|write| write.expect == Expect::Any);
        let is_end = |write: &&Write| is_plain && (write.value.is_none() || write.index.is_none());
        for write in batch.iter().filter(is_end) {
            let number = remembered.next;
            remembered.next += 1;
            if remembered.endings.len() >= MOST {
                remembered.endings.pop_front();
            }
            let ending = Ending { number, at: now, write: write.clone(), is_kept: false };
            remembered.endings.push_back(ending);
        }
        Remembering { from, to: remembered.next }
    }

    /// They are where they should be.
    pub(super) fn kept(&self, which: Remembering) {
        self.each(which, |ending| ending.is_kept = true);
    }

    /// They were not to be: nothing of the batch was written.
    pub(super) fn forget(&self, which: Remembering) {
        self.lock().endings.retain(|e| e.number < which.from || e.number >= which.to);
    }

    /// Forgets those that are on every replica by now: changes were heard of until `heard`.
    pub(super) fn prune(&self, heard: Timestamp) {
        let mut remembered = self.lock();
        while remembered.endings.front().is_some_and(|e| e.at.plus(WINDOW) < heard) {
            remembered.endings.pop_front();
        }
    }

    /// What a primary is to be told again, in the order in which it happened: all of it, or only what may never have
    /// arrived anywhere. It is written for another minute.
    pub(super) fn again(&self, all: bool, now: Timestamp) -> Vec<Write> {
        let again = |ending: &Ending| Write {
            expires: ending.write.expires.max(now.plus(WINDOW)),
            ..ending.write.clone()
        };
        let remembered = self.lock();
        remembered.endings.iter().filter(|ending| all || !ending.is_kept).map(again).collect()
    }

    fn each(&self, which: Remembering, mut change: impl FnMut(&mut Ending)) {
        let mut remembered = self.lock();
        let first = remembered.endings.partition_point(|ending| ending.number < which.from);
        let these = remembered.endings.iter_mut().skip(first);
        these.take_while(|ending| ending.number < which.to).for_each(&mut change);
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn write(byte: u8, expect: Expect, index: Option<u64>) -> Write {
        let value = Some([byte].as_slice().into());
        Write { key: [byte; 32], expect, value, expires: NOW.plus(WINDOW), index }
    }

    fn tombstone(byte: u8) -> Write {
        write(byte, Expect::Any, None)
    }

    fn again(endings: &Endings, all: bool, now: Timestamp) -> Vec<u8> {
        endings.again(all, now).iter().map(|write| write.key[0]).collect()
    }

    #[test]
    fn only_what_ends_something_for_good_is_remembered() {
        let endings = Endings::default();
        let gone = Write { value: None, ..write(4, Expect::Any, Some(7)) };
        endings.remember(&[tombstone(1), write(2, Expect::Any, Some(7)), gone], NOW);
        for condition in [Expect::Absent, Expect::Revision(1)] {
            endings.remember(&[tombstone(5), write(6, condition, None)], NOW);
        }
        assert_eq!(again(&endings, true, NOW), [1, 4]);
    }

    #[test]
    fn what_is_kept_is_written_again_on_another_primary_only() {
        let endings = Endings::default();
        let one = endings.remember(&[tombstone(1), tombstone(2)], NOW);
        let two = endings.remember(&[tombstone(3)], NOW);
        let three = endings.remember(&[tombstone(4)], NOW);
        endings.kept(one);
        endings.forget(two);
        assert_eq!(again(&endings, false, NOW), [4]);
        endings.kept(three);
        assert_eq!(again(&endings, false, NOW), [0; 0]);
        assert_eq!(again(&endings, true, NOW), [1, 2, 4]);
    }

    #[test]
    fn an_ending_is_forgotten_a_minute_after_it_was_made_and_not_while_nothing_is_heard() {
        let endings = Endings::default();
        endings.remember(&[tombstone(1)], NOW);
        endings.remember(&[tombstone(2)], NOW.plus(Duration::from_millis(1)));
        endings.prune(NOW.plus(WINDOW));
        assert_eq!(again(&endings, true, NOW.plus(WINDOW * 100)), [1, 2]);
        endings.prune(NOW.plus(WINDOW).plus(Duration::from_millis(1)));
        assert_eq!(again(&endings, true, NOW), [2]);
    }

    #[test]
    fn what_is_written_again_lives_for_another_minute() {
        let endings = Endings::default();
        endings.remember(&[tombstone(1)], NOW);
        let late = NOW.plus(WINDOW * 10);
        assert_eq!(endings.again(true, late)[0].expires, late.plus(WINDOW));
        assert_eq!(endings.again(true, NOW)[0].expires, NOW.plus(WINDOW));
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let endings = Endings::default();
        endings.remember(&[tombstone(1), tombstone(2)], NOW);
        let many = endings.remember(&vec![tombstone(3); MOST - 1], NOW);
        assert_eq!(again(&endings, true, NOW)[..2], [2, 3]);
        endings.kept(many);
        assert_eq!(again(&endings, false, NOW), [2]);
    }
}

//! How a process that keeps copies of records hears that others changed them.
//!
//! While the channel is confirmed, a change elsewhere arrives here. From the moment it is lost until
//! it is confirmed again, no copy is known to be good (SEMANTICS O2); one that was taken before it was
//! lost is not good afterwards either. Must not know: what a copy is, which engine speaks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::store::Key;

/// Who keeps copies. Called from the channel's own task: it must not wait.
pub trait Copies: Send + Sync + std::fmt::Debug {
    /// The record under `key` was changed, by another process or by this one.
    fn changed(&self, key: &Key);

    /// Any record may have been changed.
    fn all_changed(&self);
}

/// A stretch of time in which the channel was confirmed throughout, or lost throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

/// The channel of one store.
#[derive(Debug)]
pub struct Channel {
    /// Even: confirmed. Odd: lost. It only grows.
    epoch: AtomicU64,
    /// Until when, in milliseconds, all changes are known to have arrived.
    heard: AtomicU64,
    /// How long a confirmed epoch is believed after it was last heard: longer than two beats of the engine
    /// are apart at worst. A process that was frozen, or whose tasks were starved, finds it over when it goes
    /// on, before it has read what was pushed meanwhile.
    lease: Duration,
    copies: Mutex<Option<Weak<dyn Copies>>>,
}

impl Epoch {
    /// Whether changes were heard of.
    #[must_use]
    pub const fn is_confirmed(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

impl Channel {
    /// A channel that is lost until it is confirmed for the first time, and that is believed for this long
    /// after each confirmation.
    #[must_use]
    pub const fn unconfirmed(lease: Duration) -> Self {
        let (epoch, heard) = (AtomicU64::new(1), AtomicU64::new(0));
        Self { epoch, heard, lease, copies: Mutex::new(None) }
    }

    /// The present epoch. Take it before a copy is read: the copy is good in that epoch only, and
    /// only if it is a confirmed one.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// Whether a copy that was read in `epoch` may be used at `now` without asking.
    #[must_use]
    pub fn is_good(&self, epoch: Epoch, now: Timestamp) -> bool {
        epoch.is_confirmed() && self.epoch() == epoch && now.since(self.heard()) <= self.lease
    }

    /// Until when all changes are known to have arrived.
    #[must_use]
    pub fn heard(&self) -> Timestamp {
        Timestamp::from_millis(self.heard.load(Ordering::SeqCst))
    }

    /// Until when a copy that was taken in `epoch` is known to be good for that, if it was not changed: while
    /// changes were heard of, and not in any later epoch in which they were heard of again.
    #[must_use]
    pub fn heard_in(&self, epoch: Epoch) -> Option<Timestamp> {
        let heard = self.heard();
        // Read after it: what a later epoch heard is never taken for this one's.
        let Epoch(present) = self.epoch();
        (epoch.is_confirmed() && present.saturating_sub(epoch.0) <= 1).then_some(heard)
    }

    /// Names who is to be told.
    pub fn tell(&self, copies: &Arc<impl Copies + 'static>) {
        let copies = Arc::downgrade(copies);
        *self.copies.lock().unwrap_or_else(PoisonError::into_inner) = Some(copies);
    }

    /// Changes arrive from now on, and all that were made until `at` have arrived.
    pub fn confirm(&self, at: Timestamp) {
        let _ = self.epoch.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |epoch| {
            (!Epoch(epoch).is_confirmed()).then_some(epoch.saturating_add(1))
        });
        // In this order, see `heard_in`.
        self.heard.fetch_max(at.as_millis(), Ordering::SeqCst);
    }

    /// Changes may be missed from now on. Call it as soon as that is so.
    pub fn lose(&self) {
        let _ = self.epoch.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |epoch| {
            Epoch(epoch).is_confirmed().then_some(epoch.saturating_add(1))
        });
    }

    /// Somebody changed the record under `key`.
    pub fn changed(&self, key: &Key) {
        if let Some(copies) = self.copies() {
            copies.changed(key);
        }
    }

    /// Anything may have been changed.
    pub fn all_changed(&self) {
        if let Some(copies) = self.copies() {
            copies.all_changed();
        }
    }

    fn copies(&self) -> Option<Arc<dyn Copies>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Weak::upgrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1000);
    const LEASE: Duration = Duration::from_millis(1500);

    #[test]
    fn a_channel_is_lost_until_it_is_confirmed() {
        let channel = Channel::unconfirmed(LEASE);
        assert!(!channel.epoch().is_confirmed());
        channel.confirm(NOW);
        assert!(channel.epoch().is_confirmed());
        assert_eq!(channel.heard(), NOW);
    }

    #[test]
    fn an_epoch_that_ended_never_comes_again() {
        let channel = Channel::unconfirmed(LEASE);
        channel.confirm(NOW);
        let before = channel.epoch();
        channel.confirm(NOW);
        assert_eq!(channel.epoch(), before);
        channel.lose();
        channel.lose();
        let lost = channel.epoch();
        assert!(!lost.is_confirmed());
        channel.confirm(NOW);
        assert!(channel.epoch().is_confirmed() && channel.epoch() != before);
    }

    #[test]
    fn a_copy_is_good_in_its_own_epoch_and_for_as_long_as_changes_are_heard_of() {
        let channel = Channel::unconfirmed(LEASE);
        assert!(!channel.is_good(channel.epoch(), NOW));
        channel.confirm(NOW);
        let epoch = channel.epoch();
        assert!(channel.is_good(epoch, NOW) && channel.is_good(epoch, NOW.plus(LEASE)));
        let late = NOW.plus(LEASE + Duration::from_millis(1));
        assert!(!channel.is_good(epoch, late));
        channel.confirm(late);
        assert!(channel.is_good(epoch, late));
        channel.lose();
        assert!(!channel.is_good(epoch, late));
        channel.confirm(late);
        assert!(!channel.is_good(epoch, late) && channel.is_good(channel.epoch(), late));
    }

    #[test]
    fn a_copy_is_known_to_be_good_while_its_own_epoch_was_heard() {
        let channel = Channel::unconfirmed(LEASE);
        assert_eq!(channel.heard_in(channel.epoch()), None);
        channel.confirm(NOW);
        let taken = channel.epoch();
        assert_eq!(channel.heard_in(taken), Some(NOW));
        channel.lose();
        assert_eq!(channel.heard_in(taken), Some(NOW));
        assert_eq!(channel.heard_in(channel.epoch()), None);
        channel.confirm(NOW.plus(Duration::from_secs(9)));
        assert_eq!(channel.heard_in(taken), None);
    }

    #[test]
    fn a_clock_that_goes_back_takes_nothing_back() {
        let channel = Channel::unconfirmed(LEASE);
        channel.confirm(NOW);
        channel.confirm(Timestamp::from_millis(1));
        assert_eq!(channel.heard(), NOW);
    }
}

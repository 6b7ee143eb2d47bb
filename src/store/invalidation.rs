//! How a process that keeps copies of records hears that others changed them.
//!
//! While the channel is confirmed, a change elsewhere arrives here. From the moment it is lost until
//! it is confirmed again, no copy is known to be good (SEMANTICS O2); one that was taken before it was
//! lost is not good afterwards either. Must not know: what a copy is, which engine speaks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
    /// A channel that is lost until it is confirmed for the first time.
    #[must_use]
    pub const fn unconfirmed() -> Self {
        let (epoch, heard) = (AtomicU64::new(1), AtomicU64::new(0));
        Self { epoch, heard, copies: Mutex::new(None) }
    }

    /// The present epoch. Take it before a copy is read: the copy is good in that epoch only, and
    /// only if it is a confirmed one.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// Until when all changes are known to have arrived.
    #[must_use]
    pub fn heard(&self) -> Timestamp {
        Timestamp::from_millis(self.heard.load(Ordering::SeqCst))
    }

    /// Names who is to be told.
    pub fn tell(&self, copies: &Arc<impl Copies + 'static>) {
        let copies = Arc::downgrade(copies);
        *self.copies.lock().unwrap_or_else(PoisonError::into_inner) = Some(copies);
    }

    /// Changes arrive from now on, and all that were made until `at` have arrived.
    pub fn confirm(&self, at: Timestamp) {
        self.heard.fetch_max(at.as_millis(), Ordering::SeqCst);
        let _ = self.epoch.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |epoch| {
            (!Epoch(epoch).is_confirmed()).then_some(epoch.saturating_add(1))
        });
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

    #[test]
    fn a_channel_is_lost_until_it_is_confirmed() {
        let channel = Channel::unconfirmed();
        assert!(!channel.epoch().is_confirmed());
        channel.confirm(NOW);
        assert!(channel.epoch().is_confirmed());
        assert_eq!(channel.heard(), NOW);
    }

    #[test]
    fn an_epoch_that_ended_never_comes_again() {
        let channel = Channel::unconfirmed();
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
    fn a_clock_that_goes_back_takes_nothing_back() {
        let channel = Channel::unconfirmed();
        channel.confirm(NOW);
        channel.confirm(Timestamp::from_millis(1));
        assert_eq!(channel.heard(), NOW);
    }
}

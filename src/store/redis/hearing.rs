//! What servers tell without being asked: which keys were changed, and that a connection is gone.
//!
//! A connection's own task calls this before it reads on, so an answer that comes after a change is read after the
//! change was passed on. Must not know: who keeps copies.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of answers are alike here")]

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use crate::domain::time::Timestamp;
use crate::store::Key;
use crate::store::invalidation::Channel;
use crate::store::redis::names::{Names, unhex};

/// The ear of one store.
#[derive(Debug)]
pub(super) struct Hearing {
    channel: Arc<Channel>,
    names: Names,
    /// Between a look at the connections and what is said of the channel none may go.
    one_at_a_time: Mutex<()>,
    trouble: Notify,
    losses: AtomicU64,
}

/// Whether the connections to one server are good.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicBool);

impl Pulse {
    /// Whether one of them is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Hearing {
    pub(super) fn new(channel: Arc<Channel>, names: Names) -> Self {
        Self {
            channel,
            names,
            one_at_a_time: Mutex::default(),
            trouble: Notify::new(),
            losses: AtomicU64::new(0),
        }
    }

    /// Takes what is pushed over the connection with this pulse.
    pub(super) fn pushes(
        self: &Arc<Self>,
        pulse: &Arc<Pulse>,
    ) -> impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static {
        let (hearing, pulse) = (Arc::clone(self), Arc::clone(pulse));
        move |push| {
            hearing.hear(&pulse, &push);
            Ok(())
        }
    }

    fn hear(&self, pulse: &Pulse, push: &PushInfo) {
        match (&push.kind, &*push.data) {
            (PushKind::Disconnection, _) => self.lost(pulse),
            (PushKind::Invalidate, [Value::Array(names)]) => {
                for name in names {
                    match name {
                        Value::BulkString(name) => self.changed(self.names.key_of(name)),
                        _ => self.channel.all_changed(),
                    }
                }
            }
            // The whole database was emptied.
            (PushKind::Invalidate, _) => self.channel.all_changed(),
            (PushKind::Message, [_, Value::BulkString(digits)]) => {
                digits.chunks(64).for_each(|digits| self.changed(unhex(digits)));
            }
            _ => {}
        }
    }

    fn changed(&self, key: Option<Key>) {
        match key {
            Some(key) => self.channel.changed(&key),
            // Not a name that we give: nobody knows what it means.
            None => self.channel.all_changed(),
        }
    }

    /// The connections with this pulse are gone, or are to be used no more.
    pub(super) fn lost(&self, pulse: &Pulse) {
        {
            let _one_at_a_time = self.one_at_a_time();
            // Who still waits on connections that were given up long ago says nothing about those of today.
            if !pulse.0.swap(true, Ordering::SeqCst) {
                self.lose_alone();
            }
        }
        self.look();
    }

    /// Nothing is heard any more.
    pub(super) fn lose(&self) {
        let _one_at_a_time = self.one_at_a_time();
        self.lose_alone();
    }

    /// As [`Hearing::lose`], with nobody beside us.
    fn lose_alone(&self) {
        if self.channel.epoch().is_confirmed() {
            self.channel.lose();
            self.losses.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                "changes by other nodes are not heard of; cached sessions are read anew before they are used"
            );
        }
    }

    /// How often hearing was lost.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    /// All that was changed until `at` has been heard of, unless one of the connections has gone meanwhile. Says
    /// whether that is so.
    pub(super) fn confirm<'a>(
        &self,
        mut pulses: impl Iterator<Item = &'a Pulse>,
        at: Timestamp,
    ) -> bool {
        let _one_at_a_time = self.one_at_a_time();
        if pulses.any(Pulse::is_gone) {
            return false;
        }
        let was_confirmed = self.channel.epoch().is_confirmed();
        self.channel.confirm(at);
        if !was_confirmed {
            tracing::info!("changes by other nodes are heard of");
        }
        true
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the servers looked at before it is time.
    pub(super) fn look(&self) {
        self.trouble.notify_one();
    }

    /// Waits until somebody wants the servers to be looked at.
    pub(super) async fn asked_to_look(&self) {
        self.trouble.notified().await;
    }
}

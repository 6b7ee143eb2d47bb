//! Writing down that sessions are in use, behind the back of the requests that use them.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc;

use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::change::Replaced;
use crate::session::record::{Kind, Session, Standing};
use crate::session::{Lookup, SessionError, Sessions, chain};

/// Touches that may wait. A touch that finds no room is not lost: the next request asks again.
const QUEUE_TOUCHES: usize = 4096;

/// Touches that are written at once.
const TOUCHES_AT_ONCE: usize = 256;

/// How often one is tried: a second time if another node has changed the session.
const TOUCH_ATTEMPTS: usize = 2;

/// The way into the queue.
#[derive(Debug)]
pub struct Touches(mpsc::Sender<(SessionKey, Timestamp)>);

/// Touches to be written; hand it to [`Sessions::write_touches`].
#[derive(Debug)]
pub struct TouchQueue(mpsc::Receiver<(SessionKey, Timestamp)>);

/// A bounded queue of touches.
#[must_use]
pub fn channel() -> (Touches, TouchQueue) {
    let (sender, receiver) = mpsc::channel(QUEUE_TOUCHES);
    (Touches(sender), TouchQueue(receiver))
}

#[cfg(test)]
impl TouchQueue {
    /// Whether no touch waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Sessions {
    /// Asks for a touch if the last one is a touch interval ago. Never waits.
    pub(super) fn touch_if_due(&self, key: &SessionKey, session: &Session, now: Timestamp) {
        if self.is_touch_due(session, now) {
            // A full queue means that the store is slow; the next request of the session asks again.
            let _ = self.touches.0.try_send((*key, now));
        }
    }

    fn is_touch_due(&self, session: &Session, now: Timestamp) -> bool {
        session.kind() != Kind::HttpAlias
            && now.since(session.last_use()) >= self.settings.touch_interval
    }

    /// Writes touches until the queue's other end is gone, many at once, so that the store groups them. Run it
    /// once, beside the listeners.
    pub async fn write_touches(&self, mut queue: TouchQueue) {
        let mut waiting = Vec::with_capacity(TOUCHES_AT_ONCE);
        while queue.0.recv_many(&mut waiting, TOUCHES_AT_ONCE).await > 0 {
            // Of several of one session the newest counts.
            let touches: HashMap<SessionKey, Timestamp> = waiting.drain(..).collect();
            let touch = |(key, now)| self.touch(key, now);
            stream::iter(touches).for_each_concurrent(None, touch).await;
        }
    }

    /// Writes one touch as compare-and-swap, so that a parallel logout always wins (S9).
    pub async fn touch(&self, key: SessionKey, now: Timestamp) {
        let _flight = self.flights.take(&[key]).await;
        if let Err(error) = self.touch_alone(key, now).await {
            tracing::warn!(session = ?key, error = %chain(&error), "last use could not be written; the session may count as idle early");
        }
    }

    async fn touch_alone(&self, key: SessionKey, now: Timestamp) -> Result<(), SessionError> {
        let mut current = match self.cache.as_ref().and_then(|cache| cache.verified(&key, now)) {
            Some(session) => session,
            None => match self.read_now(key, now).await? {
                Some(session) => session,
                None => return Ok(()),
            },
        };
        for _ in 0..TOUCH_ATTEMPTS {
            // Of many requests that asked, the first one has touched it already.
            if !self.is_touch_due(&current, now) || self.standing(&current, now) != Standing::Live {
                return Ok(());
            }
            match self.replace(key, &current, current.touched(now), now).await? {
                // Another node has changed it.
                Replaced::Instead(Lookup::Live(newer)) => current = newer,
                Replaced::Written(_) | Replaced::Instead(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

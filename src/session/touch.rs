//! Writing down that sessions are in use, behind the back of the requests that use them.

use tokio::sync::mpsc;

use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::record::{Kind, Session, Standing};
use crate::session::{Sessions, chain};

/// Touches that may wait. A touch that finds no room is not lost: the next request asks again.
const QUEUE_TOUCHES: usize = 4096;

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

    /// Writes touches until the queue's other end is gone. Run it once, beside the listeners.
    pub async fn write_touches(&self, mut queue: TouchQueue) {
        while let Some((key, now)) = queue.0.recv().await {
            self.touch(key, now).await;
        }
    }

    /// Writes one touch as compare-and-swap, so that a parallel logout always wins (S9).
    pub async fn touch(&self, key: SessionKey, now: Timestamp) {
        let _flight = self.flights.take(&[key]).await;
        let current = match &self.cache {
            Some(cache) => cache.get(&key),
            None => match self.store.get(key.0, now).await {
                Ok(record) => record.and_then(|record| self.view(&key, &record)),
                Err(_) => None,
            },
        };
        let Some(session) = current else { return };
        // Of many requests that asked, the first one has touched it already.
        if !self.is_touch_due(&session, now) || self.standing(&session, now) != Standing::Live {
            return;
        }
        if let Err(error) = self.replace(key, &session, session.touched(now), now).await {
            tracing::warn!(session = ?key, error = %chain(&error), "last use could not be written; the session may count as idle early");
        }
    }
}

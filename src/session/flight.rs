//! One change of a session at a time, without a lock a key.
//!
//! Keys share a fixed number of stripes. Whoever changes a session holds those of its keys, so that changes
//! of one process do not fail each other, and parallel first requests of one identity open one session
//! (SEMANTICS S2). What may be remembered of it, `shards` decides.

use smallvec::SmallVec;
use tokio::sync::{Mutex, MutexGuard};

use crate::domain::identity::SessionKey;

/// Enough that two of a hundred parallel logins rarely wait for each other.
const STRIPES: usize = 1024;

/// The stripes.
#[derive(Debug)]
pub struct Flights(Box<[Mutex<()>]>);

/// Held while its keys are being changed.
#[must_use]
pub struct Flight<'a>(
    #[expect(dead_code, reason = "held, not read")] SmallVec<[MutexGuard<'a, ()>; 4]>,
);

impl Default for Flights {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Mutex::new(())).collect())
    }
}

impl Flights {
    /// Waits until nobody else changes any of `keys`. Stripes are taken in ascending
    /// order, so two callers can never wait for each other.
    pub async fn take(&self, keys: &[SessionKey]) -> Flight<'_> {
        let mut stripes: SmallVec<[usize; 4]> = keys.iter().map(stripe).collect();
        stripes.sort_unstable();
        stripes.dedup();
        let mut guards = SmallVec::new();
        for stripe in stripes {
            if let Some(mutex) = self.0.get(stripe) {
                guards.push(mutex.lock().await);
            }
        }
        Flight(guards)
    }
}

/// Keys are hashes already, so any two bytes spread evenly; but the first is the same for all of an owner's.
fn stripe(key: &SessionKey) -> usize {
    let [_, low, high, ..] = key.0;
    usize::from(u16::from_le_bytes([low, high])) % STRIPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_is_held_by_one_caller() {
        let flights = Flights::default();
        let (a, b) = (SessionKey([1; 32]), SessionKey([2; 32]));
        let held = flights.take(&[b, a, a]).await;
        assert!(futures_poll(flights.take(&[a])).is_none());
        drop(held);
        assert!(futures_poll(flights.take(&[a, b])).is_some());
    }

    /// Polls once: `None` if the future has to wait.
    fn futures_poll<F: Future>(future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}

//! One check of a user at a time: a node that counts carelessly would accept one OTP as often as it is sent at once.
//!
//! Must not know: what is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

/// Users whose checks are kept apart.
const USERS: u64 = 100_000;
/// A user without checks for so long is forgotten; longer than a check lasts.
const IDLE: Duration = Duration::from_mins(5);
/// Checks of one user that may wait.
const WAITING: usize = 256;
/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everybody's turn.
#[derive(Debug)]
pub struct Turns(Cache<String, Arc<Line>>);

#[derive(Debug, Default)]
struct Line {
    turn: Arc<Mutex<()>>,
    waiting: AtomicUsize,
}

/// Held while a user's factor is being checked.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    _line: Arc<Line>,
    _guard: OwnedMutexGuard<()>,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(USERS).time_to_idle(IDLE).build())
    }
}

impl Turns {
    /// Waits for `user`'s turn; `None` if too many wait already, or it takes too long.
    pub async fn take(&self, user: &str) -> Option<Turn> {
        let line = self.0.get_with_by_ref(user, Arc::default);
        let before = line.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = if before < WAITING {
            timeout(PATIENCE, Arc::clone(&line.turn).lock_owned()).await.ok()
        } else {
            None
        };
        line.waiting.fetch_sub(1, Ordering::Relaxed);
        guard.map(|guard| Turn { _line: line, _guard: guard })
    }
}

//! The one clock that decides anything; read once a request, here.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// Wall-clock time at the start plus monotonic time since: a jump of the wall clock neither revives
/// nor ends a session (SEMANTICS S8).
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Timestamp,
    started: Instant,
}

impl Clock {
    /// Starts at the wall clock's time, or at `floor` if that is later: the newest time that the
    /// store has seen, so that a clock set back over a restart revives nothing.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start(floor: Timestamp) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp::default().plus(since_epoch);
        if wall < floor {
            tracing::warn!(
                behind_ms = floor.as_millis() - wall.as_millis(),
                "the clock is behind the newest stored session; time goes on from there until it has caught up"
            );
        }
        Self { base: wall.max(floor), started: Instant::now() }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.base.plus(self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_starts_before_the_newest_stored_time() {
        let floor = Timestamp::from_millis(u64::MAX / 2);
        assert!(Clock::start(floor).now() >= floor);
        let clock = Clock::start(Timestamp::default());
        let (first, second) = (clock.now(), clock.now());
        assert!(first.as_seconds() > 1_700_000_000 && second >= first);
    }
}

//! A breaker: stops asking a node that fails again and again, and lets one question try it later.
//!
//! Pure, over `now`. Must not know: what a node is, what counts as a failure.

use crate::domain::time::Timestamp;
use crate::mfa::settings::BreakerSettings;

/// Whether a node is asked.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is asked; so many failures in a row.
    Closed(u32),
    /// It is not asked until then.
    Open(Timestamp),
    /// One question tries it. Should that never come back, another may from then on.
    Trying(Timestamp),
}

impl Breaker {
    /// One that lets questions pass.
    #[must_use]
    pub const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed(0) }
    }

    /// Whether a question may be asked now; the one that tries a node counts itself.
    pub fn admits(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Closed(_) => true,
            State::Open(until) | State::Trying(until) if now >= until => {
                self.state = State::Trying(now.plus(self.settings.pause));
                true
            }
            State::Open(_) | State::Trying(_) => false,
        }
    }

    /// The node answered.
    pub const fn succeeded(&mut self) {
        self.state = State::Closed(0);
    }

    /// The node failed. Says whether that made it stop being asked.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        let failures = match self.state {
            State::Closed(failures) => failures.saturating_add(1),
            // A question that was sent before it opened.
            State::Open(_) => return false,
            State::Trying(_) => self.settings.failures,
        };
        let opens = failures >= self.settings.failures;
        self.state = if opens {
            State::Open(now.plus(self.settings.pause))
        } else {
            State::Closed(failures)
        };
        opens
    }

    /// Whether questions are kept from the node.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_) | State::Trying(_))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings { failures: 3, pause: Duration::from_secs(30) })
    }

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = breaker();
        for _ in 0..10 {
            assert!(!breaker.failed(at(1)) && !breaker.failed(at(1)));
            breaker.succeeded();
        }
        assert!(breaker.admits(at(1)));
        assert!(!breaker.failed(at(2)) && !breaker.failed(at(2)) && breaker.failed(at(2)));
        assert!(breaker.is_open() && !breaker.admits(at(31)));
    }

    #[test]
    fn one_question_tries_it_after_the_pause_and_decides() {
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.failed(at(0));
        }
        assert!(breaker.admits(at(30)));
        assert!(!breaker.admits(at(30)) && !breaker.admits(at(31)), "a second one has to wait");
        assert!(breaker.failed(at(32)), "the try failed");
        assert!(!breaker.admits(at(61)) && breaker.admits(at(62)));
        breaker.succeeded();
        assert!(breaker.admits(at(62)) && breaker.admits(at(62)) && !breaker.is_open());
    }

    #[test]
    fn a_try_that_never_came_back_does_not_keep_it_shut() {
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.failed(at(0));
        }
        assert!(breaker.admits(at(30)) && !breaker.admits(at(59)) && breaker.admits(at(60)));
    }

    #[test]
    fn late_failures_do_not_prolong_the_pause() {
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.failed(at(0));
        }
        assert!(!breaker.failed(at(29)) && breaker.admits(at(30)));
    }
}

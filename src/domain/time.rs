//! Points in time as values. There is no clock on this floor: `now` is always an argument.

use std::time::Duration;

/// Milliseconds since the Unix epoch, as the daemon's guarded clock reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// How long ago `earlier` was; zero if it lies in the future, so that a clock that is behind
    /// never makes a young session look old.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` later, saturating at the end of time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_in_the_future_is_zero_ago() {
        let now = Timestamp::from_millis(1000);
        assert_eq!(now.since(Timestamp::from_millis(5000)), Duration::ZERO);
        assert_eq!(now.since(Timestamp::from_millis(400)), Duration::from_millis(600));
    }

    #[test]
    fn adding_never_wraps() {
        assert_eq!(Timestamp::from_millis(5).plus(Duration::MAX).as_millis(), u64::MAX);
    }
}

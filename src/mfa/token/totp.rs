//! One-time passwords by the time (RFC 6238): which steps are looked at, and how far a token's clock is off.
//!
//! Must not know: tokens, fail counters. The values themselves are those of RFC 4226.

use std::ops::Range;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::mfa::token::hotp::SYNC_WINDOW;

/// The step of `now` on a clock that is `shift` seconds ahead of ours.
#[must_use]
pub fn step(now: Timestamp, period: u64, shift: i64) -> u64 {
    now.as_seconds().saturating_add_signed(shift) / period.max(1)
}

/// The steps that are looked at: from `window` before the token's time to just before `window` behind it, but none
/// that lies below `from`, the first that was not used yet.
///
/// Source: eduMFA, golden `check_totp_drift_plus7_fail`: 180 s at 30 s are C-6 to C+5.
#[must_use]
pub fn window(now: Timestamp, period: u64, shift: i64, window: Duration, from: u64) -> Range<u64> {
    let centre = step(now, period, shift);
    let steps = (window.as_secs() / period.max(1)).min(SYNC_WINDOW);
    centre.saturating_sub(steps).max(from)..centre.saturating_add(steps)
}

/// The steps in which two values in a row are looked for: [`SYNC_WINDOW`] around our own time.
#[must_use]
pub fn sync_window(now: Timestamp, period: u64, from: u64) -> Range<u64> {
    let centre = step(now, period, 0);
    centre.saturating_sub(SYNC_WINDOW).max(from)..centre.saturating_add(SYNC_WINDOW)
}

/// Seconds by which a token that shows the value of `step` at `now` is ahead of us.
#[must_use]
pub fn shift(step: u64, period: u64, now: Timestamp) -> i64 {
    let theirs = i64::try_from(step.saturating_mul(period)).unwrap_or(i64::MAX);
    theirs.saturating_sub_unsigned(now.as_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;
    use crate::mfa::token::hotp::{Algorithm, Digits, Generator};

    #[test]
    fn the_values_of_rfc_6238_appendix_b() {
        let digits = b"1234567890".repeat(7);
        let rows = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (seconds, sha1, sha256, sha512) in rows {
            let expected = [sha1, sha256, sha512];
            for (algorithm, expected) in Algorithm::ALL.into_iter().zip(expected) {
                let secret = Secret::new(digits[..algorithm.secret_bytes()].to_vec());
                let generator = Generator::new(&secret, algorithm, Digits::Eight);
                let step = step(Timestamp::from_millis(seconds * 1000), 30, 0);
                assert_eq!(generator.at(step).show(Digits::Eight), expected, "{seconds}");
            }
        }
    }

    #[test]
    fn the_window_has_as_many_steps_before_as_behind_and_none_that_was_used() {
        let now = Timestamp::from_millis(30_000 * 100 + 7000);
        let minutes = Duration::from_secs(180);
        assert_eq!(window(now, 30, 0, minutes, 0), 94..106);
        assert_eq!(window(now, 30, 120, minutes, 0), 98..110);
        assert_eq!(window(now, 30, 0, minutes, 101), 101..106);
        assert!(window(now, 30, 0, minutes, 107).is_empty());
        assert_eq!(window(Timestamp::from_millis(0), 30, -500, minutes, 0), 0..6);
    }

    #[test]
    fn a_shifted_clock_has_its_step_now() {
        let now = Timestamp::from_millis(3_007_000);
        for ahead in [90, 100, 104, 110] {
            let shift = shift(ahead, 30, now);
            assert_eq!(step(now, 30, shift), ahead);
        }
    }

    #[test]
    fn absurd_numbers_do_not_panic() {
        let end = Timestamp::from_millis(u64::MAX);
        assert!(step(end, 0, i64::MAX) > 0);
        assert_eq!(
            shift(u64::MAX, u64::MAX, end),
            i64::MAX - i64::try_from(end.as_seconds()).unwrap()
        );
        assert!(window(end, 0, i64::MIN, Duration::MAX, u64::MAX).is_empty());
    }
}

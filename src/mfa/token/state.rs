//! What a try does to a token: its counter, its failures, whether it may be used at all. Pure.
//!
//! Must not know: PINs, other tokens, stores, answers.

use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::mfa::settings::{LocalSettings, TokenKind};
use crate::mfa::token::hotp::{Digits, Generator, Otp, SYNC_WINDOW};
use crate::mfa::token::record::{FarOff, Token};
use crate::mfa::token::totp;

/// How long the second of two one-time passwords that are far off may take, as in eduMFA.
const RESYNC_TIME: Duration = Duration::from_secs(300);

/// Why a token may not be used though the secret is right, in eduMFA's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// An administrator has disabled it.
    Disabled,
    /// It failed too often.
    Locked,
    /// It is not valid yet, or not any more.
    OutsideValidity,
    /// It was not handed over yet.
    NotEnrolled,
}

impl Unfit {
    /// The words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Token is disabled",
            Self::Locked => "Failcounter exceeded",
            Self::OutsideValidity => "Outside validity period",
            Self::NotEnrolled => "Token is not yet enrolled",
        }
    }
}

impl Token {
    /// Failures that lock it.
    #[must_use]
    pub fn max_fail(&self, settings: &LocalSettings) -> u32 {
        self.max_fail.unwrap_or(settings.max_fail)
    }

    /// Whether it failed too often.
    #[must_use]
    pub fn is_locked(&self, settings: &LocalSettings) -> bool {
        self.fail_count >= self.max_fail(settings)
    }

    /// Whether `now` lies in its validity.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        let now = now.as_millis();
        self.valid_from.is_none_or(|from| from <= now)
            && self.valid_until.is_none_or(|until| now < until)
    }

    /// Whether it may be used; the order of the reasons is eduMFA's.
    ///
    /// # Errors
    /// Why not.
    pub fn fit(&self, settings: &LocalSettings, now: Timestamp) -> Result<(), Unfit> {
        if !self.is_enabled {
            Err(Unfit::Disabled)
        } else if self.is_locked(settings) {
            Err(Unfit::Locked)
        } else if !self.is_valid_at(now) {
            Err(Unfit::OutsideValidity)
        } else if !self.rollout_state.is_empty() {
            Err(Unfit::NotEnrolled)
        } else {
            Ok(())
        }
    }

    /// Lifts a lock whose time has passed. Failures of a locked token are not counted, so nobody can prolong it.
    pub fn lift(&mut self, settings: &LocalSettings, now: Timestamp) {
        let over = |failed: u64, after| now.since(Timestamp::from_millis(failed)) >= after;
        if let (Some(failed), Some(after)) = (self.failed_at, settings.fail_reset)
            && self.is_locked(settings)
            && over(failed, after)
        {
            self.forget_failures();
        }
    }

    /// No failures from now on; none from before is given back any more.
    pub const fn forget_failures(&mut self) {
        self.fail_count = 0;
        self.failed_at = None;
        self.fail_epoch = self.fail_epoch.saturating_add(1);
    }

    /// Counts a failure; false if it is locked already, and then nothing has changed: a stranger's tries do not write.
    pub fn fail(&mut self, settings: &LocalSettings, now: Timestamp) -> bool {
        if self.is_locked(settings) {
            return false;
        }
        self.fail_count = self.fail_count.saturating_add(1);
        self.failed_at = Some(now.as_millis());
        self.count_auth = self.count_auth.saturating_add(1);
        self.count_auth_fail = self.count_auth_fail.saturating_add(1);
        true
    }

    /// Counts a success.
    pub const fn succeed(&mut self, now: Timestamp) {
        if self.fail_count > 0 {
            self.forget_failures();
        }
        self.count_auth = self.count_auth.saturating_add(1);
        self.count_auth_success = self.count_auth_success.saturating_add(1);
        self.last_auth = Some(now.as_millis());
    }

    /// Takes back one failure that was counted in this epoch; false if there is nothing to take back.
    pub const fn forgive(&mut self, epoch: u64) -> bool {
        if self.fail_epoch != epoch || self.fail_count == 0 {
            return false;
        }
        self.fail_count -= 1;
        true
    }

    /// Whether `otp` is the token's next one; then it is used up. A value that is far off is remembered, if the
    /// settings say so and the token may be used.
    pub fn spend(&mut self, otp: &str, settings: &LocalSettings, now: Timestamp) -> bool {
        let Some(otp) = self.digits.parse(otp) else { return false };
        let generator = self.generator();
        let found = match self.kind {
            TokenKind::Hotp => {
                let window = u64::from(self.window.unwrap_or(settings.window)).min(SYNC_WINDOW);
                generator.find(otp, self.next..self.next.saturating_add(window))
            }
            TokenKind::Totp => {
                let own = self.window.map(|seconds| Duration::from_secs(seconds.into()));
                let window = own.unwrap_or(settings.time_window);
                let steps = totp::window(now, self.period, self.time_shift, window, self.next);
                generator.find(otp, steps)
            }
            TokenKind::Spass | TokenKind::Password => None,
        };
        if let Some(counter) = found {
            self.used(counter, now);
            return true;
        }
        settings.auto_resync
            && self.fit(settings, now).is_ok()
            && self.spend_far_off(otp, &generator, now)
    }

    /// The value that was accepted last, once more.
    ///
    /// Source: eduMFA, golden `check_replay_hotp`; it looks for HOTP only.
    #[must_use]
    pub fn is_previous(&self, otp: &str) -> bool {
        let previous = self.next.checked_sub(1).filter(|_| self.kind == TokenKind::Hotp);
        let otp = self.digits.parse(otp);
        previous.zip(otp).is_some_and(|(counter, otp)| self.generator().at(counter).matches(otp))
    }

    /// Sets counter or clock right by two values in a row; both are used up. False if they are nowhere to be found.
    pub fn resync(&mut self, first: &str, second: &str, now: Timestamp) -> bool {
        let parse = |text| Digits::parse(self.digits, text);
        let (Some(first), Some(second)) = (parse(first), parse(second)) else { return false };
        let range = self.sync_range(now);
        let found = range.and_then(|range| self.generator().find_pair(first, second, range));
        if let Some(counter) = found {
            self.used(counter.saturating_add(1), now);
        }
        found.is_some()
    }

    fn spend_far_off(&mut self, otp: Otp, generator: &Generator, now: Timestamp) -> bool {
        let before = self.far_off.filter(|far| now.as_millis() < far.until);
        if let Some(expected) = before.map(|far| far.counter.saturating_add(1))
            && expected >= self.next
            && generator.at(expected).matches(otp)
        {
            self.used(expected, now);
            return true;
        }
        self.far_off = self
            .sync_range(now)
            .and_then(|range| generator.find(otp, range))
            .map(|counter| FarOff { counter, until: now.plus(RESYNC_TIME).as_millis() });
        false
    }

    fn sync_range(&self, now: Timestamp) -> Option<std::ops::Range<u64>> {
        match self.kind {
            TokenKind::Hotp => Some(self.next..self.next.saturating_add(SYNC_WINDOW)),
            TokenKind::Totp => Some(totp::sync_window(now, self.period, self.next)),
            TokenKind::Spass | TokenKind::Password => None,
        }
    }

    /// Nothing up to `counter` is ever accepted again; a clock is now as far off as the value was.
    fn used(&mut self, counter: u64, now: Timestamp) {
        self.next = self.next.max(counter.saturating_add(1));
        self.far_off = None;
        if self.kind == TokenKind::Totp {
            self.time_shift = totp::shift(counter, self.period, now);
        }
    }

    fn generator(&self) -> Generator {
        Generator::new(&self.secret, self.algorithm, self.digits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::secret::Secret;
    use crate::mfa::node::local::testing::settings;

    fn token(kind: TokenKind) -> Token {
        Token::new("T", kind, Secret::new(b"12345678901234567890".to_vec()))
    }

    fn show(token: &Token, counter: u64) -> String {
        token.generator().at(counter).show(token.digits)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_counter_is_found_nine_ahead_and_not_ten_and_no_value_serves_twice() {
        let settings = settings();
        let mut hotp = token(TokenKind::Hotp);
        let (nine, ten) = (show(&hotp, 9), show(&hotp, 10));
        assert!(!hotp.spend(&ten, &settings, at(0)));
        assert!(hotp.spend(&nine, &settings, at(0)));
        assert!(hotp.is_previous(&nine));
        assert!(!hotp.spend(&nine, &settings, at(0)));
        assert!(hotp.spend(&ten, &settings, at(0)));
        assert!(!hotp.is_previous(&nine));
    }

    #[test]
    fn a_clock_that_was_ahead_takes_us_along_and_the_present_is_past() {
        let settings = settings();
        let mut totp = token(TokenKind::Totp);
        let now = at(30_000);
        let (seven, four, present) = (show(&totp, 1007), show(&totp, 1004), show(&totp, 1000));
        assert!(!totp.spend(&seven, &settings, now));
        assert!(totp.spend(&four, &settings, now));
        assert_eq!(totp.time_shift, 120);
        assert!(!totp.spend(&present, &settings, now));
        assert!(!totp.spend(&four, &settings, now));
        assert!(totp.spend(&seven, &settings, now), "the window has moved with the token");
    }

    #[test]
    fn two_values_in_a_row_that_are_far_off_set_a_token_right_if_it_is_wanted() {
        for (kind, far) in [(TokenKind::Hotp, 51), (TokenKind::Totp, 1400), (TokenKind::Totp, 600)]
        {
            let settings = LocalSettings { auto_resync: true, ..settings() };
            let now = at(30_000);
            let values = |token: &Token| [far, far + 1, far + 2].map(|step| show(token, step));
            let mut sound = token(kind);
            let [first, second, third] = values(&sound);
            assert!(!sound.spend(&first, &settings, now));
            assert!(sound.spend(&second, &settings, at(30_030)));
            assert_eq!(sound.far_off, None);
            if kind == TokenKind::Totp {
                assert_eq!(totp::step(at(30_030), 30, sound.time_shift), far + 1);
            }
            assert!(sound.spend(&third, &settings, at(30_060)));
            let mut late = token(kind);
            assert!(!late.spend(&first, &settings, now));
            assert!(!late.spend(&second, &settings, at(30_300)));
            let mut gap = token(kind);
            assert!(!gap.spend(&first, &settings, now) && !gap.spend(&third, &settings, now));
            let off = LocalSettings { auto_resync: false, ..settings };
            let mut plain = token(kind);
            assert!(!plain.spend(&first, &off, now) && !plain.spend(&second, &off, now));
            assert!(plain.resync(&first, &second, now));
            assert_eq!(plain.next, far + 2);
            assert!(!plain.resync(&first, &second, now));
        }
    }

    #[test]
    fn a_lock_is_lifted_after_its_time_and_not_prolonged_by_more_failures() {
        let settings = LocalSettings { fail_reset: Some(Duration::from_secs(60)), ..settings() };
        let mut token = token(TokenKind::Hotp);
        for _ in 0..settings.max_fail {
            assert!(token.fail(&settings, at(10)));
        }
        assert!(!token.fail(&settings, at(50)));
        assert_eq!(token.fit(&settings, at(50)), Err(Unfit::Locked));
        token.lift(&settings, at(69));
        assert!(token.is_locked(&settings));
        token.lift(&settings, at(70));
        assert_eq!((token.fail_count, token.fit(&settings, at(70))), (0, Ok(())));
    }

    #[test]
    fn what_was_reserved_before_the_failures_were_forgotten_is_not_given_back() {
        let settings = settings();
        let mut token = token(TokenKind::Hotp);
        token.fail(&settings, at(1));
        let epoch = token.fail_epoch;
        token.succeed(at(2));
        token.fail(&settings, at(3));
        assert!(!token.forgive(epoch));
        assert_eq!(token.fail_count, 1);
        let epoch = token.fail_epoch;
        assert!(token.forgive(epoch) && !token.forgive(epoch));
    }

    #[test]
    fn a_token_that_may_not_be_used_says_why() {
        let settings = settings();
        let row = |change: fn(&mut Token)| {
            let mut token = token(TokenKind::Hotp);
            change(&mut token);
            token.fit(&settings, at(100)).map_err(Unfit::as_str)
        };
        assert_eq!(row(|_| ()), Ok(()));
        assert_eq!(row(|token| token.is_enabled = false), Err("Token is disabled"));
        assert_eq!(row(|token| token.fail_count = 10), Err("Failcounter exceeded"));
        assert_eq!(row(|token| token.max_fail = Some(0)), Err("Failcounter exceeded"));
        assert_eq!(row(|token| token.valid_until = Some(100_000)), Err("Outside validity period"));
        assert_eq!(row(|token| token.valid_from = Some(100_001)), Err("Outside validity period"));
        assert_eq!(row(|token| token.valid_from = Some(100_000)), Ok(()));
        let waiting = |token: &mut Token| token.rollout_state = "clientwait".into();
        assert_eq!(row(waiting), Err("Token is not yet enrolled"));
    }

    proptest! {
        #[test]
        fn whatever_is_tried_the_counter_never_goes_back_and_failures_are_bounded(
            tries in prop::collection::vec((0_u64..60, 0_u64..200, any::<bool>()), 1..60),
            resync: bool,
        ) {
            let settings = LocalSettings { auto_resync: resync, ..settings() };
            for kind in [TokenKind::Hotp, TokenKind::Totp] {
                let mut token = token(kind);
                let mut accepted = std::collections::BTreeSet::new();
                for &(value, seconds, forgiven) in &tries {
                    let (before, otp) = (token.next, show(&token, value));
                    if token.spend(&otp, &settings, at(seconds * 30)) {
                        prop_assert!(accepted.insert(value) && token.next > before);
                        token.succeed(at(seconds));
                    } else {
                        token.fail(&settings, at(seconds));
                        if forgiven { token.forgive(token.fail_epoch); }
                    }
                    prop_assert!(token.next >= before);
                    prop_assert!(token.fail_count <= settings.max_fail);
                }
            }
        }
    }
}

//! When a rule applies: days of the week and hours, in one time zone.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::domain::time::Timestamp;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Days and hours. What begins on one of the days counts, also past midnight.
#[derive(Debug, Clone)]
pub struct Hours {
    days: [bool; 7],
    from: u16,
    to: u16,
    zone: TimeZone,
}

/// Hours without an end, or with an end that no day has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hours begin when they end; leave out both for whole days")]
pub struct NoHours;

impl Hours {
    /// `days` counted from Monday; `from` and `to` in minutes after midnight, at most 24 hours, `to` being
    /// the first minute that does not count. If it is before `from`, it is that of the next day.
    ///
    /// # Errors
    /// There is nothing between the two: tell the operator.
    pub fn new(days: [bool; 7], from: u16, to: u16, zone: TimeZone) -> Result<Self, NoHours> {
        if from == to || from >= DAY || to > DAY {
            return Err(NoHours);
        }
        Ok(Self { days, from, to, zone })
    }

    /// Whether `now` is within them; never, if the calendar has no such moment.
    #[must_use]
    pub fn contain(&self, now: Timestamp) -> bool {
        let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let Ok(moment) = jiff::Timestamp::from_millisecond(millis) else { return false };
        let here = self.zone.to_datetime(moment);
        let minute =
            u16::from(here.hour().unsigned_abs()) * 60 + u16::from(here.minute().unsigned_abs());
        let today = self.has(here.weekday());
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        let yesterday = self.has(here.weekday().previous());
        (today && minute >= self.from) || (yesterday && minute < self.to)
    }

    fn has(&self, day: Weekday) -> bool {
        let at = usize::from(day.to_monday_zero_offset().unsigned_abs());
        self.days.get(at).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[track_caller]
    fn contains(hours: &Hours, moment: &str, expected: bool) {
        let millis = moment.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let now = Timestamp::from_millis(u64::try_from(millis).unwrap());
        assert_eq!(hours.contain(now), expected, "{moment}");
    }

    #[test]
    fn the_hours_are_those_of_the_zone_in_summer_and_in_winter() {
        let hours = Hours::new(WORKDAYS, 8 * 60, 18 * 60, berlin()).unwrap();
        contains(&hours, "2026-11-20T06:59:59Z", false);
        contains(&hours, "2026-11-20T07:00:00Z", true);
        contains(&hours, "2026-11-20T16:59:59Z", true);
        contains(&hours, "2026-11-20T17:00:00Z", false);
        contains(&hours, "2026-07-01T06:00:00Z", true);
        contains(&hours, "2026-07-01T05:59:00Z", false);
        contains(&hours, "2026-11-21T12:00:00Z", false);
    }

    #[test]
    fn hours_that_end_the_next_day_belong_to_the_day_on_which_they_begin() {
        let hours = Hours::new(WORKDAYS, 22 * 60, 6 * 60, TimeZone::UTC).unwrap();
        contains(&hours, "2026-11-20T22:00:00Z", true);
        contains(&hours, "2026-11-21T05:59:00Z", true);
        contains(&hours, "2026-11-21T22:00:00Z", false);
        contains(&hours, "2026-11-23T05:59:00Z", false);
        contains(&hours, "2026-11-24T05:59:00Z", true);
        contains(&hours, "2026-11-24T06:00:00Z", false);
    }

    #[test]
    fn whole_days_are_from_midnight_to_midnight() {
        let sunday = [false, false, false, false, false, false, true];
        let hours = Hours::new(sunday, 0, DAY, TimeZone::UTC).unwrap();
        contains(&hours, "2026-11-21T23:59:59Z", false);
        contains(&hours, "2026-11-22T00:00:00Z", true);
        contains(&hours, "2026-11-22T23:59:59Z", true);
        contains(&hours, "2026-11-23T00:00:00Z", false);
    }

    #[test]
    fn what_is_no_time_is_never() {
        assert_eq!(Hours::new(WORKDAYS, 60, 60, TimeZone::UTC).unwrap_err(), NoHours);
        assert_eq!(Hours::new(WORKDAYS, DAY, 60, TimeZone::UTC).unwrap_err(), NoHours);
        let always = Hours::new([true; 7], 0, DAY, TimeZone::UTC).unwrap();
        assert!(!always.contain(Timestamp::from_millis(u64::MAX)));
    }
}

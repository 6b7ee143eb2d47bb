//! `applications[].rules[].time`: days, hours and their zone.

use jiff::tz::TimeZone;

use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;
use crate::config::raw::RawHours;
use crate::policy::rule::hours::Hours;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Checks days and hours; `None` if anything about them is wrong, which was reported.
pub fn hours(raw: &RawHours, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Hours> {
    let days = days(raw, &path.key("days"), compiler);
    let mut minute = |key: &str, written: Option<&str>, default: &str| {
        let written = written.unwrap_or(default);
        let text = || format!("'{written}' is no time of day; write e.g. 08:00, at most 24:00");
        let minutes = minutes(written).ok_or_else(text);
        compiler.checked(&path.key(key), minutes)
    };
    let from = minute("from", raw.from.as_deref(), "00:00");
    let to = minute("to", raw.to.as_deref(), "24:00");
    let written = raw.zone.as_deref().unwrap_or("UTC");
    let zone = TimeZone::get(written)
        .map_err(|_| format!("there is no time zone '{written}'; write e.g. Europe/Berlin"));
    let zone = compiler.checked(&path.key("zone"), zone);
    let hours = Hours::new(days?, from?, to?, zone?);
    compiler.checked(path, hours)
}

fn days(raw: &RawHours, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<[bool; 7]> {
    if raw.days.items.is_empty() {
        let is_empty = !compiler.document.wrote(&path.index(0));
        if is_empty && compiler.document.wrote(path) {
            compiler.error(path, "no day is listed, so the rule never applies; remove the key");
            return None;
        }
        return is_empty.then_some([true; 7]);
    }
    let mut days = Some([false; 7]);
    for (index, written) in raw.days.items.iter().enumerate() {
        let at = if raw.days.is_list { path.index(index) } else { path.clone() };
        let text = || format!("'{written}' is no day; write mon to sun, or e.g. mon-fri");
        match (compiler.checked(&at, span(written).ok_or_else(text)), &mut days) {
            (Some(span), Some(days)) => {
                days.iter_mut().zip(span).for_each(|(day, more)| *day |= more);
            }
            _ => days = None,
        }
    }
    days
}

/// `mon`, or `fri-mon`, over the end of the week if it is so written.
fn span(written: &str) -> Option<[bool; 7]> {
    let number = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let (first, last) = written.split_once('-').unwrap_or((written, written));
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    let length = (last + 7 - first) % 7;
    Some(std::array::from_fn(|day| (day + 7 - first) % 7 <= length))
}

fn minutes(written: &str) -> Option<u16> {
    let (hours, minutes) = written.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_one_or_from_one_to_another() {
        let named = |written| {
            let span: [bool; 7] = span(written)?;
            Some(DAYS.into_iter().zip(span).filter(|(_, is)| *is).map(|(day, _)| day).collect())
        };
        assert_eq!(named("wed"), Some(vec!["wed"]));
        assert_eq!(named("Mon-wed"), Some(vec!["mon", "tue", "wed"]));
        assert_eq!(named("sat-mon"), Some(vec!["mon", "sat", "sun"]));
        assert_eq!(named("mon-"), None);
        assert_eq!(named("monday"), None);
    }

    #[test]
    fn a_time_of_day_has_two_digits_each() {
        assert_eq!(minutes("08:30"), Some(510));
        assert_eq!(minutes("24:00"), Some(1440));
        for wrong in ["8:30", "24:01", "12:60", "12", "ab:cd", "+8:30", ""] {
            assert_eq!(minutes(wrong), None, "{wrong}");
        }
    }
}

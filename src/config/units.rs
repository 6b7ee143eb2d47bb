//! Durations and sizes: numbers never come without a unit.

use std::time::Duration;

use bytesize::ByteSize;

/// A text that is not a quantity of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Only digits.
    #[error("'{0}' has no unit; write e.g. {1}")]
    NoUnit(String, &'static str),
    /// No duration.
    #[error("'{0}' is not a duration; write e.g. 90s, 15m or 20h")]
    Duration(String),
    /// No size.
    #[error("'{0}' is not a size; write e.g. 64MiB or 1GiB")]
    Size(String),
}

/// Reads `20h`, `1m 30s` and the like.
///
/// # Errors
/// Show it to the operator.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    if is_number(text) {
        return Err(UnitError::NoUnit(text.to_owned(), "90s, 15m or 20h"));
    }
    humantime::parse_duration(text).map_err(|_| UnitError::Duration(text.to_owned()))
}

/// Reads `512MiB` and the like, in bytes.
///
/// # Errors
/// Show it to the operator.
pub fn size(text: &str) -> Result<u64, UnitError> {
    if is_number(text) {
        return Err(UnitError::NoUnit(text.to_owned(), "64MiB or 1GiB"));
    }
    let size: ByteSize = text.parse().map_err(|_| UnitError::Size(text.to_owned()))?;
    Ok(size.as_u64())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_units() {
        assert_eq!(duration("20h"), Ok(Duration::from_hours(20)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("1 kB"), Ok(1000));
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_an_example() {
        for bad in ["", "20", "-1h", "h", "1 fortnight", "20 000"] {
            assert!(duration(bad).unwrap_err().to_string().contains("; write e.g. "), "{bad}");
        }
        for bad in ["", "512", "-1MiB", "MiB", "1 parsec"] {
            assert!(size(bad).unwrap_err().to_string().contains("; write e.g. "), "{bad}");
        }
    }
}

//! How a record lies in Redis: a header in front of its bytes.
//!
//! Pure. The scripts read and write the same header (`script`). Must not know: connections.

use crate::domain::limits::RECORD_BYTES;
use crate::domain::time::Timestamp;
use crate::store::{Index, Record};

/// The first byte of each value.
pub(super) const FORMAT: u8 = 1;

/// The greatest number that a script of Redis can count with: its numbers are floating-point ones.
pub(super) const EXACT: u64 = 1 << 53;

/// A value that nobody may take for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damaged {
    #[error("a stored value of {0} bytes is too short for a record")]
    Short(usize),
    #[error("a stored value has the unknown format {0}")]
    Format(u8),
    #[error("a stored value says {0} where it says whether it has an index (0 or 1)")]
    Marker(u8),
    #[error("a stored value of {0} bytes is too long for a record")]
    Long(usize),
}

/// What stands in front of the revision: format and expiry.
pub(super) fn head(expires: Timestamp) -> [u8; 9] {
    let mut head = [FORMAT; 9];
    let (_, millis) = head.split_at_mut(1);
    millis.copy_from_slice(&expires.as_millis().min(EXACT).to_be_bytes());
    head
}

/// What stands between the revision and the bytes: whether there is an index, and which.
pub(super) fn group(index: Option<Index>) -> Vec<u8> {
    let mut group = vec![u8::from(index.is_some())];
    group.extend(index.into_iter().flat_map(Index::to_be_bytes));
    group
}

/// The record in a stored value, expired or not, and its index.
pub(super) fn decode(value: &[u8]) -> Result<(Record, Option<Index>), Damaged> {
    let short = Damaged::Short(value.len());
    let (&format, rest) = value.split_first().ok_or(short)?;
    if format != FORMAT {
        return Err(Damaged::Format(format));
    }
    let (expires, rest) = rest.split_first_chunk().ok_or(short)?;
    let (revision, rest) = rest.split_first_chunk().ok_or(short)?;
    let (index, bytes) = match rest.split_first().ok_or(short)? {
        (0, bytes) => (None, bytes),
        (1, rest) => {
            let (index, bytes) = rest.split_first_chunk().ok_or(short)?;
            (Some(u64::from_be_bytes(*index)), bytes)
        }
        (&marker, _) => return Err(Damaged::Marker(marker)),
    };
    if bytes.len() > RECORD_BYTES {
        return Err(Damaged::Long(value.len()));
    }
    let expires = Timestamp::from_millis(u64::from_be_bytes(*expires));
    let revision = u64::from_be_bytes(*revision);
    Ok((Record { bytes: bytes.into(), expires, revision }, index))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXPIRES: Timestamp = Timestamp::from_millis(0x0102_0304);

    fn encode(index: Option<Index>, bytes: &[u8]) -> Vec<u8> {
        [&head(EXPIRES), &5_u64.to_be_bytes()[..], &group(index), bytes].concat()
    }

    #[test]
    fn the_layout_of_format_1_never_changes() {
        let value = [1, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, b'x'];
        assert_eq!(encode(None, b"x"), value);
        let record = Record { bytes: (*b"x").into(), expires: EXPIRES, revision: 5 };
        assert_eq!(decode(&value), Ok((record.clone(), None)));
        let value = [&value[..17], &[1, 0, 0, 0, 0, 6, 7, 8, 9, b'x']].concat();
        assert_eq!(encode(Some(0x0607_0809), b"x"), value);
        assert_eq!(decode(&value), Ok((record, Some(0x0607_0809))));
    }

    #[test]
    fn damaged_values_are_errors_and_never_records() {
        for index in [None, Some(7)] {
            let whole = encode(index, b"");
            for length in 0..whole.len() {
                assert_eq!(decode(&whole[..length]), Err(Damaged::Short(length)));
            }
            let mut value = whole.clone();
            value[0] = 2;
            assert_eq!(decode(&value), Err(Damaged::Format(2)));
            let mut value = whole.clone();
            value[17] = 2;
            assert_eq!(decode(&value), Err(Damaged::Marker(2)));
            assert!(decode(&encode(index, &vec![0; RECORD_BYTES])).is_ok());
            let long = encode(index, &vec![0; RECORD_BYTES + 1]);
            assert_eq!(decode(&long), Err(Damaged::Long(long.len())));
        }
    }

    #[test]
    fn no_expiry_is_beyond_what_a_script_can_count() {
        assert_eq!(head(Timestamp::from_millis(u64::MAX)), head(Timestamp::from_millis(EXACT)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&value);
        }
    }
}

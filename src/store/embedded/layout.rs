//! How records lie on disk: tables, and the header in front of each value.
//!
//! The version before this one knows neither [`CHECKS`] nor [`DAMAGED`] nor [`META_CHECKED`], leaves them alone, and
//! reads and writes all the rest as it is here. Pure. Must not know: files, threads, transactions.

use std::ops::RangeInclusive;

use redb::TableDefinition;
use xxhash_rust::xxh3::Xxh3;

use crate::domain::limits::RECORD_BYTES;
use crate::domain::time::Timestamp;
use crate::store::{Index, Key, Record};

/// The version of everything in this file; a change of layout is a new number.
pub(super) const SCHEMA: u64 = 2;

/// Key to header and bytes.
pub(super) const RECORDS: TableDefinition<&Key, &[u8]> = TableDefinition::new("records");

/// Expiry in milliseconds and key, in that order, so that sweeping reads only what is due.
pub(super) const EXPIRIES: TableDefinition<(u64, &Key), ()> = TableDefinition::new("expiries");

/// Index and key of each record that has an index, in that order, so that a group lies together.
pub(super) const MEMBERS: TableDefinition<(Index, &Key), ()> = TableDefinition::new("members");

/// Key to the checksum of key and value. redb's own checksums are looked at when a file is repaired, and never when
/// a value is read: without these a flipped bit would be somebody else's name.
pub(super) const CHECKS: TableDefinition<&Key, u64> = TableDefinition::new("checks");

/// Key to a value that was not what had been written, out of everybody's way.
pub(super) const DAMAGED: TableDefinition<&Key, &[u8]> = TableDefinition::new("damaged");

/// Rows of [`DAMAGED`], at most; what is damaged beyond that is dropped.
pub(super) const DAMAGED_ROWS: u64 = 1000;

/// Numbers about the store itself.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// The row of [`META`] that holds [`SCHEMA`].
pub(super) const META_SCHEMA: &str = "schema";

/// The row of [`META`] that holds the newest `now` of any commit, in milliseconds.
pub(super) const META_NEWEST: &str = "newest";

/// The row of [`META`] that holds what [`META_NEWEST`] was when every record had its row in [`CHECKS`]. If the two
/// differ, the version before this one has written since.
pub(super) const META_CHECKED: &str = "checked_newest";

/// The first byte of each value.
const FORMAT: u8 = 2;

/// Format, expiry, revision, and whether there is an index.
const HEADER_BYTES: usize = 1 + 8 + 8 + 1;

/// The index, if there is one.
const INDEX_BYTES: usize = 8;

/// A value on disk that nobody may take for a record.
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
    #[error("a stored value has another checksum than what was written")]
    Checksum,
    #[error("a stored value has no checksum")]
    Unchecked,
}

/// What stands in front of a record's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) expires: Timestamp,
    pub(super) revision: u64,
    /// Where its row in [`MEMBERS`] is, so that who replaces or sweeps it can remove that too.
    pub(super) index: Option<Index>,
}

impl Header {
    /// The value as it is stored.
    pub(super) fn encode(self, bytes: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(HEADER_BYTES + INDEX_BYTES + bytes.len());
        value.push(FORMAT);
        value.extend_from_slice(&self.expires.as_millis().to_be_bytes());
        value.extend_from_slice(&self.revision.to_be_bytes());
        value.push(u8::from(self.index.is_some()));
        if let Some(index) = self.index {
            value.extend_from_slice(&index.to_be_bytes());
        }
        value.extend_from_slice(bytes);
        value
    }

    /// Header and bytes of a stored value.
    pub(super) fn decode(value: &[u8]) -> Result<(Self, &[u8]), Damaged> {
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
        Ok((Self { expires, revision: u64::from_be_bytes(*revision), index }, bytes))
    }

    /// The revision of a record that is live at `now`.
    pub(super) fn live(self, now: Timestamp) -> Option<u64> {
        (self.expires > now).then_some(self.revision)
    }
}

/// The record of a header and bytes.
pub(super) fn record((header, bytes): (Header, &[u8])) -> Record {
    Record { bytes: bytes.into(), expires: header.expires, revision: header.revision }
}

/// What stands in [`CHECKS`] for a value.
pub(super) fn checksum(key: &Key, value: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(key);
    hash.update(value);
    hash.digest()
}

/// Header and bytes of a value that is what was written, as far as its checksum tells; one without a checksum
/// counts while not all of them are there.
pub(super) fn verified<'v>(
    key: &Key,
    value: &'v [u8],
    check: Option<u64>,
    is_checked: bool,
) -> Result<(Header, &'v [u8]), Damaged> {
    if is_checked {
        let check = check.ok_or(Damaged::Unchecked)?;
        if check != checksum(key, value) {
            return Err(Damaged::Checksum);
        }
    }
    Header::decode(value)
}

/// The rows of [`MEMBERS`] with this index.
pub(super) fn group(index: Index) -> RangeInclusive<(Index, &'static Key)> {
    (index, &[u8::MIN; 32])..=(index, &[u8::MAX; 32])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header =
        Header { expires: Timestamp::from_millis(0x0102_0304), revision: 5, index: None };

    const MEMBER: Header = Header { index: Some(0x0607_0809), ..HEADER };

    #[test]
    fn the_layout_of_schema_2_never_changes() {
        let value = [2, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, b'x'];
        assert_eq!(HEADER.encode(b"x"), value);
        assert_eq!(Header::decode(&value), Ok((HEADER, &b"x"[..])));
        let value = [
            [2, 0, 0, 0, 0, 1, 2, 3, 4].as_slice(),
            &[0, 0, 0, 0, 0, 0, 0, 5],
            &[1, 0, 0, 0, 0, 6, 7, 8, 9, b'x'],
        ]
        .concat();
        assert_eq!(MEMBER.encode(b"x"), value);
        assert_eq!(Header::decode(&value), Ok((MEMBER, &b"x"[..])));
    }

    #[test]
    fn damaged_values_are_errors_and_never_records() {
        for (header, bytes) in [(HEADER, HEADER_BYTES), (MEMBER, HEADER_BYTES + INDEX_BYTES)] {
            let whole = header.encode(b"");
            for length in 0..bytes {
                assert_eq!(Header::decode(&whole[..length]), Err(Damaged::Short(length)));
            }
            for format in [0, 1, 3, 255] {
                let mut value = whole.clone();
                value[0] = format;
                assert_eq!(Header::decode(&value), Err(Damaged::Format(format)));
            }
            for marker in [2, 255] {
                let mut value = whole.clone();
                value[HEADER_BYTES - 1] = marker;
                assert_eq!(Header::decode(&value), Err(Damaged::Marker(marker)));
            }
            assert!(Header::decode(&header.encode(&vec![0; RECORD_BYTES])).is_ok());
            let long = header.encode(&vec![0; RECORD_BYTES + 1]);
            assert_eq!(Header::decode(&long), Err(Damaged::Long(long.len())));
        }
    }

    #[test]
    fn a_record_is_not_live_at_its_expiry() {
        assert_eq!(HEADER.live(Timestamp::from_millis(0x0102_0303)), Some(5));
        assert_eq!(HEADER.live(HEADER.expires), None);
    }

    #[test]
    fn the_checksum_of_a_value_never_changes() {
        let value = HEADER.encode(b"x");
        let check = checksum(&[7; 32], &value);
        assert_eq!(check, 16_099_433_065_582_909_490);
        assert!(verified(&[7; 32], &value, Some(check), true).is_ok());
    }

    #[test]
    fn a_value_without_its_checksum_counts_only_while_checksums_are_missing() {
        let value = HEADER.encode(b"x");
        let check = checksum(&[7; 32], &value);
        for (check, damage) in [(None, Damaged::Unchecked), (Some(check ^ 1), Damaged::Checksum)] {
            assert_eq!(verified(&[7; 32], &value, check, true), Err(damage));
            assert_eq!(verified(&[7; 32], &value, check, false), Ok((HEADER, &b"x"[..])));
        }
        assert_eq!(verified(&[8; 32], &value, Some(check), true), Err(Damaged::Checksum));
    }

    proptest! {
        #[test]
        fn no_flipped_bit_goes_unnoticed(
            key: [u8; 32], bytes in prop::collection::vec(any::<u8>(), 0..300), bit: prop::sample::Index,
        ) {
            let value = HEADER.encode(&bytes);
            let check = Some(checksum(&key, &value));
            let bit = bit.index(value.len() * 8);
            let mut flipped = value;
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verified(&key, &flipped, check, true), Err(Damaged::Checksum));
        }

        #[test]
        fn what_is_written_is_read(
            expires: u64, revision: u64, index: Option<u64>,
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let header = Header { expires: Timestamp::from_millis(expires), revision, index };
            let value = header.encode(&bytes);
            prop_assert_eq!(Header::decode(&value), Ok((header, &bytes[..])));
            let read = record(Header::decode(&value).unwrap());
            prop_assert_eq!(&*read.bytes, &bytes[..]);
            prop_assert_eq!((read.expires.as_millis(), read.revision), (expires, revision));
        }

        #[test]
        fn no_bytes_make_decoding_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Header::decode(&value);
        }
    }
}

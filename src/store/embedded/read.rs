//! Reading a snapshot of the file: records whose checksum is right, and nothing else.
//!
//! Must not know: threads, what becomes of a damaged record.

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata};

use crate::domain::time::Timestamp;
use crate::store::embedded::fault::Fault;
use crate::store::embedded::layout::{self, Damaged, Header};
use crate::store::embedded::live::Live;
use crate::store::{Cursor, Entry, Index, Key, Page, Record};

/// Rows that are read for a page, at most: those that have expired are passed over.
const SCAN_ROWS: usize = 20_000;

/// A state of the file that does not change.
pub(super) struct Snapshot {
    pub(super) transaction: ReadTransaction,
    records: ReadOnlyTable<&'static Key, &'static [u8]>,
    checks: ReadOnlyTable<&'static Key, u64>,
    is_checked: bool,
    /// What was found to be damaged on the way.
    pub(super) damaged: Vec<(Key, Damaged)>,
}

/// A part of all stored values, as they are stored.
pub(super) struct Slice {
    /// Those that are what was written.
    pub(super) values: Vec<(Key, Vec<u8>)>,
    /// How many rows were looked at.
    pub(super) rows: u64,
    /// Where the next part begins; `None` after the last.
    pub(super) next: Option<Key>,
}

impl Snapshot {
    pub(super) fn of(live: &Live) -> Result<Self, Fault> {
        let is_checked = live.is_checked();
        let transaction = live.database.begin_read()?;
        let records = transaction.open_table(layout::RECORDS)?;
        let checks = transaction.open_table(layout::CHECKS)?;
        Ok(Self { transaction, records, checks, is_checked, damaged: Vec::new() })
    }

    /// The record under `key`, expired or not.
    pub(super) fn record(&mut self, key: &Key) -> Result<Option<Record>, Fault> {
        self.stored(key, |header, bytes| layout::record((header, bytes)))
    }

    /// The value under `key` as it is stored.
    pub(super) fn value(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        self.stored(key, Header::encode)
    }

    fn stored<T>(
        &mut self,
        key: &Key,
        read: impl FnOnce(Header, &[u8]) -> T,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.records.get_owned(key)? else { return Ok(None) };
        self.verified(key, value.value(), read)
    }

    fn verified<T>(
        &mut self,
        key: &Key,
        value: &[u8],
        read: impl FnOnce(Header, &[u8]) -> T,
    ) -> Result<Option<T>, Fault> {
        let check = self.checks.get_owned(key)?.map(|check| check.value());
        match layout::verified(key, value, check, self.is_checked) {
            Ok((header, bytes)) => Ok(Some(read(header, bytes))),
            Err(damage) => {
                self.damaged.push((*key, damage));
                Ok(None)
            }
        }
    }

    pub(super) fn members(&mut self, index: Index, now: Timestamp) -> Result<Vec<Key>, Fault> {
        let members = self.transaction.open_table(layout::MEMBERS)?;
        let mut keys = Vec::new();
        for row in members.range(layout::group(index))? {
            let (row, _) = row?;
            let (_, key) = row.value();
            // The record has the last word.
            let is_member = |header: Header, _: &[u8]| {
                header.index == Some(index) && header.live(now).is_some()
            };
            if self.stored(key, is_member)? == Some(true) {
                keys.push(*key);
            }
        }
        Ok(keys)
    }

    pub(super) fn page(
        &mut self,
        after: Option<Key>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, Fault> {
        let mut entries = Vec::with_capacity(limit.min(SCAN_ROWS));
        let mut last = None;
        for (read, row) in self.rows(after)?.enumerate() {
            if entries.len() == limit || read == SCAN_ROWS {
                return Ok(Page { entries, next: last.as_ref().map(Cursor::after) });
            }
            let (key, value) = row?;
            let key = *key.value();
            let entry = |header: Header, bytes: &[u8]| {
                let record = layout::record((header, bytes));
                header.live(now).map(|_| Entry { key, index: header.index, record })
            };
            entries.extend(self.verified(&key, value.value(), entry)?.flatten());
            last = Some(key);
        }
        Ok(Page { entries, next: None })
    }

    /// The values of up to `rows` keys after `after` that are live at `now`.
    pub(super) fn slice(
        &mut self,
        after: Option<Key>,
        rows: u64,
        now: Timestamp,
    ) -> Result<Slice, Fault> {
        let mut slice = Slice { values: Vec::new(), rows: 0, next: None };
        let mut last = None;
        for row in self.rows(after)? {
            if slice.rows == rows {
                slice.next = last;
                break;
            }
            let (key, value) = row?;
            let (key, value) = (*key.value(), value.value());
            let live = |header: Header, _: &[u8]| header.live(now).is_some();
            if self.verified(&key, value, live)? == Some(true) {
                slice.values.push((key, value.to_vec()));
            }
            slice.rows += 1;
            last = Some(key);
        }
        Ok(slice)
    }

    /// Looks at up to `rows` records after `after`, and whether the other tables agree with them: whoever looks for an
    /// owner's sessions must find them all. Returns how many there were, and where to go on.
    pub(super) fn check(
        &mut self,
        after: Option<Key>,
        rows: u64,
    ) -> Result<(u64, Option<Key>), Fault> {
        let members = self.transaction.open_table(layout::MEMBERS)?;
        let expiries = self.transaction.open_table(layout::EXPIRIES)?;
        let (mut count, mut last) = (0, after);
        for row in self.rows(after)?.take(usize::try_from(rows).unwrap_or(usize::MAX)) {
            let (key, value) = row?;
            let key = *key.value();
            if last.is_some_and(|last| last >= key) {
                return Err(Fault::Inconsistent("its records are not in order"));
            }
            if let Some(header) = self.verified(&key, value.value(), |header, _| header)? {
                let is_member = |index| members.get_owned((index, &key));
                if expiries.get_owned((header.expires.as_millis(), &key))?.is_none()
                    || header.index.map(is_member).transpose()?.is_some_and(|row| row.is_none())
                {
                    return Err(Fault::Inconsistent("a record's rows are missing"));
                }
            }
            (count, last) = (count + 1, Some(key));
        }
        let next = last.filter(|_| count == rows);
        let to = next.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for row in self.checks.range::<&Key>((from, to))? {
            let (key, _) = row?;
            if self.records.get_owned(key.value())?.is_none() {
                return Err(Fault::Inconsistent("a record is missing"));
            }
        }
        Ok((count, next))
    }

    fn rows(
        &self,
        after: Option<Key>,
    ) -> Result<redb::Range<'static, &'static Key, &'static [u8]>, Fault> {
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.records.range::<&Key>((from, Bound::Unbounded))?)
    }

    // === For what is salvaged of a damaged file ===

    pub(super) fn each_key(&self, backwards: bool, each: impl FnMut(Key)) -> Result<(), Fault> {
        let rows = self.records.range::<&Key>(..)?.map(|row| Ok(*row?.0.value()));
        from_either_end(rows, backwards, each)
    }

    pub(super) fn each_checked(&self, backwards: bool, each: impl FnMut(Key)) -> Result<(), Fault> {
        let rows = self.checks.range::<&Key>(..)?.map(|row| Ok(*row?.0.value()));
        from_either_end(rows, backwards, each)
    }

    pub(super) fn each_due(&self, backwards: bool, each: impl FnMut(Key)) -> Result<(), Fault> {
        let expiries = self.transaction.open_table(layout::EXPIRIES)?;
        let rows = expiries.range::<(u64, &Key)>(..)?.map(|row| Ok(*row?.0.value().1));
        from_either_end(rows, backwards, each)
    }

    pub(super) fn count(&self) -> Result<u64, Fault> {
        Ok(self.records.len()?)
    }

    /// How many values lie aside.
    pub(super) fn aside(&self) -> Result<u64, Fault> {
        Ok(self.transaction.open_table(layout::DAMAGED)?.len()?)
    }
}

fn from_either_end(
    mut rows: impl DoubleEndedIterator<Item = Result<Key, redb::StorageError>>,
    backwards: bool,
    mut each: impl FnMut(Key),
) -> Result<(), Fault> {
    while let Some(key) = if backwards { rows.next_back() } else { rows.next() } {
        each(key?);
    }
    Ok(())
}

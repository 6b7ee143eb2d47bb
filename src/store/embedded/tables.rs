//! The tables of one transaction that writes, changed together only.
//!
//! Must not know: files, threads, who asks.

use std::collections::BTreeSet;
use std::ops::Bound;

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use crate::domain::time::Timestamp;
use crate::store::embedded::fault::Fault;
use crate::store::embedded::layout::{self, Damaged, Header};
use crate::store::{Applied, Index, Key, Record, Write};

/// The most records that one sweep job deletes, so that nobody waits long behind it.
pub(super) const SWEEP_RECORDS: usize = 500;

/// Members that are searched for the row of a record that does not say whose it is; in more rows it stays, names
/// nobody, and goes with the next compaction.
const SEARCHED_MEMBERS: u64 = 20_000;

/// What one sweep job did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swept {
    /// Rows of the expiries that were due; fewer than [`SWEEP_RECORDS`] means that no more are.
    pub(super) rows: usize,
    /// Records that went.
    pub(super) records: u64,
}

/// The tables of one transaction.
pub(super) struct Tables<'a> {
    records: Table<'a, &'static Key, &'static [u8]>,
    checks: Table<'a, &'static Key, u64>,
    expiries: Table<'a, (u64, &'static Key), ()>,
    members: Table<'a, (Index, &'static Key), ()>,
    aside: Table<'a, &'static Key, &'static [u8]>,
    is_checked: bool,
    /// Records that were set aside.
    pub(super) damaged: Vec<(Key, Damaged)>,
    /// Keys whose records were written or went.
    pub(super) changed: Vec<Key>,
}

impl<'a> Tables<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction, is_checked: bool) -> Result<Self, Fault> {
        Ok(Self {
            records: transaction.open_table(layout::RECORDS)?,
            checks: transaction.open_table(layout::CHECKS)?,
            expiries: transaction.open_table(layout::EXPIRIES)?,
            members: transaction.open_table(layout::MEMBERS)?,
            aside: transaction.open_table(layout::DAMAGED)?,
            is_checked,
            damaged: Vec::new(),
            changed: Vec::new(),
        })
    }

    /// Applies a batch if all its conditions hold.
    pub(super) fn apply(&mut self, batch: &[Write], now: Timestamp) -> Result<Applied, Fault> {
        for (index, write) in batch.iter().enumerate() {
            let current = self.record(&write.key)?.filter(|record| record.expires > now);
            if !write.expect.holds(current.as_ref().map(|record| record.revision)) {
                return Ok(Applied::Conflict { index, current });
            }
        }
        let revisions =
            batch.iter().map(|write| self.write(write, now)).collect::<Result<_, _>>()?;
        Ok(Applied::Done(revisions))
    }

    /// One write of a batch whose conditions hold; returns the new revision.
    fn write(&mut self, write: &Write, now: Timestamp) -> Result<u64, Fault> {
        let key = &write.key;
        let old = self.header(key)?;
        let Some(bytes) = &write.value else {
            if let Some(old) = old {
                self.remove(key, old)?;
            }
            return Ok(0);
        };
        let before = old.and_then(|old| old.live(now)).unwrap_or(0);
        let revision = before.saturating_add(1);
        let header = Header { expires: write.expires, revision, index: write.index };
        self.put(key, old, header, &header.encode(bytes))?;
        Ok(revision)
    }

    /// Puts a stored value in its place, whatever was there.
    pub(super) fn restore(&mut self, key: &Key, value: &[u8]) -> Result<(), Fault> {
        let old = self.header(key)?;
        // Whoever has it has read it.
        if let Ok((header, _)) = Header::decode(value) {
            self.put(key, old, header, value)?;
        }
        Ok(())
    }

    /// Takes a record out, if there is one.
    pub(super) fn delete(&mut self, key: &Key) -> Result<(), Fault> {
        match self.header(key)? {
            Some(old) => self.remove(key, old),
            None => Ok(()),
        }
    }

    fn put(
        &mut self,
        key: &Key,
        old: Option<Header>,
        header: Header,
        value: &[u8],
    ) -> Result<(), Fault> {
        let row = (header.expires.as_millis(), key);
        match old {
            // Most writes keep something, whose pages need not be written then.
            Some(old) if old.expires == header.expires => {}
            Some(old) => {
                self.expiries.remove((old.expires.as_millis(), key))?;
                self.expiries.insert(row, ())?;
            }
            None => {
                self.expiries.insert(row, ())?;
            }
        }
        self.regroup(key, old.and_then(|old| old.index), header.index)?;
        self.records.insert(key, value)?;
        self.checks.insert(key, layout::checksum(key, value))?;
        self.changed.push(*key);
        Ok(())
    }

    fn remove(&mut self, key: &Key, old: Header) -> Result<(), Fault> {
        self.expiries.remove((old.expires.as_millis(), key))?;
        self.regroup(key, old.index, None)?;
        self.records.remove(key)?;
        self.checks.remove(key)?;
        self.changed.push(*key);
        Ok(())
    }

    /// Moves the row of a record from one index to another.
    fn regroup(&mut self, key: &Key, from: Option<Index>, to: Option<Index>) -> Result<(), Fault> {
        if from != to {
            if let Some(index) = from {
                self.members.remove((index, key))?;
            }
            if let Some(index) = to {
                self.members.insert((index, key), ())?;
            }
        }
        Ok(())
    }

    /// Deletes up to [`SWEEP_RECORDS`] records that have expired at `now`, the oldest first.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Result<Swept, Fault> {
        let mut due = Vec::new();
        let last = (now.as_millis(), &[u8::MAX; 32]);
        for row in self.expiries.range(..=last)?.take(SWEEP_RECORDS) {
            let (row, ()) = row.map(|(row, value)| (row, value.value()))?;
            let (expires, key) = row.value();
            due.push((expires, *key));
        }
        let mut records = 0;
        for (expires, key) in &due {
            match self.header(key)? {
                Some(header) if header.expires <= now => {
                    self.remove(key, header)?;
                    records += 1;
                }
                // Of a record that was set aside, or has another row.
                Some(_) | None => {}
            }
            self.expiries.remove((*expires, key))?;
        }
        Ok(Swept { rows: due.len(), records })
    }

    /// Gives up to `rows` records after `after` the checksums that they lack, trusting what is there, and takes out
    /// those of records that are no more; returns where to go on, or `None` after the last.
    pub(super) fn add_checks(
        &mut self,
        after: Option<&Key>,
        rows: usize,
    ) -> Result<Option<Key>, Fault> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut keys = BTreeSet::new();
        for row in self.records.range::<&Key>((from, Bound::Unbounded))?.take(rows) {
            let (key, value) = row?;
            let key = *key.value();
            self.checks.insert(&key, layout::checksum(&key, value.value()))?;
            keys.insert(key);
        }
        let last = if keys.len() < rows { None } else { keys.last().copied() };
        let to = last.as_ref().map_or(Bound::Unbounded, Bound::Included);
        self.checks.retain_in::<&Key, _>((from, to), |key, _| keys.contains(key))?;
        Ok(last)
    }

    /// Sets the record under `key` aside, if it is damaged.
    pub(super) fn examine(&mut self, key: &Key) -> Result<(), Fault> {
        self.header(key).map(drop)
    }

    fn header(&mut self, key: &Key) -> Result<Option<Header>, Fault> {
        self.stored(key, |header, _| header)
    }

    fn record(&mut self, key: &Key) -> Result<Option<Record>, Fault> {
        self.stored(key, |header, bytes| layout::record((header, bytes)))
    }

    fn stored<T>(
        &mut self,
        key: &Key,
        read: impl FnOnce(Header, &[u8]) -> T,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.records.get(key)? else { return Ok(None) };
        let check = self.checks.get(key)?.map(|check| check.value());
        let (bytes, damage) = match layout::verified(key, value.value(), check, self.is_checked) {
            Ok((header, bytes)) => return Ok(Some(read(header, bytes))),
            Err(damage) => (value.value().to_vec(), damage),
        };
        drop(value);
        self.set_aside(key, &bytes, damage)?;
        Ok(None)
    }

    /// Puts a value out of the way that is not what was written. From now on its key is unknown: whoever expected
    /// something of it finds nothing, and whoever writes writes anew.
    fn set_aside(&mut self, key: &Key, value: &[u8], damage: Damaged) -> Result<(), Fault> {
        self.records.remove(key)?;
        self.checks.remove(key)?;
        if self.aside.len()? < layout::DAMAGED_ROWS {
            self.aside.insert(key, value)?;
        }
        // What it says of itself may be wrong: rows that are not there are not missed.
        if let Ok((header, _)) = Header::decode(value) {
            self.expiries.remove((header.expires.as_millis(), key))?;
            self.regroup(key, header.index, None)?;
        }
        if self.members.len()? <= SEARCHED_MEMBERS {
            self.members.retain(|(_, member), ()| member != key)?;
        }
        self.changed.push(*key);
        self.damaged.push((*key, damage));
        Ok(())
    }
}

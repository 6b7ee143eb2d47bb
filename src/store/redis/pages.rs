//! Pages of all records, and how many there are about.
//!
//! A cursor is the place of a primary, the cursor of its own `SCAN`, and keys that did not fit into the page before.

use std::sync::Arc;

use redis::Value;

use crate::domain::time::Timestamp;
use crate::store::redis::RedisStore;
use crate::store::redis::down;
use crate::store::redis::fault::Fault;
use crate::store::redis::link::Link;
use crate::store::redis::script::stored;
use crate::store::{Cursor, Entry, ForeignCursor, Key, Page, StoreError};

/// How many names are looked at to find out which part of a database is ours.
const SAMPLE: usize = 1000;

/// Where a scan goes on.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    /// The primary's place as text.
    place: String,
    /// Where its own scan goes on; `None` if only the rest is left.
    cursor: Option<u64>,
    rest: Vec<Key>,
}

impl Position {
    fn encode(&self) -> Cursor {
        let place = self.place.as_bytes();
        let length = u16::try_from(place.len()).unwrap_or(u16::MAX).to_be_bytes();
        let cursor = self.cursor.unwrap_or(0).to_be_bytes();
        let mut bytes = [&length[..], place, &[u8::from(self.cursor.is_some())], &cursor].concat();
        bytes.extend(self.rest.iter().flatten());
        Cursor(bytes.into())
    }

    fn decode(Cursor(bytes): &Cursor) -> Option<Self> {
        let (length, bytes) = bytes.split_first_chunk()?;
        let (place, bytes) = bytes.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (&has_cursor, bytes) = bytes.split_first()?;
        let (cursor, bytes) = bytes.split_first_chunk()?;
        let (rest, odd) = bytes.as_chunks::<32>();
        odd.is_empty().then_some(Self {
            place: str::from_utf8(place).ok()?.to_owned(),
            cursor: (has_cursor == 1).then_some(u64::from_be_bytes(*cursor)),
            rest: rest.to_vec(),
        })
    }
}

impl RedisStore {
    /// At most `limit` of the live records after `cursor`, in no order.
    ///
    /// # Errors
    /// `Unavailable`: a server cannot be asked, or the servers are others than when the cursor was made; begin again.
    pub async fn scan(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let foreign = || StoreError::Unavailable(Box::new(ForeignCursor));
        let links = self.primaries().await?;
        let position = cursor.map(|cursor| Position::decode(cursor).ok_or_else(foreign));
        let position = position.transpose()?;
        let mut remaining = links.iter();
        let Some(first) = remaining.next() else { return Err(foreign()) };
        let mut position = position.unwrap_or_else(|| Position::beginning(first));
        let link = links.iter().find(|link| link.place.to_string() == position.place);
        let link = link.ok_or_else(foreign)?;
        let timeout = self.core.settings.timeout;
        let reading = self.page(link, &mut position, limit, now);
        let entries = match tokio::time::timeout(timeout, reading).await {
            Ok(entries) => entries,
            Err(_) => Err(Fault::Late),
        };
        let entries = entries.map_err(|fault| fault.at(&link.place, timeout))?;
        let next = if position.cursor.is_none() && position.rest.is_empty() {
            let after = links.iter().skip_while(|l| l.place != link.place).nth(1);
            after.map(Position::beginning)
        } else {
            Some(position)
        };
        Ok(Page { entries, next: next.map(|next| next.encode()) })
    }

    /// About how many records there are: exactly, if there is not much else and not many; else the part of the
    /// database that is ours, judged by a sample. It takes the same time however many there are.
    ///
    /// # Errors
    /// A server cannot be asked; the number is unknown.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks whether it is empty")]
    pub async fn len(&self) -> Result<u64, StoreError> {
        let timeout = self.core.settings.timeout;
        let mut total = 0;
        for link in &self.primaries().await? {
            let counted = tokio::time::timeout(timeout, self.count(link)).await;
            let counted = counted.unwrap_or(Err(Fault::Late));
            total += counted.map_err(|fault| fault.at(&link.place, timeout))?;
        }
        Ok(total)
    }

    /// All primaries, in the order of their places.
    async fn primaries(&self) -> Result<Vec<Arc<Link>>, StoreError> {
        let mut waiting = self.tables.clone();
        let table = tokio::time::timeout(self.core.settings.timeout, self.table(&mut waiting));
        let table = table.await.unwrap_or_default();
        if !table.is_whole() || table.links.iter().any(|link| link.pulse.is_gone()) {
            return Err(down(&table));
        }
        let mut links = table.links.clone();
        links.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(links)
    }

    async fn page(
        &self,
        link: &Link,
        position: &mut Position,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Fault> {
        if position.rest.is_empty()
            && let Some(cursor) = position.cursor
        {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.core.names.records()));
            scan.arg("COUNT").arg(limit.clamp(1, SAMPLE));
            let (next, names) = scanned(link.ask(&scan).await?)?;
            position.cursor = (next != 0).then_some(next);
            position.rest = names.iter().filter_map(|name| self.core.names.key_of(name)).collect();
        }
        let later = position.rest.split_off(limit.max(1).min(position.rest.len()));
        let keys = std::mem::replace(&mut position.rest, later);
        let mut commands = redis::pipe();
        for key in &keys {
            commands.cmd("GET").arg(self.core.names.record(key));
        }
        let values = if keys.is_empty() { vec![] } else { link.ask_all(&commands).await? };
        let mut entries = Vec::with_capacity(keys.len());
        for (key, value) in keys.into_iter().zip(values) {
            if let Some((record, index)) = stored(&value)?
                && record.expires > now
            {
                entries.push(Entry { key, index, record });
            }
        }
        Ok(entries)
    }

    async fn count(&self, link: &Link) -> Result<u64, Fault> {
        let mut commands = redis::pipe();
        commands.cmd("DBSIZE").cmd("SCAN").arg(0).arg("COUNT").arg(SAMPLE);
        let mut answers = link.ask_all(&commands).await?.into_iter();
        let (Some(Value::Int(all)), Some(sample)) = (answers.next(), answers.next()) else {
            return Err(Fault::Answer);
        };
        let (next, names) = scanned(sample)?;
        let ours = names.iter().filter(|name| self.core.names.key_of(name).is_some()).count();
        let (all, ours) = (u64::try_from(all).map_err(|_| Fault::Answer)?, ours as u64);
        if next == 0 {
            return Ok(ours);
        }
        Ok(all.saturating_mul(ours) / (names.len() as u64).max(1))
    }
}

impl Position {
    fn beginning(link: &Arc<Link>) -> Self {
        Self { place: link.place.to_string(), cursor: Some(0), rest: Vec::new() }
    }
}

/// The answer to `SCAN`: where it goes on, and names.
fn scanned(answer: Value) -> Result<(u64, Vec<Vec<u8>>), Fault> {
    redis::from_redis_value(answer).map_err(|_| Fault::Answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_scan_goes_on_where_it_was(
            place in "[a-z.:\\[\\]0-9]{0,40}", cursor: Option<u64>,
            rest in prop::collection::vec(any::<[u8; 32]>(), 0..3),
        ) {
            let position = Position { place, cursor, rest };
            prop_assert_eq!(Position::decode(&position.encode()), Some(position));
        }

        #[test]
        fn no_cursor_makes_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Position::decode(&Cursor(bytes.into()));
        }
    }
}

//! The session record: one packed run of bytes that is at once the stored form and the cached one.
//!
//! Version 2, little endian: version, kind, level, flags (a byte each); created, last use, attributes
//! renewed (u64 milliseconds each); client (16 bytes); partner key (32 bytes, zeros if none); lengths of
//! master, realm, user and the numbers of attributes and of factors (u16 each); then the three texts; then each
//! attribute: lengths of its name and number of values (u16 each), the name, and each value behind its length
//! (u16); then each factor: when it was checked (u64 milliseconds), and node, token type and serial, each behind
//! its length (u16).
//! Version 1 is the same without the number of factors and without factors. Old versions are never removed: a
//! node must read what the version before it wrote.

mod draft;
mod reader;
#[cfg(test)]
mod tests;

pub use draft::{Draft, RecordTooLarge, Renewal, alias, renewed, tombstone};

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::factor::Factor;
use crate::domain::identity::{Asserted, IdentityView, Owner, SessionKey};
use crate::domain::limits::{FACTORS_PER_SESSION, RECORD_BYTES};
use crate::domain::network::from_octets;
use crate::domain::time::Timestamp;
use crate::session::owner::index_of;
use crate::session::record::reader::Reader;
use crate::store::{Index, Record};

const VERSION: u8 = 2;
const HAS_PARTNER: u8 = 1;
/// Lengths of the texts and the number of attributes.
const LENGTHS: std::ops::Range<usize> = 76..84;
/// Bytes of the head that version 2 writes, and of version 1's.
const HEAD: usize = 86;
const HEAD_1: usize = 84;
const LAST_USE: std::ops::Range<usize> = 12..20;
const PARTNER: usize = 44;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Found by fingerprint; never has a cookie.
    Fingerprint = 0,
    /// Found by the session cookie.
    Cookie = 1,
    /// The plain-HTTP half of a double cookie.
    HttpCookie = 2,
    /// Ended or replaced; never accepted, and keeps the key from being used again.
    Tombstone = 3,
    /// A second key of a cookie session, for plain HTTP: it holds nothing but the first one.
    HttpAlias = 4,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Fingerprint,
            1 => Self::Cookie,
            2 => Self::HttpCookie,
            3 => Self::Tombstone,
            4 => Self::HttpAlias,
            _ => return None,
        })
    }
}

/// Bytes that are no record of ours, or of a version that this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session record")]
pub struct CorruptRecord;

/// A session, viewed in its packed record. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Session {
    bytes: Arc<[u8]>,
    revision: u64,
    kind: Kind,
    texts: [u16; 3],
    attributes: u16,
    factors: u16,
    /// Where the factors begin; a record is never longer than a `u16` can say.
    factors_at: u16,
    worth: Worth,
}

/// What a copy of a record is worth.
#[derive(Debug, Clone, Copy)]
enum Worth {
    /// What it says.
    All,
    /// At most this level, and no factors: whether it is still so could not be asked.
    Stale(u8),
}

const _: () = assert!(RECORD_BYTES <= u16::MAX as usize);

// === impl Session ===

impl Session {
    /// Views a stored record, checking every length in it.
    ///
    /// # Errors
    /// It is not a record: treat the session as unknown and tell the operator.
    pub fn view(record: &Record) -> Result<Self, CorruptRecord> {
        let mut reader = Reader(&record.bytes);
        let [version, kind, _level, flags] = *reader.array()?;
        if flags & !HAS_PARTNER != 0 || record.bytes.len() > RECORD_BYTES {
            return Err(CorruptRecord);
        }
        reader.take(LENGTHS.start - 4)?;
        let texts = [reader.length()?, reader.length()?, reader.length()?];
        let attributes = reader.length()?;
        let factors = match version {
            1 => 0,
            VERSION => reader.length()?,
            _ => return Err(CorruptRecord),
        };
        if usize::from(factors) > FACTORS_PER_SESSION {
            return Err(CorruptRecord);
        }
        for length in texts {
            reader.text(length)?;
        }
        for _ in 0..attributes {
            let (name, values) = (reader.length()?, reader.length()?);
            reader.text(name)?;
            for _ in 0..values {
                let value = reader.length()?;
                reader.text(value)?;
            }
        }
        let factors_at = record.bytes.len() - reader.0.len();
        for _ in 0..factors {
            reader.factor()?;
        }
        if !reader.0.is_empty() {
            return Err(CorruptRecord);
        }
        let kind = Kind::of(kind).ok_or(CorruptRecord)?;
        Ok(Self {
            bytes: Arc::clone(&record.bytes),
            revision: record.revision,
            kind,
            texts,
            attributes,
            factors,
            factors_at: u16::try_from(factors_at).map_err(|_| CorruptRecord)?,
            worth: Worth::All,
        })
    }

    /// The same as it may be served while the store cannot be asked: worth at most `level`, and without
    /// factors. It must not be written back (O2).
    #[must_use]
    pub fn made_stale(&self, level: u8) -> Self {
        Self { factors: 0, worth: Worth::Stale(level), ..self.clone() }
    }

    /// Whether the store could not be asked about it.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        matches!(self.worth, Worth::Stale(_))
    }

    /// Bytes of the record.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The store's revision of this record.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What the record is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The authentication level.
    #[must_use]
    pub fn level(&self) -> u8 {
        let level = self.bytes.get(2).copied().unwrap_or_default();
        match self.worth {
            Worth::All => level,
            Worth::Stale(most) => level.min(most),
        }
    }

    /// When it was opened.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.timestamp(4)
    }

    /// When it was last used, to within the touch interval.
    #[must_use]
    pub fn last_use(&self) -> Timestamp {
        self.timestamp(LAST_USE.start)
    }

    /// When its attributes were set; differs after every change of theirs.
    #[must_use]
    pub fn attributes_at(&self) -> Timestamp {
        self.timestamp(20)
    }

    /// The client that opened it.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        from_octets(self.array_at(28))
    }

    /// The other half of a double cookie.
    #[must_use]
    pub fn partner(&self) -> Option<SessionKey> {
        let has = self.bytes.get(3).is_some_and(|flags| flags & HAS_PARTNER != 0);
        has.then(|| SessionKey(self.array_at(PARTNER)))
    }

    /// The master that asserted the identity.
    #[must_use]
    pub fn master(&self) -> &str {
        self.text(0)
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        self.text(1)
    }

    /// The login.
    #[must_use]
    pub fn user(&self) -> &str {
        self.text(2)
    }

    /// Calls `each` with the name and every value of every attribute, in order.
    pub fn each_value<'s>(&'s self, mut each: impl FnMut(&'s str, &'s str)) {
        let skipped =
            self.head() + self.texts.iter().map(|length| usize::from(*length)).sum::<usize>();
        let mut reader = Reader(self.bytes.get(skipped..).unwrap_or_default());
        for _ in 0..self.attributes {
            // `view` has read it all once, so nothing here can fail.
            let (Ok(name), Ok(values)) = (reader.length(), reader.length()) else { return };
            let Ok(name) = reader.text(name) else { return };
            for _ in 0..values {
                let Ok(value) = reader.length().and_then(|length| reader.text(length)) else {
                    return;
                };
                each(name, value);
            }
        }
    }

    /// The second factors that were checked for it, at most [`FACTORS_PER_SESSION`]; the newest is the last.
    pub fn factors(&self) -> impl Iterator<Item = Factor<'_>> {
        let mut reader = Reader(self.bytes.get(usize::from(self.factors_at)..).unwrap_or_default());
        // `view` has read them all once, so none is missing.
        (0..self.factors).map_while(move |_| reader.factor().ok())
    }

    /// When a second factor was checked for it last.
    #[must_use]
    pub fn factor_at(&self) -> Option<Timestamp> {
        self.factors().map(|factor| factor.at()).max()
    }

    /// How long ago that was. A check in the future, beyond what clocks may differ, never happened: it would
    /// stay fresh for too long (S8).
    #[must_use]
    pub fn factor_age(&self, now: Timestamp) -> Option<Duration> {
        let happened = |at: &Timestamp| at.since(now) <= CLOCK_TOLERANCE;
        let newest = self.factors().map(|factor| factor.at()).filter(happened).max();
        newest.map(|at| now.since(at))
    }

    /// Whose session it is.
    #[must_use]
    pub fn owner(&self) -> Owner<'_> {
        Owner { master: self.master(), realm: self.realm(), user: self.user() }
    }

    /// The index under which the store keeps it with the others of its owner; none for what is no
    /// session of its own.
    #[must_use]
    pub fn index(&self) -> Option<Index> {
        match self.kind {
            Kind::Fingerprint | Kind::Cookie | Kind::HttpCookie => Some(index_of(self.owner())),
            Kind::Tombstone | Kind::HttpAlias => None,
        }
    }

    /// Whether `asserted` is the same user (S1).
    #[must_use]
    pub fn is_same_user(&self, asserted: &Asserted<'_>) -> bool {
        self.owner() == asserted.owner()
    }

    /// Whether the attributes are those of `asserted`. Allocates nothing.
    #[must_use]
    pub fn has_attributes_of(&self, asserted: &Asserted<'_>) -> bool {
        let mut fresh = asserted
            .attributes
            .iter()
            .flat_map(|attribute| attribute.values().map(move |value| (attribute.name, value)));
        let mut same = true;
        self.each_value(|name, value| same = same && fresh.next() == Some((name, value)));
        same && fresh.next().is_none()
    }

    /// Why the session is not live at `now`, if it is not (S8).
    #[must_use]
    pub fn standing(&self, timeout: Duration, idle_timeout: Duration, now: Timestamp) -> Standing {
        if self.kind == Kind::Tombstone {
            Standing::Ended
        } else if now.since(self.created()) >= timeout
            || self.created().since(now) > CLOCK_TOLERANCE
        {
            Standing::Expired
        // An alias is used whenever its session is, and has no last use of its own.
        } else if self.kind != Kind::HttpAlias && now.since(self.last_use()) >= idle_timeout {
            Standing::Idle
        } else {
            Standing::Live
        }
    }

    /// The record's bytes with another time of last use.
    #[must_use]
    pub fn touched(&self, now: Timestamp) -> Arc<[u8]> {
        let mut bytes = self.bytes.to_vec();
        if let Some(field) = bytes.get_mut(LAST_USE) {
            field.copy_from_slice(&now.as_millis().to_le_bytes());
        }
        bytes.into()
    }

    fn text(&self, which: usize) -> &str {
        let length = |at: usize| usize::from(self.texts.get(at).copied().unwrap_or_default());
        let start = self.head() + (0..which).map(length).sum::<usize>();
        let bytes = self.bytes.get(start..start + length(which)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Bytes of this record's head.
    fn head(&self) -> usize {
        if self.bytes.first() == Some(&1) { HEAD_1 } else { HEAD }
    }

    /// The texts and attributes, as they are packed.
    fn body(&self) -> &[u8] {
        self.bytes.get(self.head()..usize::from(self.factors_at)).unwrap_or_default()
    }

    fn timestamp(&self, at: usize) -> Timestamp {
        Timestamp::from_millis(u64::from_le_bytes(self.array_at(at)))
    }

    /// `view` has checked that the head is there.
    fn array_at<const N: usize>(&self, at: usize) -> [u8; N] {
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }
}

impl IdentityView for Session {
    fn owner(&self) -> Owner<'_> {
        self.owner()
    }

    fn level(&self) -> u8 {
        self.level()
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        self.each_value(each);
    }
}

/// How far the clocks of two nodes may differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Whether a session counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Live,
    /// Too long without use, by what this copy of the record says.
    Idle,
    /// Too old.
    Expired,
    /// Logged out or replaced.
    Ended,
}

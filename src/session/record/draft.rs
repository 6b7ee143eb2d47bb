//! Writing records: a session's, an ended one's, and another key of one. The layout stands in `record`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::identity::{Asserted, SessionKey};
use crate::domain::limits::RECORD_BYTES;
use crate::domain::network::octets;
use crate::domain::time::Timestamp;
use crate::session::record::{HAS_PARTNER, HEAD, Kind, PARTNER, Session, VERSION};

/// An identity that does not fit into one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the identity does not fit into a record")]
pub struct RecordTooLarge;

/// What goes into a new record.
#[derive(Debug)]
pub struct Draft<'a, 'i> {
    /// What it is.
    pub kind: Kind,
    /// The identity.
    pub asserted: &'a Asserted<'i>,
    /// The level, which a refresh keeps.
    pub level: u8,
    /// When the session was opened.
    pub created: Timestamp,
    /// When it was last used, to within the touch interval.
    pub last_use: Timestamp,
    /// When its attributes were set; changes with every change of theirs.
    pub attributes_at: Timestamp,
    /// The client that opened it.
    pub client: IpAddr,
    /// The other half of a double cookie.
    pub partner: Option<SessionKey>,
}

impl<'a, 'i> Draft<'a, 'i> {
    /// `session` with the attributes of `asserted`; level and factors stay (S1).
    #[must_use]
    pub fn refreshing(session: &Session, asserted: &'a Asserted<'i>, now: Timestamp) -> Self {
        Self {
            kind: session.kind(),
            asserted,
            level: session.level(),
            created: session.created(),
            last_use: now.max(session.last_use()),
            attributes_at: now.max(session.attributes_at().plus(Duration::from_millis(1))),
            client: session.client(),
            partner: session.partner(),
        }
    }

    /// The record's bytes.
    ///
    /// # Errors
    /// The identity is larger than the limits allow: deny.
    pub fn encode(&self) -> Result<Arc<[u8]>, RecordTooLarge> {
        let identity = self.asserted;
        let mut bytes = head(self.kind, self.level, self.created, self.last_use);
        bytes.extend_from_slice(&self.attributes_at.as_millis().to_le_bytes());
        bytes.extend_from_slice(&octets(self.client));
        bytes.extend_from_slice(&self.partner.map_or([0; 32], |key| key.0));
        if let (Some(_), Some(flags)) = (self.partner, bytes.get_mut(3)) {
            *flags |= HAS_PARTNER;
        }
        for text in [identity.master, identity.realm, identity.user] {
            push_length(&mut bytes, text.len())?;
        }
        push_length(&mut bytes, identity.attributes.len())?;
        for text in [identity.master, identity.realm, identity.user] {
            bytes.extend_from_slice(text.as_bytes());
        }
        for attribute in &identity.attributes {
            push_length(&mut bytes, attribute.name.len())?;
            push_length(&mut bytes, attribute.values().count())?;
            bytes.extend_from_slice(attribute.name.as_bytes());
            for value in attribute.values() {
                push_length(&mut bytes, value.len())?;
                bytes.extend_from_slice(value.as_bytes());
            }
        }
        if bytes.len() > RECORD_BYTES { Err(RecordTooLarge) } else { Ok(bytes.into()) }
    }
}

/// The bytes that stand for an ended session.
#[must_use]
pub fn tombstone(now: Timestamp) -> Arc<[u8]> {
    let mut bytes = head(Kind::Tombstone, 0, now, now);
    bytes.resize(HEAD, 0);
    bytes.into()
}

/// The bytes under the plain-HTTP key of a session that has two keys.
#[must_use]
pub fn alias(main: SessionKey, now: Timestamp) -> Arc<[u8]> {
    let mut bytes = head(Kind::HttpAlias, 0, now, now);
    bytes.resize(PARTNER, 0);
    bytes.extend_from_slice(&main.0);
    bytes.resize(HEAD, 0);
    if let Some(flags) = bytes.get_mut(3) {
        *flags |= HAS_PARTNER;
    }
    bytes.into()
}

fn head(kind: Kind, level: u8, created: Timestamp, last_use: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&[VERSION, kind as u8, level, 0]);
    bytes.extend_from_slice(&created.as_millis().to_le_bytes());
    bytes.extend_from_slice(&last_use.as_millis().to_le_bytes());
    bytes
}

fn push_length(bytes: &mut Vec<u8>, length: usize) -> Result<(), RecordTooLarge> {
    let length = u16::try_from(length).map_err(|_| RecordTooLarge)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    Ok(())
}

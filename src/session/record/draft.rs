//! Writing records: a session's, an ended one's, and another key of one. The layout stands in `record`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::factor::Factor;
use crate::domain::identity::{Asserted, SessionKey};
use crate::domain::limits::{FACTORS_PER_SESSION, RECORD_BYTES};
use crate::domain::network::octets;
use crate::domain::time::Timestamp;
use crate::session::record::{HAS_PARTNER, HEAD, Kind, LENGTHS, PARTNER, Session, VERSION};

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
    /// The second factors that were checked for it, which a refresh keeps; the newest ones go in.
    pub factors: Vec<Factor<'a>>,
}

/// What becomes different in the record of a session that goes on under a new id. Identity, attributes, client
/// and creation stay.
#[derive(Debug)]
pub struct Renewal<'a> {
    /// The level.
    pub level: u8,
    /// When it was last used.
    pub last_use: Timestamp,
    /// The other half of a double cookie.
    pub partner: Option<SessionKey>,
    /// A factor besides those that it has.
    pub factor: Option<Factor<'a>>,
}

impl<'a, 'i> Draft<'a, 'i> {
    /// `session` with the attributes of `asserted`; level and factors stay (S1).
    #[must_use]
    pub fn refreshing(session: &'a Session, asserted: &'a Asserted<'i>, now: Timestamp) -> Self {
        Self {
            kind: session.kind(),
            asserted,
            level: session.level(),
            created: session.created(),
            last_use: now.max(session.last_use()),
            attributes_at: now.max(session.attributes_at().plus(Duration::from_millis(1))),
            client: session.client(),
            partner: session.partner(),
            factors: session.factors().collect(),
        }
    }

    /// The record's bytes.
    ///
    /// # Errors
    /// The identity is larger than the limits allow: deny.
    pub fn encode(&self) -> Result<Arc<[u8]>, RecordTooLarge> {
        let identity = self.asserted;
        let mut bytes = head(self.kind, self.level, self.created, self.last_use);
        push_place(&mut bytes, self.attributes_at, self.client, self.partner);
        for text in [identity.master, identity.realm, identity.user] {
            push_length(&mut bytes, text.len())?;
        }
        push_length(&mut bytes, identity.attributes.len())?;
        let factors = newest(self.factors.clone());
        push_length(&mut bytes, factors.len())?;
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
        push_factors(&mut bytes, &factors)?;
        bounded(bytes)
    }
}

/// The bytes of `session` as it goes on under a new id.
///
/// # Errors
/// There is no room for one more factor beside such an identity: deny.
pub fn renewed(session: &Session, renewal: &Renewal<'_>) -> Result<Arc<[u8]>, RecordTooLarge> {
    let mut bytes = head(session.kind(), renewal.level, session.created(), renewal.last_use);
    push_place(&mut bytes, session.attributes_at(), session.client(), renewal.partner);
    bytes.extend_from_slice(session.bytes.get(LENGTHS).unwrap_or_default());
    let factors = newest(session.factors().chain(renewal.factor).collect());
    push_length(&mut bytes, factors.len())?;
    bytes.extend_from_slice(session.body());
    push_factors(&mut bytes, &factors)?;
    bounded(bytes)
}

/// As many as a session keeps, the newest last.
fn newest(mut factors: Vec<Factor<'_>>) -> Vec<Factor<'_>> {
    factors.sort_by_key(Factor::at);
    factors.split_off(factors.len().saturating_sub(FACTORS_PER_SESSION))
}

/// The bytes that stand for an ended session; `successor` is what it goes on as, if it does.
#[must_use]
pub fn tombstone(now: Timestamp, successor: Option<SessionKey>) -> Arc<[u8]> {
    pointing(Kind::Tombstone, now, successor)
}

/// The bytes under the plain-HTTP key of a session that has two keys.
#[must_use]
pub fn alias(main: SessionKey, now: Timestamp) -> Arc<[u8]> {
    pointing(Kind::HttpAlias, now, Some(main))
}

/// A record that holds nothing but perhaps another key.
fn pointing(kind: Kind, now: Timestamp, to: Option<SessionKey>) -> Arc<[u8]> {
    let mut bytes = head(kind, 0, now, now);
    bytes.resize(PARTNER, 0);
    bytes.extend_from_slice(&to.map_or([0; 32], |key| key.0));
    bytes.resize(HEAD, 0);
    if let (Some(_), Some(flags)) = (to, bytes.get_mut(3)) {
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

fn push_place(
    bytes: &mut Vec<u8>,
    attributes_at: Timestamp,
    client: IpAddr,
    partner: Option<SessionKey>,
) {
    bytes.extend_from_slice(&attributes_at.as_millis().to_le_bytes());
    bytes.extend_from_slice(&octets(client));
    bytes.extend_from_slice(&partner.map_or([0; 32], |key| key.0));
    if let (Some(_), Some(flags)) = (partner, bytes.get_mut(3)) {
        *flags |= HAS_PARTNER;
    }
}

fn push_factors(bytes: &mut Vec<u8>, factors: &[Factor<'_>]) -> Result<(), RecordTooLarge> {
    for factor in factors {
        bytes.extend_from_slice(&factor.at().as_millis().to_le_bytes());
        for text in [factor.node(), factor.token_type(), factor.serial()] {
            push_length(bytes, text.len())?;
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    Ok(())
}

fn bounded(bytes: Vec<u8>) -> Result<Arc<[u8]>, RecordTooLarge> {
    if bytes.len() > RECORD_BYTES { Err(RecordTooLarge) } else { Ok(bytes.into()) }
}

fn push_length(bytes: &mut Vec<u8>, length: usize) -> Result<(), RecordTooLarge> {
    let length = u16::try_from(length).map_err(|_| RecordTooLarge)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    Ok(())
}

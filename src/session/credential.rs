//! Factors that came with a call's own credentials: kept under a key that covers them, and for nobody else (SEMANTICS S3).
//!
//! Must not know: what the credentials are, how a factor is checked.

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::factor::Factor;
use crate::domain::identity::{Owner, SessionKey};
use crate::domain::time::Timestamp;
use crate::session::fingerprint::PossibleKeys;
use crate::session::owner::index_of;
use crate::session::record::{Renewal, Session, renewed};
use crate::session::{Keyed, Lookup, SessionError, Sessions, lost, new_record};
use crate::store::{Applied, Assurance, Expect, StoreError, Write};

impl Sessions {
    /// The keys of what `credentials` are worth for this user at this client; `use_of` keeps uses apart.
    #[must_use]
    pub fn credential_keys(
        &self,
        use_of: &str,
        owner: Owner<'_>,
        client: IpAddr,
        credentials: &[u8],
    ) -> PossibleKeys {
        self.fingerprinter.credential_keys(use_of, owner, client, credentials)
    }

    /// `session` as it is worth with one more factor, for one call: nothing is stored.
    ///
    /// # Errors
    /// There is no room for the factor beside such an identity.
    pub fn with_factor(
        session: &Session,
        factor: &Factor<'_>,
        level: u8,
    ) -> Result<Session, SessionError> {
        let record = new_record(bytes_with(session, factor, level)?, &[session.revision()], 0);
        Session::view(&record).map_err(|_| lost())
    }

    /// Keeps a factor under the key of the credentials that it came with, for as long as a session that is opened
    /// now would live.
    ///
    /// # Errors
    /// The store failed, or there is no room for the factor.
    pub async fn keep_factor(
        &self,
        key: SessionKey,
        session: &Session,
        factor: &Factor<'_>,
        level: u8,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        if session.is_stale() {
            return Err(unasked());
        }
        let bytes = bytes_with(session, factor, level)?;
        if !self.store.has_room(bytes.len() as u64) {
            return Err(SessionError::Full);
        }
        let write = Write {
            key: key.0,
            // A second check of the same credentials knows more than the first.
            expect: Expect::Any,
            expires: self.expires(now, now),
            value: Some(bytes),
            index: Some(index_of(session.owner())),
        };
        let _flight = self.flights.take(&[key]).await;
        match self.apply(vec![write], Assurance::Confirmed, now).await? {
            Applied::Done(_) => Ok(()),
            Applied::Conflict { .. } => Err(lost()),
        }
    }

    /// What is kept under one of the keys of credentials.
    ///
    /// # Errors
    /// The store failed: nothing is known.
    pub async fn kept_factor(
        &self,
        keys: &PossibleKeys,
        now: Timestamp,
    ) -> Result<Option<Keyed>, SessionError> {
        for key in keys.iter() {
            match self.find(key, now).await? {
                // Without the store it has no factor.
                Lookup::Live(session) if session.is_stale() => return Err(unasked()),
                Lookup::Live(session) => return Ok(Some((key, session))),
                Lookup::Ended | Lookup::Expired | Lookup::Unknown => {}
            }
        }
        Ok(None)
    }
}

/// The session is what it was when the store could be asked last.
#[derive(Debug, thiserror::Error)]
#[error("the session is known from memory only, without its factors")]
struct FromMemory;

fn unasked() -> SessionError {
    SessionError::Store(StoreError::Unavailable(Box::new(FromMemory)))
}

fn bytes_with(
    session: &Session,
    factor: &Factor<'_>,
    level: u8,
) -> Result<Arc<[u8]>, SessionError> {
    let renewal = Renewal {
        level: level.max(session.level()),
        last_use: session.last_use(),
        partner: None,
        factor: Some(*factor),
    };
    Ok(renewed(session, &renewal)?)
}

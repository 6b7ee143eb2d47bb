//! Looking at sessions without using them, for explanations: nothing is opened, touched, kept or counted.

use crate::domain::identity::{Asserted, SessionKey};
use crate::domain::time::Timestamp;
use crate::session::open::draft;
use crate::session::record::{Draft, Kind, Session, Standing};
use crate::session::{Keyed, Lookup, SessionError, Sessions, lost, new_record};

/// Whether a look-up is a use of the session, or only a look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// It counts, and keeps the session from becoming idle.
    Use,
    /// Nothing comes of it.
    Look,
}

impl Sessions {
    /// What is known about `key`.
    ///
    /// # Errors
    /// The store failed: nothing is known.
    pub async fn look(&self, key: SessionKey, now: Timestamp) -> Result<Lookup, SessionError> {
        let verified = self.cache.as_ref().and_then(|cache| cache.verified(&key, now));
        let session = match verified {
            // Another node may have used it since.
            Some(session) if self.standing(&session, now) != Standing::Idle => Some(session),
            Some(_) | None => match self.store.get(key.0, now).await {
                Ok(record) => {
                    let found = record.and_then(|record| self.view(&key, &record));
                    let cache = self.cache.as_ref();
                    let ended = cache.and_then(|cache| cache.outlasting(&key, found.as_ref(), now));
                    ended.or(found)
                }
                Err(error) => {
                    return self.stale(&key, now).map(Lookup::Live).ok_or(error.into());
                }
            },
        };
        Ok(match session {
            None => Lookup::Unknown,
            Some(session) => match self.standing(&session, now) {
                Standing::Live => Lookup::Live(session),
                Standing::Ended => Lookup::Ended,
                Standing::Expired | Standing::Idle => Lookup::Expired,
            },
        })
    }

    /// The session of an asserted identity without a cookie as [`Sessions::by_fingerprint`] would find or
    /// open it, and whether it is there already. Quotas are not asked.
    ///
    /// # Errors
    /// As there.
    pub async fn look_by_fingerprint(
        &self,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<(Keyed, bool), SessionError> {
        let keys = self.fingerprinter.keys(asserted);
        let first = self.look(keys.first, now).await;
        if let Ok(Lookup::Live(session)) = first {
            return Ok(((keys.first, session), true));
        }
        for key in &keys.others {
            if let Lookup::Live(session) = self.look(*key, now).await? {
                return Ok(((*key, session), true));
            }
        }
        first?;
        let key = keys.first;
        let session = Self::imagined(&draft(Kind::Fingerprint, asserted, None, now))?;
        if self.store.has_room(session.size() as u64) {
            Ok(((key, session), false))
        } else {
            Err(SessionError::Full)
        }
    }

    /// The session that [`Sessions::open_cookie`] would open, under a key that no id has. Quotas are not
    /// asked.
    ///
    /// # Errors
    /// The identity is too large.
    pub fn imagine_opened(asserted: &Asserted<'_>, now: Timestamp) -> Result<Keyed, SessionError> {
        let session = Self::imagined(&draft(Kind::Cookie, asserted, None, now))?;
        Ok((SessionKey([0; 32]), session))
    }

    /// What [`Sessions::refresh`] would make of `session`.
    ///
    /// # Errors
    /// The identity is too large.
    pub fn imagine_refreshed(
        session: &Session,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Session, SessionError> {
        if session.is_stale() {
            return Ok(session.clone());
        }
        Self::imagined(&Draft::refreshing(session, asserted, now))
    }

    fn imagined(draft: &Draft<'_, '_>) -> Result<Session, SessionError> {
        let record = new_record(draft.encode()?, &[], 0);
        Session::view(&record).map_err(|_| lost())
    }
}

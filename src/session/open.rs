//! Opening sessions: by fingerprint for programs, with a cookie for people.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::identity::{Asserted, Owner, SessionKey};
use crate::domain::time::Timestamp;
use crate::session::fingerprint::PossibleKeys;
use crate::session::id::SessionId;
use crate::session::owner::index_of;
use crate::session::quota::Opener;
use crate::session::record::{Draft, Kind, Standing, alias};
use crate::session::settings::SecuredMode;
use crate::session::{
    Keyed, Lookup, Opened, SessionError, Sessions, bury, ended_keys, lost, new_record,
};
use crate::store::{Applied, Assurance, Expect, Index, Write, partition_of};
use crate::telemetry::metrics::SessionKind;

/// How often a fingerprint session is opened while other nodes end it.
const OPEN_ATTEMPTS: usize = 2;

/// The new ids of a session.
pub(super) struct Ids {
    pub main: SessionId,
    pub http: Option<SessionId>,
}

impl Sessions {
    /// The session of an asserted identity without a cookie, opened if there is none (S2).
    ///
    /// # Errors
    /// See [`SessionError`]; an existing session is found whatever the quotas say.
    pub async fn by_fingerprint(
        &self,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Keyed, SessionError> {
        let keys = self.fingerprinter.keys(asserted);
        for key in keys.iter() {
            if let Some(Lookup::Live(session)) = self.peek(&key, now) {
                return Ok((key, session));
            }
        }
        // Boxed, as in `find`.
        Box::pin(self.open_fingerprint(&keys, asserted, now)).await
    }

    /// Finds the session of `keys`, or opens one under the first of them, one caller at a time.
    async fn open_fingerprint(
        &self,
        keys: &PossibleKeys,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Keyed, SessionError> {
        let all: SmallVec<[SessionKey; 2]> = keys.iter().collect();
        let _flight = self.flights.take(&all).await;
        let first = self.find(keys.first, now).await;
        if let Ok(Lookup::Live(session)) = first {
            return Ok((keys.first, session));
        }
        for key in &keys.others {
            if let Lookup::Live(session) = self.find(*key, now).await? {
                return Ok((*key, session));
            }
        }
        let known = first?;
        self.quotas.take(opener(asserted))?;
        self.write_fingerprint(keys.first, known, asserted, now).await
    }

    /// Opens the session of `key`, under which there is `known`.
    async fn write_fingerprint(
        &self,
        key: SessionKey,
        mut known: Lookup,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Keyed, SessionError> {
        let bytes = draft(Kind::Fingerprint, asserted, None, now).encode()?;
        if !self.store.has_room(bytes.len() as u64) {
            return Err(SessionError::Full);
        }
        for _ in 0..OPEN_ATTEMPTS {
            // A dead record may still lie there: it is replaced, a live one of another node is used.
            let expect = match known {
                Lookup::Live(_) | Lookup::Unknown => Expect::Absent,
                Lookup::Expired | Lookup::Ended => Expect::Any,
            };
            let write = Write {
                key: key.0,
                expect,
                expires: self.expires(now, now),
                value: Some(Arc::clone(&bytes)),
                index: Some(index_of(asserted.owner())),
            };
            let record = match self.apply(vec![write], Assurance::Renewable, now).await? {
                Applied::Done(revisions) => {
                    self.metrics.opened(SessionKind::Fingerprint);
                    new_record(Arc::clone(&bytes), &revisions, 0)
                }
                Applied::Conflict { current, .. } => current.ok_or_else(lost)?,
            };
            let session = self.view(&key, &record).ok_or_else(lost)?;
            if self.standing(&session, now) == Standing::Live {
                return Ok((key, session));
            }
            // Another node has just ended it.
            known = Lookup::Ended;
        }
        Err(lost())
    }

    /// Opens a cookie session and ends `replaced` in the same batch, so that there is never a
    /// moment with both or, after a crash, with neither. Then the owner's oldest ones end that are too many.
    ///
    /// # Errors
    /// See [`SessionError`]. After `Store`, the session may or may not exist; its id was given to
    /// nobody.
    pub async fn open_cookie(
        &self,
        asserted: &Asserted<'_>,
        replaced: &[Keyed],
        now: Timestamp,
    ) -> Result<Opened, SessionError> {
        self.quotas.take(opener(asserted))?;
        let Ids { main: id, http: id_http } = self.fresh_ids(asserted.owner())?;
        let (key, key_http) = (id.key(), id_http.as_ref().map(SessionId::key));
        let mut writes: Vec<Write> = ended_keys(replaced).map(|key| bury(key, now)).collect();
        let buried = writes.len();
        let main = draft(Kind::Cookie, asserted, key_http, now).encode()?;
        let index = Some(index_of(asserted.owner()));
        writes.push(self.open(key, Arc::clone(&main), index, now));
        if let Some(key_http) = key_http {
            writes.push(self.open_http_half(key_http, key, asserted, now)?);
        }
        let keys: SmallVec<[SessionKey; 4]> =
            writes.iter().map(|write| SessionKey(write.key)).collect();
        let flight = self.flights.take(&keys).await;
        let Applied::Done(revisions) = self.apply(writes, Assurance::Confirmed, now).await? else {
            // Two equal random ids: the source of randomness is broken.
            return Err(lost());
        };
        drop(flight);
        self.metrics.opened(SessionKind::Cookie);
        self.metrics.sessions_ended.inc_by(replaced.len() as u64);
        let session = self.view(&key, &new_record(main, &revisions, buried)).ok_or_else(lost)?;
        let displaced = self.displace(asserted.owner(), now).await?;
        let cookies = self.cookies.set(&id, id_http.as_ref());
        Ok(Opened { key, session, id, id_http, cookies, displaced })
    }

    /// Ids whose keys lie where all of `owner`'s lie.
    pub(super) fn fresh_ids(&self, owner: Owner<'_>) -> Result<Ids, SessionError> {
        let partition = partition_of(index_of(owner));
        let fresh = || SessionId::random_in(partition);
        let http = if self.cookies.is_double() { Some(fresh()?) } else { None };
        Ok(Ids { main: fresh()?, http })
    }

    /// What lies under the plain-HTTP id: a session of its own, or another way to the same one (S6).
    fn open_http_half(
        &self,
        key_http: SessionKey,
        main: SessionKey,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Write, SessionError> {
        if self.settings.cookie.secured == SecuredMode::DoubleCookieOneSession {
            // It must not go before its session, whose last use it does not know.
            let expires = now.plus(self.settings.timeout);
            return Ok(Write { expires, ..self.open(key_http, alias(main, now), None, now) });
        }
        let half = draft(Kind::HttpCookie, asserted, Some(main), now).encode()?;
        Ok(self.open(key_http, half, Some(index_of(asserted.owner())), now))
    }

    fn open(
        &self,
        key: SessionKey,
        bytes: Arc<[u8]>,
        index: Option<Index>,
        now: Timestamp,
    ) -> Write {
        Write {
            key: key.0,
            expect: Expect::Absent,
            value: Some(bytes),
            expires: self.expires(now, now),
            index,
        }
    }
}

fn opener<'a>(asserted: &Asserted<'a>) -> Opener<'a> {
    Opener { master: asserted.master, client: asserted.reported_client }
}

/// A new session of `asserted`.
pub(super) fn draft<'a, 'i>(
    kind: Kind,
    asserted: &'a Asserted<'i>,
    partner: Option<SessionKey>,
    now: Timestamp,
) -> Draft<'a, 'i> {
    Draft {
        kind,
        asserted,
        level: asserted.level,
        created: now,
        last_use: now,
        attributes_at: now,
        client: asserted.client,
        partner,
        factors: Vec::new(),
    }
}

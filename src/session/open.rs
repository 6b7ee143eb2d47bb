//! Opening sessions: by fingerprint for programs, with a cookie for people.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::identity::{Asserted, SessionKey};
use crate::domain::time::Timestamp;
use crate::session::id::SessionId;
use crate::session::owner::index_of;
use crate::session::quota::Opener;
use crate::session::record::{Draft, Kind, alias};
use crate::session::settings::SecuredMode;
use crate::session::{
    Keyed, Lookup, Opened, SessionError, Sessions, bury, ended_keys, lost, new_record,
};
use crate::store::{Applied, Assurance, Expect, Index, Write};
use crate::telemetry::metrics::SessionKind;

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
        let key = self.fingerprinter.key(asserted);
        match self.peek(&key, now) {
            Some(Lookup::Live(session)) => Ok((key, session)),
            // Boxed, as in `find`.
            Some(Lookup::Expired | Lookup::Ended | Lookup::Unknown) | None => {
                Box::pin(self.open_fingerprint(key, asserted, now)).await
            }
        }
    }

    /// Finds or opens the session of `key`, one caller at a time.
    async fn open_fingerprint(
        &self,
        key: SessionKey,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Keyed, SessionError> {
        let _flight = self.flights.take(&[key]).await;
        let known = match self.peek(&key, now) {
            Some(lookup) => lookup,
            None => self.load(key, now).await?,
        };
        if let Lookup::Live(session) = known {
            return Ok((key, session));
        }
        self.quotas.take(opener(asserted))?;
        let bytes = draft(Kind::Fingerprint, asserted, None, now).encode()?;
        if !self.store.has_room(bytes.len() as u64) {
            return Err(SessionError::Full);
        }
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
                new_record(bytes, &revisions, 0)
            }
            Applied::Conflict { current, .. } => current.ok_or_else(lost)?,
        };
        let session = self.view(&key, &record).ok_or_else(lost)?;
        self.remember(key, &session);
        Ok((key, session))
    }

    /// Opens a cookie session and ends `replaced` in the same batch, so that there is never a
    /// moment with both or, after a crash, with neither.
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
        let id = SessionId::random()?;
        let id_http = if self.cookies.is_double() { Some(SessionId::random()?) } else { None };
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
        let _flight = self.flights.take(&keys).await;
        match self.apply(writes.clone(), Assurance::Confirmed, now).await? {
            Applied::Done(revisions) => {
                self.remember_all(&writes, &revisions);
                self.metrics.opened(SessionKind::Cookie);
                self.metrics.sessions_ended.inc_by(replaced.len() as u64);
                let session =
                    self.view(&key, &new_record(main, &revisions, buried)).ok_or_else(lost)?;
                let cookies = self.cookies.set(&id, id_http.as_ref());
                Ok(Opened { key, session, id, id_http, cookies })
            }
            // Two equal random ids: the source of randomness is broken.
            Applied::Conflict { .. } => Err(lost()),
        }
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

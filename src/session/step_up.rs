//! Step-up: a session takes a second factor, and goes on under a new id (SEMANTICS S3, S4, S6).
//!
//! Must not know: how a factor is checked, what it is worth.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::factor::Factor;
use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::id::SessionId;
use crate::session::open::Ids;
use crate::session::record::{Kind, Renewal, Session, Standing, alias, renewed, tombstone};
use crate::session::{Keyed, Opened, SessionError, Sessions, bury, ended_keys, lost, new_record};
use crate::store::{Applied, Assurance, Expect, StoreError, Write};

/// How often it is tried again when other nodes change the same session.
const STEP_UP_ATTEMPTS: usize = 3;

/// How many step-ups within a tombstone's life a logout follows.
const SUCCESSIONS: usize = 8;

impl Sessions {
    /// Gives a cookie's session the `factor` and at least `level`, under a new id: whoever knew the old one,
    /// which was worth less, must not have what the new one is worth. The old id and the plain-HTTP one end in
    /// the same batch. A double cookie gets a new plain-HTTP id, too, which stays worth what it was. The
    /// time of creation stays, so the session lives no longer than it would have.
    ///
    /// # Errors
    /// `Ended` or `Expired` if the session is no more, also if a parallel logout was faster; `NoFactor` if it
    /// is not the one of a cookie; `TooLarge` if the factor finds no room in it. The session is then as it was.
    /// After `Store` it is unknown which id is good; the new one was given to nobody.
    pub async fn step_up(
        &self,
        previous: &Keyed,
        factor: &Factor<'_>,
        level: u8,
        now: Timestamp,
    ) -> Result<Opened, SessionError> {
        if previous.1.kind() != Kind::Cookie {
            return Err(SessionError::NoFactor);
        }
        let ids = self.fresh_ids(previous.1.owner())?;
        let new = [Some(&ids.main), ids.http.as_ref()].into_iter().flatten().map(SessionId::key);
        let old = ended_keys(std::slice::from_ref(previous));
        let keys: SmallVec<[SessionKey; 4]> = old.chain(new).collect();
        let _flight = self.flights.take(&keys).await;
        for _ in 0..STEP_UP_ATTEMPTS {
            // What the caller holds may come from a cache; what the store has is what is compared with.
            let current = self.current(previous.0, now).await?;
            let writes = self.stepping_up(previous.0, &current, &ids, (factor, level), now).await?;
            match self.apply(writes.clone(), Assurance::Confirmed, now).await? {
                Applied::Done(revisions) => {
                    return self.opened(ids, &writes, &revisions);
                }
                // Another node touched, renewed or ended it.
                Applied::Conflict { .. } => {}
            }
        }
        Err(SessionError::Store(StoreError::Unavailable(
            "other nodes kept changing the session".into(),
        )))
    }

    /// The live session that the ended one of `id` goes on as, if it has just stepped up: for a logout that was
    /// sent with the old id.
    ///
    /// # Errors
    /// The store failed: nothing is known.
    pub async fn successor(
        &self,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Keyed>, SessionError> {
        let mut key = id.key();
        for _ in 0..SUCCESSIONS {
            let record = self.store.get(key.0, now).await?;
            let Some(session) = record.and_then(|record| self.view(&key, &record)) else { break };
            match (session.kind(), session.partner()) {
                (Kind::Tombstone, Some(successor)) => key = successor,
                (Kind::Cookie, _) if key != id.key() => {
                    let is_live = self.standing(&session, now) == Standing::Live;
                    return Ok(is_live.then_some((key, session)));
                }
                _ => break,
            }
        }
        Ok(None)
    }

    /// The session under `key` as the store has it.
    async fn current(&self, key: SessionKey, now: Timestamp) -> Result<Session, SessionError> {
        let record = self.store.get(key.0, now).await?;
        let session = record.and_then(|record| self.view(&key, &record));
        let session = session.ok_or(SessionError::Ended)?;
        match self.standing(&session, now) {
            Standing::Live => Ok(session),
            Standing::Ended => Err(SessionError::Ended),
            Standing::Expired | Standing::Idle => Err(SessionError::Expired),
        }
    }

    /// All that is written: the session under its new id, what lies under the plain-HTTP one, and tombstones.
    async fn stepping_up(
        &self,
        key: SessionKey,
        current: &Session,
        ids: &Ids,
        (factor, level): (&Factor<'_>, u8),
        now: Timestamp,
    ) -> Result<Vec<Write>, SessionError> {
        let (main, key_http) = (ids.main.key(), ids.http.as_ref().map(SessionId::key));
        let half = match (key_http, current.partner()) {
            (Some(to), Some(from)) => self.half_going_on(from, to, main, current, now).await?,
            _ => None,
        };
        let renewal = Renewal {
            level: level.max(current.level()),
            last_use: now.max(current.last_use()),
            partner: key_http.filter(|_| half.is_some()),
            factor: Some(*factor),
        };
        // Whoever still holds the old id and logs out means this session (O2).
        let ends = Write {
            expect: Expect::Revision(current.revision()),
            value: Some(tombstone(now, Some(main))),
            ..bury(key, now)
        };
        let goes_on = Write {
            key: main.0,
            expect: Expect::Absent,
            value: Some(renewed(current, &renewal)?),
            expires: self.expires(current.created(), renewal.last_use),
            index: current.index(),
        };
        // What ends in front, as batches want it.
        let mut writes = vec![ends, goes_on];
        match (half, current.partner()) {
            (Some(both), _) => writes.extend(both),
            (None, Some(partner)) => writes.push(bury(partner, now)),
            (None, None) => {}
        }
        Ok(writes)
    }

    /// The plain-HTTP half `from` under the key `to`, and its end: a session of its own as it is, without the
    /// factor, or another way to the session. `None` if it is no more; then it stays so.
    async fn half_going_on(
        &self,
        from: SessionKey,
        to: SessionKey,
        main: SessionKey,
        session: &Session,
        now: Timestamp,
    ) -> Result<Option<[Write; 2]>, SessionError> {
        let half = match self.current(from, now).await {
            Ok(half) => half,
            Err(SessionError::Ended | SessionError::Expired) => return Ok(None),
            Err(error) => return Err(error),
        };
        let created = session.created();
        let (value, expires) = match half.kind() {
            // As old as its session, so that it does not outlive it; its last use is the session's.
            Kind::HttpAlias => (alias(main, created), created.plus(self.settings.timeout)),
            Kind::HttpCookie => {
                let (level, last_use) = (half.level(), half.last_use());
                let renewal = Renewal { level, last_use, partner: Some(main), factor: None };
                (renewed(&half, &renewal)?, self.expires(half.created(), last_use))
            }
            Kind::Fingerprint | Kind::Cookie | Kind::Tombstone => return Ok(None),
        };
        let ends = Write { expect: Expect::Revision(half.revision()), ..bury(from, now) };
        let (expect, index) = (Expect::Absent, half.index());
        Ok(Some([Write { key: to.0, expect, value: Some(value), expires, index }, ends]))
    }

    fn opened(
        &self,
        ids: Ids,
        writes: &[Write],
        revisions: &[u64],
    ) -> Result<Opened, SessionError> {
        let key = ids.main.key();
        let at = writes.iter().position(|write| write.key == key.0).ok_or_else(lost)?;
        let written = writes.get(at).and_then(|write| write.value.as_ref()).ok_or_else(lost)?;
        let record = new_record(Arc::clone(written), revisions, at);
        let session = self.view(&key, &record).ok_or_else(lost)?;
        let id_http = ids.http.filter(|_| session.partner().is_some());
        let cookies = self.cookies.set(&ids.main, id_http.as_ref());
        let displaced = Vec::new();
        Ok(Opened { key, session, id: ids.main, id_http, cookies, displaced })
    }
}

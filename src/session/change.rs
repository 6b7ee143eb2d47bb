//! Changing sessions: new attributes, the end. Always compare-and-swap or final (SEMANTICS S9).

use std::collections::HashSet;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::identity::{Asserted, Owner, SessionKey};
use crate::domain::time::Timestamp;
use crate::session::owner::index_of;
use crate::session::record::{Draft, Kind, Session, Standing};
use crate::session::{Keyed, Lookup, SessionError, Sessions, bury, ended_keys, new_record};
use crate::store::{Applied, Assurance, Expect, StoreError, Write};

/// How often a refresh is tried again when others change the same session.
const REFRESH_ATTEMPTS: usize = 3;

/// How often all of a user's sessions are looked for: the last time finds none.
const END_ROUNDS: usize = 8;

/// How many sessions end in one batch, so that nobody waits long behind it.
const END_BATCH: usize = 128;

/// What became of a compare-and-swap.
pub(super) enum Replaced {
    /// The record is now this session.
    Written(Session),
    /// Somebody else was faster, and this is there.
    Instead(Lookup),
}

impl Sessions {
    /// Gives a session the attributes of `asserted`; level and factors stay (S1).
    ///
    /// # Errors
    /// The store failed, or the attributes do not fit.
    pub async fn refresh(
        &self,
        (key, session): &Keyed,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Lookup, SessionError> {
        let _flight = self.flights.take(&[*key]).await;
        let mut current = session.clone();
        for _ in 0..REFRESH_ATTEMPTS {
            if current.has_attributes_of(asserted) {
                return Ok(Lookup::Live(current));
            }
            let bytes = Draft::refreshing(&current, asserted, now).encode()?;
            match self.replace(*key, &current, bytes, now).await? {
                Replaced::Written(session) => return Ok(Lookup::Live(session)),
                Replaced::Instead(Lookup::Live(newer)) => current = newer,
                Replaced::Instead(gone) => return Ok(gone),
            }
        }
        Ok(Lookup::Live(current))
    }

    /// Ends sessions and the other halves of their double cookies; durable when it returns.
    ///
    /// # Errors
    /// The store did not acknowledge: tell the client so, never that it worked.
    pub async fn end(&self, sessions: &[Keyed], now: Timestamp) -> Result<(), SessionError> {
        let writes: Vec<Write> = ended_keys(sessions).map(|key| bury(key, now)).collect();
        let keys: SmallVec<[SessionKey; 4]> =
            writes.iter().map(|write| SessionKey(write.key)).collect();
        let _flight = self.flights.take(&keys).await;
        if let Applied::Done(revisions) = self.apply(writes.clone(), Assurance::Ending, now).await?
        {
            self.remember_all(&writes, &revisions);
            self.metrics.sessions_ended.inc_by(sessions.len() as u64);
        }
        Ok(())
    }

    /// Ends every session of `owner`, those too that go on under a new id meanwhile; durable when it returns. Says
    /// how many there were.
    ///
    /// # Errors
    /// The store did not acknowledge, or others kept opening sessions: some may live on; tell the client so.
    pub async fn end_all(&self, owner: Owner<'_>, now: Timestamp) -> Result<u64, SessionError> {
        let mut all = 0;
        for _ in 0..END_ROUNDS {
            let (ended, of_cookies) = self.end_found(owner, now).await?;
            all += ended;
            // A program's next call may open its session again at once; that is no session that was missed.
            if !of_cookies {
                return Ok(all);
            }
        }
        Err(SessionError::Store(StoreError::Unavailable(
            "sessions were opened faster than they were ended".into(),
        )))
    }

    /// One look at the sessions of `owner`, and their end: how many, and whether people's were among them.
    async fn end_found(
        &self,
        owner: Owner<'_>,
        now: Timestamp,
    ) -> Result<(u64, bool), SessionError> {
        let members = self.store.members(index_of(owner), now).await?;
        let members: HashSet<SessionKey> = members.into_iter().map(SessionKey).collect();
        let mut sessions: Vec<Keyed> = Vec::new();
        for key in members.iter().copied() {
            let record = self.store.get(key.0, now).await?;
            let session = record.and_then(|record| self.view(&key, &record));
            // Another user may share the index by chance.
            let session = session.filter(|session| session.owner() == owner);
            // The half of a double cookie ends with its partner.
            let ends_with = session.as_ref().and_then(Session::partner);
            let is_half = session.as_ref().is_some_and(|s| s.kind() == Kind::HttpCookie)
                && ends_with.is_some_and(|partner| members.contains(&partner));
            sessions.extend(session.filter(|_| !is_half).map(|session| (key, session)));
        }
        for some in sessions.chunks(END_BATCH) {
            self.end(some, now).await?;
        }
        let of_cookies = sessions.iter().any(|(_, session)| session.kind() != Kind::Fingerprint);
        Ok((sessions.len() as u64, of_cookies))
    }

    /// Writes `bytes` over exactly `current`, or tells what is there instead.
    pub(super) async fn replace(
        &self,
        key: SessionKey,
        current: &Session,
        bytes: Arc<[u8]>,
        now: Timestamp,
    ) -> Result<Replaced, SessionError> {
        let write = Write {
            key: key.0,
            expect: Expect::Revision(current.revision()),
            expires: self.expires(current.created(), now),
            value: Some(Arc::clone(&bytes)),
            index: current.index(),
        };
        let (record, written) = match self.apply(vec![write], Assurance::Renewable, now).await? {
            Applied::Done(revisions) => (Some(new_record(bytes, &revisions, 0)), true),
            Applied::Conflict { current, .. } => (current, false),
        };
        let Some(session) = record.and_then(|record| self.view(&key, &record)) else {
            if let Some(cache) = &self.cache {
                cache.remove(&key);
            }
            return Ok(Replaced::Instead(Lookup::Unknown));
        };
        self.remember(key, &session);
        Ok(match self.standing(&session, now) {
            Standing::Live if written => Replaced::Written(session),
            Standing::Live => Replaced::Instead(Lookup::Live(session)),
            Standing::Ended => Replaced::Instead(Lookup::Ended),
            Standing::Expired | Standing::Idle => Replaced::Instead(Lookup::Expired),
        })
    }
}

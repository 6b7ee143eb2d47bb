//! Changing sessions: new attributes, the end. Always compare-and-swap or final (SEMANTICS S9).

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use smallvec::SmallVec;

use crate::domain::identity::{Asserted, Owner, SessionKey};
use crate::domain::time::Timestamp;
use crate::session::owner::index_of;
use crate::session::record::{Draft, Kind, Session, Standing};
use crate::session::{Keyed, Lookup, SessionError, Sessions, bury, ended_keys, lost, new_record};
use crate::store::{Applied, Assurance, Expect, Key, Record, StoreError, Write};

/// How often a refresh is tried again when others change the same session.
const REFRESH_ATTEMPTS: usize = 3;

/// How often all of a user's sessions are looked for: the last time finds none.
const END_ROUNDS: usize = 8;

/// How many sessions end in one batch, so that nobody waits long behind it.
const END_BATCH: usize = 128;

/// How many of a user's sessions are read at once.
const READS_AT_ONCE: usize = 32;

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
        // Without the store, its attributes are those that it had.
        if session.is_stale() {
            return Ok(Lookup::Live(session.clone()));
        }
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
        match self.apply(writes, Assurance::Ending, now).await? {
            Applied::Done(_) => {
                self.metrics.sessions_ended.inc_by(sessions.len() as u64);
                Ok(())
            }
            Applied::Conflict { .. } => Err(lost()),
        }
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
        let members = self.of_owner(owner, now).await?;
        let keys: HashSet<SessionKey> = members.iter().map(|(key, _)| *key).collect();
        // The half of a double cookie ends with its partner.
        let is_half = |session: &Session| {
            session.kind() == Kind::HttpCookie
                && session.partner().is_some_and(|partner| keys.contains(&partner))
        };
        let found = members.into_iter().filter_map(|(key, session)| Some((key, session?)));
        let sessions: Vec<Keyed> = found.filter(|(_, session)| !is_half(session)).collect();
        for some in sessions.chunks(END_BATCH) {
            self.end(some, now).await?;
        }
        let of_cookies = sessions.iter().any(|(_, session)| session.kind() != Kind::Fingerprint);
        Ok((sessions.len() as u64, of_cookies))
    }

    /// What the store has under the keys of `owner`: nothing where a session went since they were listed.
    pub(super) async fn of_owner(
        &self,
        owner: Owner<'_>,
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Option<Session>)>, SessionError> {
        let keys = self.store.members(index_of(owner), now).await?;
        let read = |key: Key| async move {
            let record = self.store.get(key, now).await?;
            Ok::<_, StoreError>((SessionKey(key), record))
        };
        let reads = stream::iter(keys).map(read).buffer_unordered(READS_AT_ONCE);
        let records: Vec<(SessionKey, Option<Record>)> = reads.try_collect().await?;
        let mine = records.into_iter().filter_map(|(key, record)| {
            let session = record.and_then(|record| self.view(&key, &record));
            let session = session.filter(|session| session.kind() != Kind::Tombstone);
            // Another user may share the index by chance.
            let is_mine = session.as_ref().is_none_or(|session| session.owner() == owner);
            is_mine.then_some((key, session))
        });
        Ok(mine.collect())
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
            return Ok(Replaced::Instead(Lookup::Unknown));
        };
        Ok(match self.standing(&session, now) {
            Standing::Live if written => Replaced::Written(session),
            Standing::Live => Replaced::Instead(Lookup::Live(session)),
            Standing::Ended => Replaced::Instead(Lookup::Ended),
            Standing::Expired | Standing::Idle => Replaced::Instead(Lookup::Expired),
        })
    }
}

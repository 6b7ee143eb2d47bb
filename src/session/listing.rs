//! Sessions as operators see them: a page of all, those of one owner, one by its key.
//!
//! Nothing here counts as a use of a session, and nothing comes from the cache: an operator asks what is
//! stored. Must not know: who asks, what is done with the answer.

use crate::domain::identity::{Owner, SessionKey};
use crate::domain::time::Timestamp;
use crate::session::record::{Kind, Session, Standing};
use crate::session::{Keyed, SessionError, Sessions};
pub use crate::store::Cursor;
use crate::store::{Entry, Record};

/// A part of all sessions.
#[derive(Debug)]
pub struct SessionPage {
    /// The sessions; perhaps none although more follow.
    pub sessions: Vec<Keyed>,
    /// Where the next part begins; `None` after the last.
    pub next: Option<Cursor>,
}

impl Sessions {
    /// The live sessions among the next `records` of the store. The halves of double cookies and what lies
    /// behind other keys of a session are parts of it, and not listed.
    ///
    /// # Errors
    /// The store failed, or `after` is no cursor of it: begin again.
    pub async fn page(
        &self,
        after: Option<&Cursor>,
        records: usize,
        now: Timestamp,
    ) -> Result<SessionPage, SessionError> {
        let page = self.store.scan(after, records, now).await?;
        let listed = |entry: Entry| {
            let key = SessionKey(entry.key);
            // Challenges lie among them, and have no owner.
            entry.index?;
            self.listed(key, &entry.record, now).map(|session| (key, session))
        };
        let sessions = page.entries.into_iter().filter_map(listed).collect();
        Ok(SessionPage { sessions, next: page.next })
    }

    /// All live sessions of `owner`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sessions_of(
        &self,
        owner: Owner<'_>,
        now: Timestamp,
    ) -> Result<Vec<Keyed>, SessionError> {
        let members = self.of_owner(owner, now).await?.into_iter();
        let found = members.filter_map(|(key, session)| Some((key, session?)));
        Ok(found.filter(|(_, session)| self.is_listed(session, now)).collect())
    }

    /// The live session under `key`, if there is one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn stored(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> Result<Option<Session>, SessionError> {
        let record = self.store.get(key.0, now).await?;
        Ok(record.and_then(|record| self.listed(key, &record, now)))
    }

    fn listed(&self, key: SessionKey, record: &Record, now: Timestamp) -> Option<Session> {
        self.view(&key, record).filter(|session| self.is_listed(session, now))
    }

    fn is_listed(&self, session: &Session, now: Timestamp) -> bool {
        let is_one = matches!(session.kind(), Kind::Cookie | Kind::Fingerprint);
        is_one && self.standing(session, now) == Standing::Live
    }
}

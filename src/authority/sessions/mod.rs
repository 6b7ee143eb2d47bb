//! What operators do with sessions: look, and end; each end has its line in the audit log (SEMANTICS O1, O2).
//!
//! Must not know: HTTP, who may do so, how sessions are stored. Work on all of them comes in steps, so that no
//! request takes long and whoever asks can show how far it is.

mod words;

use std::net::IpAddr;

pub use words::{
    EndReport, EndWish, ListedFactor, ListedSession, SessionList, SessionQuery, ShownSession,
};

use crate::authority::{Authority, about};
use crate::domain::identity::Owner;
use crate::domain::time::Timestamp;
use crate::session::{Keyed, SessionError, chain};
use words::{Wanted, cursor_of, cursor_text, key_of};

/// Sessions of a page where nobody says how many.
const PAGE: usize = 100;

/// Records that are looked at together: a store is not asked for fewer, and a page has no more than are wanted
/// and these.
const PORTION: usize = 1000;

/// Records that are looked at for one answer.
const STEP: usize = 10_000;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// There is no live session of this key.
    #[error(
        "there is no session '{0}', or it has ended; `vouchsafe session list` shows those that live"
    )]
    Unknown(Box<str>),
    /// It is not understood.
    #[error("{0}")]
    Invalid(&'static str),
    /// We failed; the text says how, and what was to end may live on.
    #[error("{0}")]
    Failed(String),
}

impl From<SessionError> for SessionsError {
    fn from(error: SessionError) -> Self {
        let text = chain(&error);
        tracing::error!(error = %text, "sessions cannot be administered");
        Self::Failed(format!("{text}; try again, and look at the daemon's log if it fails again"))
    }
}

impl Authority {
    /// A page of live sessions.
    ///
    /// # Errors
    /// The filter is not understood, or the store fails.
    pub async fn list_sessions(
        &self,
        query: &SessionQuery,
        now: Timestamp,
    ) -> Result<SessionList, SessionsError> {
        let wanted = query.read()?;
        let limit = query.limit.unwrap_or(PAGE);
        let portion = if query.is_empty() { limit.clamp(1, PORTION) } else { PORTION };
        let mut cursor = query.after.as_deref().map(cursor_of).transpose()?;
        let mut list = SessionList::default();
        let mut looked = 0;
        loop {
            let page = self.sessions.page(cursor.as_ref(), portion, now).await?;
            let fitting = page.sessions.iter().filter(|keyed| wanted.fits(keyed));
            list.sessions.extend(fitting.map(ListedSession::from));
            looked += portion;
            cursor = page.next;
            if cursor.is_none() || list.sessions.len() >= limit || looked >= STEP {
                list.next = cursor.as_ref().map(cursor_text);
                return Ok(list);
            }
        }
    }

    /// One session and its variables.
    ///
    /// # Errors
    /// There is none, or the store fails.
    pub async fn show_session(
        &self,
        key: &str,
        now: Timestamp,
    ) -> Result<ShownSession, SessionsError> {
        let keyed = self.session_of(key, now).await?;
        Ok(ShownSession::of(&keyed, &self.refusals.settings().shown_variables))
    }

    /// Ends one session; durable, and known to every node, when it returns. `by` is whoever asks, for the audit
    /// log.
    ///
    /// # Errors
    /// There is none, or the store did not acknowledge: it may live on.
    pub async fn end_session(
        &self,
        key: &str,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), SessionsError> {
        let keyed = self.session_of(key, now).await?;
        self.end_audited(std::slice::from_ref(&keyed), by, now).await
    }

    /// Ends the sessions that fit, one step of it: ask again with `next` until there is none. A user's sessions
    /// have all ended after the first step, as far as a master of today's configuration opened them.
    ///
    /// # Errors
    /// It is not understood, or the store did not acknowledge: some may live on.
    pub async fn end_sessions(
        &self,
        wish: &EndWish,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<EndReport, SessionsError> {
        if wish.sessions.is_empty() != wish.all {
            return Err(SessionsError::Invalid(
                "say which sessions are to end, or `all`; not both",
            ));
        }
        let wanted = wish.sessions.read()?;
        let before = wish.before.unwrap_or(now.as_millis());
        let mut report = EndReport { before, ..EndReport::default() };
        let cursor = wish.sessions.after.as_deref().map(cursor_of).transpose()?;
        if cursor.is_none() && !wish.sessions.user.is_empty() {
            report.ended += self.end_found(&wanted, &wish.sessions.user, by, now).await?;
        }
        let page = self.sessions.page(cursor.as_ref(), STEP, now).await?;
        report.seen = page.sessions.len() as u64;
        let is_meant = |keyed: &Keyed| {
            wanted.fits(keyed) && keyed.1.created() <= Timestamp::from_millis(before)
        };
        let meant: Vec<Keyed> = page.sessions.into_iter().filter(is_meant).collect();
        self.end_audited(&meant, by, now).await?;
        report.ended += meant.len() as u64;
        report.next = page.next.as_ref().map(cursor_text);
        Ok(report)
    }

    /// Ends what the store's index knows of `user`, whichever master asserts that name.
    async fn end_found(
        &self,
        wanted: &Wanted<'_>,
        user: &str,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<u64, SessionsError> {
        let mut ended = 0;
        for master in self.policy.trust.masters() {
            let owner = Owner { master: &master.name, realm: &master.realm, user };
            let mut sessions = self.sessions.sessions_of(owner, now).await?;
            sessions.retain(|keyed| wanted.fits(keyed));
            self.end_audited(&sessions, by, now).await?;
            ended += sessions.len() as u64;
        }
        Ok(ended)
    }

    async fn session_of(&self, key: &str, now: Timestamp) -> Result<Keyed, SessionsError> {
        let at = key_of(key)?;
        let session = self.sessions.stored(at, now).await?;
        let session = session.ok_or_else(|| SessionsError::Unknown(key.into()))?;
        Ok((at, session))
    }

    /// Ends sessions, each with its line. The lines' places are taken first: what cannot be audited does not
    /// happen.
    async fn end_audited(
        &self,
        sessions: &[Keyed],
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), SessionsError> {
        const BATCH: usize = 64;
        for some in sessions.chunks(BATCH) {
            let mut places = Vec::with_capacity(some.len());
            for _ in some {
                let place = self.audit.reserve().await;
                places.push(place.map_err(|error| SessionsError::Failed(error.to_string()))?);
            }
            self.sessions.end(some, now).await?;
            for (place, (key, session)) in places.into_iter().zip(some) {
                let mut line = self.traced(about("session_end", session.owner(), now), session);
                line.client = by;
                line.session = Some(format!("{key:?}"));
                place.write(line);
            }
        }
        Ok(())
    }
}

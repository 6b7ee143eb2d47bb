//! At most so many sessions a user: the oldest end when one more is opened.
//!
//! Who has opened one looks at all of the user's and ends those that are too many, oldest first, by creation
//! and then by key. Of two nodes that do so at once, whoever looks later sees both new sessions; so what is
//! left in the end is the same whoever is faster, and never more than allowed.

use crate::domain::identity::Owner;
use crate::domain::time::Timestamp;
use crate::session::record::{Kind, Standing};
use crate::session::{Keyed, SessionError, Sessions};

/// How often it is looked again because a session went elsewhere meanwhile.
const ROUNDS: usize = 8;

impl Sessions {
    /// Ends the oldest cookie sessions of `owner` beyond `sessions.max_per_user`, with their plain-HTTP halves;
    /// durable when it returns. Fingerprint sessions are those of programs, and do not count.
    pub(super) async fn displace(
        &self,
        owner: Owner<'_>,
        now: Timestamp,
    ) -> Result<Vec<Keyed>, SessionError> {
        let Some(most) = self.settings.max_per_user else { return Ok(Vec::new()) };
        let mut displaced: Vec<Keyed> = Vec::new();
        for _ in 0..ROUNDS {
            let members = self.of_owner(owner, now).await?;
            let missed_some = members.iter().any(|(_, session)| session.is_none());
            let found = members.into_iter().filter_map(|(key, session)| Some((key, session?)));
            let mut sessions: Vec<Keyed> = found
                .filter(|(_, session)| session.kind() == Kind::Cookie)
                .filter(|(_, session)| self.standing(session, now) == Standing::Live)
                .collect();
            sessions.sort_by_key(|(key, session)| (session.created(), key.0));
            let excess = sessions.len().saturating_sub(most.get() as usize);
            sessions.truncate(excess);
            if !sessions.is_empty() {
                self.end(&sessions, now).await?;
                self.metrics.sessions_displaced.inc_by(sessions.len() as u64);
                displaced.append(&mut sessions);
            }
            // What has just stepped up is there under another key.
            if !missed_some {
                break;
            }
        }
        Ok(displaced)
    }
}

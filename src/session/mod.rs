//! Sessions: opened, found, refreshed, touched and ended, over a store and a cache in front of it.
//!
//! Must not know: HTTP, policy, who is trusted. Callers hand in identities that they have checked.
//! A found session costs one look-up in memory; everything else goes through the store first and is
//! answered after it is durable (SEMANTICS S, O2).

pub mod cache;
mod change;
pub mod cookie;
mod credential;
mod displace;
pub mod fingerprint;
mod flight;
pub mod id;
pub mod listing;
mod look;
mod open;
mod owner;
pub mod quota;
mod reading;
pub mod record;
pub mod settings;
mod shards;
mod single_flight;
mod stale;
mod step_up;
mod sync;
#[cfg(test)]
mod tests;
pub mod touch;
mod upkeep;
mod writing;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::domain::decision::SetCookie;
use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::cache::SessionCache;
use crate::session::cookie::{Half, SessionCookies};
use crate::session::fingerprint::Fingerprinter;
use crate::session::flight::Flights;
use crate::session::id::{NoEntropy, SessionId};
pub use crate::session::look::Visit;
use crate::session::quota::{OpeningQuotas, QuotaExceeded};
use crate::session::reading::Reads;
use crate::session::record::{Kind, RecordTooLarge, Session, Standing, tombstone};
use crate::session::settings::SessionSettings;
use crate::session::touch::{TouchQueue, Touches};
use crate::session::writing::Writer;
pub use crate::store::chain;
use crate::store::{Expect, Record, Store, StoreError, Write};
use crate::telemetry::metrics::Metrics;

/// How long an ended id is remembered as ended (S4).
const TOMBSTONE_LIFE: Duration = Duration::from_secs(60);

/// What is known about a key.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A session that counts.
    Live(Session),
    /// A session whose time is over.
    Expired,
    /// A session that was ended or replaced.
    Ended,
    /// Nothing.
    Unknown,
}

/// Why a session was not opened, found or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A quota is used up: refuse, and serve without a new session where that is possible.
    #[error(transparent)]
    Throttled(#[from] QuotaExceeded),
    /// The identity is too large: deny it.
    #[error(transparent)]
    TooLarge(#[from] RecordTooLarge),
    /// The session was ended, or is no more, while it was to be changed: challenge.
    #[error("the session has ended")]
    Ended,
    /// Its time is over: challenge.
    #[error("the session has expired")]
    Expired,
    /// Only the session of a cookie can carry a factor, and not by the cookie's plain-HTTP half (S3, S6): deny.
    #[error("such a session carries no factor")]
    NoFactor,
    /// The memory store is full: answer Unavailable.
    #[error("no room for another session")]
    Full,
    /// It was written on one machine only and may be lost with it: answer Unavailable, as if it had failed.
    #[error("the session store could not confirm the change")]
    Unconfirmed,
    /// The store failed: answer Unavailable; nothing is known about the session.
    #[error("the session store failed")]
    Store(#[source] StoreError),
    /// No ids can be made: answer Unavailable.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::Unconfirmed => Self::Unconfirmed,
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => Self::Store(error),
        }
    }
}

/// A session found, and under which key.
pub type Keyed = (SessionKey, Session);

/// A cookie session that was just opened, or goes on under a new id.
#[derive(Debug)]
pub struct Opened {
    /// Its key.
    pub key: SessionKey,
    /// Its record.
    pub session: Session,
    /// Its id, for the login's answer.
    pub id: SessionId,
    /// The id of its plain-HTTP half.
    pub id_http: Option<SessionId>,
    /// The cookies to set.
    pub cookies: Vec<SetCookie>,
    /// Sessions of the same user that ended for it, because there were too many.
    pub displaced: Vec<Keyed>,
}

/// All sessions of this installation, as far as this process sees them.
#[derive(Debug)]
pub struct Sessions {
    store: Arc<Store>,
    /// None where the store itself is memory: one copy is enough.
    cache: Option<Arc<SessionCache>>,
    reads: Reads,
    writer: Writer,
    /// Held by whoever changes a session.
    flights: Flights,
    quotas: OpeningQuotas,
    fingerprinter: Fingerprinter,
    cookies: SessionCookies,
    settings: SessionSettings,
    touches: Touches,
    /// Whether a session was served without the store since it answered last.
    serving_stale: AtomicBool,
    metrics: Arc<Metrics>,
}

impl Sessions {
    /// Puts the parts together; the queue is to be run by [`Sessions::write_touches`].
    #[must_use]
    pub fn new(
        store: impl Into<Arc<Store>>,
        settings: SessionSettings,
        fingerprinter: Fingerprinter,
        metrics: Arc<Metrics>,
    ) -> (Self, TouchQueue) {
        let store = store.into();
        let remembering = || SessionCache::new(&settings, Arc::clone(&store), Arc::clone(&metrics));
        let cache = store.as_memory().is_none().then(|| Arc::new(remembering()));
        if let (Some(channel), Some(cache)) = (store.channel(), &cache) {
            channel.tell(cache);
        }
        let writer = Writer::new(Arc::clone(&store), cache.clone(), Arc::clone(&metrics));
        let (touches, queue) = touch::channel();
        let sessions = Self {
            store,
            cache,
            reads: Reads::default(),
            writer,
            flights: Flights::default(),
            quotas: OpeningQuotas::new(settings.quotas),
            fingerprinter,
            cookies: SessionCookies::new(settings.cookie.clone()),
            settings,
            touches,
            serving_stale: AtomicBool::new(false),
            metrics,
        };
        (sessions, queue)
    }

    /// The session cookies of this installation.
    #[must_use]
    pub const fn cookies(&self) -> &SessionCookies {
        &self.cookies
    }

    /// What a form that belongs to the session under `key` carries, so that no other page can send it.
    #[must_use]
    pub fn form_token(&self, key: SessionKey) -> String {
        self.fingerprinter.form_token(key)
    }

    /// Whether a form that carries `token` belongs to the session under `key`.
    #[must_use]
    pub fn is_form_token(&self, key: SessionKey, token: &str) -> bool {
        self.fingerprinter.is_form_token(key, token)
    }

    /// What memory alone tells about `key`; `None` if the store has to be asked.
    #[must_use]
    pub fn peek(&self, key: &SessionKey, now: Timestamp) -> Option<Lookup> {
        let session = match (&self.cache, self.store.as_memory()) {
            (Some(cache), _) => cache.verified(key, now),
            (None, Some(memory)) => match memory.get(&key.0, now) {
                Some(record) => self.view(key, &record),
                None => return Some(Lookup::Unknown),
            },
            (None, None) => None,
        }?;
        let idle_is_certain = self.cache.is_none();
        let lookup = match self.standing(&session, now) {
            Standing::Live => {
                self.touch_if_due(key, &session, now);
                Lookup::Live(session)
            }
            Standing::Ended => Lookup::Ended,
            Standing::Expired => Lookup::Expired,
            Standing::Idle if idle_is_certain => Lookup::Expired,
            // Another node may have touched it: the store knows (S8).
            Standing::Idle => return None,
        };
        self.metrics.cache_hits.inc();
        Some(lookup)
    }

    /// What is known about `key`, here or in the store. Of parallel callers one asks the store. If it fails, a
    /// session may be served as it was known (O2): it says so itself.
    ///
    /// # Errors
    /// The store failed, and nothing may be served without it: answer Unavailable.
    pub async fn find(&self, key: SessionKey, now: Timestamp) -> Result<Lookup, SessionError> {
        match self.peek(&key, now) {
            Some(lookup) => Ok(lookup),
            // Boxed, so that the future of a hit, which every request moves about, stays small.
            None => Box::pin(self.ask(key, now)).await,
        }
    }

    /// Finds the session of a cookie; a record that is not for this cookie does not count. It is used by
    /// that, or only looked at.
    ///
    /// # Errors
    /// As [`Sessions::find`].
    pub async fn find_cookie(
        &self,
        id: &SessionId,
        half: Half,
        visit: Visit,
        now: Timestamp,
    ) -> Result<(SessionKey, Lookup), SessionError> {
        let key = id.key();
        let lookup = self.visit(key, visit, now).await?;
        let Lookup::Live(session) = &lookup else { return Ok((key, lookup)) };
        match (half, session.kind(), session.partner()) {
            (Half::Main, Kind::Cookie, _) | (Half::PlainHttp, Kind::HttpCookie, _) => {
                Ok((key, lookup))
            }
            (Half::PlainHttp, Kind::HttpAlias, Some(main)) => {
                Ok((main, self.visit(main, visit, now).await?))
            }
            _ => Ok((key, Lookup::Unknown)),
        }
    }

    async fn visit(
        &self,
        key: SessionKey,
        visit: Visit,
        now: Timestamp,
    ) -> Result<Lookup, SessionError> {
        match visit {
            Visit::Use => self.find(key, now).await,
            Visit::Look => Box::pin(self.look(key, now)).await,
        }
    }

    // === Small parts ===

    fn view(&self, key: &SessionKey, record: &Record) -> Option<Session> {
        self.writer.view(key, record)
    }

    /// How long `session`, which is being used `now`, lives at most if nobody uses it again.
    #[must_use]
    pub fn life_left(&self, session: &Session, now: Timestamp) -> Duration {
        let left = self.settings.timeout.saturating_sub(now.since(session.created()));
        left.min(self.settings.idle_timeout)
    }

    fn standing(&self, session: &Session, now: Timestamp) -> Standing {
        session.standing(self.settings.timeout, self.settings.idle_timeout, now)
    }

    fn expires(&self, created: Timestamp, last_use: Timestamp) -> Timestamp {
        created.plus(self.settings.timeout).min(last_use.plus(self.settings.idle_timeout))
    }
}

fn new_record(bytes: Arc<[u8]>, revisions: &[u64], at: usize) -> Record {
    let revision = revisions.get(at).copied().unwrap_or_default();
    Record { bytes, expires: Timestamp::default(), revision }
}

fn bury(key: SessionKey, now: Timestamp) -> Write {
    Write {
        key: key.0,
        expect: Expect::Any,
        value: Some(tombstone(now, None)),
        expires: now.plus(TOMBSTONE_LIFE),
        index: None,
    }
}

fn ended_keys(sessions: &[Keyed]) -> impl Iterator<Item = SessionKey> {
    sessions.iter().flat_map(|(key, session)| std::iter::once(*key).chain(session.partner()))
}

fn lost() -> SessionError {
    SessionError::Store(StoreError::Unavailable("the store answered against its contract".into()))
}

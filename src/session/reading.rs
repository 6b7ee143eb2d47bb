//! Reading sessions from the store: once for everybody who asks at the same time, and not too many at once.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};

use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::record::{Session, Standing};
use crate::session::single_flight::Lanes;
use crate::session::{Lookup, SessionError, Sessions};
use crate::store::StoreError;
use crate::telemetry::metrics::{Stopwatch, StoreOperation};

/// Reads at once, so that a store that comes back, or whose changes were not heard of for a while, is not
/// asked about every session in the same moment.
const READS: usize = 256;

/// How long a read waits for its place among them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Locks in front of the lanes.
const LANES: usize = 64;

/// Reads that are under way.
#[derive(Debug)]
pub struct Reads {
    lanes: Lanes<Result<Option<Session>, Failure>, Mutex<()>>,
    places: Semaphore,
}

/// Why a read failed, for all who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
struct Failure(Arc<dyn Error + Send + Sync>);

/// Too many reads wait for the store.
#[derive(Debug, thiserror::Error)]
#[error("too many reads of the store wait already")]
struct Crowded;

impl Default for Reads {
    fn default() -> Self {
        Self { lanes: Lanes::new(LANES), places: Semaphore::new(READS) }
    }
}

#[cfg(test)]
impl Reads {
    /// For how many keys somebody waits.
    pub fn waited_for(&self) -> usize {
        self.lanes.occupied_lanes()
    }
}

impl Sessions {
    /// What the store knows about `key`; where it fails, what may still be served.
    pub(super) async fn ask(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> Result<Lookup, SessionError> {
        match self.read(key, now).await {
            Ok(found) => Ok(self.lookup(&key, found, now)),
            Err(failure) => {
                let stale = self.stale(&key, now);
                stale.inspect(|_| self.serves_stale()).map(Lookup::Live).ok_or(failure.into())
            }
        }
    }

    /// What a session that was just read is worth.
    fn lookup(&self, key: &SessionKey, found: Option<Session>, now: Timestamp) -> Lookup {
        let Some(session) = found else { return Lookup::Unknown };
        match self.standing(&session, now) {
            Standing::Live => {
                self.touch_if_due(key, &session, now);
                Lookup::Live(session)
            }
            Standing::Ended => Lookup::Ended,
            Standing::Expired | Standing::Idle => Lookup::Expired,
        }
    }

    /// The session under `key` as the store had it at some moment after this was called.
    async fn read(&self, key: SessionKey, now: Timestamp) -> Result<Option<Session>, Failure> {
        let seat = self.reads.lanes.seat(key.0);
        let _turn = seat.turn().lock().await;
        if let Some(found) = seat.found() {
            return found;
        }
        // Whoever had the turn before may have left a copy that is good now.
        let copy = self.cache.as_ref().and_then(|cache| cache.verified(&key, now));
        if let Some(session) = copy
            && self.standing(&session, now) != Standing::Idle
        {
            return Ok(Some(session));
        }
        let read = seat.begin();
        let found = self.read_alone(key, now).await;
        seat.end(read, found.clone());
        found
    }

    /// The session under `key` as the store has it now.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn read_now(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> Result<Option<Session>, SessionError> {
        self.read(key, now).await.map_err(SessionError::from)
    }

    async fn read_alone(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> Result<Option<Session>, Failure> {
        let place = tokio::time::timeout(PATIENCE, self.reads.places.acquire()).await;
        let _place = place.map_err(|_| Failure(Arc::new(Crowded)))?;
        self.metrics.cache_misses.inc();
        let asking = self.cache.as_ref().map(|cache| (cache, cache.asking(&key, now)));
        let watch = Stopwatch::start();
        let record = self.store.get(key.0, now).await;
        self.metrics.stored(StoreOperation::Get, watch.elapsed(), record.is_err());
        let record = record.map_err(|error| Failure(cause(error)))?;
        self.answers_again();
        let found = record.and_then(|record| self.view(&key, &record));
        Ok(match asking {
            Some((cache, asking)) => cache.was_read(asking, key, found),
            None => found,
        })
    }
}

impl From<Failure> for SessionError {
    fn from(failure: Failure) -> Self {
        Self::Store(StoreError::Unavailable(Box::new(failure)))
    }
}

/// What lies behind an error of the store; the error is made anew around it.
fn cause(error: StoreError) -> Arc<dyn Error + Send + Sync> {
    match error {
        StoreError::Unavailable(cause) => cause.into(),
        StoreError::Full | StoreError::Unconfirmed | StoreError::Corrupt(_) => Arc::new(error),
    }
}

//! Writing sessions to the store, and what of it is remembered.
//!
//! A write that was begun is carried through, whoever waits for it: a client that hangs up in the middle of a
//! logout must not leave a copy of what the store has just ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use crate::domain::identity::SessionKey;
use crate::domain::time::Timestamp;
use crate::session::cache::{Asking, SessionCache};
use crate::session::record::Session;
use crate::session::{SessionError, Sessions, lost, new_record};
use crate::store::{Applied, Assurance, Record, Store, StoreError, Write};
use crate::telemetry::metrics::{Metrics, Stopwatch, StoreOperation};

/// What a write needs when nobody waits for it any more.
#[derive(Debug, Clone)]
pub struct Writer {
    store: Arc<Store>,
    cache: Option<Arc<SessionCache>>,
    /// Whether the last write failed; readiness tries one until it works again.
    pub failed: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

/// A write of a batch, and what was known before it.
struct Pending {
    key: SessionKey,
    value: Option<Arc<[u8]>>,
    asking: Asking,
}

impl Sessions {
    /// Writes `batch` and remembers it.
    pub(super) async fn apply(
        &self,
        batch: Vec<Write>,
        assurance: Assurance,
        now: Timestamp,
    ) -> Result<Applied, SessionError> {
        let writer = self.writer.clone();
        let written = tokio::spawn(async move { writer.apply(batch, assurance, now).await });
        // It is never aborted, but the runtime may end under it.
        let applied = written.await.map_err(|_| lost())?;
        if applied.is_ok() {
            self.answers_again();
        }
        Ok(applied?)
    }
}

impl Writer {
    /// Writes to `store`, and remembers it in `cache`.
    pub fn new(store: Arc<Store>, cache: Option<Arc<SessionCache>>, metrics: Arc<Metrics>) -> Self {
        Self { store, cache, failed: Arc::default(), metrics }
    }

    async fn apply(
        self,
        batch: Vec<Write>,
        assurance: Assurance,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let pending: SmallVec<[Pending; 4]> =
            self.cache.as_ref().map_or_else(SmallVec::new, |cache| {
                batch.iter().map(|write| Pending::of(write, cache, now)).collect()
            });
        let watch = Stopwatch::start();
        let applied = self.store.apply(batch, assurance, now).await;
        self.metrics.stored(StoreOperation::Apply, watch.elapsed(), applied.is_err());
        self.failed.store(applied.is_err(), Ordering::Relaxed);
        if let Some(cache) = &self.cache {
            self.remember(cache, &pending, &applied);
        }
        applied
    }

    fn remember(
        &self,
        cache: &SessionCache,
        pending: &[Pending],
        applied: &Result<Applied, StoreError>,
    ) {
        for (at, write) in pending.iter().enumerate() {
            let Pending { key, value, asking } = write;
            match applied {
                Ok(Applied::Done(revisions)) => {
                    let record = value.as_ref();
                    let record = record.map(|value| new_record(Arc::clone(value), revisions, at));
                    let session = record.and_then(|record| self.view(key, &record));
                    cache.was_written(*asking, *key, session.as_ref());
                }
                Ok(Applied::Conflict { index, current }) if *index == at => {
                    let found = current.as_ref().and_then(|record| self.view(key, record));
                    cache.was_read(*asking, *key, found);
                }
                // Nothing was written, except perhaps in other partitions in front of it.
                Ok(Applied::Conflict { index, .. }) if *index < at => {}
                // Nobody knows whether it was applied: the next look-up must ask.
                Ok(Applied::Conflict { .. }) | Err(_) => cache.was_written(*asking, *key, None),
            }
        }
    }

    /// A record of the store as a session; one that cannot be read is none.
    pub fn view(&self, key: &SessionKey, record: &Record) -> Option<Session> {
        match Session::view(record) {
            Ok(session) => Some(session),
            Err(error) => {
                tracing::error!(session = ?key, %error, store = self.store.kind(), "a stored session cannot be read and is treated as unknown");
                None
            }
        }
    }
}

impl Pending {
    fn of(write: &Write, cache: &SessionCache, now: Timestamp) -> Self {
        let key = SessionKey(write.key);
        Self { key, value: write.value.clone(), asking: cache.asking(&key, now) }
    }
}

//! The stores besides their records: opened, looked through in the background, and what the admin API tells of them.

use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::keys;
use crate::config::{Settings, StoreSettings};
use crate::domain::time::Timestamp;
use crate::edge::admin::store::{
    ChannelState, CompactionState, Storage, StorageProblem, StoreFileState, StoreState, Waiting,
};
use crate::edge::clock::Clock;
use crate::store::embedded::{Compaction, EmbeddedStore, FileState};
use crate::store::memory::MemoryStore;
use crate::store::redis::RedisStore;
use crate::store::sealed::{Plain, SealedStore};
use crate::store::{Store, StoreError, chain};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::files::{FileCounts, StoreFile};

/// The pause between two parts of a check: a million records take a minute, and nobody notices.
const CHECK_PAUSE: Duration = Duration::from_millis(50);

/// How often everything is looked at again.
const CHECK_INTERVAL: Duration = Duration::from_hours(24);

/// When a check begins anew that could not be finished.
const CHECK_RETRY: Duration = Duration::from_secs(60);

/// Opens the configured store; also the newest time that it has seen. Redis is connected to later, by a task of its
/// own, so this must run inside a tokio runtime.
///
/// # Errors
/// The file cannot be used; the message names it and the remedy.
pub fn open_store(settings: &Settings) -> anyhow::Result<(Store, Timestamp)> {
    let keys = keys::encryption(settings)?;
    let (engine, newest) = open_engine(settings)?;
    let believes_plain = settings.encryption.as_ref().is_some_and(|set| set.believes_plain);
    let plain = if believes_plain { Plain::Believed } else { Plain::Unknown };
    let store = match keys {
        Some(keys) => Store::Sealed(SealedStore::new(engine, &keys, plain)),
        None => engine,
    };
    Ok((store, newest))
}

fn open_engine(settings: &Settings) -> anyhow::Result<(Store, Timestamp)> {
    match &settings.store {
        StoreSettings::Memory => {
            Ok((Store::Memory(MemoryStore::new(settings.sessions.max_bytes)), Timestamp::default()))
        }
        StoreSettings::Embedded { path } => {
            let store = EmbeddedStore::open(path)
                .with_context(|| format!("cannot open the session store {}", path.display()))?;
            let newest = store.newest_time();
            Ok((Store::Embedded(store), newest))
        }
        StoreSettings::Redis(settings) => {
            let clock = Clock::start(Timestamp::default());
            let store = RedisStore::open(settings.clone(), Arc::new(move || clock.now()));
            Ok((Store::Redis(store), Timestamp::default()))
        }
    }
}

/// The stores of a daemon.
#[derive(Debug)]
pub struct Stores {
    /// That of sessions.
    pub sessions: Arc<Store>,
    /// That of the local node's tokens, if there is one.
    pub tokens: Option<Arc<Store>>,
    /// When.
    pub clock: Clock,
    /// Who counts.
    pub metrics: Arc<Metrics>,
}

impl Stores {
    /// The tasks that look through all files.
    #[must_use]
    pub fn checks(&self) -> Vec<JoinHandle<()>> {
        let sessions = (StoreFile::Sessions, Some(&self.sessions));
        [sessions, (StoreFile::Tokens, self.tokens.as_ref())]
            .into_iter()
            .filter_map(|(file, store)| Some((file, Arc::clone(store?))))
            .map(|(file, store)| tokio::spawn(check_forever(store, file)))
            .collect()
    }
}

impl Storage for Stores {
    fn state(&self) -> Waiting<'_, StoreState> {
        Box::pin(async { state(&self.sessions).await.map_err(|error| failed(&error)) })
    }

    fn compact(&self) -> Waiting<'_, bool> {
        Box::pin(async {
            let store = embedded(&self.sessions)?;
            store.compact().await.map_err(|error| failed(&error))
        })
    }

    fn backup(&self) -> Waiting<'_, File> {
        Box::pin(async {
            let store = embedded(&self.sessions)?;
            store.backup_file(self.clock.now()).await.map_err(|error| failed(&error))
        })
    }

    fn gauge(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let sessions = (StoreFile::Sessions, Some(&self.sessions));
            for (file, store) in [sessions, (StoreFile::Tokens, self.tokens.as_ref())] {
                let Some(store) = store.and_then(|store| store.as_embedded()) else { continue };
                // A file that cannot be read shows elsewhere.
                if let Ok(state) = store.state().await {
                    self.metrics.file(file, counts(&state));
                }
            }
        })
    }
}

fn counts(state: &FileState) -> FileCounts {
    FileCounts {
        bytes: state.bytes,
        records_damaged: state.records_damaged,
        files_aside: state.files_aside,
        reopened: state.reopened,
        is_checked: state.is_checked,
    }
}

/// The engine, if there is anything to compact and to copy.
///
/// # Errors
/// There is not, in words for the operator.
pub fn embedded(store: &Store) -> Result<&EmbeddedStore, StorageProblem> {
    store.as_embedded().ok_or_else(|| {
        StorageProblem::NotThisKind(match store.kind() {
            "memory" => "the memory store has no file: there is nothing to compact or to copy",
            _ => "the sessions are in Redis, which compacts and copies what it has itself (BGSAVE, BGREWRITEAOF); `vouchsafe store migrate` copies them into a file",
        })
    })
}

/// What there is to know about a store.
///
/// # Errors
/// It cannot be read.
pub async fn state(store: &Store) -> Result<StoreState, StoreError> {
    let file = match store.as_embedded() {
        Some(embedded) => Some(file_state(embedded.state().await?)),
        None => None,
    };
    let channel = store.channel().map(|channel| ChannelState {
        confirmed: channel.epoch().is_confirmed(),
        heard: channel.heard().as_seconds(),
    });
    Ok(StoreState {
        kind: store.kind().to_owned(),
        records: store.len().await?,
        encrypted: store.as_sealed().is_some(),
        records_unopened: store.as_sealed().map_or(0, SealedStore::unopened),
        file,
        channel,
    })
}

fn file_state(state: FileState) -> StoreFileState {
    StoreFileState {
        path: state.path.display().to_string(),
        bytes: state.bytes,
        checked: state.is_checked,
        records_aside: state.records_aside,
        records_damaged: state.records_damaged,
        files_aside: state.files_aside,
        reopened: state.reopened,
        compaction: match state.compaction {
            Compaction::Never => CompactionState::Never,
            Compaction::Running { done, total } => CompactionState::Running { done, total },
            Compaction::Done { before, after } => CompactionState::Done { before, after },
            Compaction::Failed(error) => CompactionState::Failed { error },
        },
    }
}

fn failed(error: &StoreError) -> StorageProblem {
    StorageProblem::Failed(chain(error))
}

/// Looks at every record now and then, gently. Stores without a file have nothing to look at.
#[expect(clippy::infinite_loop, reason = "a background task; it ends by being aborted")]
async fn check_forever(store: Arc<Store>, file: StoreFile) {
    let Some(embedded) = store.as_embedded() else { return };
    let mut pause = interval(CHECK_PAUSE);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let wait = match check(embedded, file, &mut pause).await {
            Ok(()) => CHECK_INTERVAL,
            Err(error) => {
                let name = file.as_str();
                tracing::warn!(
                    store = name,
                    error = chain(&error),
                    "the check of the {name}' store was broken off; beginning again in a minute"
                );
                CHECK_RETRY
            }
        };
        let mut wait = interval(wait);
        // The first tick comes at once.
        wait.tick().await;
        wait.tick().await;
    }
}

async fn check(
    store: &EmbeddedStore,
    file: StoreFile,
    pause: &mut Interval,
) -> Result<(), StoreError> {
    let before = store.state().await?;
    let (mut next, mut records) = (None, 0);
    let name = file.as_str();
    if !before.is_checked {
        tracing::info!(
            store = name,
            records = before.records,
            "an older version has written to the {name}' store; its records get their checksums"
        );
    }
    loop {
        pause.tick().await;
        let checked = store.check(next).await?;
        (next, records) = (checked.next, records + checked.records);
        if next.is_none() {
            break;
        }
    }
    let damaged = store.state().await?.records_damaged.saturating_sub(before.records_damaged);
    tracing::info!(
        store = name,
        records,
        damaged,
        "every record of the {name}' store was looked at"
    );
    Ok(())
}

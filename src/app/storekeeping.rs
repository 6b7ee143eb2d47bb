//! Operators' work on the session store: through the daemon while it runs, else on the store itself.
//!
//! Must not know: the command line.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::app::admin_client::{AdminClient, Method};
use crate::app::store::{embedded, open_store, state};
use crate::config::{Settings, StoreSettings};
pub use crate::edge::admin::store::{ChannelState, CompactionState, StoreFileState, StoreState};
use crate::edge::clock::Clock;
use crate::store::embedded::EmbeddedStore;
use crate::store::{Applied, Assurance, Expect, Store, StoreError, Write, chain};

/// A large store is copied for minutes before the first byte of it comes.
const DEADLINE: Duration = Duration::from_hours(1);

/// How often a compaction is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Records that are read and written together.
const PAGE_RECORDS: usize = 200;

/// How long a store may take until it can be used: Redis is connected to.
const PATIENCE: Duration = Duration::from_secs(15);

/// Hears how far something is: done, of how many.
pub type Tell = Box<dyn FnMut(u64, u64) + Send>;

/// The way to the store.
pub enum Storekeeping {
    /// The daemon runs and has it.
    Daemon(AdminClient),
    /// It does not; we have it.
    Here(Box<Here>),
}

/// A store without a daemon.
pub struct Here {
    store: Store,
    clock: Clock,
}

impl Storekeeping {
    /// Finds the way. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// There is none; the message says what to do.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let no_daemon = match AdminClient::new(settings) {
            Ok(client) if client.is_answered().await => {
                return Ok(Self::Daemon(client.patient(DEADLINE)));
            }
            Ok(client) => format!("nobody answers at {}", client.place()),
            Err(error) => format!("{error:#}"),
        };
        let here = Here::open(settings).await.with_context(|| {
            format!("no running daemon could be asked ({no_daemon}), and without it")
        })?;
        Ok(Self::Here(Box::new(here)))
    }

    /// What the store is.
    ///
    /// # Errors
    /// The message says what went wrong and what to do; so below.
    pub async fn state(&self) -> anyhow::Result<StoreState> {
        match self {
            Self::Daemon(client) => {
                let answer = client.ask(Method::GET, "/api/v1/store", None::<&()>).await?;
                serde_json::from_value(answer)
                    .context("the daemon answers otherwise than this version")
            }
            Self::Here(here) => Ok(state(&here.store).await?),
        }
    }

    /// Makes the store's file smaller; returns its bytes before and after.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn compact(&self, mut tell: Tell) -> anyhow::Result<(u64, u64)> {
        match self {
            Self::Daemon(client) => {
                client.ask(Method::POST, "/api/v1/store/compact", Some(&json!({}))).await?;
            }
            Self::Here(here) => {
                embedded(&here.store)?.compact().await?;
            }
        }
        let mut pause = tokio::time::interval(LOOK_INTERVAL);
        loop {
            pause.tick().await;
            let file = self.state().await?.file.context("the store has no file any more")?;
            match file.compaction {
                CompactionState::Running { done, total } => tell(done, total),
                CompactionState::Done { before, after } => return Ok((before, after)),
                CompactionState::Failed { error } => bail!("{error}"),
                CompactionState::Never => bail!("the daemon was restarted meanwhile; try again"),
            }
        }
    }

    /// Copies the store into a new file, which can be put in its place; returns the copy's bytes.
    ///
    /// # Errors
    /// There is no copy.
    pub async fn back_up(&self, to: &Path, tell: Tell) -> anyhow::Result<u64> {
        let unfinished = Unfinished::beside(to)?;
        match self {
            Self::Daemon(client) => {
                let make = || unfinished.create();
                let file = client.receive("/api/v1/store/backup", make, tell).await?;
                file.sync_all()?;
            }
            Self::Here(here) => {
                let store = embedded(&here.store)?;
                store.back_up(unfinished.path.clone(), here.clock.now(), tell).await?;
            }
        }
        unfinished.examine().await?;
        unfinished.finish(to)
    }
}

impl Here {
    async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let (store, clock) = opened(settings).await?;
        Ok(Self { store, clock })
    }
}

/// A store that can be used, and when it is.
async fn opened(settings: &Settings) -> anyhow::Result<(Store, Clock)> {
    if let StoreSettings::Embedded { path } = &settings.store
        && !path.try_exists()?
    {
        bail!("there is no store {}; check `sessions.store.path`", path.display());
    }
    let (store, newest) = open_store(settings)?;
    let clock = Clock::start(newest);
    reached(&store).await?;
    Ok((store, clock))
}

/// Waits until a store that is connected to in the background answers.
async fn reached(store: &Store) -> anyhow::Result<()> {
    let mut pause = tokio::time::interval(LOOK_INTERVAL);
    let tries = PATIENCE.as_millis() / LOOK_INTERVAL.as_millis();
    let mut last = None;
    for _ in 0..tries {
        match store.len().await {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        pause.tick().await;
    }
    let error = last.map(|error| chain(&error)).unwrap_or_default();
    bail!("the store cannot be read: {error}")
}

/// Copies all live records from the store of one configuration into the empty store of another one; returns how many.
/// Daemons that use either must not run.
///
/// # Errors
/// What was copied stays there; empty the store before another attempt.
pub async fn migrate(from: &Settings, to: &Settings, mut tell: Tell) -> anyhow::Result<u64> {
    for (settings, word) in [(from, "from"), (to, "to")] {
        if matches!(settings.store, StoreSettings::Memory) {
            bail!("the memory store is gone with its daemon; name another one with --{word}");
        }
    }
    let (source, clock) = opened(from).await.context("the store to copy from")?;
    let (target, _) = open_store(to).context("the store to copy to")?;
    reached(&target).await.context("the store to copy to")?;
    let there = target.len().await?;
    if there > 0 {
        bail!(
            "the store to copy to has {there} records already; name an empty one: another file, or another `sessions.store.prefix`"
        );
    }
    let total = source.len().await?;
    let (mut cursor, mut copied) = (None, 0);
    loop {
        let page = source.scan(cursor.as_ref(), PAGE_RECORDS, clock.now()).await?;
        let batch: Vec<Write> = page
            .entries
            .into_iter()
            .map(|entry| Write {
                key: entry.key,
                expect: Expect::Any,
                value: Some(entry.record.bytes),
                expires: entry.record.expires,
                index: entry.index,
            })
            .collect();
        copied += batch.len() as u64;
        write(&target, batch, clock).await?;
        tell(copied, total.max(copied));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(copied);
        }
    }
}

async fn write(target: &Store, batch: Vec<Write>, clock: Clock) -> Result<(), StoreError> {
    if !batch.is_empty() {
        let applied = target.apply(batch, Assurance::Confirmed, clock.now()).await?;
        // Anything goes, so nothing is in the way.
        debug_assert!(matches!(applied, Applied::Done(_)));
    }
    Ok(())
}

/// A file that has its name only when it is whole.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn beside(to: &Path) -> anyhow::Result<Self> {
        if to.try_exists()? {
            bail!("{} exists already and was not changed; name another file", to.display());
        }
        let mut name = to.file_name().context("this names no file")?.to_owned();
        name.push(format!(".unfinished-{}", std::process::id()));
        Ok(Self { path: to.with_file_name(name) })
    }

    fn create(&self) -> anyhow::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Opens it as the daemon would.
    async fn examine(&self) -> anyhow::Result<()> {
        let copy = EmbeddedStore::open(&self.path).context("the copy cannot be read")?;
        let mut next = None;
        loop {
            next = copy.check(next).await.context("the copy cannot be read")?.next;
            if next.is_none() {
                break;
            }
        }
        let state = copy.state().await?;
        if state.records_damaged > 0 || state.files_aside > 0 {
            bail!("the copy is damaged; try again, and check the disk");
        }
        Ok(())
    }

    fn finish(self, to: &Path) -> anyhow::Result<u64> {
        // Not over a file that has come meanwhile.
        std::fs::hard_link(&self.path, to)
            .with_context(|| format!("cannot write {}", to.display()))?;
        Ok(std::fs::metadata(to)?.len())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

//! The store in one redb file: what was answered survives `kill -9` and a power cut.
//!
//! Must not know: what a record means, which clock `now` comes from. One thread writes and groups
//! commits (`writer`); readers use snapshots on tokio's blocking threads and never wait for it.
//! A damaged record counts as unknown and is set aside; a file that makes no sense is an error, never an
//! empty answer, until the writer has saved what can be read of it (`healing`).

mod fault;
mod file;
mod healing;
mod layout;
mod live;
mod read;
mod rewrite;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::domain::time::Timestamp;
use crate::store::embedded::fault::{Fault, caught};
use crate::store::embedded::file::Place;
pub use crate::store::embedded::live::Compaction;
use crate::store::embedded::live::{Live, Shared};
use crate::store::embedded::read::Snapshot;
use crate::store::embedded::tables::SWEEP_RECORDS;
use crate::store::embedded::writer::{Job, start};
use crate::store::{
    Applied, Cursor, Index, Key, Page, Record, StoreError, Write, refuse_oversized,
};

/// Records that are looked at in one part of a check: a few milliseconds of reading.
const CHECKED_RECORDS: u64 = 1000;

/// A store in one file, opened once per process.
///
/// Dropping it waits until everything that was handed over is written and the file is closed.
#[derive(Debug)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    newest: Timestamp,
    /// Backups that were begun, for their names.
    backups: AtomicU64,
    // Fields are dropped in this order: closing the queue is what lets the writer end.
    jobs: mpsc::Sender<Job>,
    _writer: Writer,
    #[cfg(test)]
    place: Place,
}

/// What there is to know about the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Records, expired ones that were not swept yet included.
    pub records: u64,
    /// Whether every record has its checksum; false for a while after the version before this one wrote.
    pub is_checked: bool,
    /// Damaged records that lie aside in it.
    pub records_aside: u64,
    /// Records that were found damaged since the start.
    pub records_damaged: u64,
    /// Damaged files that were set aside since the start.
    pub files_aside: u64,
    /// How often it was opened again after a failure since the start.
    pub reopened: u64,
    /// The last compaction.
    pub compaction: Compaction,
}

/// What a part of a check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Records that were looked at.
    pub records: u64,
    /// Where to go on; `None` after the last.
    pub next: Option<Key>,
}

/// The writer's thread; dropping this waits for its end.
#[derive(Debug)]
struct Writer(Option<JoinHandle<()>>);

/// The writer is gone: it failed in a way that it could not answer.
#[derive(Debug, thiserror::Error)]
#[error("the writer of '{}' has stopped; restart the daemon", .0.display())]
struct WriterStopped(PathBuf);

impl EmbeddedStore {
    /// Opens the store at `path`, or creates it readable by its owner only. However large it is, little of it is
    /// read; a damaged one is set aside under another name, and a new one made.
    ///
    /// # Errors
    /// `Corrupt`: the file is not a store, or not one of this version; the source names it and the remedy.
    /// `Unavailable`: another process has it open, or it cannot be read or created.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_at(&Place::new(path))
    }

    fn open_at(place: &Place) -> Result<Self, StoreError> {
        let opened = file::open(place)?;
        let newest = opened.newest;
        let shared = Arc::new(Shared::new(&place.path, opened.database, opened.is_checked));
        shared.set_aside.store(u64::from(opened.aside.is_some()), Ordering::Relaxed);
        let (jobs, thread) = start(Arc::clone(&shared), place.clone(), newest)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self {
            shared,
            newest,
            backups: AtomicU64::new(0),
            jobs,
            _writer: Writer(Some(thread)),
            #[cfg(test)]
            place: place.clone(),
        })
    }

    /// The newest `now` that the file had seen when it was opened: a clock that is behind it was
    /// set back, and would revive what had expired.
    #[must_use]
    pub const fn newest_time(&self) -> Timestamp {
        self.newest
    }

    /// The live record under `key`, if any.
    ///
    /// # Errors
    /// The file cannot be read (`Unavailable`) or makes no sense (`Corrupt`).
    pub async fn get(&self, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let record = self.read(move |snapshot| snapshot.record(&key)).await?;
        Ok(record.filter(|record| record.expires > now))
    }

    /// The keys of the live records of this index, in no order.
    ///
    /// # Errors
    /// As [`EmbeddedStore::get`].
    pub async fn members(&self, index: Index, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        self.read(move |snapshot| snapshot.members(index, now)).await
    }

    /// The live records after `cursor`, in the order of their keys.
    ///
    /// # Errors
    /// As [`EmbeddedStore::get`].
    pub async fn scan(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let after = cursor.map(Cursor::key).transpose()?;
        self.read(move |snapshot| snapshot.page(after, limit, now)).await
    }

    /// Applies all writes or none, and answers after they are on disk.
    ///
    /// # Errors
    /// Nobody can say whether the batch was written; treat its records as unknown.
    pub async fn apply(&self, batch: Vec<Write>, now: Timestamp) -> Result<Applied, StoreError> {
        refuse_oversized(&batch)?;
        self.order(|reply| Job::Apply { batch, now, reply }).await
    }

    /// Deletes what has expired at `now`, in small transactions between those of others; returns
    /// how many records went.
    ///
    /// # Errors
    /// The file cannot be written; try again later.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let swept = self.order(|reply| Job::Sweep { now, reply }).await?;
            total += swept.records;
            if swept.rows < SWEEP_RECORDS {
                return Ok(total);
            }
        }
    }

    /// How many records there are, expired ones that were not swept yet included.
    ///
    /// # Errors
    /// The file cannot be read.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks whether it is empty")]
    pub async fn len(&self) -> Result<u64, StoreError> {
        self.read(|snapshot| snapshot.count()).await
    }

    /// Looks at the records after `after`, a part of them at a time, and at all that belongs to them. Damaged ones are
    /// set aside. After the version before this one has written, they get their checksums instead.
    ///
    /// # Errors
    /// The file cannot be read or written, or makes no sense; try again later, from the beginning.
    pub async fn check(&self, after: Option<Key>) -> Result<Checked, StoreError> {
        if !self.shared.live()?.is_checked() {
            let next = self.order(|reply| Job::AddChecks { after, reply }).await?;
            // When all have theirs there is nothing left to look at: they are trusted as they are.
            return Ok(Checked { records: writer::CHECKED_RECORDS as u64, next });
        }
        self.read(move |snapshot| {
            let (records, next) = snapshot.check(after, CHECKED_RECORDS)?;
            Ok(Checked { records, next })
        })
        .await
    }

    /// Begins to copy all that lives into a new, smaller file, which then takes the place of this one, while
    /// others read and write. False if that is being done already.
    ///
    /// # Errors
    /// There is no room for a second file, or this one cannot be read.
    pub async fn compact(&self) -> Result<bool, StoreError> {
        self.order(|reply| Job::Compact { reply }).await
    }

    /// Copies what is there now into a new store file at `path`, which must not be needed by anybody. `tell` hears how
    /// many records are copied, of how many.
    ///
    /// # Errors
    /// Nothing is left of the copy.
    pub async fn back_up(
        &self,
        path: PathBuf,
        now: Timestamp,
        tell: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.copy(move |live| rewrite::back_up(live, &path, now, tell)).await
    }

    /// The same as a file without a name, whose disk space is free when it is closed.
    ///
    /// # Errors
    /// As [`EmbeddedStore::back_up`].
    pub async fn backup_file(&self, now: Timestamp) -> Result<File, StoreError> {
        let number = self.backups.fetch_add(1, Ordering::Relaxed);
        let path = file::beside(&self.shared.path, &format!(".backup-{number}"));
        self.copy(move |live| {
            rewrite::back_up(live, &path, now, |_, _| {})?;
            let file = File::open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        })
        .await
    }

    /// What there is to know about the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn state(&self) -> Result<FileState, StoreError> {
        let (records, records_aside) =
            self.read(|snapshot| Ok((snapshot.count()?, snapshot.aside()?))).await?;
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(FileState {
            path: self.shared.path.to_path_buf(),
            bytes: self.shared.path.metadata().map_or(0, |metadata| metadata.len()),
            records,
            is_checked: self.shared.live()?.is_checked(),
            records_aside,
            records_damaged: counted(&self.shared.damaged),
            files_aside: counted(&self.shared.set_aside),
            reopened: counted(&self.shared.reopened),
            compaction: self.shared.compaction().clone(),
        })
    }

    /// Hands a job to the writer and waits for its answer.
    async fn order<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let path = || self.shared.path.to_path_buf();
        let stopped = || StoreError::Unavailable(Box::new(WriterStopped(path())));
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Reads a snapshot on a blocking thread. The writer hears of what is damaged.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Snapshot) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let jobs = self.jobs.clone();
        self.with_live(move |live| {
            let mut snapshot = Snapshot::of(live)?;
            let value = work(&mut snapshot);
            let keys: Vec<Key> = snapshot.damaged.iter().map(|(key, _)| *key).collect();
            if !keys.is_empty() {
                // If the queue is full, the next reader of the record finds it.
                let _ = jobs.try_send(Job::Examine { keys });
            }
            value
        })
        .await
    }

    /// Does something with the open file on a blocking thread. The writer hears of what has failed.
    async fn with_live<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Live) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let live = self.shared.live()?;
        let open = Arc::downgrade(&live);
        blocking(move || work(&live)).await?.map_err(|fault| {
            let heal = Job::Heal { live: open, remedy: fault.remedy() };
            // If the queue is full, the next reader finds it.
            let _ = self.jobs.try_send(heal);
            fault.at(&self.shared.path)
        })
    }

    /// Copies the open file. What fails may be the copy, so nothing comes of it for the file.
    async fn copy<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Live) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let live = self.shared.live()?;
        let copied = blocking(move || work(&live)).await?;
        copied.map_err(|fault| StoreError::Unavailable(Box::new(fault)))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<Result<T, Fault>, StoreError> {
    let done = tokio::task::spawn_blocking(move || caught(work)).await;
    done.map_err(|error| StoreError::Unavailable(Box::new(error)))
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic there was printed by its hook, and its callers were answered `Unavailable`.
            let _ = thread.join();
        }
    }
}

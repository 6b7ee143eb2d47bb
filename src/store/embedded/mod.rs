//! The store in one redb file: what was answered survives `kill -9` and a power cut.
//!
//! Must not know: what a record means, which clock `now` comes from. One thread writes and groups
//! commits (`writer`); readers use snapshots on tokio's blocking threads and never wait for it.
//! A damaged file or value is an error, never an empty answer.

mod file;
mod layout;
mod writer;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use redb::{Database, ReadableDatabase, ReadableTableMetadata};
use tokio::sync::{mpsc, oneshot};

use crate::domain::time::Timestamp;
use crate::store::embedded::layout::Header;
use crate::store::embedded::writer::{Job, SWEEP_RECORDS, start};
use crate::store::{
    Applied, Cursor, Entry, Index, Key, Page, Record, StoreError, Write, refuse_oversized,
};

/// A store in one file, opened once per process.
///
/// Dropping it waits until everything that was handed over is written and the file is closed.
#[derive(Debug)]
pub struct EmbeddedStore {
    path: Arc<Path>,
    database: Arc<Database>,
    newest: Timestamp,
    // Fields are dropped in this order: closing the queue is what lets the writer end.
    jobs: mpsc::Sender<Job>,
    _writer: Writer,
}

/// The writer's thread; dropping this waits for its end.
#[derive(Debug)]
struct Writer(Option<JoinHandle<()>>);

/// The writer is gone: it failed in a way that it could not answer.
#[derive(Debug, thiserror::Error)]
#[error("the writer of '{}' has stopped; restart the daemon", .0.display())]
struct WriterStopped(PathBuf);

/// A reader found something unreadable.
#[derive(Debug, thiserror::Error)]
#[error("'{}' is damaged; stop the daemon and move the file aside", path.display())]
struct DamagedFile {
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("a stored record is damaged")]
    Record(#[from] layout::Damaged),
    #[error("the file cannot be read or written")]
    File(#[source] redb::Error),
}

impl EmbeddedStore {
    /// Opens the store at `path`, or creates it readable by its owner only. Blocks, as it reads the
    /// whole file to verify its checksums.
    ///
    /// # Errors
    /// `Corrupt`: the file is not a store of this version or is damaged; the source names it and
    /// the remedy. `Unavailable`: another process has it open, or it cannot be read or created.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file::Opened { database, newest } = file::open(path)?;
        let (database, path) = (Arc::new(database), Arc::from(path));
        let (jobs, thread) = start(Arc::clone(&database), Arc::clone(&path), newest)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self { path, database, newest, jobs, _writer: Writer(Some(thread)) })
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
    /// The file cannot be read (`Unavailable`) or is damaged (`Corrupt`).
    pub async fn get(&self, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let record = self.read(move |database| read_record(database, &key)).await?;
        Ok(record.filter(|record| record.expires > now))
    }

    /// The keys of the live records of this index, in no order.
    ///
    /// # Errors
    /// The file cannot be read (`Unavailable`), or it or a record of this index is damaged
    /// (`Corrupt`).
    pub async fn members(&self, index: Index, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        self.read(move |database| read_members(database, index, now)).await
    }

    /// The live records after `cursor`, in the order of their keys.
    ///
    /// # Errors
    /// The file cannot be read (`Unavailable`), or it or one of the records is damaged (`Corrupt`).
    pub async fn scan(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let after = cursor.map(Cursor::key).transpose()?;
        self.read(move |database| read_page(database, after, limit, now)).await
    }

    /// Applies all writes or none, and answers after they are on disk.
    ///
    /// # Errors
    /// `Unavailable`: nobody can say whether the batch was written; treat its records as unknown.
    /// `Corrupt`: a record that the batch depends on is damaged, and nothing was written.
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
        self.read(count_records).await
    }

    /// Hands a job to the writer and waits for its answer.
    async fn order<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Unavailable(Box::new(WriterStopped(self.path.to_path_buf())));
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Reads on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        match tokio::task::spawn_blocking(move || work(&database)).await {
            Ok(result) => result.map_err(|fault| fault.at(&self.path)),
            // redb panics on pages that make no sense.
            Err(error) if error.is_panic() => Err(damaged(&self.path, Box::new(error))),
            Err(error) => Err(StoreError::Unavailable(Box::new(error))),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic there was printed by its hook, and its callers were answered `Unavailable`.
            let _ = thread.join();
        }
    }
}

// === impl Fault ===

macro_rules! faults_of_the_file {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::File(error.into())
            }
        })*
    };
}

faults_of_the_file!(StorageError, TableError, TransactionError, SetDurabilityError, CommitError);

impl Fault {
    /// What a caller has to do about a fault in the file at `path`.
    fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Record(_) | Self::File(redb::Error::Corrupted(_)) => {
                damaged(path, Box::new(self))
            }
            Self::File(error) => StoreError::Unavailable(Box::new(error)),
        }
    }
}

fn damaged(path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Corrupt(Box::new(DamagedFile { path: path.to_path_buf(), source }))
}

fn read_record(database: &Database, key: &Key) -> Result<Option<Record>, Fault> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(layout::RECORDS)?;
    let value = records.get_owned(key)?;
    Ok(value.map(|value| layout::record(value.value())).transpose()?)
}

fn read_members(database: &Database, index: Index, now: Timestamp) -> Result<Vec<Key>, Fault> {
    let transaction = database.begin_read()?;
    let members = transaction.open_table(layout::MEMBERS)?;
    let records = transaction.open_table(layout::RECORDS)?;
    let mut keys = Vec::new();
    for row in members.range(layout::group(index))? {
        let (row, _) = row?;
        let (_, key) = row.value();
        let Some(value) = records.get_owned(key)? else { continue };
        let (header, _) = Header::decode(value.value())?;
        if header.index == Some(index) && header.live(now).is_some() {
            keys.push(*key);
        }
    }
    Ok(keys)
}

/// Rows that are read for a page, at most: those that have expired are passed over.
const SCAN_ROWS: usize = 20_000;

fn read_page(
    database: &Database,
    after: Option<Key>,
    limit: usize,
    now: Timestamp,
) -> Result<Page, Fault> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(layout::RECORDS)?;
    let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut entries = Vec::with_capacity(limit.min(SCAN_ROWS));
    let mut last = None;
    for (read, row) in records.range::<&Key>((from, Bound::Unbounded))?.enumerate() {
        if entries.len() == limit || read == SCAN_ROWS {
            return Ok(Page { entries, next: last.as_ref().map(Cursor::after) });
        }
        let (key, value) = row?;
        let key = *key.value();
        let (header, _) = Header::decode(value.value())?;
        if header.live(now).is_some() {
            let record = layout::record(value.value())?;
            entries.push(Entry { key, index: header.index, record });
        }
        last = Some(key);
    }
    Ok(Page { entries, next: None })
}

fn count_records(database: &Database) -> Result<u64, Fault> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(layout::RECORDS)?;
    Ok(records.len()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Expect;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    /// A store whose record under `key` is these very bytes, due at 2000, member of 7.
    fn holding(value: &[u8], key: Key) -> (tempfile::TempDir, EmbeddedStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&folder.path().join("store.redb")).unwrap();
        let transaction = store.database.begin_write().unwrap();
        transaction.open_table(layout::RECORDS).unwrap().insert(&key, value).unwrap();
        transaction.open_table(layout::EXPIRIES).unwrap().insert((2000, &key), ()).unwrap();
        transaction.open_table(layout::MEMBERS).unwrap().insert((7, &key), ()).unwrap();
        transaction.commit().unwrap();
        (folder, store)
    }

    fn put(key: Key) -> Write {
        let value = Some([1, 2, 3].into());
        let expires = Timestamp::from_millis(5000);
        Write { key, expect: Expect::Any, value, expires, index: Some(7) }
    }

    /// How many rows the table of members has.
    fn rows(store: &EmbeddedStore) -> u64 {
        let transaction = store.database.begin_read().unwrap();
        transaction.open_table(layout::MEMBERS).unwrap().len().unwrap()
    }

    #[tokio::test]
    async fn a_damaged_value_is_an_error_that_names_the_file_and_goes_when_it_is_due() {
        for value in [&b""[..], b"\x02short", &[3; 40]] {
            let (folder, store) = holding(value, [1; 32]);
            let Err(StoreError::Corrupt(cause)) = store.get([1; 32], NOW).await else {
                panic!("{value:?} was read");
            };
            assert!(cause.to_string().contains(folder.path().to_str().unwrap()), "{cause}");
            assert!(matches!(store.members(7, NOW).await, Err(StoreError::Corrupt(_))));
            assert_eq!(store.members(8, NOW).await.unwrap(), [[0; 32]; 0]);
            let batch = vec![put([2; 32]), put([1; 32])];
            assert!(matches!(store.apply(batch, NOW).await, Err(StoreError::Corrupt(_))));
            assert_eq!(store.get([2; 32], NOW).await.unwrap(), None);
            let applied = store.apply(vec![put([3; 32])], NOW).await.unwrap();
            assert_eq!(applied, Applied::Done(vec![1]));
            assert_eq!(store.sweep(Timestamp::from_millis(2000)).await.unwrap(), 1);
            assert_eq!(store.get([1; 32], NOW).await.unwrap(), None);
            assert_eq!(store.members(7, NOW).await.unwrap(), [[3; 32]]);
            assert_eq!(rows(&store), 1);
        }
    }

    #[tokio::test]
    async fn a_row_of_the_expiries_that_is_out_of_date_takes_no_live_record_along() {
        let expires = Timestamp::from_millis(9000);
        let value = Header { expires, revision: 1, index: Some(7) }.encode(b"live");
        let (_folder, store) = holding(&value, [1; 32]);
        assert_eq!(store.sweep(Timestamp::from_millis(2000)).await.unwrap(), 0);
        assert!(store.get([1; 32], Timestamp::from_millis(2000)).await.unwrap().is_some());
        assert_eq!(store.members(7, Timestamp::from_millis(2000)).await.unwrap(), [[1; 32]]);
    }

    #[tokio::test]
    async fn a_row_of_the_members_that_no_record_confirms_names_nobody() {
        let expires = Timestamp::from_millis(9000);
        let value = Header { expires, revision: 1, index: Some(8) }.encode(b"elsewhere");
        let (_folder, store) = holding(&value, [1; 32]);
        assert_eq!(store.members(7, NOW).await.unwrap(), [[0; 32]; 0]);
    }

    #[tokio::test]
    async fn every_row_of_the_members_goes_with_its_record() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&folder.path().join("store.redb")).unwrap();
        store.apply((0..4).map(|byte| put([byte; 32])).collect(), NOW).await.unwrap();
        let moved = Write { index: Some(8), ..put([0; 32]) };
        let left = Write { index: None, ..put([1; 32]) };
        let deleted = Write { value: None, ..put([2; 32]) };
        store.apply(vec![moved, left, deleted, put([3; 32])], NOW).await.unwrap();
        assert_eq!(rows(&store), 2);
        assert_eq!(store.sweep(Timestamp::from_millis(5000)).await.unwrap(), 3);
        assert_eq!(rows(&store), 0);
    }
}

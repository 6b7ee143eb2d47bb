//! The one thread that writes: it groups batches into transactions, and answers after the commit.
//!
//! Must not know: who asks. A disk takes milliseconds to sync whether one record is new or
//! hundreds, so batches that come together share one sync.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::{Database, Durability, ReadableTable, Table, WriteTransaction};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use crate::domain::time::Timestamp;
use crate::store::embedded::layout::{self, Damaged, Header};
use crate::store::embedded::{Fault, damaged};
use crate::store::{Applied, Index, Key, Record, StoreError, Write};

/// Jobs that wait for the writer; more wait in their callers.
const QUEUE_JOBS: usize = 1024;

/// The most jobs in one transaction.
const GROUP_JOBS: usize = 512;

/// The longest wait for company.
const GROUP_WINDOW: Duration = Duration::from_millis(2);

/// How often the queue is looked at while waiting for company.
const GROUP_STEP: Duration = Duration::from_micros(100);

/// The most records that one sweep job deletes, so that nobody waits long behind it.
pub(super) const SWEEP_RECORDS: usize = 1000;

/// An order to the writer.
#[derive(Debug)]
pub(super) enum Job {
    Apply { batch: Vec<Write>, now: Timestamp, reply: Reply<Applied> },
    Sweep { now: Timestamp, reply: Reply<Swept> },
}

/// Where an answer goes; nobody may be waiting any more, and the work is done all the same.
type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What one sweep job did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swept {
    /// Rows of the expiries that were due; fewer than [`SWEEP_RECORDS`] means that no more are.
    pub(super) rows: usize,
    /// Records that went.
    pub(super) records: u64,
}

/// What will be answered once the commit succeeds.
enum Outcome {
    Applied(Result<Applied, Damaged>),
    Swept(Swept),
}

struct Writer {
    database: Arc<Database>,
    path: Arc<Path>,
    newest: Timestamp,
}

/// Starts the thread. It ends when the last sender is gone and the queue is empty.
pub(super) fn start(
    database: Arc<Database>,
    path: Arc<Path>,
    newest: Timestamp,
) -> io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel(QUEUE_JOBS);
    let writer = Writer { database, path, newest };
    let thread = std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run(jobs))?;
    Ok((sender, thread))
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut company = 1;
        while let Some(first) = jobs.blocking_recv() {
            let group = collect(first, &mut jobs, company);
            company = group.len();
            self.write(group);
        }
    }

    /// Writes a group in one transaction, then answers each job.
    fn write(&mut self, group: Vec<Job>) {
        match self.transact(&group) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    self.answer(job, outcome);
                }
            }
            Err(error) => {
                let cause = Arc::new(error);
                for job in group {
                    refuse(job, &cause);
                }
            }
        }
    }

    /// Does a group's work and commits it; nothing of it is left if this fails before the commit.
    fn transact(&mut self, group: &[Job]) -> Result<Vec<Outcome>, Fault> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut newest = self.newest;
        let mut dirty = false;
        let mut tables = Tables::open(&transaction)?;
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            let (outcome, now, changes) = match job {
                Job::Apply { batch, now, .. } => {
                    let applied = tables.apply(batch, *now)?;
                    let changes = matches!(applied, Ok(Applied::Done(_)));
                    (Outcome::Applied(applied), *now, changes)
                }
                Job::Sweep { now, .. } => {
                    let swept = tables.sweep(*now)?;
                    (Outcome::Swept(swept), *now, swept.rows > 0)
                }
            };
            outcomes.push(outcome);
            dirty |= changes;
            newest = if changes { newest.max(now) } else { newest };
        }
        drop(tables);
        if !dirty {
            // All that was seen is committed already: no sync needed before answering.
            transaction.abort()?;
            return Ok(outcomes);
        }
        if newest > self.newest {
            let mut meta = transaction.open_table(layout::META)?;
            meta.insert(layout::META_NEWEST, newest.as_millis())?;
        }
        transaction.commit()?;
        self.newest = newest;
        Ok(outcomes)
    }

    fn answer(&self, job: Job, outcome: Outcome) {
        match (job, outcome) {
            (Job::Apply { reply, .. }, Outcome::Applied(result)) => {
                let result = result.map_err(|cause| damaged(&self.path, Box::new(cause)));
                let _ = reply.send(result);
            }
            (Job::Sweep { reply, .. }, Outcome::Swept(swept)) => {
                let _ = reply.send(Ok(swept));
            }
            // Outcomes are made job by job, so this is not reached; the caller would be told that
            // the writer has stopped.
            (Job::Apply { .. }, Outcome::Swept(_)) | (Job::Sweep { .. }, Outcome::Applied(_)) => {}
        }
    }
}

/// The job and those that follow it closely.
///
/// It waits only if the last group had `company`, and until there are as many again: somebody who
/// writes alone is not kept waiting, and many who write in turn find one another.
#[expect(
    clippy::disallowed_methods,
    reason = "this thread has nothing else to do, and the span decides nothing but a group's size"
)]
fn collect(first: Job, jobs: &mut mpsc::Receiver<Job>, company: usize) -> Vec<Job> {
    let mut group = vec![first];
    let deadline = Instant::now() + GROUP_WINDOW;
    while group.len() < GROUP_JOBS {
        match jobs.try_recv() {
            Ok(job) => group.push(job),
            Err(TryRecvError::Empty) if group.len() < company && Instant::now() < deadline => {
                std::thread::sleep(GROUP_STEP);
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    group
}

fn refuse(job: Job, cause: &Arc<Fault>) {
    let error = StoreError::Unavailable(Box::new(Arc::clone(cause)));
    match job {
        Job::Apply { reply, .. } => drop(reply.send(Err(error))),
        Job::Sweep { reply, .. } => drop(reply.send(Err(error))),
    }
}

/// The tables of one transaction, changed together only.
struct Tables<'a> {
    records: Table<'a, &'static Key, &'static [u8]>,
    expiries: Table<'a, (u64, &'static Key), ()>,
    members: Table<'a, (Index, &'static Key), ()>,
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a WriteTransaction) -> Result<Self, Fault> {
        let records = transaction.open_table(layout::RECORDS)?;
        let expiries = transaction.open_table(layout::EXPIRIES)?;
        let members = transaction.open_table(layout::MEMBERS)?;
        Ok(Self { records, expiries, members })
    }

    /// Applies a batch if all its conditions hold. The inner error is the batch's own and leaves no
    /// trace; the outer one is the whole group's.
    fn apply(
        &mut self,
        batch: &[Write],
        now: Timestamp,
    ) -> Result<Result<Applied, Damaged>, Fault> {
        for (index, write) in batch.iter().enumerate() {
            let current = match self.record(&write.key) {
                Ok(record) => record.filter(|record| record.expires > now),
                Err(Fault::Record(damaged)) => return Ok(Err(damaged)),
                Err(fault @ Fault::File(_)) => return Err(fault),
            };
            if !write.expect.holds(current.as_ref().map(|record| record.revision)) {
                return Ok(Ok(Applied::Conflict { index, current }));
            }
        }
        let revisions =
            batch.iter().map(|write| self.write(write, now)).collect::<Result<_, _>>()?;
        Ok(Ok(Applied::Done(revisions)))
    }

    /// One write of a batch whose conditions hold; returns the new revision.
    fn write(&mut self, write: &Write, now: Timestamp) -> Result<u64, Fault> {
        let key = &write.key;
        let old = self.header(key)?;
        if let Some(old) = old {
            let row = (old.expires.as_millis(), key);
            self.expiries.remove(row)?;
        }
        let index = write.value.as_ref().and(write.index);
        self.regroup(key, old.and_then(|old| old.index), index)?;
        let Some(bytes) = &write.value else {
            if old.is_some() {
                self.records.remove(key)?;
            }
            return Ok(0);
        };
        let before = old.and_then(|old| old.live(now)).unwrap_or(0);
        let revision = before.saturating_add(1);
        let header = Header { expires: write.expires, revision, index };
        let value = header.encode(bytes);
        self.records.insert(key, value.as_slice())?;
        let row = (header.expires.as_millis(), key);
        self.expiries.insert(row, ())?;
        Ok(header.revision)
    }

    /// Moves the row of a record from one index to another.
    fn regroup(&mut self, key: &Key, from: Option<Index>, to: Option<Index>) -> Result<(), Fault> {
        // Most writes stay in their group, and then its pages need not be written.
        if from != to {
            if let Some(index) = from {
                self.members.remove((index, key))?;
            }
            if let Some(index) = to {
                self.members.insert((index, key), ())?;
            }
        }
        Ok(())
    }

    /// Deletes up to [`SWEEP_RECORDS`] records that have expired at `now`, the oldest first.
    fn sweep(&mut self, now: Timestamp) -> Result<Swept, Fault> {
        let mut due = Vec::new();
        let last = (now.as_millis(), &[u8::MAX; 32]);
        for row in self.expiries.range(..=last)?.take(SWEEP_RECORDS) {
            let (row, ()) = row.map(|(row, value)| (row, value.value()))?;
            let (expires, key) = row.value();
            due.push((expires, *key));
        }
        let mut records = 0;
        let mut unreadable = BTreeSet::new();
        for (expires, key) in &due {
            self.expiries.remove((*expires, key))?;
            match self.header(key) {
                Ok(Some(header)) if header.expires <= now => {
                    self.regroup(key, header.index, None)?;
                }
                Ok(_) => continue,
                // Nobody can read it, and its time is over.
                Err(Fault::Record(_)) => {
                    unreadable.insert(*key);
                }
                Err(fault @ Fault::File(_)) => return Err(fault),
            }
            self.records.remove(key)?;
            records += 1;
        }
        if !unreadable.is_empty() {
            // They do not say what they were members of: the whole table is searched, once for all.
            self.members.retain(|(_, key), ()| !unreadable.contains(key))?;
        }
        Ok(Swept { rows: due.len(), records })
    }

    fn header(&self, key: &Key) -> Result<Option<Header>, Fault> {
        let value = self.records.get(key)?;
        Ok(value
            .map(|value| Header::decode(value.value()).map(|(header, _)| header))
            .transpose()?)
    }

    fn record(&self, key: &Key) -> Result<Option<Record>, Fault> {
        let value = self.records.get(key)?;
        Ok(value.map(|value| layout::record(value.value())).transpose()?)
    }
}

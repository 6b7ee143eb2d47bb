//! The one thread that writes: it groups batches into transactions, and answers after the commit. Between them it
//! compacts the file when asked to, and opens it again when it has failed.
//!
//! Must not know: who asks. A disk takes milliseconds to sync whether one record is new or
//! hundreds, so batches that come together share one sync.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::{Durability, WriteTransaction};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use crate::domain::time::Timestamp;
use crate::store::embedded::fault::{Fault, Remedy, caught};
use crate::store::embedded::file::Place;
use crate::store::embedded::healing::Healing;
use crate::store::embedded::layout;
use crate::store::embedded::live::{Compaction, Live, Shared};
use crate::store::embedded::rewrite::Compacting;
use crate::store::embedded::tables::{Swept, Tables};
use crate::store::{Applied, Key, StoreError, Write, chain};

/// Jobs that wait for the writer; more wait in their callers.
const QUEUE_JOBS: usize = 1024;

/// The most jobs in one transaction.
const GROUP_JOBS: usize = 512;

/// The longest wait for company.
const GROUP_WINDOW: Duration = Duration::from_millis(2);

/// How often the queue is looked at while waiting for company.
const GROUP_STEP: Duration = Duration::from_micros(100);

/// Records that get their checksums in one job.
pub(super) const CHECKED_RECORDS: usize = 500;

/// A file of more bytes is written so that it need not be read after a crash, which costs a second sync each time;
/// a smaller one is read in a few hundredths of a second.
const QUICK_REPAIR_BYTES: u64 = 16 << 20;

/// An order to the writer.
#[derive(Debug)]
pub(super) enum Job {
    Apply {
        batch: Vec<Write>,
        now: Timestamp,
        reply: Reply<Applied>,
    },
    Sweep {
        now: Timestamp,
        reply: Reply<Swept>,
    },
    /// Some more records get their checksums; answers where to go on.
    AddChecks {
        after: Option<Key>,
        reply: Reply<Option<Key>>,
    },
    /// Sets aside what is damaged of these.
    Examine {
        keys: Vec<Key>,
    },
    /// Begins a compaction; answers false if there is one.
    Compact {
        reply: Reply<bool>,
    },
    /// A reader has found that this file has to be healed.
    Heal {
        live: Weak<Live>,
        remedy: Remedy,
    },
}

/// Where an answer goes; nobody may be waiting any more, and the work is done all the same.
type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What will be answered once the commit succeeds.
enum Outcome {
    Applied(Applied),
    Swept(Swept),
    Checked(Option<Key>),
    Examined,
}

struct Writer {
    shared: Arc<Shared>,
    place: Place,
    newest: Timestamp,
    healing: Healing,
    compacting: Option<Compacting>,
}

/// Starts the thread. It ends when the last sender is gone and the queue is empty.
pub(super) fn start(
    shared: Arc<Shared>,
    place: Place,
    newest: Timestamp,
) -> io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel(QUEUE_JOBS);
    let healing = Healing::default();
    let writer = Writer { shared, place, newest, healing, compacting: None };
    let thread = std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run(jobs))?;
    Ok((sender, thread))
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut company = 1;
        loop {
            let first = match &self.compacting {
                None => jobs.blocking_recv().ok_or(TryRecvError::Disconnected),
                Some(_) => jobs.try_recv(),
            };
            match first {
                Ok(first) => {
                    let group = collect(first, &mut jobs, company);
                    company = group.len();
                    self.work(group);
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => break,
            }
            self.compact_further();
        }
    }

    /// Does a group of jobs: those that write in one transaction, then the others.
    fn work(&mut self, group: Vec<Job>) {
        let (writing, others): (Vec<Job>, Vec<Job>) = group.into_iter().partition(Job::writes);
        if !writing.is_empty() {
            self.write(writing);
        }
        for job in others {
            match job {
                Job::Compact { reply } => {
                    let begun = self.begin_compaction();
                    let _ = reply.send(begun.map_err(|fault| fault.at(&self.shared.path)));
                }
                Job::Heal { live, remedy } => {
                    // Several readers may have found it, and the first of them has been heard.
                    let is_open =
                        self.shared.live().is_ok_and(|open| Arc::as_ptr(&open) == live.as_ptr());
                    if is_open {
                        self.heal(remedy);
                    }
                }
                Job::Apply { .. }
                | Job::Sweep { .. }
                | Job::AddChecks { .. }
                | Job::Examine { .. } => {}
            }
        }
    }

    /// Writes a group in one transaction, then answers each job.
    fn write(&mut self, group: Vec<Job>) {
        let live = match self.shared.live() {
            Ok(live) => live,
            Err(error) => {
                // Whoever comes next may find it open again.
                self.heal(Remedy::Reopen);
                return refuse(group, &error);
            }
        };
        match caught(|| self.transact(&live, &group)) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    answer(job, outcome);
                }
            }
            Err(fault) => {
                drop(live);
                let remedy = fault.remedy();
                refuse(group, &fault.at(&self.shared.path));
                self.heal(remedy);
            }
        }
    }

    /// Does a group's work and commits it; nothing of it is left if this fails before the commit.
    fn transact(&mut self, live: &Live, group: &[Job]) -> Result<Vec<Outcome>, Fault> {
        let mut transaction = live.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(self.place.bytes() > QUICK_REPAIR_BYTES);
        let mut newest = self.newest;
        let mut tables = Tables::open(&transaction, live.is_checked())?;
        let mut outcomes = Vec::with_capacity(group.len());
        let mut is_checked = live.is_checked();
        let mut dirty = false;
        for job in group {
            let changes = match job {
                Job::Apply { batch, now, .. } => {
                    let applied = tables.apply(batch, *now)?;
                    let changes = matches!(applied, Applied::Done(_));
                    outcomes.push(Outcome::Applied(applied));
                    changes.then_some(*now)
                }
                Job::Sweep { now, .. } => {
                    let swept = tables.sweep(*now)?;
                    outcomes.push(Outcome::Swept(swept));
                    (swept.rows > 0).then_some(*now)
                }
                Job::AddChecks { after, .. } => {
                    let next = tables.add_checks(after.as_ref(), CHECKED_RECORDS)?;
                    is_checked |= next.is_none();
                    outcomes.push(Outcome::Checked(next));
                    Some(newest)
                }
                Job::Examine { keys } => {
                    keys.iter().try_for_each(|key| tables.examine(key))?;
                    outcomes.push(Outcome::Examined);
                    None
                }
                Job::Compact { .. } | Job::Heal { .. } => None,
            };
            dirty |= changes.is_some();
            newest = changes.map_or(newest, |now| newest.max(now));
        }
        let (changed, damaged) =
            (std::mem::take(&mut tables.changed), std::mem::take(&mut tables.damaged));
        drop(tables);
        if !dirty && damaged.is_empty() {
            // All that was seen is committed already: no sync needed before answering.
            transaction.abort()?;
            return Ok(outcomes);
        }
        self.note(&transaction, newest, is_checked, live)?;
        transaction.commit()?;
        self.newest = newest;
        live.is_checked.store(is_checked, Ordering::Release);
        self.shared.tell_damaged(&damaged);
        if let Some(compacting) = &mut self.compacting {
            compacting.note(changed);
        }
        Ok(outcomes)
    }

    /// Writes the rows about the store itself that have changed.
    fn note(
        &self,
        transaction: &WriteTransaction,
        newest: Timestamp,
        is_checked: bool,
        live: &Live,
    ) -> Result<(), Fault> {
        let is_newer = newest > self.newest;
        if is_newer || is_checked != live.is_checked() {
            let mut meta = transaction.open_table(layout::META)?;
            meta.insert(layout::META_NEWEST, newest.as_millis())?;
            if is_checked {
                meta.insert(layout::META_CHECKED, newest.as_millis())?;
            }
        }
        Ok(())
    }

    /// Opens a file again that has failed, or saves what can be saved of it.
    fn heal(&mut self, remedy: Remedy) {
        // What it has copied may be what has failed.
        if self.compacting.take().is_some() {
            let text = "the file had to be opened again; ask for it once more".to_owned();
            *self.shared.compaction() = Compaction::Failed(text);
        }
        if let Some(newest) = self.healing.heal(&self.shared, &self.place, remedy) {
            self.newest = self.newest.max(newest);
        }
    }

    // === Compaction ===

    fn begin_compaction(&mut self) -> Result<bool, Fault> {
        if self.compacting.is_some() {
            return Ok(false);
        }
        let live = self.shared.live().map_err(|_| Fault::File(redb::Error::DatabaseClosed))?;
        let compacting = caught(|| Compacting::begin(&live, &self.place, self.newest))?;
        *self.shared.compaction() = Compaction::Running { done: 0, total: compacting.total };
        tracing::info!(path = %self.shared.path.display(), records = compacting.total, bytes = compacting.before, "the store is being compacted");
        self.compacting = Some(compacting);
        Ok(true)
    }

    fn compact_further(&mut self) {
        let Some(mut compacting) = self.compacting.take() else { return };
        let Ok(live) = self.shared.live() else { return };
        match caught(|| compacting.step(&live)) {
            Ok(false) => {
                let done = compacting.done.min(compacting.total);
                *self.shared.compaction() = Compaction::Running { done, total: compacting.total };
                self.compacting = Some(compacting);
            }
            Ok(true) => {
                let before = compacting.before;
                let finished = caught(|| compacting.finish(&self.place, self.newest));
                drop(live);
                *self.shared.compaction() = match finished {
                    Ok(database) => {
                        self.shared.replace(Some(Arc::new(Live::new(database, true))));
                        let after = self.place.bytes();
                        tracing::info!(path = %self.shared.path.display(), before, after, "the store is compacted");
                        Compaction::Done { before, after }
                    }
                    Err(fault) => self.failed(&fault),
                };
            }
            Err(fault) => *self.shared.compaction() = self.failed(&fault),
        }
    }

    fn failed(&self, fault: &Fault) -> Compaction {
        let error = chain(fault);
        tracing::warn!(path = %self.shared.path.display(), error, "the store was not compacted, and is as it was");
        Compaction::Failed(error)
    }
}

impl Job {
    const fn writes(&self) -> bool {
        match self {
            Self::Apply { .. }
            | Self::Sweep { .. }
            | Self::AddChecks { .. }
            | Self::Examine { .. } => true,
            Self::Compact { .. } | Self::Heal { .. } => false,
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

fn answer(job: Job, outcome: Outcome) {
    match (job, outcome) {
        (Job::Apply { reply, .. }, Outcome::Applied(applied)) => drop(reply.send(Ok(applied))),
        (Job::Sweep { reply, .. }, Outcome::Swept(swept)) => drop(reply.send(Ok(swept))),
        (Job::AddChecks { reply, .. }, Outcome::Checked(next)) => drop(reply.send(Ok(next))),
        // Outcomes are made job by job, so no other pair is reached; a caller would be told that the writer has
        // stopped.
        (
            Job::Apply { .. }
            | Job::Sweep { .. }
            | Job::AddChecks { .. }
            | Job::Examine { .. }
            | Job::Compact { .. }
            | Job::Heal { .. },
            Outcome::Applied(_) | Outcome::Swept(_) | Outcome::Checked(_) | Outcome::Examined,
        ) => {}
    }
}

/// What is said to each caller of a group that failed: the same to all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

fn refuse(group: Vec<Job>, error: &StoreError) {
    let text = std::error::Error::source(error).map(chain).unwrap_or_default();
    let told = || {
        let told = Box::new(Told(text.clone()));
        match error {
            StoreError::Corrupt(_) => StoreError::Corrupt(told),
            StoreError::Unavailable(_) | StoreError::Unconfirmed | StoreError::Full => {
                StoreError::Unavailable(told)
            }
        }
    };
    for job in group {
        match job {
            Job::Apply { reply, .. } => drop(reply.send(Err(told()))),
            Job::Sweep { reply, .. } => drop(reply.send(Err(told()))),
            Job::AddChecks { reply, .. } => drop(reply.send(Err(told()))),
            Job::Compact { reply } => drop(reply.send(Err(told()))),
            Job::Examine { .. } | Job::Heal { .. } => {}
        }
    }
}

//! The file that is open now, and what is known of it. It changes when it is opened again, compacted or salvaged.
//!
//! Must not know: who reads and writes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::Database;

use crate::store::embedded::layout::Damaged;
use crate::store::{Key, StoreError};

/// Damaged records that are told of one by one in the log; a whole file of them must not fill the disk.
const LOGGED: u64 = 100;

/// An open file.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) database: Database,
    /// Whether every record has its checksum. It is looked at before a snapshot is taken, so it is never true
    /// for a snapshot in which some are missing; it never becomes false again.
    pub(super) is_checked: AtomicBool,
}

/// The file is not open just now.
#[derive(Debug, thiserror::Error)]
#[error("'{}' is being opened again after a failure", .0.display())]
struct NotOpen(PathBuf);

/// A compaction, as far as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compaction {
    /// None was asked for since the start.
    Never,
    /// Records copied so far, and about how many there are.
    Running {
        /// Copied.
        done: u64,
        /// In all.
        total: u64,
    },
    /// The last one has ended; bytes of the file before and after.
    Done {
        /// Before.
        before: u64,
        /// After.
        after: u64,
    },
    /// The last one has failed and changed nothing.
    Failed(String),
}

/// What the store's callers and its writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: Box<Path>,
    live: RwLock<Option<Arc<Live>>>,
    /// Records that were not what had been written, since the start.
    pub(super) damaged: AtomicU64,
    /// Files that were set aside, since the start.
    pub(super) set_aside: AtomicU64,
    /// How often the file was opened again after a failure, since the start.
    pub(super) reopened: AtomicU64,
    pub(super) compaction: Mutex<Compaction>,
}

impl Shared {
    pub(super) fn new(path: &Path, database: Database, is_checked: bool) -> Self {
        Self {
            path: path.into(),
            live: RwLock::new(Some(Arc::new(Live::new(database, is_checked)))),
            damaged: AtomicU64::new(0),
            set_aside: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            compaction: Mutex::new(Compaction::Never),
        }
    }

    /// The open file.
    pub(super) fn live(&self) -> Result<Arc<Live>, StoreError> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        live.ok_or_else(|| StoreError::Unavailable(Box::new(NotOpen(self.path.to_path_buf()))))
    }

    /// Puts another file, or none, in the place of the open one, which stays open for those who read it.
    pub(super) fn replace(&self, live: Option<Arc<Live>>) -> Option<Arc<Live>> {
        let mut current = self.live.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, live)
    }

    pub(super) fn compaction(&self) -> MutexGuard<'_, Compaction> {
        self.compaction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts damaged records, and tells of them.
    pub(super) fn tell_damaged(&self, found: &[(Key, Damaged)]) {
        for (key, damage) in found {
            let before = self.damaged.fetch_add(1, Ordering::Relaxed);
            let [first, second, third, fourth, ..] = *key;
            let shown = format!("{first:02x}{second:02x}{third:02x}{fourth:02x}");
            let path = self.path.display();
            if before < LOGGED {
                tracing::error!(
                    %path, key = shown, %damage,
                    "a record of '{path}' is damaged, was set aside, and counts as unknown: check the disk and the memory of this machine"
                );
            } else if before == LOGGED {
                tracing::error!(%path, "more than {LOGGED} records of '{path}' are damaged; further ones are counted only");
            }
        }
    }
}

impl Live {
    pub(super) fn new(database: Database, is_checked: bool) -> Self {
        Self { database, is_checked: AtomicBool::new(is_checked) }
    }

    pub(super) fn is_checked(&self) -> bool {
        self.is_checked.load(Ordering::Acquire)
    }
}

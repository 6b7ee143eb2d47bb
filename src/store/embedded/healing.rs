//! What is done about a file that has failed: it is opened again, or what can be read of it is saved.
//!
//! Must not know: jobs, who asks. Everybody else waits for it or is told that the store is unavailable.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::domain::time::Timestamp;
use crate::store::embedded::fault::{Fault, Remedy, caught};
use crate::store::embedded::file::{self, Opened, Place};
use crate::store::embedded::live::{Live, Shared};
use crate::store::embedded::rewrite::{Salvaged, salvage};
use crate::store::{StoreError, chain};

/// The least time between two attempts to open a file: a full disk is full a moment later, too.
const PAUSE: Duration = Duration::from_millis(500);

/// The least time between two salvages: a machine that damages what it has just saved needs a person.
const SALVAGE_PAUSE: Duration = Duration::from_secs(600);

/// How long whoever still reads is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// When what was tried.
#[derive(Debug, Default)]
pub(super) struct Healing {
    opened: Option<Instant>,
    salvaged: Option<Instant>,
    /// A file that somebody still reads; its lock goes with it.
    leaving: Option<Arc<Live>>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the machine's own pace: it decides nothing but how soon a file is opened again"
)]
impl Healing {
    /// Opens the file again, or salvages it; returns the newest time that it has seen, or `None` if it is not open.
    pub(super) fn heal(
        &mut self,
        shared: &Shared,
        place: &Place,
        remedy: Remedy,
    ) -> Option<Timestamp> {
        let now = Instant::now();
        let was = |at: Option<Instant>, pause| at.is_some_and(|at| now.duration_since(at) < pause);
        if was(self.opened, PAUSE) {
            return None;
        }
        self.opened = Some(now);
        if !self.close(shared) {
            tracing::warn!(path = %shared.path.display(), "the store has failed, and is still being read; it is opened again later");
            return None;
        }
        let salvaging = remedy == Remedy::Salvage && !was(self.salvaged, SALVAGE_PAUSE);
        let healed = if salvaging {
            self.salvaged = Some(now);
            salvaged(shared, place).or_else(|_| reopened(shared, place))
        } else {
            reopened(shared, place)
        };
        match healed {
            Ok((live, newest)) => {
                shared.replace(Some(Arc::new(live)));
                shared.reopened.fetch_add(1, Ordering::Relaxed);
                tracing::info!(path = %shared.path.display(), "the store is open again");
                Some(newest)
            }
            Err(error) => {
                tracing::error!(path = %shared.path.display(), error = chain(&error), "the store cannot be opened again; trying further");
                None
            }
        }
    }

    /// Closes the file; false if somebody still reads it.
    fn close(&mut self, shared: &Shared) -> bool {
        let Some(mut live) = self.leaving.take().or_else(|| shared.replace(None)) else {
            return true;
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Arc::try_unwrap(live) {
                Ok(live) => {
                    // redb may panic once more; the file is given up in any case.
                    let _ = caught(|| {
                        drop(live);
                        Ok(())
                    });
                    return true;
                }
                Err(shared) if Instant::now() < deadline => {
                    live = shared;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(shared) => {
                    self.leaving = Some(shared);
                    return false;
                }
            }
        }
    }
}

fn reopened(shared: &Shared, place: &Place) -> Result<(Live, Timestamp), StoreError> {
    let Opened { database, newest, is_checked, aside } = file::open(place)?;
    shared.set_aside.fetch_add(u64::from(aside.is_some()), Ordering::Relaxed);
    Ok((Live::new(database, is_checked), newest))
}

fn salvaged(shared: &Shared, place: &Place) -> Result<(Live, Timestamp), Fault> {
    let path = shared.path.display();
    match caught(|| salvage(place)) {
        Ok(Salvaged { database, newest, aside, saved, lost }) => {
            shared.set_aside.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                %path, aside = %aside.display(), saved, lost,
                "the store '{path}' is damaged: {saved} records were copied into a new file, {lost} could not be read, and the damaged file was moved to '{}': check the disk, and remove it when nobody wants to look at it",
                aside.display()
            );
            Ok((Live::new(database, true), newest))
        }
        Err(fault) => {
            tracing::error!(%path, error = chain(&fault), "the store '{path}' is damaged, and nothing could be copied out of it");
            Err(fault)
        }
    }
}

//! Copies of the file: a new one that is to take its place, or a backup.
//!
//! What is copied is what was written: values with their revisions, and rows and checksums that are made anew.
//! Must not know: who asks, when.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use redb::{Database, Durability};

use crate::domain::time::Timestamp;
use crate::store::Key;
use crate::store::embedded::fault::{Fault, caught};
use crate::store::embedded::file::{self, Opened, Place};
use crate::store::embedded::layout;
use crate::store::embedded::live::Live;
use crate::store::embedded::read::Snapshot;
use crate::store::embedded::tables::Tables;

/// Records that are copied at a time: a few milliseconds of work.
pub(super) const SLICE: u64 = 250;

/// Changed keys that are copied in one go at the end of a compaction.
const LAST_SLICE: usize = 1000;

/// How often a damaged file is opened again while it is salvaged.
const ATTEMPTS: u32 = 100;

/// A new store file that is being filled; it goes if it is not finished.
pub(super) struct Target {
    place: Place,
    database: Option<Database>,
}

/// A compaction that goes on between other jobs.
pub(super) struct Compacting {
    target: Target,
    /// What was there at the beginning, and up to where it is copied; `None` after all of it.
    snapshot: Option<(Snapshot, Option<Key>)>,
    /// What was changed since, and is not copied yet.
    changed: BTreeSet<Key>,
    now: Timestamp,
    /// Bytes of the file at the beginning.
    pub(super) before: u64,
    /// Records copied.
    pub(super) done: u64,
    /// Records at the beginning.
    pub(super) total: u64,
}

/// What was saved of a damaged file.
pub(super) struct Salvaged {
    pub(super) database: Database,
    pub(super) newest: Timestamp,
    pub(super) aside: PathBuf,
    pub(super) saved: u64,
    pub(super) lost: u64,
}

// === impl Target ===

impl Target {
    /// Begins a file at `place`, where nothing is that anybody needs.
    pub(super) fn create(place: Place) -> Result<Self, Fault> {
        match std::fs::remove_file(&place.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let file = file::open_file(&place.path)?;
        let mut target = Self { place, database: None };
        let database = file::open_database(&target.place, file)?;
        file::create_tables(&database).map_err(Fault::File)?;
        target.database = Some(database);
        Ok(target)
    }

    pub(super) fn path(&self) -> &Path {
        &self.place.path
    }

    /// Puts values in, and takes keys out.
    pub(super) fn put(&self, values: &[(Key, Vec<u8>)], gone: &[Key]) -> Result<(), Fault> {
        let Some(database) = &self.database else { return Ok(()) };
        let mut transaction = database.begin_write()?;
        // Nothing of it counts before the last commit.
        transaction.set_durability(Durability::None)?;
        let mut tables = Tables::open(&transaction, true)?;
        for (key, value) in values {
            tables.restore(key, value)?;
        }
        for key in gone {
            tables.delete(key)?;
        }
        drop(tables);
        Ok(transaction.commit()?)
    }

    /// Makes all of it durable.
    pub(super) fn finish(mut self, newest: Timestamp) -> Result<Database, Fault> {
        let Some(database) = self.database.take() else {
            return Err(Fault::File(redb::Error::DatabaseClosed));
        };
        let finished = finish(&database, newest);
        if finished.is_err() {
            self.database = Some(database);
            return Err(finished.err().unwrap_or(Fault::File(redb::Error::DatabaseClosed)));
        }
        Ok(database)
    }
}

fn finish(database: &Database, newest: Timestamp) -> Result<(), Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    let mut meta = transaction.open_table(layout::META)?;
    meta.insert(layout::META_NEWEST, newest.as_millis())?;
    meta.insert(layout::META_CHECKED, newest.as_millis())?;
    drop(meta);
    Ok(transaction.commit()?)
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.database.take().is_some() {
            let _ = std::fs::remove_file(&self.place.path);
        }
    }
}

// === impl Compacting ===

impl Compacting {
    /// Begins to copy what `live` holds, as of now; `newest` is the newest time that it has seen.
    pub(super) fn begin(live: &Live, place: &Place, newest: Timestamp) -> Result<Self, Fault> {
        let target = Target::create(beside(place, ".compacting"))?;
        let snapshot = Snapshot::of(live)?;
        let total = snapshot.count()?;
        let before = std::fs::metadata(&place.path)?.len();
        let (snapshot, changed) = (Some((snapshot, None)), BTreeSet::new());
        Ok(Self { target, snapshot, changed, now: newest, before, done: 0, total })
    }

    /// Notes that these keys have changed since.
    pub(super) fn note(&mut self, keys: Vec<Key>) {
        self.changed.extend(keys);
    }

    /// Copies the next part; true when all is copied that `live` holds now.
    pub(super) fn step(&mut self, live: &Live) -> Result<bool, Fault> {
        let Some((snapshot, after)) = &mut self.snapshot else { return self.catch_up(live) };
        let slice = snapshot.slice(*after, SLICE, self.now)?;
        self.target.put(&slice.values, &[])?;
        self.done += slice.rows;
        *after = slice.next;
        if slice.next.is_none() {
            self.snapshot = None;
        }
        Ok(false)
    }

    /// Copies what has changed meanwhile: a part of it if it is much, so that others get their turn, and each time
    /// a larger one than can have changed since.
    fn catch_up(&mut self, live: &Live) -> Result<bool, Fault> {
        let part = (self.changed.len() / 4).max(LAST_SLICE);
        let mut snapshot = Snapshot::of(live)?;
        let (mut values, mut gone) = (Vec::new(), Vec::new());
        for key in std::iter::from_fn(|| self.changed.pop_first()).take(part) {
            match snapshot.value(&key)? {
                Some(value) => values.push((key, value)),
                None => gone.push(key),
            }
        }
        self.target.put(&values, &gone)?;
        Ok(self.changed.is_empty())
    }

    /// Puts the new file in the place of the old one, which whoever still reads it keeps.
    pub(super) fn finish(self, place: &Place, newest: Timestamp) -> Result<Database, Fault> {
        let path = self.target.path().to_owned();
        let database = self.target.finish(newest)?;
        take_place(&path, place)?;
        Ok(database)
    }
}

/// Copies what `live` holds into a new file at `path`; `tell` hears how many records are copied, of how many.
pub(super) fn back_up(
    live: &Live,
    path: &Path,
    newest: Timestamp,
    mut tell: impl FnMut(u64, u64),
) -> Result<(), Fault> {
    let mut snapshot = Snapshot::of(live)?;
    let (mut done, total) = (0, snapshot.count()?);
    let target = Target::create(Place::new(path))?;
    let mut after = None;
    loop {
        let slice = snapshot.slice(after, SLICE, newest)?;
        target.put(&slice.values, &[])?;
        done += slice.rows;
        tell(done, total);
        match slice.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    drop(target.finish(newest)?);
    Ok(())
}

/// Copies what can be read of a damaged file into a new one, which takes its place; the damaged one keeps another
/// name.
pub(super) fn salvage(place: &Place) -> Result<Salvaged, Fault> {
    let mut source = Source::open(place)?;
    let keys = source.keys();
    let target = Target::create(beside(place, ".salvaged"))?;
    let (mut saved, mut lost) = (0, 0);
    let mut values = Vec::new();
    for key in keys {
        match source.value(&key) {
            Some(value) => values.push((key, value)),
            None => lost += 1,
        }
        if values.len() as u64 >= SLICE {
            target.put(&values, &[])?;
            saved += values.len() as u64;
            values.clear();
        }
    }
    target.put(&values, &[])?;
    saved += values.len() as u64;
    let newest = source.newest;
    drop(source);
    let path = target.path().to_owned();
    let database = target.finish(newest)?;
    let aside = file::keep_aside(&place.path)?;
    take_place(&path, place)?;
    Ok(Salvaged { database, newest, aside, saved, lost })
}

/// A damaged file that is opened again whenever it has failed.
struct Source<'a> {
    place: &'a Place,
    newest: Timestamp,
    live: Option<Live>,
    snapshot: Option<Snapshot>,
    attempts: u32,
}

impl<'a> Source<'a> {
    fn open(place: &'a Place) -> Result<Self, Fault> {
        let mut source =
            Self { place, newest: Timestamp::default(), live: None, snapshot: None, attempts: 0 };
        source.reopen()?;
        Ok(source)
    }

    fn reopen(&mut self) -> Result<(), Fault> {
        self.attempts += 1;
        self.snapshot = None;
        // redb may panic once more when it closes what made no sense.
        let old = self.live.take();
        let _ = caught(|| {
            drop(old);
            Ok(())
        });
        let Opened { database, newest, is_checked, .. } =
            file::open_as_it_is(self.place).map_err(|refusal| Fault::Panic(refusal.to_string()))?;
        let live = Live::new(database, is_checked);
        self.snapshot = Some(caught(|| Snapshot::of(&live))?);
        self.live = Some(live);
        self.newest = self.newest.max(newest);
        Ok(())
    }

    /// What `work` makes of a snapshot; `None` if it fails, or no file could be opened any more.
    fn tried<T>(&mut self, work: impl FnOnce(&mut Snapshot) -> Result<T, Fault>) -> Option<T> {
        let snapshot = self.snapshot.as_mut()?;
        match caught(|| work(snapshot)) {
            Ok(value) => Some(value),
            Err(_) if self.attempts < ATTEMPTS => {
                let _ = self.reopen();
                None
            }
            Err(_) => {
                self.snapshot = None;
                None
            }
        }
    }

    fn value(&mut self, key: &Key) -> Option<Vec<u8>> {
        self.tried(|snapshot| snapshot.value(key)).flatten()
    }

    /// The keys that any table still tells, from either end up to where it makes no sense.
    fn keys(&mut self) -> BTreeSet<Key> {
        let mut keys = BTreeSet::new();
        for from_the_end in [false, true] {
            self.tried(|snapshot| {
                snapshot.each_key(from_the_end, |key| {
                    keys.insert(key);
                })
            });
            self.tried(|snapshot| {
                snapshot.each_checked(from_the_end, |key| {
                    keys.insert(key);
                })
            });
            self.tried(|snapshot| {
                snapshot.each_due(from_the_end, |key| {
                    keys.insert(key);
                })
            });
        }
        keys
    }
}

fn beside(place: &Place, end: &str) -> Place {
    place.elsewhere(&file::beside(&place.path, end))
}

/// Renames a finished file over the store's; a crash leaves the one or the other.
fn take_place(from: &Path, place: &Place) -> Result<(), Fault> {
    std::fs::rename(from, &place.path)?;
    Ok(file::sync_folder(file::folder_of(&place.path))?)
}

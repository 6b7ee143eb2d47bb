//! Opening the file: where it lies, who may read it, and whether it is ours.
//!
//! Must not know: what is read and written later.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, Durability, ReadableDatabase, StorageError};

use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::embedded::layout;

/// redb's page cache. Its own default is 1 GiB, more than many a machine that this runs on has.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// A file that is ours, of this schema, and locked.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) newest: Timestamp,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a file cannot be our store; each names the file and says what to do.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "'{}' is damaged or is not a store of vouchsafe; move it aside, and a new one is made",
        path.display()
    )]
    Foreign { path: PathBuf, source: Option<Cause> },
    #[error(
        "'{}' has the schema version {found} and this program knows {}; run the program that \
         wrote it, or move the file aside, and a new one is made",
        path.display(), layout::SCHEMA
    )]
    Schema { path: PathBuf, found: u64 },
    #[error("'{}' is in use by another process; stop that one or name another file", path.display())]
    InUse { path: PathBuf },
    #[error("'{}' cannot be opened; check its folder, owner and rights", path.display())]
    Inaccessible { path: PathBuf, source: Cause },
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Foreign { .. } | Refusal::Schema { .. } => Self::Corrupt(Box::new(refusal)),
            Refusal::InUse { .. } | Refusal::Inaccessible { .. } => {
                Self::Unavailable(Box::new(refusal))
            }
        }
    }
}

/// Opens or creates the store at `path`.
pub(super) fn open(path: &Path) -> Result<Opened, StoreError> {
    let inaccessible =
        |error: io::Error| Refusal::Inaccessible { path: path.to_owned(), source: error.into() };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    create_folder(folder).map_err(inaccessible)?;
    let file = open_file(path).map_err(inaccessible)?;
    let new = file.metadata().map_err(inaccessible)?.len() == 0;
    // redb answers most damage with an error and some with a panic.
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let database = open_database(file).map_err(|error| refuse_database(path, error))?;
        let newest = check_schema(&database, path)?;
        Ok::<_, Refusal>(Opened { database, newest })
    }));
    let opened = checked
        .unwrap_or_else(|_| Err(Refusal::Foreign { path: path.to_owned(), source: None }))?;
    if new {
        // Else a power cut may take the name of a file whose content was synced.
        sync_folder(folder).map_err(inaccessible)?;
    }
    Ok(opened)
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn open_database(file: File) -> Result<Database, DatabaseError> {
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        // Reads the whole file once. Without it a page that was altered behind our back is
        // trusted, and reading it may panic in the middle of a request.
        .set_check_integrity_on_open(true)
        .create_with_backend(FileBackend::new(file)?)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is redb's and open")]
fn refuse_database(path: &Path, error: DatabaseError) -> Refusal {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            Refusal::InUse { path }
        }
        DatabaseError::Storage(StorageError::Io(error)) if !is_damage(error.kind()) => {
            Refusal::Inaccessible { path, source: error.into() }
        }
        other => Refusal::Foreign { path, source: Some(other.into()) },
    }
}

fn is_damage(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Refuses foreign tables and other schemas, fills an empty file, and returns the newest time.
fn check_schema(database: &Database, path: &Path) -> Result<Timestamp, Refusal> {
    let foreign =
        |error: redb::Error| Refusal::Foreign { path: path.to_owned(), source: Some(error.into()) };
    if is_empty(database).map_err(foreign)? {
        create_tables(database).map_err(|error| Refusal::Inaccessible {
            path: path.to_owned(),
            source: error.into(),
        })?;
    }
    match read_meta(database).map_err(foreign)? {
        (Some(layout::SCHEMA), newest) => Ok(Timestamp::from_millis(newest)),
        (Some(found), _) => Err(Refusal::Schema { path: path.to_owned(), found }),
        (None, _) => Err(Refusal::Foreign { path: path.to_owned(), source: None }),
    }
}

/// Whether no transaction was ever committed: a new file, or one whose creation was interrupted.
fn is_empty(database: &Database) -> Result<bool, redb::Error> {
    let transaction = database.begin_read()?;
    let mut tables = transaction.list_tables()?;
    let mut multimaps = transaction.list_multimap_tables()?;
    Ok(tables.next().is_none() && multimaps.next().is_none())
}

fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.open_table(layout::RECORDS)?;
    transaction.open_table(layout::EXPIRIES)?;
    transaction.open_table(layout::MEMBERS)?;
    transaction.open_table(layout::META)?.insert(layout::META_SCHEMA, layout::SCHEMA)?;
    Ok(transaction.commit()?)
}

/// The schema and the newest time; the tables' types are checked on the way.
fn read_meta(database: &Database) -> Result<(Option<u64>, u64), redb::Error> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(layout::META)?;
    let read = |row| Ok::<_, redb::Error>(meta.get_owned(row)?.map(|value| value.value()));
    let schema = read(layout::META_SCHEMA)?;
    if schema == Some(layout::SCHEMA) {
        transaction.open_table(layout::RECORDS)?;
        transaction.open_table(layout::EXPIRIES)?;
        transaction.open_table(layout::MEMBERS)?;
    }
    Ok((schema, read(layout::META_NEWEST)?.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use redb::TableDefinition;

    use super::*;

    #[track_caller]
    fn refused(path: &Path, words: &str) {
        let Err(StoreError::Corrupt(cause)) = open(path) else { panic!("not refused as corrupt") };
        let message = cause.to_string();
        assert!(message.contains(words) && message.contains("aside"), "{message}");
        assert!(message.contains(&path.display().to_string()), "{message}");
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        (folder, path)
    }

    #[test]
    fn a_redb_file_of_somebody_else_is_refused_and_left_alone() {
        let (_folder, path) = scratch();
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let theirs = TableDefinition::<&str, &str>::new("theirs");
        transaction.open_table(theirs).unwrap().insert("a", "b").unwrap();
        transaction.commit().unwrap();
        drop(database);
        refused(&path, "not a store of vouchsafe");
        let database = Database::open(&path).unwrap();
        let table = database.begin_read().unwrap().open_table(theirs).unwrap();
        assert_eq!(table.get_owned("a").unwrap().unwrap().value(), "b");
    }

    /// A file with this number as its schema, whose tables are those of schema 1.
    fn create_old(path: &Path, schema: u64) {
        let database = Database::create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(layout::RECORDS).unwrap();
        transaction.open_table(layout::EXPIRIES).unwrap();
        let mut meta = transaction.open_table(layout::META).unwrap();
        meta.insert(layout::META_SCHEMA, schema).unwrap();
        drop(meta);
        transaction.commit().unwrap();
    }

    #[test]
    fn another_schema_version_is_refused() {
        let (_folder, path) = scratch();
        let Opened { database, .. } = open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let schema = (layout::META_SCHEMA, layout::SCHEMA + 1);
        transaction.open_table(layout::META).unwrap().insert(schema.0, schema.1).unwrap();
        transaction.commit().unwrap();
        drop(database);
        refused(&path, "schema version 3");
    }

    #[test]
    fn a_file_of_schema_1_is_refused_by_its_number() {
        let (_folder, path) = scratch();
        create_old(&path, 1);
        refused(&path, "schema version 1");
    }

    #[test]
    fn a_file_of_this_schema_without_its_tables_is_refused() {
        let (_folder, path) = scratch();
        create_old(&path, layout::SCHEMA);
        refused(&path, "not a store of vouchsafe");
    }

    #[test]
    fn an_interrupted_creation_is_completed() {
        let (_folder, path) = scratch();
        drop(Database::create(&path).unwrap());
        assert_eq!(open(&path).unwrap().newest, Timestamp::default());
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let Err(StoreError::Unavailable(cause)) = open(folder.path()) else { panic!("opened") };
        assert!(cause.to_string().contains(&folder.path().display().to_string()));
        assert!(cause.source().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_created_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/store.redb");
        open(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!((mode(path.parent().unwrap()), mode(&folder.path().join("a"))), (0o700, 0o700));
    }
}

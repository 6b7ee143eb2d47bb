//! Opening the file: where it lies, who may read it, and whether it is ours.
//!
//! Must not know: what is read and written later.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, StorageBackend, StorageError, TableError,
};

use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::embedded::layout;

/// redb's page cache. Its own default is 1 GiB, more than many a machine that this runs on has.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// What every redb file begins with.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// Where the file is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: Box<Path>,
    /// Whether reading and writing fails.
    #[cfg(test)]
    pub(super) fails: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Place {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            #[cfg(test)]
            fails: std::sync::Arc::default(),
        }
    }

    /// A file at another path that fails with this one.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests make it fail"))]
    pub(super) fn elsewhere(&self, path: &Path) -> Self {
        Self {
            path: path.into(),
            #[cfg(test)]
            fails: std::sync::Arc::clone(&self.fails),
        }
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }

    /// The open file, as redb takes it.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests make it fail"))]
    fn backend(&self, file: File) -> Result<impl StorageBackend + use<>, DatabaseError> {
        let backend = FileBackend::new(file)?;
        #[cfg(test)]
        let backend = failing::FailingBackend::new(backend, std::sync::Arc::clone(&self.fails));
        Ok(backend)
    }
}

/// A file that is ours, of this schema, and locked.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) newest: Timestamp,
    /// Whether every record has its checksum.
    pub(super) is_checked: bool,
    /// Where the damaged file is that was in its place.
    pub(super) aside: Option<PathBuf>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a file cannot be our store; each names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("'{}' is damaged", path.display())]
    Damaged { path: PathBuf, source: Option<Cause> },
    #[error(
        "'{}' is not a store of vouchsafe; name another file, or move it aside, and a new one is made",
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
            Refusal::Damaged { .. } | Refusal::Foreign { .. } | Refusal::Schema { .. } => {
                Self::Corrupt(Box::new(refusal))
            }
            Refusal::InUse { .. } | Refusal::Inaccessible { .. } => {
                Self::Unavailable(Box::new(refusal))
            }
        }
    }
}

/// Opens or creates the store at `path`. Nothing but the parts that are needed is read of it. A file of ours that
/// is damaged is kept beside it under another name, and a new one is made.
pub(super) fn open(place: &Place) -> Result<Opened, StoreError> {
    let path = &*place.path;
    match open_as_it_is(place) {
        Err(refusal @ Refusal::Damaged { .. }) => {
            let aside = set_aside(path).map_err(|error| Refusal::Inaccessible {
                path: path.to_owned(),
                source: error.into(),
            })?;
            tracing::error!(
                path = %path.display(),
                aside = %aside.display(),
                cause = refusal.cause(),
                "the store '{}' is damaged and was moved to '{}'; a new one is made, and whoever was logged in logs in again: check the disk, and remove the old file when nobody wants to look at it",
                path.display(),
                aside.display()
            );
            Ok(Opened { aside: Some(aside), ..open_as_it_is(place)? })
        }
        opened => Ok(opened?),
    }
}

/// Gives a damaged file another name: `<name>.damaged-<seconds since 1970>`.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = keep_aside(path)?;
    if path.try_exists()? {
        std::fs::remove_file(path)?;
    }
    sync_folder(folder_of(path))?;
    Ok(aside)
}

/// Gives a damaged file that name, too; where a file cannot have two names, only that one.
pub(super) fn keep_aside(path: &Path) -> io::Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a name that tells when; it decides nothing")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Never over another one: each is somebody's only copy.
    for time in now.. {
        let aside = beside(path, &format!(".damaged-{time}"));
        if !aside.try_exists()? {
            if std::fs::hard_link(path, &aside).is_err() {
                std::fs::rename(path, &aside)?;
            }
            return Ok(aside);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A path in the same folder, whose name goes on with `end`.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(end);
    path.with_file_name(name)
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The same, but a damaged file is refused.
pub(super) fn open_as_it_is(place: &Place) -> Result<Opened, Refusal> {
    let path = &*place.path;
    let inaccessible =
        |error: io::Error| Refusal::Inaccessible { path: path.to_owned(), source: error.into() };
    let folder = folder_of(path);
    create_folder(folder).map_err(inaccessible)?;
    let mut file = open_file(path).map_err(inaccessible)?;
    let new = file.metadata().map_err(inaccessible)?.len() == 0;
    if !new {
        check_beginning(&mut file, path)?;
    }
    // redb answers most damage with an error and some with a panic.
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let database = open_database(place, file).map_err(|error| refuse_database(path, error))?;
        check_schema(database, path)
    }));
    let opened = checked
        .unwrap_or_else(|_| Err(Refusal::Damaged { path: path.to_owned(), source: None }))?;
    if new {
        // Else a power cut may take the name of a file whose content was synced.
        sync_folder(folder).map_err(inaccessible)?;
    }
    Ok(opened)
}

/// Refuses what no redb has made, so that nobody's file is taken for a damaged one of ours.
fn check_beginning(file: &mut File, path: &Path) -> Result<(), Refusal> {
    let mut beginning = Vec::new();
    let read = file.take(MAGIC.len() as u64).read_to_end(&mut beginning);
    read.map_err(|error| Refusal::Inaccessible { path: path.to_owned(), source: error.into() })?;
    if beginning == MAGIC {
        Ok(())
    } else if beginning.iter().all(|&byte| byte == 0) {
        // A disk gives this for what it has lost.
        Err(Refusal::Damaged { path: path.to_owned(), source: None })
    } else {
        Err(Refusal::Foreign { path: path.to_owned(), source: None })
    }
}

impl Refusal {
    /// What redb says.
    fn cause(&self) -> String {
        std::error::Error::source(self).map(ToString::to_string).unwrap_or_default()
    }
}

pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

pub(super) fn open_database(place: &Place, file: File) -> Result<Database, DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(place.backend(file)?)
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
        DatabaseError::UpgradeRequired(_) => Refusal::Foreign { path, source: Some(error.into()) },
        other => Refusal::Damaged { path, source: Some(other.into()) },
    }
}

fn is_damage(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Refuses foreign tables and other schemas, fills an empty file, and says what the rows about the file say.
fn check_schema(database: Database, path: &Path) -> Result<Opened, Refusal> {
    let refuse = |error: redb::Error| refuse_tables(path, error);
    let inaccessible =
        |error: redb::Error| Refusal::Inaccessible { path: path.to_owned(), source: error.into() };
    if is_empty(&database).map_err(refuse)? {
        create_tables(&database).map_err(inaccessible)?;
    }
    let meta = read_meta(&database).map_err(refuse)?;
    match meta.schema {
        Some(layout::SCHEMA) => {}
        Some(found) => return Err(Refusal::Schema { path: path.to_owned(), found }),
        None => return Err(Refusal::Foreign { path: path.to_owned(), source: None }),
    }
    if !meta.has_checks {
        create_checks(&database).map_err(inaccessible)?;
    }
    let is_checked = meta.has_checks && meta.checked == Some(meta.newest);
    let newest = Timestamp::from_millis(meta.newest);
    Ok(Opened { database, newest, is_checked, aside: None })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is redb's and open")]
fn refuse_tables(path: &Path, error: redb::Error) -> Refusal {
    let path = path.to_owned();
    match error {
        redb::Error::Corrupted(_) => Refusal::Damaged { path, source: Some(error.into()) },
        redb::Error::Io(error) if !is_damage(error.kind()) => {
            Refusal::Inaccessible { path, source: error.into() }
        }
        other => Refusal::Foreign { path, source: Some(other.into()) },
    }
}

/// Whether no transaction was ever committed: a new file, or one whose creation was interrupted.
fn is_empty(database: &Database) -> Result<bool, redb::Error> {
    let transaction = database.begin_read()?;
    let mut tables = transaction.list_tables()?;
    let mut multimaps = transaction.list_multimap_tables()?;
    Ok(tables.next().is_none() && multimaps.next().is_none())
}

/// Makes the tables of a new file, all of whose records have checksums: there are none.
pub(super) fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.open_table(layout::RECORDS)?;
    transaction.open_table(layout::EXPIRIES)?;
    transaction.open_table(layout::MEMBERS)?;
    transaction.open_table(layout::CHECKS)?;
    transaction.open_table(layout::DAMAGED)?;
    let mut meta = transaction.open_table(layout::META)?;
    meta.insert(layout::META_SCHEMA, layout::SCHEMA)?;
    meta.insert(layout::META_CHECKED, 0)?;
    drop(meta);
    Ok(transaction.commit()?)
}

/// Adds what the version before this one does not make.
fn create_checks(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.open_table(layout::CHECKS)?;
    transaction.open_table(layout::DAMAGED)?;
    Ok(transaction.commit()?)
}

struct Meta {
    schema: Option<u64>,
    newest: u64,
    checked: Option<u64>,
    has_checks: bool,
}

/// What the file says of itself; the tables' types are checked on the way.
fn read_meta(database: &Database) -> Result<Meta, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(layout::META)?;
    let read = |row| Ok::<_, redb::Error>(meta.get_owned(row)?.map(|value| value.value()));
    let schema = read(layout::META_SCHEMA)?;
    let mut has_checks = false;
    if schema == Some(layout::SCHEMA) {
        transaction.open_table(layout::RECORDS)?;
        transaction.open_table(layout::EXPIRIES)?;
        transaction.open_table(layout::MEMBERS)?;
        has_checks = is_there(transaction.open_table(layout::CHECKS))?
            && is_there(transaction.open_table(layout::DAMAGED))?;
    }
    let newest = read(layout::META_NEWEST)?.unwrap_or(0);
    Ok(Meta { schema, newest, checked: read(layout::META_CHECKED)?, has_checks })
}

fn is_there<T>(table: Result<T, TableError>) -> Result<bool, redb::Error> {
    match table {
        Ok(_) => Ok(true),
        Err(TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod failing;

#[cfg(test)]
mod tests {
    use redb::TableDefinition;

    use super::*;

    fn open(path: &Path) -> Result<Opened, StoreError> {
        super::open(&Place::new(path))
    }

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

//! Why something could not be read or written, and what has to be done about it.
//!
//! Must not know: who asked.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// redb says so. After a failed read or write it refuses everything until the file is opened again.
    #[error("the file cannot be read or written")]
    File(#[source] redb::Error),
    /// redb found something that makes no sense and panicked; of its locks some may be poisoned.
    #[error("the file makes no sense: {0}")]
    Panic(String),
    /// Rows that belong together do not agree: some are missing or in a wrong place.
    #[error("the file makes no sense: {0}")]
    Inconsistent(&'static str),
}

/// A part of the file makes no sense.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{}' is damaged; what can still be read of it is copied, and the file set aside", path.display()
)]
struct DamagedFile {
    path: PathBuf,
    source: Fault,
}

/// What helps against a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The file is opened again.
    Reopen,
    /// What can be read is copied into a new file.
    Salvage,
}

macro_rules! faults_of_the_file {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::File(error.into())
            }
        })*
    };
}

faults_of_the_file!(
    StorageError,
    TableError,
    TransactionError,
    SetDurabilityError,
    CommitError,
    DatabaseError
);

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::File(redb::Error::Io(error))
    }
}

impl Fault {
    /// What a caller has to do about a fault in the file at `path`.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self.remedy() {
            Remedy::Salvage => {
                StoreError::Corrupt(Box::new(DamagedFile { path: path.to_owned(), source: self }))
            }
            Remedy::Reopen => StoreError::Unavailable(Box::new(self)),
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Panic(_)
            | Self::Inconsistent(_)
            | Self::File(
                redb::Error::Corrupted(_)
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TableDoesNotExist(_),
            ) => Remedy::Salvage,
            Self::File(_) => Remedy::Reopen,
        }
    }
}

/// Does `work`, and makes a fault of a panic of redb's.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // Nothing that was half changed is used afterwards: a transaction ends with the panic.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Fault::Panic(said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_fault_that_says_what_it_said() {
        let fault = caught::<()>(|| panic!("page {}", 7)).unwrap_err();
        assert_eq!(fault.to_string(), "the file makes no sense: page 7");
        assert_eq!(fault.remedy(), Remedy::Salvage);
        assert_eq!(caught(|| Ok(1)).unwrap(), 1);
    }

    #[test]
    fn a_full_disk_is_no_damage() {
        let fault = Fault::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(fault.remedy(), Remedy::Reopen);
        assert!(matches!(fault.at(Path::new("x")), StoreError::Unavailable(_)));
        let fault = Fault::File(redb::Error::Corrupted("x".to_owned()));
        assert!(matches!(fault.at(Path::new("x")), StoreError::Corrupt(_)));
    }
}

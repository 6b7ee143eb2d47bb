//! Secrets by reference: from files and environment variables (attack A106).
//!
//! Must not know: what a secret is for. Messages name the file or the variable, never the content.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::config::raw_value::RawReference;
use crate::domain::secret::Secret;

/// Largest secret that is read, in bytes.
const SECRET_BYTES: u64 = 65_536;

/// Why a secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Two sources.
    #[error("`file` and `env` are both given; keep the one that is meant")]
    Both,
    /// No source.
    #[error("neither `file` nor `env` is given; write {{ file: path }} or {{ env: NAME }}")]
    Neither,
    /// The file cannot be opened or read.
    #[error("cannot read the secret file {0}: {1}; create it, readable by the daemon's user only")]
    File(PathBuf, ErrorKind),
    /// A folder, a pipe, a device.
    #[error("the secret file {0} is not a regular file; name the file itself")]
    NotAFile(PathBuf),
    /// Larger than any secret.
    #[error("the secret file {0} is larger than {SECRET_BYTES} bytes; is it the right file?")]
    Large(PathBuf),
    /// The variable is not set.
    #[error("the environment variable {0} is not set; set it in the service's environment")]
    Variable(String),
    /// Nothing in it.
    #[error("the secret is empty; put at least one character into it")]
    Empty,
}

/// A secret and what to say about how it is kept.
#[derive(Debug)]
pub struct Found {
    /// The secret.
    pub secret: Secret,
    /// The file is open to others; the text names it and the remedy.
    pub warning: Option<String>,
}

/// Where references are looked up.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Relative paths start here.
    pub folder: &'a Path,
    /// The process's environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// The one source that a reference names.
pub enum Source<'a> {
    /// A file; the path is complete.
    File(PathBuf),
    /// An environment variable.
    Env(&'a str),
}

impl Sources<'_> {
    /// Which source `reference` names.
    ///
    /// # Errors
    /// None or two of them.
    pub fn of<'r>(&self, reference: &'r RawReference) -> Result<Source<'r>, SecretError> {
        match (&reference.file, &reference.env) {
            (Some(_), Some(_)) => Err(SecretError::Both),
            (None, None) => Err(SecretError::Neither),
            (Some(file), None) => Ok(Source::File(self.folder.join(file))),
            (None, Some(env)) => Ok(Source::Env(env)),
        }
    }

    /// Reads the secret. Exactly one newline at a file's end is taken off: editors put it there.
    ///
    /// # Errors
    /// Show it to the operator.
    pub fn read(&self, reference: &RawReference) -> Result<Found, SecretError> {
        let found = match self.of(reference)? {
            Source::Env(name) => Found { secret: self.variable(name)?, warning: None },
            Source::File(path) => {
                let (mut bytes, warning) = read_file(&path)?;
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                    if bytes.last() == Some(&b'\r') {
                        bytes.pop();
                    }
                }
                Found { secret: Secret::new(bytes), warning }
            }
        };
        if found.secret.expose().is_empty() { Err(SecretError::Empty) } else { Ok(found) }
    }

    /// Reads a variable, exactly.
    ///
    /// # Errors
    /// It is not set.
    pub fn variable(&self, name: &str) -> Result<Secret, SecretError> {
        // Asking the system for such a name would panic.
        let possible = !name.is_empty() && !name.contains(['=', '\0']);
        let value = possible.then(|| (self.env)(name)).flatten();
        let value = value.ok_or_else(|| SecretError::Variable(name.to_owned()))?;
        Ok(Secret::new(value.into_bytes()))
    }
}

fn read_file(path: &Path) -> Result<(Vec<u8>, Option<String>), SecretError> {
    let failed = |error: std::io::Error| SecretError::File(path.to_owned(), error.kind());
    let metadata = path.metadata().map_err(failed)?;
    // Before it is opened: opening a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(SecretError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SECRET_BYTES {
        return Err(SecretError::Large(path.to_owned()));
    }
    Ok((bytes, open_to_others(path, &metadata)))
}

/// The warning about a file that others may read.
#[cfg(unix)]
pub fn open_to_others(path: &Path, metadata: &Metadata) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path.display();
    let open = metadata.permissions().mode() & 0o077 != 0;
    open.then(|| format!("the secret file {path} is open to other users; run `chmod 600 {path}`"))
}

/// Elsewhere permissions are not a matter of bits.
#[cfg(not(unix))]
pub fn open_to_others(_: &Path, _: &Metadata) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, file: Option<&str>, env: Option<&str>) -> Result<Found, SecretError> {
        let lookup = |name: &str| match name {
            "SET" => Some("hush\n".to_owned()),
            "BLANK" => Some(String::new()),
            _ => None,
        };
        let reference = RawReference { file: file.map(Into::into), env: env.map(Into::into) };
        Sources { folder, env: &lookup }.read(&reference)
    }

    fn write(folder: &Path, name: &str, content: &[u8], mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn exactly_one_newline_is_taken_off() {
        let folder = tempfile::tempdir().unwrap();
        for (content, expected) in [
            (&b"hush"[..], &b"hush"[..]),
            (b"hush\n", b"hush"),
            (b"hush\r\n", b"hush"),
            (b"hush\n\n", b"hush\n"),
            (b"hush \n", b"hush "),
        ] {
            write(folder.path(), "s", content, 0o600);
            let found = read(folder.path(), Some("s"), None).unwrap();
            assert_eq!(found.secret.expose(), expected);
            assert_eq!(found.warning, None);
        }
        assert_eq!(read(folder.path(), None, Some("SET")).unwrap().secret.expose(), b"hush\n");
    }

    #[test]
    fn a_file_that_others_may_read_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o640, 0o604] {
            write(folder.path(), "s", b"hush", mode);
            let warning = read(folder.path(), Some("s"), None).unwrap().warning.unwrap();
            assert!(warning.contains("chmod 600 ") && warning.contains("/s"), "{warning}");
        }
    }

    #[test]
    fn what_is_not_one_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "empty", b"\n", 0o600);
        write(folder.path(), "large", &vec![b'x'; 70_000], 0o600);
        let refused = |file, env| read(folder.path(), file, env).unwrap_err();
        assert!(matches!(refused(Some("s"), Some("SET")), SecretError::Both));
        assert!(matches!(refused(None, None), SecretError::Neither));
        assert!(matches!(refused(Some("absent"), None), SecretError::File(..)));
        assert!(matches!(refused(Some("."), None), SecretError::NotAFile(_)));
        assert!(matches!(refused(Some("/dev/zero"), None), SecretError::NotAFile(_)));
        assert!(matches!(refused(Some("large"), None), SecretError::Large(_)));
        assert!(matches!(refused(Some("empty"), None), SecretError::Empty));
        assert!(matches!(refused(None, Some("BLANK")), SecretError::Empty));
        for name in ["ABSENT", "", "A=B", "A\0B"] {
            assert!(matches!(refused(None, Some(name)), SecretError::Variable(_)));
        }
    }
}

//! Keys in files: read, or created on the first start.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::config::KeySource;
use crate::domain::secret::Secret;

/// Fewer bytes can be guessed.
const MIN_KEY_BYTES: usize = 32;

/// The key of a source; a file that does not exist is created with 32 random bytes, mode 0600.
///
/// # Errors
/// The file cannot be read, written or is too short.
pub fn load_or_create(source: &KeySource) -> anyhow::Result<Secret> {
    match source {
        KeySource::Given(secret) => Ok(Secret::new(secret.expose().to_vec())),
        KeySource::File(path) => match read(path)? {
            Some(secret) => Ok(secret),
            None => create(path),
        },
    }
}

fn read(path: &Path) -> anyhow::Result<Option<Secret>> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the key {}", path.display()));
        }
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .with_context(|| format!("cannot read the key {}", path.display()))?;
    let secret = Secret::new(bytes);
    if secret.expose().len() < MIN_KEY_BYTES {
        bail!(
            "the key {} has fewer than {MIN_KEY_BYTES} bytes; remove it to have one created",
            path.display()
        );
    }
    Ok(Some(secret))
}

fn create(path: &Path) -> anyhow::Result<Secret> {
    let failed = || format!("cannot create the key {}", path.display());
    let mut bytes = vec![0; MIN_KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!(error)).with_context(failed)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    // Written aside and linked into place: a crash leaves no half a key, and of two daemons that
    // start at once one wins and the other reads what it wrote.
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&aside).with_context(failed)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).with_context(failed)?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside).with_context(failed)?;
    match linked {
        Ok(()) => tracing::info!(path = %path.display(), "created a session key"),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(failed),
    }
    read(path)?.with_context(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_created_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/sessions.key");
        let source = KeySource::File(path.clone());
        let first = load_or_create(&source).unwrap();
        let second = load_or_create(&source).unwrap();
        assert_eq!(first.expose(), second.expose());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_short_key_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        std::fs::write(&path, b"short").unwrap();
        let error = load_or_create(&KeySource::File(path)).unwrap_err().to_string();
        assert!(error.contains("remove it"), "{error}");
    }
}

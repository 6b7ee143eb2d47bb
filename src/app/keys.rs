//! Keys in files: read, or created on the first start or on command.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::config::{KeySource, Settings, StoreSettings};
use crate::domain::secret::{KeyId, Secret};
use crate::policy::assertion::{SEED_BYTES, new_key};
use crate::session::fingerprint::Fingerprinter;

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

/// Refuses a source that would be created: nodes that share a store share the key.
///
/// # Errors
/// The file does not exist.
pub fn must_exist(sources: &[KeySource]) -> anyhow::Result<()> {
    for source in sources {
        if let KeySource::File(path) = source
            && matches!(path.try_exists(), Ok(false))
        {
            bail!(
                "the key {0} does not exist, and nodes that share Redis must share the key; make one with \
                 `vouchsafe key new --for sessions {0}` and copy it to all nodes",
                path.display()
            );
        }
    }
    Ok(())
}

/// The keys of a list, in its order. One that stands alone is created if its file does not exist; in a list
/// every file must be there.
///
/// # Errors
/// A file cannot be read, written or is too short, or two of them hold the same key.
pub fn load_all(sources: &[KeySource]) -> anyhow::Result<Vec<Secret>> {
    if let [source] = sources {
        return Ok(vec![load_or_create(source)?]);
    }
    let mut keys: Vec<Secret> = Vec::with_capacity(sources.len());
    for source in sources {
        let key = match source {
            KeySource::Given(secret) => Secret::new(secret.expose().to_vec()),
            KeySource::File(path) => read(path)?.with_context(|| {
                format!("the key {} is not there; remove it from the list", path.display())
            })?,
        };
        if keys.iter().any(|other| other.id() == key.id()) {
            bail!("the key {} stands twice in a list of keys; remove one of them", key.id());
        }
        keys.push(key);
    }
    Ok(keys)
}

/// What makes the keys of fingerprints and forms out of `sessions.key`; the log says by which keys.
///
/// # Errors
/// There is no key, which the configuration does not allow.
pub fn fingerprinter(keys: &[Secret]) -> anyhow::Result<Fingerprinter> {
    let (first, others) = keys.split_first().context("`sessions.key` names no key")?;
    tracing::info!(key = %first.id(), "session keys are made with this key");
    let also = |fingerprinter: Fingerprinter, key: &Secret| {
        tracing::info!(key = %key.id(), "sessions that were made with this key are found, too");
        fingerprinter.and(key)
    };
    Ok(others.iter().fold(Fingerprinter::new(first), also))
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
    if write_random(path)? {
        tracing::info!(path = %path.display(), "created a key");
    }
    read(path)?.with_context(failed(path))
}

/// 32 random bytes in a file, unless there is one.
fn write_random(path: &Path) -> anyhow::Result<bool> {
    let mut bytes = Zeroizing::new([0; MIN_KEY_BYTES]);
    getrandom::fill(&mut *bytes)
        .map_err(|error| anyhow::anyhow!(error))
        .with_context(failed(path))?;
    write_new(path, &*bytes)
}

/// Makes a key of random bytes, and returns its id. A file that is there stays as it is.
///
/// # Errors
/// The file is there already or cannot be written.
pub fn create_random_key(path: &Path) -> anyhow::Result<KeyId> {
    if !write_random(path)? {
        bail!("{} exists already and was not changed; name another file", path.display());
    }
    Ok(read(path)?.with_context(failed(path))?.id())
}

/// The keys that encrypt the session store; the log says which.
///
/// # Errors
/// A key cannot be read or made, or is missing where nodes share it.
pub fn encryption(settings: &Settings) -> anyhow::Result<Option<Vec<Secret>>> {
    let Some(encryption) = &settings.encryption else { return Ok(None) };
    if matches!(settings.store, StoreSettings::Redis(_)) {
        must_exist(&encryption.keys)?;
    }
    let keys = load_all(&encryption.keys)?;
    if let Some(key) = keys.first() {
        tracing::info!(key = %key.id(), "the session store is encrypted with this key");
    }
    Ok(Some(keys))
}

/// The credential of a source, without the newline that editors put at a file's end; a file that does not exist
/// is created with 43 random letters and digits, mode 0600.
///
/// # Errors
/// The file cannot be read or written.
pub fn credential(source: &KeySource) -> anyhow::Result<Secret> {
    let path = match source {
        KeySource::Given(secret) => return Ok(Secret::new(secret.expose().to_vec())),
        KeySource::File(path) => path,
    };
    if !path.exists() {
        let mut bytes = Zeroizing::new([0; MIN_KEY_BYTES]);
        getrandom::fill(&mut *bytes)
            .map_err(|error| anyhow::anyhow!(error))
            .with_context(failed(path))?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        if write_new(path, text.as_bytes())? {
            tracing::info!(path = %path.display(), "created the credential of the admin API");
        }
    }
    let secret = read(path)?.with_context(failed(path))?;
    let bytes = secret.expose();
    Ok(Secret::new(bytes.strip_suffix(b"\n").unwrap_or(bytes).to_vec()))
}

/// What a file holds; one that does not exist is created with what `make` makes, mode 0600.
///
/// # Errors
/// The file cannot be read or written.
pub fn load_or_create_with(
    path: &Path,
    make: impl FnOnce() -> anyhow::Result<Secret>,
) -> anyhow::Result<Secret> {
    if !path.exists() {
        let made = make().with_context(failed(path))?;
        if write_new(path, made.expose())? {
            tracing::info!(path = %path.display(), "created a key");
        }
    }
    read(path)?.with_context(failed(path))
}

/// Makes a key that signs assertions, and returns its id. A file that is there stays as it is.
///
/// # Errors
/// The file is there already or cannot be written.
pub fn create_signing_key(path: &Path) -> anyhow::Result<String> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    getrandom::fill(&mut *seed)
        .map_err(|error| anyhow::anyhow!(error))
        .with_context(failed(path))?;
    let (id, pem) = new_key(&seed).with_context(failed(path))?;
    if !write_new(path, pem.expose())? {
        bail!("{} exists already and was not changed; name another file", path.display());
    }
    Ok(id)
}

fn failed(path: &Path) -> impl Fn() -> String {
    move || format!("cannot create the key {}", path.display())
}

/// Writes a file that only its owner may read, unless there is one: then it stays, and the answer is false.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    let failed = failed(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(&failed)?;
    }
    // Written aside and linked into place: a crash leaves no half a key, and of two daemons that
    // start at once one wins and the other reads what it wrote.
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&aside).with_context(&failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(&failed)?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside).with_context(&failed)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(&failed),
    }
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
    fn of_a_list_of_keys_none_is_created_and_none_stands_twice() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        let source = |path: &Path| KeySource::File(path.to_owned());
        let alone = load_all(&[source(&first)]).unwrap();
        assert_eq!((alone.len(), first.exists()), (1, true));
        let error = load_all(&[source(&first), source(&second)]).unwrap_err().to_string();
        assert!(error.contains("second") && !second.exists(), "{error}");
        load_or_create(&source(&second)).unwrap();
        let both = load_all(&[source(&second), source(&first)]).unwrap();
        assert_eq!(both.last().unwrap().expose(), alone.first().unwrap().expose());
        std::fs::copy(&first, &second).unwrap();
        let error = load_all(&[source(&first), source(&second)]).unwrap_err().to_string();
        assert!(error.contains("stands twice"), "{error}");
    }

    #[test]
    fn a_credential_is_created_once_and_can_be_typed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/admin.credential");
        let source = KeySource::File(path.clone());
        let first = credential(&source).unwrap();
        assert!(first.expose().len() == 43 && first.expose().iter().all(u8::is_ascii_graphic));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, [first.expose(), b"\n"].concat()).unwrap();
        assert_eq!(credential(&source).unwrap().expose(), first.expose());
    }

    #[test]
    fn a_signing_key_is_created_for_its_owner_alone_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/assertion.pem");
        let id = create_signing_key(&path).unwrap();
        assert_eq!(id.len(), 43);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let first = std::fs::read(&path).unwrap();
        let error = create_signing_key(&path).unwrap_err().to_string();
        assert!(error.contains("was not changed"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), first);
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

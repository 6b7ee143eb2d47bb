//! `mfa.api` and `mfa.signing_key`: who may ask `/validate/*`, and how our answers are signed.

use std::path::PathBuf;

use rustls::SignatureAlgorithm;
use rustls::crypto::ring::default_provider;

use crate::config::compile::{Compiler, tls};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawKeyFile, RawValidate};
use crate::config::raw_value::RawSecret;
use crate::config::secret_ref::open_to_others;
use crate::config::{ApiKey, ValidateSettings};
use crate::domain::secret::{Secret, SecretDigest};

/// Fewer characters can be guessed.
const KEY_BYTES: usize = 16;

/// Checks `mfa.api`.
pub fn api(
    raw: &RawValidate,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<ValidateSettings> {
    let callers = compiler.networks(&path.key("callers"), &raw.callers);
    let override_client = compiler.networks(&path.key("override_client"), &raw.override_client);
    let keys_at = path.key("keys");
    let keys = match &raw.keys {
        None => (!compiler.document.wrote(&keys_at)).then(Vec::new),
        Some(written) => keys(written, &keys_at, compiler),
    };
    let (callers, keys) = (callers?, keys?);
    if callers.is_empty() && keys.is_empty() {
        let text = "anybody could ask; give it `callers`, `keys` or both, or remove `api`";
        compiler.error(path, text);
        return None;
    }
    Some(ValidateSettings { callers, keys, override_client: override_client? })
}

fn keys(raw: &RawSecret, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Vec<ApiKey>> {
    let items: Vec<(KeyPath, &RawSecret)> = match raw {
        RawSecret::List(items) => {
            items.iter().enumerate().map(|(index, item)| (path.index(index), item)).collect()
        }
        RawSecret::Text(_) | RawSecret::Reference(_) => vec![(path.clone(), raw)],
    };
    let mut all: Option<Vec<ApiKey>> = Some(Vec::new());
    for (number, (at, item)) in (1..).zip(items) {
        let found = secret(item, &at, compiler).filter(|key| is_long(key, &at, compiler));
        match (found.map(|key| SecretDigest::of(key.expose())), &mut all) {
            (Some(digest), Some(all)) if all.iter().any(|known| known.digest.matches(&digest)) => {
                compiler.error(&at, "this key is in the list already; remove one of the two");
            }
            (Some(digest), Some(all)) => {
                all.push(ApiKey { name: format!("key-{number}").into(), digest });
            }
            _ => all = None,
        }
    }
    all
}

fn is_long(key: &Secret, path: &KeyPath, compiler: &mut Compiler<'_>) -> bool {
    let is_long = key.expose().len() >= KEY_BYTES;
    if !is_long {
        let text = "the key is shorter than 16 characters; use a longer one";
        compiler.error(path, text);
    }
    is_long
}

/// One secret that can stand in `Authorization`.
pub fn secret(raw: &RawSecret, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Secret> {
    let secret = match raw {
        RawSecret::Text(text) => Secret::new(text.as_bytes().to_vec()),
        RawSecret::Reference(reference) => {
            let found = compiler.checked(path, compiler.sources.read(reference))?;
            if let Some(warning) = &found.warning {
                compiler.warn(path, warning);
            }
            found.secret
        }
        RawSecret::List(_) => {
            compiler.error(path, "one key is wanted here and this is a list; write one of them");
            return None;
        }
    };
    let bytes = secret.expose();
    let text = if bytes.is_empty() {
        "the key is empty; write one"
    } else if !bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
        "the key holds characters that are not ASCII or not visible, which no header carries; remove them"
    } else if bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ') {
        "the key starts or ends with a blank, which HTTP takes off; remove it"
    } else {
        return Some(secret);
    };
    compiler.error(path, text);
    None
}

/// Checks `mfa.signing_key`. The file need not exist yet; if it does, it must be an RSA key.
pub fn signing_key(
    raw: &RawKeyFile,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<PathBuf> {
    let path = parent.key("file");
    let written = compiler.required(parent, "file", raw.file.as_deref())?;
    let file = compiler.file(&path, written)?;
    if matches!(file.try_exists(), Ok(false)) {
        return Some(file);
    }
    let pem = tls::read(written, &path, compiler).map(Secret::new)?;
    if let Some(warning) = file.metadata().ok().and_then(|of| open_to_others(&file, &of)) {
        compiler.warn(&path, &warning);
    }
    let provider = default_provider();
    let key = compiler.checked(&path, tls::private_key(pem.expose(), &provider))?;
    let algorithm = provider.key_provider.load_private_key(key).map(|key| key.algorithm());
    if algorithm != Ok(SignatureAlgorithm::RSA) {
        let text = "the private key is no RSA key, and clients check RSA signatures only; remove the \
                    file, and a good one is created";
        compiler.error(&path, text);
        return None;
    }
    Some(file)
}

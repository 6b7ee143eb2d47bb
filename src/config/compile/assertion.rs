//! `assertion`: keys that sign, and how long a token is good for.
//!
//! Messages name keys and files and never what stands in a file.

use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::compile::Compiler;
use crate::config::compile::portal::Origin;
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawAssertion, RawConfig};
use crate::config::raw_value::{RawDuration, RawReference, RawSecret};
use crate::config::secret_ref::{SecretError, Source};
use crate::config::units;
use crate::policy::assertion::{Assertions, SigningKey};

/// How long a token may be good for, in seconds (SEMANTICS R5).
const LIFETIME_SECONDS: std::ops::RangeInclusive<u64> = 60..=300;

/// Why a file holds no key to sign with.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    /// Nobody has made it yet.
    #[error("the key file {file} does not exist; make it with `vouchsafe key new {file}`", file = .0.display())]
    Missing(PathBuf),
    /// Not to be had.
    #[error(transparent)]
    Secret(SecretError),
    /// Nobody is there to type a passphrase, or it is no key at all.
    #[error(
        "there is no readable private key in it; it must hold `-----BEGIN PRIVATE KEY-----`, without a \
         passphrase: make one with `vouchsafe key new`"
    )]
    NoKey,
    /// RSA, another curve, another container.
    #[error(
        "the key cannot sign assertions; use Ed25519 or P-256 in PKCS#8: make one with `vouchsafe key new`, or \
         convert it with `openssl pkcs8 -topk8 -nocrypt`"
    )]
    Unusable,
}

/// Whether there are keys, so that an application may want an assertion.
pub const fn has_keys(raw: &RawConfig) -> bool {
    matches!(raw.assertion, Some(RawAssertion { keys: Some(_), .. }))
}

/// Checks `assertion`; `None` is an error, `Some(None)` no keys.
#[expect(clippy::option_option, reason = "one says wrong, the other says off")]
pub fn assertions(
    raw: &RawConfig,
    portal: Option<&Origin>,
    compiler: &mut Compiler<'_>,
) -> Option<Option<Assertions>> {
    let Some(assertion) = &raw.assertion else { return Some(None) };
    let parent = KeyPath::of("assertion");
    let lifetime = lifetime(&assertion.lifetime, &parent.key("lifetime"), compiler);
    let path = parent.key("keys");
    let keys = compiler.required(&parent, "keys", assertion.keys.as_ref());
    let keys = keys.and_then(|written| signing_keys(written, &path, compiler));
    if keys.is_some() && !raw.applications.iter().any(|application| application.assertion) {
        let text =
            "no application wants an assertion; set `assertion: true` in one, or remove this";
        compiler.warn(&path, text);
    }
    let mut keys = keys?.into_iter();
    let (first, others) = (keys.next()?, keys.as_slice());
    Some(Some(Assertions::new(portal?.url.as_str(), lifetime?, first, others)))
}

fn lifetime(raw: &RawDuration, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Duration> {
    let time = compiler.checked(path, units::duration(&raw.0))?;
    if time.subsec_nanos() > 0 || !LIFETIME_SECONDS.contains(&time.as_secs()) {
        compiler.error(path, "a token is good for whole seconds, 1m to 5m; write one of these");
        return None;
    }
    Some(time)
}

/// The keys in order, at least one; `None` if anything is wrong with one of them.
fn signing_keys(
    written: &RawSecret,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<SigningKey>> {
    let items: Vec<(KeyPath, &RawSecret)> = match written {
        RawSecret::List(items) => {
            items.iter().enumerate().map(|(index, item)| (path.index(index), item)).collect()
        }
        RawSecret::Text(_) | RawSecret::Reference(_) => vec![(path.clone(), written)],
    };
    if items.is_empty() && !compiler.document.wrote(&path.index(0)) {
        compiler.error(path, "there is no key in this list; add { file: data/assertion.pem }");
    }
    let mut keys = Some(Vec::new());
    for (at, item) in items {
        let RawSecret::Reference(reference) = item else {
            let text = "a key does not stand in the clear; write { file: data/assertion.pem }";
            compiler.error(&at, text);
            keys = None;
            continue;
        };
        let key = signing_key(reference, &at, compiler);
        let is_known = |keys: &Vec<SigningKey>, key: &SigningKey| {
            keys.iter().any(|known| known.id() == key.id())
        };
        match (key, &mut keys) {
            (Some(key), Some(keys)) if is_known(keys, &key) => {
                compiler.error(&at, "this key is in the list already; remove one of the two");
            }
            (Some(key), Some(keys)) => keys.push(key),
            _ => keys = None,
        }
    }
    keys.filter(|keys| !keys.is_empty())
}

fn signing_key(
    reference: &RawReference,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<SigningKey> {
    let found = match compiler.sources.of(reference) {
        Ok(Source::File(file)) if matches!(file.try_exists(), Ok(false)) => {
            Err(KeyError::Missing(file))
        }
        _ => compiler.sources.read(reference).map_err(KeyError::Secret),
    };
    let found = compiler.checked(path, found)?;
    if let Some(warning) = found.warning {
        compiler.warn(path, &warning);
    }
    compiler.checked(path, parse(found.secret.expose()))
}

fn parse(pem: &[u8]) -> Result<SigningKey, KeyError> {
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs8(key)) => {
            SigningKey::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| KeyError::Unusable)
        }
        Ok(_) => Err(KeyError::Unusable),
        Err(_) => Err(KeyError::NoKey),
    }
}

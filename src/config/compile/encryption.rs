//! `sessions.encryption_key`: how what lies in the session store is encrypted.

use crate::config::compile::{Compiler, redis_store, sessions};
use crate::config::key_path::KeyPath;
use crate::config::raw::RawSessions;
use crate::config::{EncryptionSettings, KeySource, StoreSettings, defaults};

/// Checks it; the outer `None` is an error. `sessions_keys` are those of `sessions.key`, which must be others.
#[expect(clippy::option_option, reason = "one says wrong, the other says off")]
pub fn encryption(
    raw: &RawSessions,
    store: Option<&StoreSettings>,
    sessions_keys: Option<&[KeySource]>,
    compiler: &mut Compiler<'_>,
) -> Option<Option<EncryptionSettings>> {
    let at = KeyPath::of("sessions.encryption_key");
    let migrate_at = KeyPath::of("sessions.encryption_migrate");
    let Some(written) = &raw.encryption_key else {
        if raw.encryption_migrate {
            compiler
                .warn(&migrate_at, "nothing is encrypted without `encryption_key`; remove the key");
        }
        return (!compiler.document.wrote(&at)).then_some(None);
    };
    let keys = sessions::keys(written, &at, defaults::ENCRYPTION_KEY_FILE, compiler)?;
    if let Some(StoreSettings::Memory) = store {
        let text = "the memory store is never written anywhere, so there is nothing to encrypt; remove the key";
        compiler.error(&at, text);
        return None;
    }
    redis_store::shared_keys(store, Some(&keys), &at, compiler);
    let ours = sessions_keys.unwrap_or_default();
    if keys.iter().any(|key| ours.iter().any(|other| sessions::is_same(key, other))) {
        let text = format!(
            "this is `sessions.key`, too, and each is replaced in its own time; use another key, e.g. {{ file: {} }}",
            defaults::ENCRYPTION_KEY_FILE
        );
        compiler.error(&at, &text);
        return None;
    }
    if raw.encryption_migrate {
        let text = "who can write to the store can make any session; remove the key when the sessions of before \
                    have expired (`sessions.timeout`)";
        compiler.warn(&migrate_at, text);
    }
    Some(Some(EncryptionSettings { keys, believes_plain: raw.encryption_migrate }))
}

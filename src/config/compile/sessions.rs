//! `sessions`: cookies, times, the key and the store.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::compile::portal::Origin;
use crate::config::compile::{Compiler, redis_store};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawCookie, RawPortal, RawSameSite, RawSessions, RawStore, RawStoreKind};
use crate::config::raw_value::{RawDuration, RawSecret};
use crate::config::secret_ref::{Source, open_to_others};
use crate::config::{KeySource, StoreSettings, defaults, units};
use crate::domain::host;
use crate::session::settings::{
    CookieSettings, Quotas, SameSite, SecuredMode, SessionSettings, StaleSettings,
};

/// Least bytes of a key.
const KEY_BYTES: u64 = 32;
/// Most keys of a list: whatever no key fits is tried with all of them.
const KEYS: usize = 8;
/// Least size of the cache, in bytes.
const LEAST_CACHE_BYTES: u64 = 1 << 20;
/// Longest name of a cookie, in bytes.
const COOKIE_NAME_BYTES: usize = 64;

/// Checks `sessions.cookie` and `portal.domain`, which belong together.
pub fn cookie(
    raw: &RawCookie,
    portal: &RawPortal,
    origin: Option<&Origin>,
    compiler: &mut Compiler<'_>,
) -> Option<CookieSettings> {
    let parent = KeyPath::of("sessions.cookie");
    let name = cookie_name(&raw.name, &parent.key("name"), compiler);
    let secured_at = parent.key("secured");
    let secured = match raw.secured {
        0 => Some(SecuredMode::Unsecured),
        1 => Some(SecuredMode::Secured),
        2 => Some(SecuredMode::DoubleCookie),
        3 => Some(SecuredMode::DoubleCookieOneSession),
        other => {
            let text = format!("there is no mode {other}; use 0, 1, 2 or 3");
            compiler.error(&secured_at, &text);
            None
        }
    };
    let same_site = match raw.same_site {
        RawSameSite::Strict => SameSite::Strict,
        RawSameSite::Lax => SameSite::Lax,
        RawSameSite::None => SameSite::None,
    };
    if secured == Some(SecuredMode::Unsecured) && same_site == SameSite::None {
        let text = "browsers drop `SameSite=None` cookies without `Secure`; use lax or secured: 1";
        compiler.error(&parent.key("same_site"), text);
    }
    if let (Some(mode), Some(origin)) = (secured, origin)
        && mode != SecuredMode::Unsecured
        && !origin.is_https()
    {
        let text = "the portal is plain http, where browsers drop `Secure` cookies; use an https \
                    portal or secured: 0";
        compiler.warn(&secured_at, text);
    }
    let domain = match (&portal.domain, origin) {
        (None, _) | (_, None) => Some(None),
        (Some(written), Some(origin)) => domain(written, origin, compiler).map(Some),
    };
    Some(CookieSettings { name: name?, secured: secured?, same_site, domain: domain? })
}

fn cookie_name(name: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Box<str>> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !(1..=COOKIE_NAME_BYTES).contains(&name.len()) || !name.bytes().all(token) {
        let text = format!("'{name}' cannot be a cookie's name; use letters, digits, '_' and '-'");
        compiler.error(path, &text);
        return None;
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("__host-") || lower.starts_with("__secure-") {
        let text = "the prefix is added where it is due; write the name without it";
        compiler.error(path, text);
        return None;
    }
    Some(name.into())
}

fn domain(written: &str, origin: &Origin, compiler: &mut Compiler<'_>) -> Option<Box<str>> {
    let path = KeyPath::of("portal.domain");
    let name = written.strip_prefix('.').unwrap_or(written);
    let canonical = match host::canonical(name.as_bytes()) {
        Ok(domain) if !name.contains(':') => domain,
        _ => {
            let text = format!("'{written}' is not a domain; write e.g. example.com");
            compiler.error(&path, &text);
            return None;
        }
    };
    let host = &*origin.host;
    let is_above = host.strip_suffix(&*canonical).is_some_and(|rest| rest.ends_with('.'));
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    if host != canonical && (!is_above || is_address) {
        let text = format!(
            "browsers refuse cookies for '{canonical}' from the portal {host}; use {host}, a domain \
             above it, or leave the key out"
        );
        compiler.error(&path, &text);
        return None;
    }
    if is_above && !canonical.contains('.') {
        let text = format!("browsers refuse cookies for all of '{canonical}'; use a longer domain");
        compiler.error(&path, &text);
        return None;
    }
    Some(canonical.as_ref().into())
}

/// Checks the times and bounds of `sessions`.
pub fn sessions(
    raw: &RawSessions,
    cookie: Option<CookieSettings>,
    slave_level: u8,
    compiler: &mut Compiler<'_>,
) -> Option<SessionSettings> {
    let parent = KeyPath::of("sessions");
    let timeout = span(&raw.timeout, &parent.key("timeout"), compiler);
    let idle_timeout = span(&raw.idle_timeout, &parent.key("idle_timeout"), compiler);
    if let (Some(timeout), Some(idle)) = (timeout, idle_timeout)
        && idle > timeout
    {
        let (at, timeout) = (parent.key("idle_timeout"), humantime::format_duration(timeout));
        let text = format!("longer than `timeout`, which is {timeout}; make it at most that");
        compiler.error(&at, &text);
    }
    let touch_interval = touch_interval(raw, idle_timeout, &parent, compiler);
    let max_bytes_at = parent.key("max_bytes");
    let max_bytes = compiler.checked(&max_bytes_at, units::size(&raw.max_bytes.0));
    if max_bytes.is_some_and(|bytes| bytes < LEAST_CACHE_BYTES) {
        compiler.error(&max_bytes_at, "less than 1MiB; write at least 1MiB");
    }
    let max_per_user = raw.max_per_user.and_then(|most| {
        let nobody = "with 0 sessions nobody could log in; write at least 1, or remove the key";
        compiler.positive(&parent.key("max_per_user"), most, nobody)
    });
    let stale = stale(raw, slave_level, &parent.key("stale_max"), compiler);
    let quotas = parent.key("quotas");
    let nobody = "0 sessions a minute would keep everybody out; write at least 1";
    let per_client = compiler.positive(&quotas.key("per_client"), raw.quotas.per_client, nobody);
    let per_master = compiler.positive(&quotas.key("per_master"), raw.quotas.per_master, nobody);
    Some(SessionSettings {
        cookie: cookie?,
        timeout: timeout?,
        idle_timeout: idle_timeout?,
        touch_interval: touch_interval?,
        max_bytes: max_bytes?,
        quotas: Quotas { per_client: per_client?, per_master: per_master? },
        max_per_user,
        stale: stale?,
    })
}

fn stale(
    raw: &RawSessions,
    level: u8,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<StaleSettings> {
    let max = compiler.checked(path, units::duration(&raw.stale_max.0))?;
    if !max.is_zero() && matches!(raw.store.kind, RawStoreKind::Memory | RawStoreKind::Embedded) {
        let text = "nobody else writes to this store, so a known session is served without it anyway; \
                    remove the key";
        compiler.warn(path, text);
    }
    Some(StaleSettings { max, level })
}

/// A duration that is not nothing.
pub fn span(raw: &RawDuration, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Duration> {
    let span = compiler.checked(path, units::duration(&raw.0))?;
    if span < Duration::from_millis(1) {
        compiler.error(path, "shorter than a millisecond; write e.g. 1m");
        return None;
    }
    Some(span)
}

fn touch_interval(
    raw: &RawSessions,
    idle: Option<Duration>,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Duration> {
    let longest = idle.map(|idle| idle / 4);
    let Some(raw) = &raw.touch_interval else {
        return Some(longest.unwrap_or(Duration::MAX).min(defaults::TOUCH_INTERVAL));
    };
    let path = parent.key("touch_interval");
    let interval = span(raw, &path, compiler)?;
    match longest {
        Some(longest) if interval > longest => {
            let longest = humantime::format_duration(longest);
            let text = format!("longer than a quarter of `idle_timeout`; write at most {longest}");
            compiler.error(&path, &text);
            None
        }
        _ => Some(interval),
    }
}

/// Checks the one key at `path`. A file need not exist yet; if it does, it must be a key. `example` is a good
/// name for one.
pub fn key(
    raw: &RawSecret,
    path: &KeyPath,
    example: &str,
    compiler: &mut Compiler<'_>,
) -> Option<KeySource> {
    if matches!(raw, RawSecret::List(_)) {
        let text = "a list of keys is not available in this version; write one of them";
        compiler.error(path, text);
        return None;
    }
    keys(raw, path, example, compiler)?.pop()
}

/// Checks the key at `path`, or the list of keys there: never empty, and none of them twice. The first is the
/// one that is used for what is new. A file need not exist yet if it stands alone; in a list it must, because
/// one that is made up now is hardly what the others overlap with.
pub fn keys(
    raw: &RawSecret,
    path: &KeyPath,
    example: &str,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<KeySource>> {
    let RawSecret::List(items) = raw else {
        return one_key(raw, path, example, Absent::IsCreated, compiler).map(|key| vec![key]);
    };
    if items.is_empty() && !compiler.document.wrote(&path.index(0)) {
        let text = format!("the list is empty; write at least one key, e.g. {{ file: {example} }}");
        compiler.error(path, &text);
        return None;
    }
    if items.len() > KEYS {
        let text = format!("more than {KEYS} keys; remove those that nothing depends on any more");
        compiler.error(path, &text);
        return None;
    }
    let mut keys: Option<Vec<KeySource>> = Some(Vec::new());
    for (index, item) in items.iter().enumerate() {
        let at = path.index(index);
        let key = one_key(item, &at, example, Absent::IsAnError, compiler);
        let repeated = match (&key, &keys) {
            (Some(key), Some(keys)) => keys.iter().any(|other| is_same(key, other)),
            _ => false,
        };
        if repeated {
            compiler.error(&at, "this key stands in the list already; remove one of them");
        }
        match (key.filter(|_| !repeated), &mut keys) {
            (Some(key), Some(keys)) => keys.push(key),
            _ => keys = None,
        }
    }
    keys
}

/// Whether two sources are one key, as far as can be told without reading.
pub fn is_same(one: &KeySource, other: &KeySource) -> bool {
    match (one, other) {
        (KeySource::File(one), KeySource::File(other)) => one == other,
        (KeySource::Given(one), KeySource::Given(other)) => one.id() == other.id(),
        (KeySource::File(_), KeySource::Given(_)) | (KeySource::Given(_), KeySource::File(_)) => {
            false
        }
    }
}

/// What a key file that does not exist means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    IsCreated,
    IsAnError,
}

fn one_key(
    raw: &RawSecret,
    path: &KeyPath,
    example: &str,
    absent: Absent,
    compiler: &mut Compiler<'_>,
) -> Option<KeySource> {
    let RawSecret::Reference(reference) = raw else {
        let text = format!("a key does not stand in the clear; write {{ file: {example} }}");
        compiler.error(path, &text);
        return None;
    };
    match compiler.checked(path, compiler.sources.of(reference))? {
        Source::File(file) => key_file(file, path, absent, compiler),
        Source::Env(name) => {
            let key = compiler.checked(path, compiler.sources.variable(name))?;
            if (key.expose().len() as u64) < KEY_BYTES {
                let text = format!(
                    "the key in {name} has less than {KEY_BYTES} bytes; put random ones there, e.g. \
                     `openssl rand -hex 32`"
                );
                compiler.error(path, &text);
                return None;
            }
            Some(KeySource::Given(key))
        }
    }
}

fn key_file(
    file: PathBuf,
    path: &KeyPath,
    absent: Absent,
    compiler: &mut Compiler<'_>,
) -> Option<KeySource> {
    let shown = file.display();
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            let text = format!("the key file {shown} is not a regular file; name the file");
            compiler.error(path, &text);
            return None;
        }
        Ok(metadata) if metadata.len() < KEY_BYTES => {
            let text = format!(
                "the key file {shown} holds less than {KEY_BYTES} bytes; remove it, and a \
                 good one is created"
            );
            compiler.error(path, &text);
            return None;
        }
        Ok(metadata) => {
            if let Some(warning) = open_to_others(&file, &metadata) {
                compiler.warn(path, &warning);
            }
        }
        Err(_) if absent == Absent::IsAnError => {
            let text = format!(
                "the key file {shown} is not there, and of a list none is created; make it with \
                 `vouchsafe key new`, or remove it from the list"
            );
            compiler.error(path, &text);
            return None;
        }
        Err(_) => {}
    }
    Some(KeySource::File(file))
}

/// Checks `sessions.store`.
pub fn store(raw: &RawStore, compiler: &mut Compiler<'_>) -> Option<StoreSettings> {
    let path = KeyPath::of("sessions.store.path");
    if raw.kind != RawStoreKind::Redis {
        redis_store::refuse(compiler)?;
    }
    match (raw.kind, &raw.path) {
        (RawStoreKind::Memory, None) => Some(StoreSettings::Memory),
        (RawStoreKind::Memory, Some(_)) => {
            compiler.warn(&path, "the memory store has no file; remove the path");
            Some(StoreSettings::Memory)
        }
        (RawStoreKind::Embedded, written) => {
            let written = written.as_deref().unwrap_or(defaults::STORE_PATH);
            let path = compiler.file(&path, written)?;
            Some(StoreSettings::Embedded { path })
        }
        (RawStoreKind::Redis, written) => {
            if written.is_some() {
                compiler.warn(&path, "Redis has no file of ours; remove the path");
            }
            redis_store::redis(raw, compiler).map(StoreSettings::Redis)
        }
    }
}

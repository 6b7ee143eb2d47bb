//! `sessions.store` with `kind: redis`: servers, accounts, TLS.
//!
//! Messages name keys and places, never a user's password.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::{Host, Url};

use crate::config::compile::tls::{self, TlsError};
use crate::config::compile::{Compiler, sessions};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawInvalidation, RawReplicas, RawSentinel, RawStore, RawStoreTls};
use crate::config::raw_value::{OneOrMany, RawSecret};
use crate::config::{KeySource, StoreSettings, defaults};
use crate::domain::secret::Secret;
use crate::store::redis::settings::{
    Account, Heartbeat, Invalidation, Place, RedisSettings, Replicas, SentinelSettings, Servers,
};

/// Keys that only Redis has.
const KEYS: &[&str] = &[
    "url",
    "urls",
    "sentinel",
    "username",
    "password",
    "tls",
    "prefix",
    "timeout",
    "replicas",
    "invalidation",
];
/// How long a call may take.
const TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(30);
/// Longest prefix, in bytes.
const PREFIX_BYTES: usize = 64;

/// Why a text is not the URL of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum UrlError {
    #[error(
        "not the URL of a Redis server; write e.g. redis://redis.example.com:6379/0, or rediss:// for TLS"
    )]
    NotRedis,
    #[error("the URL holds a query or a fragment; it must end with the number of the database")]
    Tail,
    #[error("what follows the server is not the number of a database; write e.g. /0, or nothing")]
    Database,
    #[error("the password in the URL is not UTF-8 in percent signs; encode it so")]
    Encoding,
}

/// A server's URL, taken apart.
struct Parts {
    place: Place,
    is_tls: bool,
    database: Option<u32>,
    account: Account,
}

/// Refuses keys that only Redis has; `None` if there are any.
pub fn refuse(compiler: &mut Compiler<'_>) -> Option<()> {
    let parent = KeyPath::of("sessions.store");
    let wrote = |key: &&&str| compiler.document.wrote(&parent.key(key));
    let written: Vec<_> = KEYS.iter().filter(wrote).collect();
    for key in &written {
        let text = format!("only Redis has `{key}`; write `kind: redis`, or remove the key");
        compiler.key_error(&parent.key(key), &text);
    }
    written.is_empty().then_some(())
}

/// With Redis all nodes must have the same keys, so none is created.
pub fn shared_keys(
    store: Option<&StoreSettings>,
    keys: Option<&[KeySource]>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) {
    let Some(StoreSettings::Redis(_)) = store else { return };
    for key in keys.unwrap_or_default() {
        if let KeySource::File(file) = key
            && matches!(file.try_exists(), Ok(false))
        {
            let file = file.display();
            let text = format!(
                "the key file {file} does not exist, and nodes that share Redis must share the key; make one with \
                 `vouchsafe key new --for sessions {file}` and copy it to all nodes"
            );
            compiler.error(path, &text);
        }
    }
}

/// Checks everything that Redis needs.
pub fn redis(raw: &RawStore, compiler: &mut Compiler<'_>) -> Option<RedisSettings> {
    let parent = KeyPath::of("sessions.store");
    let servers = servers(raw, &parent, compiler);
    let account = account(raw.username.as_deref(), raw.password.as_ref(), &parent, compiler);
    let prefix = prefix(raw.prefix.as_deref(), &parent.key("prefix"), compiler);
    let timeout = timeout(raw, &parent.key("timeout"), compiler);
    let wants_tls = servers.as_ref().map(|found| found.is_tls);
    let tls = tls_settings(raw.tls.as_ref(), wants_tls, &parent.key("tls"), compiler);
    let Found { servers, database, account: in_url, .. } = servers?;
    let account = account?;
    let account = match in_url {
        None => account,
        Some(_) if account.username.is_some() || account.password.is_some() => {
            let text =
                "the URL names a user, and `username` or `password` another one; keep one of them";
            compiler.error(&parent.key("url"), text);
            return None;
        }
        Some(in_url) => in_url,
    };
    Some(RedisSettings {
        servers,
        account,
        database,
        prefix: prefix?,
        timeout: timeout?,
        replicas: match raw.replicas {
            None | Some(RawReplicas::Auto) => Replicas::Auto,
            Some(RawReplicas::Exactly(replicas)) => Replicas::Exactly(replicas),
        },
        invalidation: match raw.invalidation {
            None | Some(RawInvalidation::Tracking) => Invalidation::Tracking,
            Some(RawInvalidation::Pubsub) => Invalidation::PubSub,
        },
        tls: tls?,
        heartbeat: Heartbeat::default(),
    })
}

// === Servers ===

/// The servers, and what their URLs say besides.
struct Found {
    servers: Servers,
    database: u32,
    account: Option<Account>,
    is_tls: bool,
}

fn servers(raw: &RawStore, parent: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Found> {
    match (&raw.url, &raw.urls, &raw.sentinel) {
        (Some(_), Some(_), _) => {
            let text = "`url` is one server and `urls` are several; keep the one that is meant";
            compiler.key_error(&parent.key("urls"), text);
            None
        }
        (Some(_), None, Some(_)) => {
            let text = "with `sentinel` the sentinels themselves are asked; name them as `urls` instead of `url`";
            compiler.key_error(&parent.key("url"), text);
            None
        }
        (Some(url), None, None) => one(url, &parent.key("url"), compiler),
        (None, Some(urls), sentinel) => several(urls, sentinel.as_ref(), parent, compiler),
        (None, None, _) => {
            let wrote = |key| compiler.document.wrote(&parent.key(key));
            if !wrote("url") && !wrote("urls") {
                let text = "with `kind: redis` a server is needed; add e.g. `url: redis://redis.example.com:6379`";
                compiler.error(&parent.key("kind"), text);
            }
            None
        }
    }
}

fn one(raw: &RawSecret, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Found> {
    let (written, is_clear) = match raw {
        RawSecret::Text(text) => (text.clone(), true),
        RawSecret::Reference(reference) => {
            let found = compiler.checked(path, compiler.sources.read(reference))?;
            if let Some(warning) = &found.warning {
                compiler.warn(path, warning);
            }
            let text = str::from_utf8(found.secret.expose()).ok().map(str::to_owned);
            (compiler.checked(path, text.ok_or(UrlError::NotRedis))?, false)
        }
        RawSecret::List(_) => {
            compiler.error(path, "one URL is wanted here and this is a list; write it as `urls`");
            return None;
        }
    };
    let parts = compiler.checked(path, parse(&written, defaults::REDIS_PORT))?;
    if is_clear && parts.account.password.is_some() {
        let text = "a password does not stand in the clear; write `password: { file: ... }` beside the URL, or \
                    the whole URL as { file: ... } or { env: ... }";
        compiler.error(path, text);
        return None;
    }
    let has_account = parts.account.username.is_some() || parts.account.password.is_some();
    Some(Found {
        servers: Servers::One(parts.place),
        database: parts.database.unwrap_or(0),
        account: has_account.then_some(parts.account),
        is_tls: parts.is_tls,
    })
}

fn several(
    raw: &OneOrMany,
    sentinel: Option<&RawSentinel>,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Found> {
    let path = parent.key("urls");
    let port = if sentinel.is_some() { defaults::SENTINEL_PORT } else { defaults::REDIS_PORT };
    let mut all = Some(Vec::new());
    for (index, written) in raw.items.iter().enumerate() {
        let at = if raw.is_list { path.index(index) } else { path.clone() };
        let parts = compiler.checked(&at, parse(written, port)).filter(|parts| {
            let is_nobody = parts.account.username.is_none() && parts.account.password.is_none();
            if !is_nobody {
                compiler.error(
                    &at,
                    "a user does not stand in `urls`; write `username` and `password` beside it",
                );
            }
            is_nobody
        });
        match (parts, &mut all) {
            (Some(parts), Some(all)) => all.push((at, parts)),
            _ => all = None,
        }
    }
    let all = all?;
    let Some((_, first)) = all.first() else {
        compiler.error(&path, "no server is named; write at least one");
        return None;
    };
    let (is_tls, database) = (first.is_tls, first.database);
    for (at, parts) in &all {
        if parts.is_tls != is_tls {
            compiler.error(at, "one URL is `rediss` and another is not; write all of them alike");
            return None;
        }
        if parts.database != database {
            compiler.error(at, "the URLs name different databases; write the same one, or none");
            return None;
        }
        if sentinel.is_none() && parts.database.is_some_and(|database| database != 0) {
            compiler.error(at, "a cluster has the database 0 only; remove the number");
            return None;
        }
        if all.iter().filter(|(_, other)| other.place == parts.place).count() > 1 {
            compiler.error(at, "this server stands twice; remove one of them");
            return None;
        }
    }
    let places = all.into_iter().map(|(_, parts)| parts.place).collect();
    let servers = match sentinel {
        None => Servers::Cluster(places),
        Some(raw) => {
            let path = parent.key("sentinel");
            let primary = compiler.required(&path, "master", raw.master.as_deref());
            let account = account(raw.username.as_deref(), raw.password.as_ref(), &path, compiler);
            let primary = primary.filter(|name| !name.is_empty()).map(Into::into);
            Servers::Sentinel(SentinelSettings { places, primary: primary?, account: account? })
        }
    };
    Some(Found { servers, database: database.unwrap_or(0), account: None, is_tls })
}

fn parse(written: &str, default_port: u16) -> Result<Parts, UrlError> {
    // The parser would quietly drop what does not belong into a URL.
    let clean = !written.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(written).ok().filter(|_| clean).ok_or(UrlError::NotRedis)?;
    let is_tls = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        _ => return Err(UrlError::NotRedis),
    };
    let host: Box<str> = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => name.into(),
        Some(Host::Ipv4(address)) => address.to_string().into(),
        Some(Host::Ipv6(address)) => address.to_string().into(),
        Some(Host::Domain(_)) | None => return Err(UrlError::NotRedis),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlError::Tail);
    }
    let database = match url.path() {
        "" | "/" => None,
        path => {
            let number = path.strip_prefix('/').and_then(|number| number.parse().ok());
            Some(number.ok_or(UrlError::Database)?)
        }
    };
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::Encoding)?;
        Ok(text.into_owned())
    };
    let username = Some(url.username()).filter(|name| !name.is_empty()).map(decoded).transpose()?;
    let password = url.password().map(decoded).transpose()?;
    let account = Account {
        username: username.map(Into::into),
        password: password.map(|password| Arc::new(Secret::new(password.into_bytes()))),
    };
    let place = Place { host, port: url.port().unwrap_or(default_port) };
    Ok(Parts { place, is_tls, database, account })
}

// === The rest ===

fn account(
    username: Option<&str>,
    password: Option<&RawSecret>,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Account> {
    let path = parent.key("password");
    let password = match password {
        None => (!compiler.document.wrote(&path)).then_some(None),
        Some(RawSecret::Text(_)) => {
            let text =
                "a password does not stand in the clear; write { file: ... } or { env: ... }";
            compiler.error(&path, text);
            None
        }
        Some(RawSecret::List(_)) => {
            compiler
                .error(&path, "one password is wanted here and this is a list; write one of them");
            None
        }
        Some(RawSecret::Reference(reference)) => {
            let found = compiler.checked(&path, compiler.sources.read(reference))?;
            if let Some(warning) = &found.warning {
                compiler.warn(&path, warning);
            }
            let is_text = str::from_utf8(found.secret.expose()).is_ok();
            if !is_text {
                compiler.error(&path, "the password is no text; write one in UTF-8");
            }
            is_text.then(|| Some(Arc::new(found.secret)))
        }
    }?;
    if username.is_some() && password.is_none() {
        let text = "a user without a password is not let in; add `password: { file: ... }`";
        compiler.error(&parent.key("username"), text);
        return None;
    }
    Some(Account { username: username.map(Into::into), password })
}

fn prefix(written: Option<&str>, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Box<str>> {
    let written = written.unwrap_or(defaults::STORE_PREFIX);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_good = (1..=PREFIX_BYTES).contains(&written.len()) && written.bytes().all(plain);
    if !is_good {
        let text = format!("not a prefix; use 1 to {PREFIX_BYTES} of A-Z a-z 0-9 . _ -");
        compiler.error(path, &text);
    }
    is_good.then(|| written.into())
}

fn timeout(raw: &RawStore, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Duration> {
    let Some(raw) = &raw.timeout else { return Some(defaults::STORE_TIMEOUT) };
    let timeout = sessions::span(raw, path, compiler)?;
    let is_good = TIMEOUTS.contains(&timeout);
    if !is_good {
        compiler.error(path, "a call may take 10ms to 30s; write e.g. 500ms");
    }
    is_good.then_some(timeout)
}

/// `None` is an error, `Some(None)` clear text.
#[expect(clippy::option_option, reason = "one says wrong, the other says none")]
fn tls_settings(
    raw: Option<&RawStoreTls>,
    wants_tls: Option<bool>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Option<Arc<ClientConfig>>> {
    if wants_tls == Some(false) {
        if compiler.document.wrote(path) {
            let text = "the URL says clear text; write `rediss://` there, or remove `tls`";
            compiler.key_error(path, text);
            return None;
        }
        return Some(None);
    }
    let none = RawStoreTls::default();
    let raw = match raw {
        Some(raw) => raw,
        None if compiler.document.wrote(path) => return None,
        None => &none,
    };
    let (ca_at, cert_at, key_at) = (path.key("ca"), path.key("cert"), path.key("key"));
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(tls::failed);
    let builder = compiler.checked(path, builder)?;
    let builder = match raw.ca.as_deref() {
        None => compiler.checked(path, builder.with_platform_verifier().map_err(tls::failed))?,
        Some(written) => {
            let pem = tls::read(written, &ca_at, compiler)?;
            let roots = compiler.checked(&ca_at, tls::authorities(&pem))?;
            builder.with_root_certificates(roots)
        }
    };
    let config = match (raw.cert.as_deref(), raw.key.as_deref()) {
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return compiler.required(path, "key", None),
        (None, Some(_)) => return compiler.required(path, "cert", None),
        (Some(cert), Some(key)) => {
            let chain = tls::read(cert, &cert_at, compiler)
                .and_then(|pem| compiler.checked(&cert_at, tls::certificates(&pem)));
            let pem = tls::read(key, &key_at, compiler).map(Secret::new)?;
            let private = compiler.checked(&key_at, tls::private_key(pem.expose(), &provider))?;
            let fits = builder.with_client_auth_cert(chain?, private).map_err(tls::failed);
            let at = if matches!(fits, Err(TlsError::ForeignKey)) { key_at } else { cert_at };
            compiler.checked(&at, fits)?
        }
    };
    Some(Some(Arc::new(config)))
}

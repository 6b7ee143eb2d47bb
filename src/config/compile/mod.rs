//! From what was written to what the floors below want: every value checked, every error collected.
//!
//! A part that cannot be built is `None` and its errors are with the [`Compiler`]; the others are
//! checked all the same.

mod admin;
mod applications;
mod assertion;
mod clauses;
mod definitions;
mod encodings;
mod encryption;
mod expressions;
mod headers;
mod hosts;
mod hours;
mod listen;
mod logo;
mod masters;
mod mfa;
mod patterns;
mod portal;
mod redis_store;
mod rules;
mod sessions;
mod slave;
mod tls;
mod urls;
mod variables;

use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::config::compile::variables::Variables;
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::document::{Document, Part};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawAudit, RawConfig, RawFormat, RawLevel, RawLog};
use crate::config::raw_value::OneOrMany;
use crate::config::secret_ref::Sources;
use crate::config::{PortalSettings, Settings, defaults};
use crate::domain::location::Location;
use crate::domain::network::Networks;
use crate::policy::Policy;
use crate::policy::trust::{Trust, TrustedProxies};
use crate::telemetry::log::{LogFormat, LogLevel, LogSettings};

/// What every check needs: where things stand, where errors go, where references lead.
pub struct Compiler<'a> {
    /// Where things stand.
    pub document: &'a Document,
    /// What was found so far.
    pub found: &'a mut Vec<Diagnostic>,
    /// Where references lead.
    pub sources: Sources<'a>,
}

impl Compiler<'_> {
    /// Reports that the value at `path` is wrong.
    pub fn error(&mut self, path: &KeyPath, text: &str) {
        self.report(Severity::Error, path, Part::Value, text);
    }

    /// Reports that the key at `path` is wrong.
    pub fn key_error(&mut self, path: &KeyPath, text: &str) {
        self.report(Severity::Error, path, Part::Key, text);
    }

    /// Reports that the value at `path` is probably not meant.
    pub fn warn(&mut self, path: &KeyPath, text: &str) {
        self.report(Severity::Warning, path, Part::Value, text);
    }

    fn report(&mut self, severity: Severity, path: &KeyPath, part: Part, text: &str) {
        let at = self.document.place(path, part);
        let written = self.document.written(path).to_string();
        self.found.push(Diagnostic::new(severity, written, at, text));
    }

    /// The good half of a result; the bad one is reported at `path`.
    pub fn checked<T, E: ToString>(&mut self, path: &KeyPath, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(path, &error.to_string())).ok()
    }

    /// The value of a key that must be there; one that was there and wrong is not reported again.
    pub fn required<T>(&mut self, parent: &KeyPath, key: &str, value: Option<T>) -> Option<T> {
        let path = parent.key(key);
        if value.is_none() && !self.document.wrote(&path) {
            self.key_error(&path, &format!("the key `{path}` is missing; add it"));
        }
        value
    }

    /// Where the value at `path` stands.
    pub fn place(&self, path: &KeyPath) -> Location {
        self.document.place(path, Part::Value)
    }

    /// A path of the file system, from the file's folder.
    pub fn file(&mut self, path: &KeyPath, written: &str) -> Option<PathBuf> {
        if written.is_empty() || written.contains('\0') {
            self.error(path, "not a path; name a file");
            return None;
        }
        Some(self.sources.folder.join(written))
    }

    /// A number that must not be 0; `text` says why, and what to write.
    pub fn positive(&mut self, path: &KeyPath, number: u32, text: &str) -> Option<NonZeroU32> {
        let positive = NonZeroU32::new(number);
        if positive.is_none() {
            self.error(path, text);
        }
        positive
    }

    /// Networks, one text or a list of them; `None` if any is wrong, because half a list would
    /// lead to wrong answers of the checks that follow.
    pub fn networks(&mut self, path: &KeyPath, written: &OneOrMany) -> Option<Networks> {
        self.listed(path, written, Networks::parse, Networks::extend)
    }

    /// The items of a list read one by one into one value; `None` if any is wrong.
    fn listed<T: Default, E: ToString>(
        &mut self,
        path: &KeyPath,
        written: &OneOrMany,
        parse: impl Fn(&str) -> Result<T, E>,
        extend: impl Fn(&mut T, T),
    ) -> Option<T> {
        let mut all = Some(T::default());
        for (index, item) in written.items.iter().enumerate() {
            let at = if written.is_list { path.index(index) } else { path.clone() };
            match (self.checked(&at, parse(item)), &mut all) {
                (Some(more), Some(all)) => extend(all, more),
                _ => all = None,
            }
        }
        all
    }
}

/// Builds the settings; `None` if anything of them could not be built, which was then reported.
pub fn compile(raw: &RawConfig, compiler: &mut Compiler<'_>) -> Option<Settings> {
    let proxies = trusted_proxies(&raw.trusted_proxies, compiler);
    let listen = listen::listen(&raw.listen, proxies.as_ref(), compiler);
    let portal = portal::portal(&raw.portal, compiler);
    let slave = slave::backend(&raw.slave, compiler);
    let networks = proxies.as_ref().map(|proxies| &proxies.networks);
    let masters = masters::masters(&raw.slave, networks, compiler);
    let portal_origin = portal.as_ref().map(|portal| &portal.origin);
    let cookie = sessions::cookie(&raw.sessions.cookie, &raw.portal, portal_origin, compiler);
    let sessions = sessions::sessions(&raw.sessions, cookie, raw.slave.auth_level, compiler);
    let key_at = KeyPath::of("sessions.key");
    let sessions_keys = sessions::keys(&raw.sessions.key, &key_at, defaults::KEY_FILE, compiler);
    let store = sessions::store(&raw.sessions.store, compiler);
    redis_store::shared_keys(store.as_ref(), sessions_keys.as_deref(), &key_at, compiler);
    let keys = sessions_keys.as_deref();
    let encryption = encryption::encryption(&raw.sessions, store.as_ref(), keys, compiler);
    let assertions = assertion::assertions(raw, portal_origin, compiler);
    let mut variables = Variables::exported(&raw.slave);
    let definitions = definitions::definitions(raw, &mut variables, compiler);
    let applications = applications::applications(raw, &variables, portal_origin, compiler);
    let logo = logo::logo(raw.slave.display_logo.as_ref(), compiler);
    let audit = audit(raw.audit.as_ref(), compiler);
    let admin = admin::admin(raw.admin.as_ref(), compiler);
    let ours = mfa::Ours { portal: portal_origin, listen: listen.as_ref(), store: store.as_ref() };
    let mfa = mfa::mfa(raw, &ours, compiler);
    let shown_variables = shown_variables(&raw.log.variables, &variables, compiler);
    let (slave, portal) = (slave?, portal?);
    let slave_headers = slave.trust_headers();
    Some(Settings {
        listen: listen?,
        portal: PortalSettings { logo, ..portal.settings },
        policy: Policy {
            trust: Trust::new(proxies?, masters?, slave_headers),
            slave: slave.backend,
            definitions,
            applications,
            assertions: assertions?,
            return_urls: portal.return_urls,
        },
        sessions: sessions?,
        sessions_keys: sessions_keys?,
        store: store?,
        encryption: encryption?,
        log: log(&raw.log),
        audit: audit?,
        admin: admin?,
        mfa: mfa?,
        shown_variables: shown_variables?,
        warnings: Vec::new(),
    })
}

/// `None` if any is wrong, as with [`Compiler::networks`].
fn trusted_proxies(written: &OneOrMany, compiler: &mut Compiler<'_>) -> Option<TrustedProxies> {
    let path = KeyPath::of("trusted_proxies");
    let proxies = compiler.listed(&path, written, TrustedProxies::parse, TrustedProxies::extend)?;
    if proxies.is_empty() && !compiler.document.wrote(&path.index(0)) {
        let text = "no proxy is trusted, so nobody gets an answer on /auth/*; list your proxies";
        compiler.warn(&path, text);
    }
    Some(proxies)
}

const fn log(raw: &RawLog) -> LogSettings {
    LogSettings {
        level: match raw.level {
            RawLevel::Error => LogLevel::Error,
            RawLevel::Warn => LogLevel::Warn,
            RawLevel::Info => LogLevel::Info,
            RawLevel::Debug => LogLevel::Debug,
        },
        format: match raw.format {
            RawFormat::Text => LogFormat::Text,
            RawFormat::Json => LogFormat::Json,
        },
    }
}

/// Variables whose values explanations may show; `None` if one of them does not exist.
fn shown_variables(
    written: &OneOrMany,
    variables: &Variables,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<Box<str>>> {
    let path = KeyPath::of("log.variables");
    let mut names = Some(Vec::new());
    for (index, name) in written.items.iter().enumerate() {
        let at = if written.is_list { path.index(index) } else { path.clone() };
        match (variables.exists(name, &at, compiler), &mut names) {
            (true, Some(names)) => names.push(name.as_str().into()),
            _ => names = None,
        }
    }
    names
}

/// `None` is an error, `Some(None)` no audit file.
#[expect(clippy::option_option, reason = "one says wrong, the other says off")]
fn audit(raw: Option<&RawAudit>, compiler: &mut Compiler<'_>) -> Option<Option<PathBuf>> {
    let Some(raw) = raw else { return Some(None) };
    let parent = KeyPath::of("audit");
    let written = compiler.required(&parent, "path", raw.path.as_deref())?;
    compiler.file(&parent.key("path"), written).map(Some)
}

//! From what was written to what the floors below want: every value checked, every error collected.
//!
//! A part that cannot be built is `None` and its errors are with the [`Compiler`]; the others are
//! checked all the same.

mod applications;
mod headers;
mod hosts;
mod logo;
mod masters;
mod patterns;
mod portal;
mod rules;
mod sessions;
mod slave;
mod urls;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::document::{Document, Part};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawAudit, RawConfig, RawFormat, RawLevel, RawListen, RawLog};
use crate::config::raw_value::OneOrMany;
use crate::config::secret_ref::Sources;
use crate::config::{ListenSettings, PortalSettings, Settings};
use crate::domain::location::Location;
use crate::domain::network::Networks;
use crate::policy::Policy;
use crate::policy::trust::Trust;
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

    /// Networks, one text or a list of them; `None` if any is wrong, because half a list would
    /// lead to wrong answers of the checks that follow.
    pub fn networks(&mut self, path: &KeyPath, written: &OneOrMany) -> Option<Networks> {
        let mut networks = Some(Networks::default());
        for (index, item) in written.items.iter().enumerate() {
            let at = if written.is_list { path.index(index) } else { path.clone() };
            match (self.checked(&at, Networks::parse(item)), &mut networks) {
                (Some(more), Some(networks)) => networks.extend(more),
                _ => networks = None,
            }
        }
        networks
    }
}

/// Builds the settings; `None` if anything of them could not be built, which was then reported.
pub fn compile(raw: &RawConfig, compiler: &mut Compiler<'_>) -> Option<Settings> {
    let listen = listen(&raw.listen, compiler);
    let proxies = compiler.networks(&KeyPath::of("trusted_proxies"), &raw.trusted_proxies);
    let proxies_at = KeyPath::of("trusted_proxies");
    let nobody = proxies.as_ref().is_some_and(Networks::is_empty);
    if nobody && !compiler.document.wrote(&proxies_at.index(0)) {
        let text = "no proxy is trusted, so nobody gets an answer on /auth/*; list your nginx";
        compiler.warn(&proxies_at, text);
    }
    let portal = portal::portal(&raw.portal, compiler);
    let slave = slave::backend(&raw.slave, compiler);
    let masters = masters::masters(&raw.slave, proxies.as_ref(), compiler);
    let portal_origin = portal.as_ref().map(|portal| &portal.origin);
    let cookie = sessions::cookie(&raw.sessions.cookie, &raw.portal, portal_origin, compiler);
    let sessions = sessions::sessions(&raw.sessions, cookie, compiler);
    let sessions_key = sessions::key(&raw.sessions.key, compiler);
    let store = sessions::store(&raw.sessions.store, compiler);
    let applications = applications::applications(raw, portal_origin, compiler);
    let logo = logo::logo(raw.slave.display_logo.as_ref(), compiler);
    let audit = audit(raw.audit.as_ref(), compiler);
    let (slave, portal) = (slave?, portal?);
    let slave_headers = slave.trust_headers();
    Some(Settings {
        listen: listen?,
        portal: PortalSettings { logo, ..portal.settings },
        policy: Policy {
            trust: Trust::new(proxies?, masters?, slave_headers),
            slave: slave.backend,
            applications,
            return_urls: portal.return_urls,
        },
        sessions: sessions?,
        sessions_key: sessions_key?,
        store: store?,
        log: log(&raw.log),
        audit: audit?,
        warnings: Vec::new(),
    })
}

fn listen(raw: &RawListen, compiler: &mut Compiler<'_>) -> Option<ListenSettings> {
    let path = KeyPath::of("listen");
    let public = address(&raw.public, &path.key("public"), compiler);
    let mut optional = |key: &str, written: Option<&String>| match written {
        None => Some(None),
        Some(written) => address(written, &path.key(key), compiler).map(Some),
    };
    let (grpc, admin) =
        (optional("grpc", raw.grpc.as_ref()), optional("admin", raw.admin.as_ref()));
    for (key, other, taken) in [
        ("grpc", grpc.flatten(), [("public", public), ("public", None)]),
        ("admin", admin.flatten(), [("public", public), ("grpc", grpc.flatten())]),
    ] {
        let Some(other) = other else { continue };
        for (name, taken) in taken {
            let is_there = taken.is_some_and(|taken| {
                let same = taken.port() == other.port() && taken.port() != 0;
                same && (taken.ip() == other.ip() || taken.ip().is_unspecified())
            });
            if is_there {
                let text = format!("`listen.{name}` is there already; use another port");
                compiler.error(&path.key(key), &text);
            }
        }
    }
    if admin.flatten().is_some_and(|admin| !admin.ip().is_loopback()) {
        let text = "metrics are open to the network; listen on 127.0.0.1 unless that is meant";
        compiler.warn(&path.key("admin"), text);
    }
    Some(ListenSettings { public: public?, grpc: grpc?, admin: admin? })
}

fn address(written: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<SocketAddr> {
    if written.starts_with("unix:") || written == "systemd" {
        let text = format!("'{written}' is not available in this version; write address:port");
        compiler.error(path, &text);
        return None;
    }
    let parsed: Result<SocketAddr, _> = written.parse();
    if parsed.is_err() {
        let text = format!("'{written}' is not address:port; write e.g. 127.0.0.1:9080");
        compiler.error(path, &text);
    }
    parsed.ok()
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

/// `None` is an error, `Some(None)` no audit file.
#[expect(clippy::option_option, reason = "one says wrong, the other says off")]
fn audit(raw: Option<&RawAudit>, compiler: &mut Compiler<'_>) -> Option<Option<PathBuf>> {
    let Some(raw) = raw else { return Some(None) };
    let parent = KeyPath::of("audit");
    let written = compiler.required(&parent, "path", raw.path.as_deref())?;
    compiler.file(&parent.key("path"), written).map(Some)
}

//! `config.yaml`: from text with positions to every floor's settings.
//!
//! The only module that knows YAML. [`load`] returns all errors of a file at once, each with its place and
//! its remedy; what it returns needs no further checks.
//!
//! The way down: `document` (text to a tree with places), `known_future` (what is wrong whatever it
//! means), `reader` (tree to the `raw` types), `compile` (raw to [`Settings`]). An error breaks its node
//! of the tree and nothing else.

mod compile;
mod defaults;
mod diagnostics;
mod document;
pub mod foreign;
mod key_path;
mod known_future;
mod listeners;
mod mask;
pub mod policy_tests;
mod raw;
mod raw_value;
mod raw_variable;
mod reader;
mod secret_ref;
pub mod units;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use crate::authority::factor::settings::{ApiKey, RegulationSettings, ValidateSettings};
use crate::config::compile::Compiler;
pub use crate::config::diagnostics::{Diagnostic, Diagnostics, Severity};
use crate::config::document::Document;
pub use crate::config::listeners::{
    ListenAddress, ListenSettings, ListenerSettings, TlsPem, TlsSettings,
};
use crate::config::mask::Mask;
use crate::config::raw::RawConfig;
use crate::config::secret_ref::Sources;
use crate::domain::limits::CONFIG_BYTES;
use crate::domain::secret::Secret;
use crate::edge::http::pages::Logo;
use crate::mfa::settings::{FederationSettings, LocalSettings};
use crate::policy::Policy;
use crate::session::settings::SessionSettings;
use crate::store::redis::settings::RedisSettings;
use crate::telemetry::log::LogSettings;

/// The portal, as people and redirects see it.
#[derive(Debug, Clone)]
pub struct PortalSettings {
    /// Its URL, with a trailing slash.
    pub url: Box<str>,
    /// Values of `lmAuth` that mean the slave backend; `None` ignores `lmAuth`.
    pub choice: Option<Vec<Box<str>>>,
    /// The picture of its choice page.
    pub logo: Option<Logo>,
}

/// Where records live.
#[derive(Debug, Clone)]
pub enum StoreSettings {
    /// In this process only.
    Memory,
    /// In a redb file.
    Embedded {
        /// The file; its folder is created if absent.
        path: PathBuf,
    },
    /// In Redis.
    Redis(RedisSettings),
}

/// How what lies in the session store is encrypted.
#[derive(Debug)]
pub struct EncryptionSettings {
    /// The first encrypts, all of them decrypt; never empty.
    pub keys: Vec<KeySource>,
    /// Whether records that are not encrypted are believed.
    pub believes_plain: bool,
}

/// Where a key comes from. Nothing is created here: that is the daemon's first start.
#[derive(Debug)]
pub enum KeySource {
    /// A file, created with a random key if absent.
    File(PathBuf),
    /// The key itself, from an environment variable.
    Given(Secret),
}

/// Who may use the admin listener's API.
#[derive(Debug, Default)]
pub struct AdminSettings {
    /// Names under which it is reached, besides `localhost` and its own address; canonical.
    pub hosts: Vec<Box<str>>,
    /// What must be presented; any of them. Nobody may use the API if there is none.
    pub credentials: Vec<KeySource>,
}

/// Second factors.
#[derive(Debug)]
pub struct MfaSettings {
    /// The nodes, and when which is asked.
    pub federation: FederationSettings,
    /// The local node; `None` if a server is the base and nothing is said about the local one.
    pub local: Option<LocalPlace>,
    /// What a checked factor raises a session to (SEMANTICS F1).
    pub auth_level: u8,
    /// Whether a success without a serial is a factor (SEMANTICS F1).
    pub accept_without_serial: bool,
    /// Who may ask `/validate/*`; `None`: there is no such path.
    pub api: Option<ValidateSettings>,
    /// The RSA key that signs our answers, PEM, created if absent; `None`: they are not signed.
    pub signing_key: Option<PathBuf>,
    /// What slows down guessing.
    pub regulation: RegulationSettings,
}

/// The local node, and where its tokens are.
#[derive(Debug)]
pub struct LocalPlace {
    /// What it does.
    pub settings: LocalSettings,
    /// The redb file of its tokens; its folder is created if absent.
    pub store: PathBuf,
    /// The key that they are encrypted with.
    pub key: KeySource,
}

/// A checked configuration.
#[derive(Debug)]
pub struct Settings {
    /// Listeners.
    pub listen: ListenSettings,
    /// The portal.
    pub portal: PortalSettings,
    /// What decides.
    pub policy: Policy,
    /// Sessions.
    pub sessions: SessionSettings,
    /// The keys of fingerprints and forms; the first makes what is new.
    pub sessions_keys: Vec<KeySource>,
    /// The store.
    pub store: StoreSettings,
    /// Its encryption; `None`: records lie there as they are.
    pub encryption: Option<EncryptionSettings>,
    /// The log.
    pub log: LogSettings,
    /// The admin API.
    pub admin: AdminSettings,
    /// Second factors; `None` checks none.
    pub mfa: Option<MfaSettings>,
    /// Variables whose values explanations of refusals may show.
    pub shown_variables: Vec<Box<str>>,
    /// The audit file; `None` writes audit lines to the log.
    pub audit: Option<PathBuf>,
    /// What is allowed but probably not meant; one line each.
    pub warnings: Vec<String>,
}

/// The shipped file, so that the daemon runs where there is none.
pub const SHIPPED: &str = include_str!("../../config.yaml");

/// Reads a configuration file; references in it are looked up beside it and in the process's environment.
///
/// # Errors
/// Everything that is wrong with it, warnings included: print it and exit.
pub fn load(path: &Path) -> Result<Settings, Diagnostics> {
    let text = text_of(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder, &environment)
}

/// A file's text, if it is not larger than a configuration may be.
fn text_of(path: &Path) -> Result<String, Diagnostics> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        let text = format!("cannot read {shown}: {}; check its name", error.kind());
        Diagnostics::one(Diagnostic::of_file(&text))
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // One byte more than allowed is enough to be refused.
    file.take(CONFIG_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| {
        let text = format!("{shown} is not UTF-8; save it as UTF-8");
        Diagnostics::one(Diagnostic::of_file(&text))
    })
}

/// What a secret reference `{ env: NAME }` reads.
#[expect(
    clippy::disallowed_methods,
    reason = "secret references are the one use of the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A file as it was read, before anybody asked what it means.
struct Written<'t, T> {
    document: Document,
    mask: Mask<'t>,
    /// What is wrong with it whatever it means.
    found: Vec<Diagnostic>,
    /// As much of it as fits; `None` if nothing does.
    raw: Option<T>,
}

impl<'t, T: DeserializeOwned> Written<'t, T> {
    /// Fails only for a text that is no YAML at all.
    fn read(text: &'t str) -> Result<Self, Diagnostics> {
        // A byte order mark is no part of the text, and would shift the first line's columns.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => return Err(Diagnostics::of(vec![error], &Mask::new(text, []))),
        };
        let mask = Mask::new(text, mask::secrets_of(&document.root));
        let mut found = Vec::new();
        known_future::examine(&mut document, &mut found);
        let raw = reader::read(&mut document, &mut found);
        Ok(Self { document, mask, found, raw })
    }
}

/// Reads the shipped file; its relative paths start in the current folder.
///
/// # Errors
/// None that a test does not show; as [`load`].
pub fn parse_shipped() -> Result<Settings, Diagnostics> {
    parse(SHIPPED, Path::new(""), &|_| None)
}

/// Reads a configuration: `folder` is where its relative paths start, `env` its environment.
///
/// # Errors
/// Everything that is wrong with it, warnings included, in the order of its lines.
pub fn parse(
    text: &str,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Diagnostics> {
    let Written { document, mask, mut found, raw } = Written::<RawConfig>::read(text)?;
    let settings = raw.and_then(|raw| {
        let sources = Sources { folder, env };
        let mut compiler = Compiler { document: &document, found: &mut found, sources };
        compile::compile(&raw, &mut compiler)
    });
    let has_errors = found.iter().any(|found| found.severity == Severity::Error);
    match settings {
        Some(settings) if !has_errors => {
            let warnings = Diagnostics::of(found, &mask).into_warnings();
            Ok(Settings { warnings, ..settings })
        }
        _ => {
            if !has_errors {
                // Whoever gives up says why; should one not, the daemon must not start all the same.
                found.push(Diagnostic::of_file("the configuration cannot be used; report this"));
            }
            Err(Diagnostics::of(found, &mask))
        }
    }
}

/// The JSON schema of the configuration: every key with its type, unit and default.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(RawConfig).to_value()
}

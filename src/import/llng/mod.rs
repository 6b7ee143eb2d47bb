//! LemonLDAP::NG's configuration (`lmConf-1.json`) as `config.yaml`.
//!
//! The way down: `source` (typed keys), `settings`, `login` (what sessions hold), `applications` and `rules`, for
//! which `perl` reads expressions, `pattern` regular expressions, and `cel` writes conditions; `yaml` is
//! the text. What `config` then refuses of it is denied or left out in another attempt (`translation`).
//!
//! Nothing is opened wider than LemonLDAP::NG has it: what is not understood denies, and `report` says so.

mod applications;
mod cel;
mod leftovers;
mod login;
mod names;
mod part;
mod pattern;
mod perl;
mod rules;
mod settings;
mod source;
mod translation;

use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::config::{self, Diagnostic, Severity};
use crate::domain::limits::IMPORT_BYTES;
use crate::import::llng::applications::Applications;
use crate::import::llng::login::Login;
use crate::import::llng::part::{Part, Yaml};
use crate::import::llng::settings::Settings;
pub use crate::import::llng::source::Problem;
use crate::import::llng::source::Source;
use crate::import::llng::translation::Refusals;
pub use crate::import::report::{Entry, Kind, Report};
use crate::import::yaml::shown;

/// Most attempts; each one mends up to a hundred places.
const ATTEMPTS: usize = 200;

/// A translated configuration.
#[derive(Debug)]
pub struct Import {
    /// The text of `config.yaml`, which `vouchsafe check` takes.
    pub config: String,
    /// What an operator has to know about it.
    pub report: Report,
}

/// Why there is no translation. The text names the remedy, and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Longer than it may be.
    #[error(
        "the file is larger than {IMPORT_BYTES} bytes; is it a configuration of LemonLDAP::NG?"
    )]
    TooLarge,
    /// It is no JSON.
    #[error(
        "line {line} column {column} is no JSON; give a lmConf-N.json, or what `lemonldap-ng-cli save` prints"
    )]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is JSON, and no configuration.
    #[error(
        "the file is no table of keys; give a lmConf-N.json, or what `lemonldap-ng-cli save` prints"
    )]
    NotConfiguration,
    /// Keys that cannot be used, and without which nobody should go on.
    #[error("{}", Problems(.0))]
    Refused(Vec<Problem>),
}

struct Problems<'a>(&'a [Problem]);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { key, text }) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{}: {text}", shown(key, 120))?;
        }
        Ok(())
    }
}

/// Translates a configuration.
///
/// # Errors
/// It cannot be read, or something in it keeps people out that has no counterpart here.
pub fn import(bytes: &[u8]) -> Result<Import, ImportError> {
    if bytes.len() > IMPORT_BYTES {
        return Err(ImportError::TooLarge);
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ImportError::NotJson { line: error.line(), column: error.column() })?;
    let Value::Object(map) = value else { return Err(ImportError::NotConfiguration) };
    let source = Source::new(map);
    if !source.keys().any(|key| matches!(key, "portal" | "locationRules" | "cfgNum")) {
        return Err(ImportError::NotConfiguration);
    }
    settings::demands(&source).map_err(ImportError::Refused)?;
    let mut refusals = Refusals::default();
    for _ in 0..ATTEMPTS {
        let (yaml, report) =
            attempt(&source, &refusals).map_err(|problem| ImportError::Refused(vec![problem]))?;
        let checked = config::parse(yaml.text(), Path::new(""), &|_| None);
        let Err(diagnostics) = checked else {
            return Ok(Import { config: yaml.into_text(), report });
        };
        let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let problems: Vec<Problem> =
            errors.filter_map(|error| refuse(error, &yaml, &mut refusals)).collect();
        if !problems.is_empty() {
            return Err(ImportError::Refused(problems));
        }
    }
    let text = "has more errors than can be left out one by one; take out what is broken";
    Err(ImportError::Refused(vec![Problem::new("locationRules", text)]))
}

/// Remembers what an error is about, or says that nobody can go on with it.
fn refuse(error: &Diagnostic, yaml: &Yaml, refusals: &mut Refusals) -> Option<Problem> {
    let why = match &error.help {
        Some(help) => format!("{}; {help}", error.message),
        None => error.message.clone(),
    };
    match yaml.part(error.at.line) {
        Some(Part::Setting(key)) => Some(Problem::new(*key, why)),
        Some(part) => {
            refusals.add(part, &why);
            None
        }
        // "3 more" has no place, and belongs to errors that have one.
        None => None,
    }
}

/// Translates everything that was not refused.
fn attempt(source: &Source, refusals: &Refusals) -> Result<(Yaml, Report), Problem> {
    let (mut yaml, mut report) = (Yaml::default(), Report::default());
    let choice = settings::choice(source, &mut report)?;
    let login = Login::read(source, choice.users, refusals, &mut report)?;
    let grant = settings::grant(source, &login.session, &mut report)?;
    for line in HEAD {
        yaml.line(&Part::Setting("trusted_proxies"), line);
    }
    let mut settings = Settings { source, refusals, yaml: &mut yaml, report: &mut report };
    settings.portal(&choice)?;
    settings.slave(&login)?;
    settings.sessions()?;
    login.write_macros_and_groups(&mut yaml);
    let mut settings = Settings { source, refusals, yaml: &mut yaml, report: &mut report };
    settings.trace_name(&login.session)?;
    let portal = source.text("portal")?;
    let portal = portal.as_deref().and_then(host_of);
    let applications = Applications::read(source, &login.session, &grant, refusals, portal)?;
    applications.write(&mut yaml, &mut report);
    leftovers::tell(source, &mut report);
    Ok((yaml, report))
}

/// The host of a URL, if it looks like one.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', ':', '?', '#']).next()
}

/// What no configuration of LemonLDAP::NG says.
const HEAD: &[&str] = &[
    "# Translated from LemonLDAP::NG by `vouchsafe import llng`. Above each rule and export stands what it was made of.",
    "listen:",
    "  public: 127.0.0.1:9080            # proxies ask here (/auth/*), people log in here (/)",
    "  admin: 127.0.0.1:9082             # /metrics, /livez, /readyz",
    "# The proxies that may speak for a client: LemonLDAP::NG believes every one that reaches it. CHECK THIS.",
    "trusted_proxies: [127.0.0.0/8, '::1/128']",
];

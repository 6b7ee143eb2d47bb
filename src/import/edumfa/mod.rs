//! eduMFA's federation, its servers and event handlers, as the section `mfa` of `config.yaml`.
//!
//! The way down: `source` (what the files say, of which `python` reads one spelling), `servers`, `handlers` with their
//! `conditions` (for which `pattern` reads regular expressions) and `options`. What `config` then refuses of it is left
//! out or switched off in another attempt.
//!
//! Nobody is asked who was not asked by eduMFA: a condition is never dropped, what is not understood switches its
//! handler off, and the report says so.

mod conditions;
mod handlers;
mod options;
mod pattern;
mod python;
mod servers;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::config::{self, Severity};
use crate::domain::limits::IMPORT_BYTES;
use crate::import::edumfa::servers::Servers;
use crate::import::edumfa::source::{MOST, Source};
pub use crate::import::report::{Entry, Kind, Report};
use crate::import::yaml::{Yaml, shown};

/// Most attempts; each one mends up to a hundred places.
const ATTEMPTS: usize = 200;

/// A translated federation.
#[derive(Debug)]
pub struct Import {
    /// The section `mfa`, which `vouchsafe check` takes in a configuration.
    pub config: String,
    /// What an operator has to know about it.
    pub report: Report,
}

/// Why there is no translation. The text names the remedy, and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Longer than it may be.
    #[error("{file} is larger than {IMPORT_BYTES} bytes; is it an export of eduMFA?")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// Neither of the three spellings.
    #[error(
        "{file}: line {line} column {column} is neither JSON nor Python nor YAML; give it as eduMFA wrote it"
    )]
    NotReadable {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// Something else.
    #[error(
        "{file} holds neither servers nor event handlers; give what `edumfa-manage config exporter` prints, or the answers \
         to GET /edumfaserver/ and GET /event/"
    )]
    NotFederation {
        /// The file.
        file: String,
    },
    /// More than a node has.
    #[error(
        "with {file} there are more than {MOST} servers or handlers; give the files of one node"
    )]
    TooMany {
        /// The file.
        file: String,
    },
    /// An answer that says no.
    #[error("{file} is an error that eduMFA answered; ask again with an administrator's token")]
    ErrorAnswer {
        /// The file.
        file: String,
    },
    /// Two files, two servers of one name.
    #[error(
        "the server {} is defined twice and not alike; give the files of one node",
        shown(name, 80)
    )]
    Contradiction {
        /// The server.
        name: String,
    },
    /// Handlers, and no server that they could ask.
    #[error(
        "there are event handlers and no server that one could ask; give the answer to GET /edumfaserver/ too, as some \
         exports have no servers"
    )]
    NoServers,
    /// No server and no handler.
    #[error("there is no server and no handler that forwards; nothing is to be translated")]
    Nothing,
    /// Errors without a place that could be left out.
    #[error("the translation cannot be used: {0}; report this")]
    Unusable(String),
}

/// What a line is about, so that an error in it leads back to its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// What no source says.
    Frame,
    /// A server, by its place in the source.
    Server(usize),
    /// A handler, by its place in the source.
    Handler(usize),
    /// A handler's condition.
    Condition(usize, String),
}

/// What was refused by those who check configurations, and why.
pub(crate) type Refusals = BTreeMap<Part, String>;

/// Translates what these files, each with its name, say together.
///
/// # Errors
/// One of them cannot be read, or there is nothing to translate.
pub fn import(files: &[(&str, &[u8])]) -> Result<Import, ImportError> {
    let mut source = Source::default();
    for (name, bytes) in files {
        source.add(name, bytes)?;
    }
    let forwards =
        |event: &Value| event.get("handlermodule").and_then(Value::as_str) == Some("Federation");
    match (source.servers.is_empty(), source.events.iter().any(forwards)) {
        (true, true) => return Err(ImportError::NoServers),
        (true, false) => return Err(ImportError::Nothing),
        (false, _) => {}
    }
    let mut refusals = Refusals::new();
    for _ in 0..ATTEMPTS {
        let (yaml, report) = attempt(&source, &refusals);
        let whole = format!("{}{REST}", yaml.text());
        let Err(diagnostics) = config::parse(&whole, Path::new(""), &|_| None) else {
            return Ok(Import { config: yaml.into_text(), report });
        };
        let known = refusals.len();
        let mut without_place = String::new();
        for error in diagnostics.iter().filter(|found| found.severity == Severity::Error) {
            let why = match &error.help {
                Some(help) => format!("{}; {help}", error.message),
                None => error.message.clone(),
            };
            match yaml.part(error.at.line) {
                Some(Part::Frame) | None => without_place = why,
                Some(part) => {
                    refusals.insert(part.clone(), why);
                }
            }
        }
        if refusals.len() == known {
            return Err(ImportError::Unusable(without_place));
        }
    }
    Err(ImportError::Unusable("it has too many errors".to_owned()))
}

/// Translates everything that was not refused.
fn attempt(source: &Source, refusals: &Refusals) -> (Yaml<Part>, Report) {
    let (mut yaml, mut report) = (Yaml::default(), Report::default());
    let servers = Servers::read(&source.servers, refusals, &mut report);
    let handlers = handlers::handlers(&source.events, &servers, refusals, &mut report);
    for line in HEAD {
        yaml.line(&Part::Frame, line);
    }
    if servers.is_empty() {
        yaml.line(&Part::Frame, "  servers: {}");
    }
    servers.write(&mut yaml);
    if !handlers.is_empty() {
        yaml.line(&Part::Frame, "  handlers:");
        let text = "a user whom the base does not know is asked for there, too, where the conditions hold; eduMFA \
                    forwards nobody whom it does not know";
        report.add(Kind::Note, "all handlers", text);
    }
    for handler in &handlers {
        handler.write(&mut yaml);
    }
    (yaml, report)
}

const HEAD: &[&str] = &[
    "# Translated from eduMFA by `vouchsafe import edumfa`; a part of config.yaml. The base is the embedded node.",
    "mfa:",
];

/// The rest of a configuration, to check the translation in; nobody's addresses.
const REST: &str = r#"
listen: { public: "unix:/nowhere/public.sock" }
trusted_proxies: [127.0.0.1]
portal: { url: "https://portal.invalid/" }
slave:
  user_header: CN
  auth_level: 1
  masters: [{ name: master, ips: [127.0.0.1], control_header: control, control_content: "only to be checked" }]
sessions: { store: { kind: memory } }
applications: [{ name: a, hosts: [a.invalid], rules: [{ effect: allow }] }]
"#;

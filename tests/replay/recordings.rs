//! The recordings: what was sent to LemonLDAP::NG, under which configuration, and what is compared of its answer.
//!
//! `tests/fixtures/llng/README.md` tells where they come from and how they are written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::outcome::Outcome;
use crate::support::programs;

/// One question and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    pub name: String,
    /// What the person who recorded it wanted to see.
    pub notes: String,
    /// LemonLDAP::NG's keys where they differ from its base configuration.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// `None`: after one login, what is stored.
    pub request: Option<Request>,
    pub expected: Outcome,
}

/// What was sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub to: Role,
    pub method: String,
    pub path: String,
    /// Lines `Name: value`, each character a byte.
    pub headers: Vec<String>,
    #[serde(default)]
    pub body: String,
}

/// Whom it was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Role {
    #[serde(rename = "portal")]
    Portal,
    #[serde(rename = "portal over http")]
    PortalOverHttp,
    /// A protected host, over plain HTTP.
    #[serde(rename = "application")]
    Application,
    /// The same over TLS.
    #[serde(rename = "application over tls")]
    ApplicationOverTls,
    /// What a proxy with forward authentication asks.
    #[serde(rename = "forward")]
    Forward,
    /// What the proxy itself asks about such a request.
    #[serde(rename = "handler")]
    Handler,
}

impl Recording {
    /// What makes its installation differ from others'.
    pub fn installation(&self) -> String {
        format!("{:?} {}", self.config, self.needs("{expired}"))
    }

    /// Whether a proxy with forward authentication asked.
    pub fn is_asked_by_forward(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.to == Role::Forward)
    }

    /// Whether its request carries `placeholder`.
    pub fn needs(&self, placeholder: &str) -> bool {
        self.request
            .as_ref()
            .is_some_and(|request| request.headers.iter().any(|line| line.contains(placeholder)))
    }

    /// Whether `value` of `aspect` is not what was recorded.
    pub fn differs(&self, aspect: &str, value: &str) -> bool {
        self.expected.get(aspect) != value
    }
}

/// All of them, by name.
pub fn all() -> Vec<Recording> {
    let files = std::fs::read_dir(programs::shipped("tests/fixtures/llng")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let mut recordings = Vec::new();
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let group: Vec<Recording> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        recordings.extend(group);
    }
    recordings.sort_by(|one, other| one.name.cmp(&other.name));
    recordings
}

//! What `vouchsafe import llng` makes of a configuration: rule by rule, of odd ones, and that it opens nothing wider.
//!
//! - `expressions`: Perl to CEL, a row each
//! - `rules`: patterns and conditions to rules
//! - `logins`: exported variables, macros and groups
//! - `oddities`: whatever comes in, what goes out is good or refused, and no secret is told
//! - `openness`: no request gets further than LemonLDAP::NG lets it
//! - `edumfa`: what `vouchsafe import edumfa` makes of servers and event handlers
//!
//! tests/replay asks the daemon with imported configurations; this is about the text.

mod edumfa;
mod expressions;
mod logins;
mod oddities;
mod openness;
mod rules;

use std::path::Path;

use serde_json::{Value, json};
use vouchsafe::config::{self, Settings};
use vouchsafe::import::llng::{self, Import, Kind};

/// The least that can be translated.
fn least() -> Value {
    json!({
        "portal": "https://auth.example.com/",
        "domain": "example.com",
        "authentication": "Slave",
        "userDB": "Slave",
        "slaveUserHeader": "CN",
        "slaveHeaderName": "control",
        "slaveHeaderContent": "opensesame",
        "macros": { "uid": "$ENV{HTTP_AUTH_USER}", "mail": "$ENV{HTTP_USER_EMAIL}" },
        "locationRules": {},
    })
}

/// The same with these keys.
fn with(keys: &Value) -> Value {
    let mut config = least();
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

#[track_caller]
fn import(config: &Value) -> Import {
    llng::import(config.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// What the daemon makes of the translation.
#[track_caller]
fn settings(import: &Import) -> Settings {
    config::parse(&import.config, Path::new(""), &|_| None)
        .unwrap_or_else(|errors| panic!("{errors}\n{}", import.config))
}

/// The lines of a translation that are neither comments nor above `from`.
fn lines<'a>(import: &'a Import, from: &str) -> Vec<&'a str> {
    let lines = import.config.lines().skip_while(|line| line.trim() != from).skip(1);
    lines.map(str::trim).filter(|line| !line.starts_with('#')).collect()
}

/// The rules that one virtual host gets.
#[track_caller]
fn rules_of(rules: &Value) -> (Vec<String>, Import) {
    let import = import(&with(&json!({ "locationRules": { "app.example.com": rules } })));
    settings(&import);
    let lines = lines(&import, "rules:").into_iter().map(str::to_owned).collect();
    (lines, import)
}

/// Whether the report has something of this kind about this place, with this word.
fn tells(import: &Import, kind: Kind, place: &str, word: &str) -> bool {
    let mut entries = import.report.entries().iter();
    entries.any(|entry| entry.kind == kind && entry.place == place && entry.text.contains(word))
}

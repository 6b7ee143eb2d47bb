//! `mfa.local.users`: a file of users, YAML or CSV, whose errors are told with its own lines.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::Deserialize;

use crate::config::Written;
use crate::config::compile::Compiler;
use crate::config::diagnostics::{Diagnostic, MOST_DIAGNOSTICS};
use crate::config::document::Part;
use crate::config::key_path::KeyPath;
use crate::config::raw_value::Ordered;
use crate::domain::limits::{CONFIG_BYTES, FACTOR_TEXT_BYTES, LOGIN_BYTES, NODE_ITEMS};
use crate::mfa::settings::{User, Users};

/// Why a file's content is not looked at.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("a file of users ends in .yaml, .yml or .csv; rename it")]
    Kind,
    #[error("the file cannot be read: {0}; relative paths start at the configuration's folder")]
    Unreadable(ErrorKind),
    #[error("this is not a regular file; name the file itself")]
    NotAFile,
    #[error("the file is larger than {CONFIG_BYTES} bytes; is it the right one?")]
    Large,
    #[error("the file is not UTF-8; save it as UTF-8")]
    NotUtf8,
}

/// A user of a YAML file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawUser {
    user: Option<String>,
    realm: String,
    resolver: String,
    attributes: Ordered<String>,
}

/// Something wrong with the file: its line, and what.
type Fault = (u32, String);

/// The users of a file, or all that is wrong with it.
type Listed = Result<Vec<(u32, User)>, Vec<Fault>>;

/// Reads the file; a user without a realm has an empty one.
pub fn users(written: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Users> {
    let file = compiler.file(path, written)?;
    let read = match file.extension().and_then(|end| end.to_str()) {
        Some(end) if end.eq_ignore_ascii_case("csv") => from_csv,
        Some("yaml" | "yml") => from_yaml,
        Some(_) | None => {
            compiler.error(path, &FileError::Kind.to_string());
            return None;
        }
    };
    let text = compiler.checked(path, text_of(&file))?;
    match read(&text).and_then(checked) {
        Ok(users) => Some(Users(users)),
        Err(faults) => {
            for (line, text) in faults.into_iter().take(MOST_DIAGNOSTICS) {
                // Of the file as a whole there is no line.
                let place = if line == 0 { String::new() } else { format!(" line {line}") };
                compiler.error(path, &format!("{written}{place}: {text}"));
            }
            None
        }
    }
}

fn text_of(path: &Path) -> Result<String, FileError> {
    let unreadable = |error: std::io::Error| FileError::Unreadable(error.kind());
    // Before it is opened: opening a pipe would wait for its other end.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(FileError::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(CONFIG_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > CONFIG_BYTES {
        return Err(FileError::Large);
    }
    String::from_utf8(bytes).map_err(|_| FileError::NotUtf8)
}

// === YAML ===

fn from_yaml(text: &str) -> Listed {
    let fault = |found: &Diagnostic| {
        let help = found.help.as_deref().unwrap_or("correct it");
        (found.at.line, format!("{}; {help}", found.message))
    };
    let Written { document, found, raw, .. } = match Written::<Vec<RawUser>>::read(text) {
        Ok(written) => written,
        Err(errors) => return Err(errors.iter().map(fault).collect()),
    };
    match raw {
        Some(raw) if found.is_empty() => {
            let each = raw.into_iter().enumerate().map(|(index, raw)| {
                let at = document.place(&KeyPath::default().index(index), Part::Value).line;
                let attributes = raw.attributes.0.into_iter();
                let user = User {
                    name: raw.user.unwrap_or_default().into(),
                    realm: raw.realm.to_lowercase().into(),
                    resolver: raw.resolver.into(),
                    attributes: attributes.map(|(key, value)| (key.into(), value.into())).collect(),
                };
                (at, user)
            });
            Ok(each.collect())
        }
        _ => Err(found.iter().map(fault).collect()),
    }
}

// === CSV ===

fn from_csv(text: &str) -> Listed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = match reader.headers() {
        Ok(columns) => columns.clone(),
        Err(error) => return Err(vec![csv_fault(&error)]),
    };
    if let Some(text) = columns_fault(&columns) {
        return Err(vec![(1, text)]);
    }
    let (mut users, mut faults) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                users.push((u32::try_from(line).unwrap_or(u32::MAX), row(&columns, &record)));
            }
            Err(error) => faults.push(csv_fault(&error)),
        }
    }
    if faults.is_empty() { Ok(users) } else { Err(faults) }
}

fn columns_fault(columns: &csv::StringRecord) -> Option<String> {
    if !columns.iter().any(|column| column == "user") {
        return Some(
            "there is no column `user`; begin the file with `user,realm,resolver`".to_owned(),
        );
    }
    let mut seen = HashSet::new();
    if columns.iter().any(str::is_empty) {
        return Some("a column has no name; write one".to_owned());
    }
    let twice = columns.iter().find(|column| !seen.insert(*column))?;
    Some(format!("the column `{twice}` stands twice; remove one of them"))
}

fn row(columns: &csv::StringRecord, record: &csv::StringRecord) -> User {
    let mut user = User {
        name: Box::default(),
        realm: Box::default(),
        resolver: Box::default(),
        attributes: Vec::new(),
    };
    for (column, value) in columns.iter().zip(record) {
        match column {
            "user" => user.name = value.into(),
            "realm" => user.realm = value.to_lowercase().into(),
            "resolver" => user.resolver = value.into(),
            // An empty cell is how a table says that there is none.
            _ if value.is_empty() => {}
            column => user.attributes.push((column.into(), value.into())),
        }
    }
    user
}

fn csv_fault(error: &csv::Error) -> Fault {
    let line = error.position().map_or(1, csv::Position::line);
    // A text in memory fails in no other way.
    let text = if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        format!("{len} fields where the first line has {expected_len}; quote fields with commas")
    } else {
        "not CSV; save it with commas and double quotes".to_owned()
    };
    (u32::try_from(line).unwrap_or(u32::MAX), text)
}

// === Both ===

/// Whether realms and resolvers can be called so.
pub fn text_is_good(text: &str) -> bool {
    text.len() <= FACTOR_TEXT_BYTES && !text.contains(char::is_control)
}

fn checked(users: Vec<(u32, User)>) -> Result<Vec<User>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut lines: HashMap<(&str, &str), u32> = HashMap::new();
    for (line, user) in &users {
        if let Some(text) = fault(user) {
            faults.push((*line, text));
        } else if let Some(first) = lines.insert((&user.name, &user.realm), *line) {
            let text = format!(
                "the user '{}' of this realm stands in line {first} already; remove one of them",
                user.name
            );
            faults.push((*line, text));
        }
    }
    if faults.is_empty() {
        Ok(users.into_iter().map(|(_, user)| user).collect())
    } else {
        Err(faults)
    }
}

fn fault(user: &User) -> Option<String> {
    let is_name = (1..=LOGIN_BYTES).contains(&user.name.len());
    let text = if user.name.is_empty() {
        "there is no `user`; write the login".to_owned()
    } else if !is_name || user.name.contains(char::is_control) {
        format!("not a login; use at most {LOGIN_BYTES} bytes without control characters")
    } else if !text_is_good(&user.realm) || !text_is_good(&user.resolver) {
        format!(
            "not a realm or not a resolver; use at most {FACTOR_TEXT_BYTES} bytes without control \
             characters"
        )
    } else if user.attributes.len() > NODE_ITEMS {
        format!("more than {NODE_ITEMS} attributes; remove some")
    } else {
        return None;
    };
    Some(text)
}

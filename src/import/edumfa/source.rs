//! What the files say: servers and event handlers, from answers of eduMFA's REST API and from its exporters' output.
//!
//! privacyIDEA, from which eduMFA was forked, writes the same under its own name. Must not know: what becomes of it.

use serde_json::{Map, Value};

use crate::config::foreign;
use crate::domain::limits::IMPORT_BYTES;
use crate::import::edumfa::{ImportError, python};

/// A table of the source.
pub type Table = Map<String, Value>;

/// Most servers, and most handlers, of one node.
pub const MOST: usize = 1000;

/// Names of the exporters' tables of servers.
const SERVER_TYPES: &[&str] = &["edumfaserver", "privacyideaserver"];

/// What all files say together.
#[derive(Debug, Default)]
pub struct Source {
    /// Servers by their names, in the order of the files.
    pub servers: Vec<(String, Value)>,
    /// Event handlers, in the order of the files.
    pub events: Vec<Value>,
}

impl Source {
    /// Adds what a file says.
    ///
    /// # Errors
    /// It cannot be read, says nothing that belongs here, or contradicts another one.
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), ImportError> {
        let file = || file.to_owned();
        if bytes.len() > IMPORT_BYTES {
            return Err(ImportError::TooLarge { file: file() });
        }
        let value = read(bytes).map_err(|(line, column)| ImportError::NotReadable {
            file: file(),
            line,
            column,
        })?;
        match self.take(value) {
            Ok(()) => Ok(()),
            Err(Odd::NotFederation) => Err(ImportError::NotFederation { file: file() }),
            Err(Odd::TooMany) => Err(ImportError::TooMany { file: file() }),
            Err(Odd::ErrorAnswer) => Err(ImportError::ErrorAnswer { file: file() }),
            Err(Odd::Contradiction(name)) => Err(ImportError::Contradiction { name }),
        }
    }

    fn take(&mut self, value: Value) -> Result<(), Odd> {
        let mut map = match value {
            // Older exporters wrote the bare list of handlers.
            Value::Array(events) => return self.take_events(events),
            Value::Object(map) => map,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(Odd::NotFederation);
            }
        };
        // A recorded exchange: the answer is inside.
        if let Some(Value::Object(response)) = map.get_mut("response") {
            let Some(Value::Object(answer)) = response.remove("json") else {
                return Err(Odd::NotFederation);
            };
            map = answer;
        }
        if let Some(Value::Object(mut result)) = map.remove("result") {
            if result.get("status") != Some(&Value::Bool(true)) {
                return Err(Odd::ErrorAnswer);
            }
            return match result.remove("value") {
                Some(Value::Array(events)) => self.take_events(events),
                Some(Value::Object(servers)) => self.take_servers(servers),
                _ => Err(Odd::NotFederation),
            };
        }
        self.take_export(map)
    }

    fn take_export(&mut self, mut map: Table) -> Result<(), Odd> {
        let mut is_federation = false;
        for &kind in SERVER_TYPES {
            if let Some(servers) = map.remove(kind) {
                let Value::Object(servers) = servers else { return Err(Odd::NotFederation) };
                self.take_servers(servers)?;
                is_federation = true;
            }
        }
        match map.remove("event") {
            Some(Value::Array(events)) => self.take_events(events),
            None if is_federation => Ok(()),
            _ => Err(Odd::NotFederation),
        }
    }

    /// Other lists are told from handlers by what each handler has.
    fn take_events(&mut self, events: Vec<Value>) -> Result<(), Odd> {
        if !events.iter().all(|event| event.get("handlermodule").is_some()) {
            return Err(Odd::NotFederation);
        }
        if events.len() + self.events.len() > MOST {
            return Err(Odd::TooMany);
        }
        for event in events {
            // The same file twice, or an answer besides an export.
            if !self.events.contains(&event) {
                self.events.push(event);
            }
        }
        Ok(())
    }

    fn take_servers(&mut self, servers: Table) -> Result<(), Odd> {
        if !servers.values().all(|server| server.get("url").is_some()) {
            return Err(Odd::NotFederation);
        }
        if servers.len() + self.servers.len() > MOST {
            return Err(Odd::TooMany);
        }
        for (name, server) in servers {
            let known = self.servers.iter().find(|(known, _)| *known == name);
            let is_same =
                |key: &str| known.is_some_and(|(_, known)| known.get(key) == server.get(key));
            match known {
                None => self.servers.push((name, server)),
                Some(_) if is_same("url") && is_same("tls") => {}
                Some(_) => return Err(Odd::Contradiction(name)),
            }
        }
        Ok(())
    }
}

/// What is wrong with a file that could be read.
enum Odd {
    NotFederation,
    TooMany,
    ErrorAnswer,
    Contradiction(String),
}

/// Reads JSON, Python or YAML; the error is a line and a column, from 1.
fn read(bytes: &[u8]) -> Result<Value, (usize, usize)> {
    let text = std::str::from_utf8(bytes).map_err(|error| place(bytes, error.valid_up_to()))?;
    let text = text.trim_start_matches('\u{feff}');
    let json = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => (error.line(), error.column()),
    };
    let python = match python::read(text) {
        Ok(value) => return Ok(value),
        Err(at) => place(text.as_bytes(), at),
    };
    if text.trim_start().starts_with(['{', '[', '(']) {
        // Whatever got further is what was meant.
        return Err(json.max(python));
    }
    foreign::yaml(text).map_err(|at| (at.line as usize, at.column as usize))
}

fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at).unwrap_or(bytes);
    let lines = before.split(|byte| *byte == b'\n');
    let (count, last) = lines.fold((0, 0), |(count, _), line| (count + 1, line.len()));
    (count, last + 1)
}

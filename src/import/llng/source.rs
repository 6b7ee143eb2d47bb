//! LemonLDAP::NG's configuration as it is written: keys with values of the expected kind.
//!
//! Its own programs write a number now as a number and now as a text, so both are read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A key whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key.
    pub key: String,
    /// What is wrong with it; what to do.
    pub text: String,
}

impl Problem {
    /// About `key`.
    pub fn new(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), text: text.into() }
    }
}

/// Texts by their keys, in the order in which LemonLDAP::NG goes through them.
pub type Table = BTreeMap<String, String>;

/// A configuration.
#[derive(Debug)]
pub struct Source(Map<String, Value>);

impl Source {
    /// The top level of a configuration.
    pub const fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The text at `key`, if it is not empty.
    ///
    /// # Errors
    /// It is a list or a table.
    pub fn text(&self, key: &str) -> Result<Option<String>, Problem> {
        let text = scalar(key, self.0.get(key))?;
        Ok((!text.is_empty()).then_some(text))
    }

    /// Whether the value at `key` is true for Perl.
    pub fn is_set(&self, key: &str) -> bool {
        match self.0.get(key) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => !matches!(text.as_str(), "" | "0"),
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::Bool(true)) => true,
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(members)) => !members.is_empty(),
        }
    }

    /// The whole number at `key`.
    ///
    /// # Errors
    /// It is something else.
    pub fn number(&self, key: &str) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let number = text
            .trim()
            .parse()
            .map_err(|_| Problem::new(key, "is not a whole number below 2^32; write one"))?;
        Ok(Some(number))
    }

    /// The texts at `key`.
    ///
    /// # Errors
    /// It is no table of texts.
    pub fn table(&self, key: &str) -> Result<Table, Problem> {
        table(key, self.0.get(key))
    }

    /// The tables at `key`.
    ///
    /// # Errors
    /// It is no table of tables of texts.
    pub fn tables(&self, key: &str) -> Result<BTreeMap<String, Table>, Problem> {
        let mut tables = BTreeMap::new();
        for (name, value) in members(key, self.0.get(key))? {
            tables.insert(name.clone(), table(&format!("{key}.{name}"), Some(value))?);
        }
        Ok(tables)
    }
}

fn scalar(key: &str, value: Option<&Value>) -> Result<String, Problem> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(flag)) => Ok(u8::from(*flag).to_string()),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(Problem::new(key, "is a list or a table; write a text or a number"))
        }
    }
}

fn table(key: &str, value: Option<&Value>) -> Result<Table, Problem> {
    let mut table = Table::new();
    for (name, value) in members(key, value)? {
        table.insert(name.clone(), scalar(&format!("{key}.{name}"), Some(value))?);
    }
    Ok(table)
}

fn members<'a>(
    key: &str,
    value: Option<&'a Value>,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, Problem> {
    let map = match value {
        None | Some(Value::Null) => None,
        Some(Value::Object(map)) => Some(map),
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::Array(items)) if items.is_empty() => None,
        Some(Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Array(_)) => {
            return Err(Problem::new(key, "is not a table; write `{ \"name\": \"value\" }`"));
        }
    };
    Ok(map.into_iter().flatten())
}

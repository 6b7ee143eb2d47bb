//! A place in the operator's configuration file, so that messages can point at it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Line and column in `config.yaml`, both counted from 1; `0:0` is "not written in the file".
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Location {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

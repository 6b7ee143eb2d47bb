//! Files that tokens come in. They become [`NewToken`]s; whether those can be made is the node's business.
//!
//! [`NewToken`]: crate::mfa::node::local::NewToken

pub mod csv;
pub mod pskc;

/// What is wrong with a file, and where; lines count from 1. Says nothing of what stands there, as it may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ImportError {
    /// The line.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
}

impl ImportError {
    fn at(line: u64, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

//! The part of Perl that LemonLDAP::NG's conditions, macros and headers are usually written in, as a tree.
//!
//! Everything else is an [`Unsupported`]: nothing is guessed, so that whoever translates can deny.
//! Must not know: what a variable means, and CEL.

mod parse;
mod token;
mod tree;

pub use parse::parse;
pub use tree::{Comparison, Node, Piece};

/// Longest expression that is read, in bytes.
pub const EXPRESSION_BYTES: usize = 8192;
/// Deepest nesting that is read.
pub const DEPTH: usize = 24;

/// Why an expression is not translated. The text ends a sentence and names what to do, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(pub String);

impl Unsupported {
    /// With this reason.
    pub fn because(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

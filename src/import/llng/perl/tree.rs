//! What an expression says.

/// A part of a double-quoted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These characters.
    Text(String),
    /// A session variable.
    Variable(String),
    /// A variable of the environment.
    Environment(String),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// As texts, with CEL's operator for it.
    Texts(&'static str),
    /// As numbers, with CEL's operator for it.
    Numbers(&'static str),
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `$name`: a variable of the session.
    Variable(String),
    /// `$ENV{NAME}`: of the request.
    Environment(String),
    /// A text.
    Text(String),
    /// A whole number.
    Number(u32),
    /// `accept`, `skip` and the like, where LemonLDAP::NG looks for them.
    Word(String),
    /// `a . b`, and double-quoted texts with variables.
    Joined(Vec<Self>),
    /// `name(a, b)`.
    Call(String, Vec<Self>),
    /// `!a`.
    Not(Box<Self>),
    /// `a && b`.
    And(Box<Self>, Box<Self>),
    /// `a || b`.
    Or(Box<Self>, Box<Self>),
    /// `a ? b : c`.
    Choice(Box<Self>, Box<Self>, Box<Self>),
    /// `a eq b`, `a == b` and their like.
    Compared(Comparison, Box<Self>, Box<Self>),
    /// `a =~ /pattern/`; `a !~ /pattern/` is the `Not` of it.
    Matched {
        /// What is searched.
        of: Box<Self>,
        /// The pattern, with `(?i)` in front if it has the flag.
        pattern: String,
    },
}

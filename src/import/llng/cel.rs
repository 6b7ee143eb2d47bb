//! Conditions and values of Perl as expressions in CEL.
//!
//! A condition that cannot be said exactly is said once too narrow and once too wide ([`Side`]); rules take the
//! narrow one, so nobody is let in whom LemonLDAP::NG keeps out.
//! Must not know: what a condition is for.

use crate::import::llng::names::{Session, Stage};
use crate::import::llng::pattern::{self, Scope};
use crate::import::llng::perl::{Comparison, Node, Unsupported};

/// How tightly what an expression is made of hangs together; brackets are put accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Choice,
    Or,
    And,
    Relation,
    Sum,
    Atom,
}

/// An expression in CEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cel {
    text: String,
    level: Level,
}

impl Cel {
    /// A name, a call, or anything that needs no brackets.
    pub fn atom(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: Level::Atom }
    }

    /// A text in single quotes; other characters than printable ASCII are written as escapes.
    pub fn literal(text: &str) -> Self {
        let mut quoted = String::from("'");
        for c in text.chars() {
            match c {
                '\'' | '\\' => quoted.extend(['\\', c]),
                ' '..='~' => quoted.push(c),
                c => quoted.extend(format!("\\U{:08X}", u32::from(c)).chars()),
            }
        }
        quoted.push('\'');
        Self::atom(quoted)
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn at_least(&self, level: Level) -> String {
        if self.level >= level { self.text.clone() } else { format!("({})", self.text) }
    }

    /// `one == other` and the like.
    pub fn relation(one: &Self, sign: &str, other: &Self) -> Self {
        let text = format!("{} {sign} {}", one.at_least(Level::Sum), other.at_least(Level::Sum));
        Self { text, level: Level::Relation }
    }

    /// Both.
    pub fn and(&self, other: &Self) -> Self {
        match (self.text.as_str(), other.text.as_str()) {
            ("true", _) | (_, "false") => other.clone(),
            (_, "true") | ("false", _) => self.clone(),
            _ => {
                let text =
                    format!("{} && {}", self.at_least(Level::And), other.at_least(Level::And));
                Self { text, level: Level::And }
            }
        }
    }

    /// One of them at least.
    pub fn or(&self, other: &Self) -> Self {
        let text = format!("{} || {}", self.at_least(Level::Or), other.at_least(Level::Or));
        Self { text, level: Level::Or }
    }

    /// The contrary.
    pub fn negated(&self) -> Self {
        Self::atom(format!("!{}", self.at_least(Level::Atom)))
    }

    /// `self ? yes : no`.
    pub fn choice(&self, yes: &Self, no: &Self) -> Self {
        let [condition, yes, no] = [self, yes, no].map(|part| part.at_least(Level::Or));
        Self { text: format!("{condition} ? {yes} : {no}"), level: Level::Choice }
    }

    /// `self.name(argument)`.
    pub fn method(&self, name: &str, argument: &str) -> Self {
        Self::atom(format!("{}.{name}({argument})", self.at_least(Level::Atom)))
    }

    fn sum(parts: &[Self]) -> Self {
        if let [only] = parts {
            return only.clone();
        }
        let parts: Vec<String> = parts.iter().map(|part| part.at_least(Level::Sum)).collect();
        Self { text: parts.join(" + "), level: Level::Sum }
    }
}

/// A value, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cel),
    /// A number.
    Number(Cel),
    /// True or false.
    Flag(Cel),
}

/// On which side of a condition its translation may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// True only where the condition is.
    Narrow,
    /// True wherever the condition is.
    Wide,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Narrow => Self::Wide,
            Self::Wide => Self::Narrow,
        }
    }
}

/// Translates expressions that stand at one place.
#[derive(Clone, Copy)]
pub struct Translator<'a> {
    /// What sessions hold.
    pub session: &'a Session,
    /// The place.
    pub stage: Stage,
}

/// True where a request has a query.
pub fn with_query() -> Cel {
    Cel::relation(&Cel::atom("size(request.query)"), ">", &Cel::atom("0"))
}

/// True where a request has none.
pub fn without_query() -> Cel {
    Cel::relation(&Cel::atom("size(request.query)"), "==", &Cel::atom("0"))
}

type Found<T> = Result<T, Unsupported>;

impl Translator<'_> {
    /// Whether `node` is true in Perl: neither empty nor `0`.
    pub fn truth(&self, node: &Node, side: Side) -> Found<Cel> {
        match node {
            Node::Not(node) => Ok(self.truth(node, side.other())?.negated()),
            Node::And(one, other) => Ok(self.truth(one, side)?.and(&self.truth(other, side)?)),
            Node::Or(one, other) => Ok(self.truth(one, side)?.or(&self.truth(other, side)?)),
            Node::Choice(condition, yes, no) => {
                let condition = self.exactly(condition)?;
                Ok(condition.choice(&self.truth(yes, side)?, &self.truth(no, side)?))
            }
            Node::Compared(comparison, one, other) => self.compared(*comparison, one, other),
            Node::Matched { of, pattern } => self.matched(of, pattern, side),
            Node::Number(number) => Ok(Cel::atom(if *number == 0 { "false" } else { "true" })),
            Node::Text(text) => {
                Ok(Cel::atom(if matches!(text.as_str(), "" | "0") { "false" } else { "true" }))
            }
            Node::Call(name, arguments) if name == "inGroup" => match arguments.as_slice() {
                [Node::Text(group)] if group.is_ascii() => self.session.in_group(group, self.stage),
                _ => {
                    Err(Unsupported::because("calls `inGroup` otherwise than with one plain text"))
                }
            },
            Node::Variable(_)
            | Node::Environment(_)
            | Node::Word(_)
            | Node::Joined(_)
            | Node::Call(..) => Ok(match self.value(node)? {
                Value::Text(text) => {
                    let differs = |from: &str| Cel::relation(&text, "!=", &Cel::literal(from));
                    differs("").and(&differs("0"))
                }
                Value::Number(number) => Cel::relation(&number, "!=", &Cel::atom("0")),
                Value::Flag(flag) => flag,
            }),
        }
    }

    /// A condition that is the same on both sides.
    fn exactly(&self, node: &Node) -> Found<Cel> {
        let narrow = self.truth(node, Side::Narrow)?;
        if narrow == self.truth(node, Side::Wide)? {
            return Ok(narrow);
        }
        Err(Unsupported::because(
            "asks the query, as part of `$ENV{REQUEST_URI}`, where only an exact answer will do",
        ))
    }

    fn compared(&self, comparison: Comparison, one: &Node, other: &Node) -> Found<Cel> {
        Ok(match comparison {
            Comparison::Texts(sign) => Cel::relation(&self.text(one)?, sign, &self.text(other)?),
            Comparison::Numbers(sign) => {
                Cel::relation(&self.number(one)?, sign, &self.number(other)?)
            }
        })
    }

    fn matched(&self, of: &Node, written: &str, side: Side) -> Found<Cel> {
        let pattern = pattern::read(written).map_err(|unreadable| {
            Unsupported::because(format!("has a pattern that {}", unreadable.why))
        })?;
        let search = |text: &Cel| text.method("matches", Cel::literal(&pattern.rust).text());
        let is_target = |name: &str| matches!(name, "REQUEST_URI" | "X_ORIGINAL_URI");
        if !matches!(of, Node::Environment(name) if is_target(name)) || self.stage != Stage::Rule {
            return Ok(search(&self.text(of)?));
        }
        let found = search(&Cel::atom("request.path"));
        Ok(match (&pattern.scope, side) {
            (Scope::Path, _) | (Scope::AtLeastPath { .. }, Side::Narrow) => found,
            (Scope::PathAlone, _) | (Scope::Unknown { .. }, Side::Narrow) => {
                found.and(&without_query())
            }
            (Scope::AtLeastPath { .. } | Scope::Unknown { .. }, Side::Wide) => {
                found.or(&with_query())
            }
        })
    }

    /// What `node` is.
    pub fn value(&self, node: &Node) -> Found<Value> {
        match node {
            Node::Variable(name) => self.session.variable(name, self.stage),
            Node::Environment(name) => self.session.environment(name, self.stage),
            Node::Text(text) => plain(text).map(Value::Text),
            Node::Number(number) => Ok(Value::Number(Cel::atom(number.to_string()))),
            Node::Word(word) => {
                Err(Unsupported::because(format!("uses the bare word `{word}` as a value")))
            }
            Node::Joined(parts) => self.joined(parts).map(Value::Text),
            Node::Call(name, arguments) => self.call(name, arguments),
            Node::Not(_) | Node::Compared(..) | Node::Matched { .. } => {
                self.exactly(node).map(Value::Flag)
            }
            Node::Or(one, other) => {
                let (is_one, one, other) = (self.exactly(one)?, self.text(one)?, self.text(other)?);
                Ok(Value::Text(is_one.choice(&one, &other)))
            }
            Node::And(one, other) => {
                let (is_one, one, other) = (self.exactly(one)?, self.text(one)?, self.text(other)?);
                Ok(Value::Text(is_one.choice(&other, &one)))
            }
            Node::Choice(condition, yes, no) => {
                let (condition, yes, no) =
                    (self.exactly(condition)?, self.text(yes)?, self.text(no)?);
                Ok(Value::Text(condition.choice(&yes, &no)))
            }
        }
    }

    fn call(&self, name: &str, arguments: &[Node]) -> Found<Value> {
        match (name, arguments) {
            ("lc", [of]) => Ok(Value::Text(self.text(of)?.method("lowerAscii", ""))),
            ("uc", [of]) => Ok(Value::Text(self.text(of)?.method("upperAscii", ""))),
            ("join", [separator @ Node::Text(_), parts @ ..]) if !parts.is_empty() => {
                let mut all = Vec::new();
                for part in parts {
                    if !all.is_empty() {
                        all.push(separator.clone());
                    }
                    all.push(part.clone());
                }
                self.joined(&all).map(Value::Text)
            }
            ("inGroup", _) => {
                let call = Node::Call(name.to_owned(), arguments.to_vec());
                self.exactly(&call).map(Value::Flag)
            }
            _ => {
                Err(Unsupported::because(format!("calls `{name}`, which has no counterpart here")))
            }
        }
    }

    fn joined(&self, parts: &[Node]) -> Found<Cel> {
        let parts: Found<Vec<Cel>> = parts.iter().map(|part| self.text(part)).collect();
        Ok(Cel::sum(&parts?))
    }

    /// The value as a text.
    pub fn text(&self, node: &Node) -> Found<Cel> {
        if let Node::Number(number) = node {
            return Ok(Cel::literal(&number.to_string()));
        }
        Ok(match self.value(node)? {
            Value::Text(text) => text,
            Value::Number(number) => Cel::atom(format!("string({})", number.text())),
            Value::Flag(flag) => flag.choice(&Cel::literal("1"), &Cel::literal("")),
        })
    }

    fn number(&self, node: &Node) -> Found<Cel> {
        Ok(match self.value(node)? {
            Value::Number(number) => number,
            Value::Text(text) => Cel::atom(format!("int({})", text.text())),
            Value::Flag(flag) => flag.choice(&Cel::atom("1"), &Cel::atom("0")),
        })
    }
}

/// A literal text.
fn plain(text: &str) -> Found<Cel> {
    if text.chars().all(|c| matches!(c, ' '..='~')) {
        return Ok(Cel::literal(text));
    }
    Err(Unsupported::because("has a text with characters beyond printable ASCII"))
}

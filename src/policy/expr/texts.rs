//! Functions that make one text of another, or of a list: `lowerAscii`, `upperAscii`, `replace`, `join`.
//!
//! Our own, because the library's take arguments that are no literals and have no bound: what `replace`
//! makes could grow with each of its calls.

use cel::{IdedExpr, Value};

use crate::domain::limits::ATTRIBUTES_BYTES;
use crate::policy::expr::names::literal_text;

/// One of them, with its arguments.
#[derive(Clone)]
pub enum Change {
    Lower,
    Upper,
    Join(Box<str>),
    Replace(Box<str>, Box<str>),
}

impl Change {
    /// The function of that name with these arguments, if it is one of them.
    pub fn called(name: &str, arguments: &[IdedExpr]) -> Option<Self> {
        let text = |argument: &IdedExpr| literal_text(&argument.expr).map(Into::into);
        Some(match (name, arguments) {
            ("lowerAscii", []) => Self::Lower,
            ("upperAscii", []) => Self::Upper,
            ("join", [by]) => Self::Join(text(by)?),
            ("replace", [from, to]) => Self::Replace(text(from)?, text(to)?),
            _ => return None,
        })
    }

    /// What it makes of `value`: `None` of one that is not of its kind, `Some(None)` if it would be too long.
    #[expect(clippy::option_option, reason = "the two are different failures")]
    pub fn of(&self, value: &Value) -> Option<Option<String>> {
        let made = match (self, value) {
            (Self::Lower, Value::String(text)) => text.to_ascii_lowercase(),
            (Self::Upper, Value::String(text)) => text.to_ascii_uppercase(),
            (Self::Join(by), Value::List(items)) => {
                let mut joined = String::new();
                for (place, item) in items.iter().enumerate() {
                    let Value::String(item) = item else { return None };
                    if place > 0 {
                        joined.push_str(by);
                    }
                    joined.push_str(item);
                    if joined.len() > ATTRIBUTES_BYTES {
                        return Some(None);
                    }
                }
                joined
            }
            (Self::Replace(from, to), Value::String(text)) => {
                let mut made = String::with_capacity(text.len());
                for (place, part) in text.split(&**from).enumerate() {
                    if place > 0 {
                        made.push_str(to);
                    }
                    made.push_str(part);
                    if made.len() > ATTRIBUTES_BYTES {
                        return Some(None);
                    }
                }
                made
            }
            _ => return None,
        };
        Some((made.len() <= ATTRIBUTES_BYTES).then_some(made))
    }
}

//! Python's literals, which eduMFA's exporters write unless they are told otherwise.
//!
//! Read are tables, lists, tuples, texts (several in a row are one), whole numbers, fractions and the three words.
//! Must not know: what they say.

use serde_json::{Map, Value};

/// Deepest nesting that is read; an export has five levels.
const DEPTH: usize = 32;

/// Reads one literal.
///
/// # Errors
/// The byte from which on it is none.
pub fn read(text: &str) -> Result<Value, usize> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.value().and_then(|value| {
        reader.blanks();
        reader.rest.is_empty().then_some(value)
    });
    value.ok_or(text.len() - reader.rest.len())
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, start: &str) -> Option<()> {
        self.blanks();
        self.rest = self.rest.strip_prefix(start)?;
        Some(())
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// What stands here as long as it is a word's or number's.
    fn word(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    fn value(&mut self) -> Option<Value> {
        self.blanks();
        match self.rest.chars().next()? {
            '{' => self.nested(Self::table),
            '[' => self.nested(Self::list),
            '(' => self.nested(Self::brackets),
            '\'' | '"' => self.texts().map(Value::String),
            'u' if self.rest.starts_with("u'") || self.rest.starts_with("u\"") => {
                self.texts().map(Value::String)
            }
            _ => {
                let before = self.rest;
                let value = match self.word() {
                    "True" => Some(Value::Bool(true)),
                    "False" => Some(Value::Bool(false)),
                    "None" => Some(Value::Null),
                    number => number.parse().ok().map(Value::Number),
                };
                if value.is_none() {
                    self.rest = before;
                }
                value
            }
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<Value>) -> Option<Value> {
        if self.depth == DEPTH {
            return None;
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn table(&mut self) -> Option<Value> {
        let mut map = Map::new();
        self.take("{")?;
        while self.take("}").is_none() {
            self.blanks();
            let key = match self.value()? {
                Value::String(key) => key,
                Value::Number(number) => number.to_string(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
            };
            self.take(":")?;
            // As Python does: the last one counts.
            map.insert(key, self.value()?);
            if self.take(",").is_none() {
                self.take("}")?;
                break;
            }
        }
        Some(Value::Object(map))
    }

    fn list(&mut self) -> Option<Value> {
        self.take("[")?;
        self.items("]", Vec::new())
    }

    /// A tuple, or one value in brackets: printers put those around texts that they break.
    fn brackets(&mut self) -> Option<Value> {
        self.take("(")?;
        if self.take(")").is_some() {
            return Some(Value::Array(Vec::new()));
        }
        let first = self.value()?;
        if self.take(")").is_some() {
            return Some(first);
        }
        self.take(",")?;
        self.items(")", vec![first])
    }

    /// What follows these, up to the closing bracket.
    fn items(&mut self, close: &str, mut items: Vec<Value>) -> Option<Value> {
        while self.take(close).is_none() {
            items.push(self.value()?);
            if self.take(",").is_none() {
                self.take(close)?;
                break;
            }
        }
        Some(Value::Array(items))
    }

    /// Texts, as many as stand in a row.
    fn texts(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            self.text(&mut text)?;
            let before = self.rest;
            self.blanks();
            if !["'", "\"", "u'", "u\""].iter().any(|start| self.rest.starts_with(start)) {
                self.rest = before;
                return Some(text);
            }
        }
    }

    fn text(&mut self, text: &mut String) -> Option<()> {
        if self.rest.starts_with('u') {
            self.next();
        }
        let quote = self.next()?;
        // Three quotes: nothing prints them.
        if self.rest.starts_with("''") || self.rest.starts_with("\"\"") {
            return None;
        }
        loop {
            match self.next()? {
                c if c == quote => return Some(()),
                '\\' => text.extend(self.escape()?),
                '\n' => return None,
                c => text.push(c),
            }
        }
    }

    /// What stands behind a backslash; `Some(None)` is nothing.
    #[expect(clippy::option_option, reason = "one says wrong, the other says nothing")]
    fn escape(&mut self) -> Option<Option<char>> {
        let c = match self.next()? {
            '\n' => return Some(None),
            c @ ('\\' | '\'' | '"') => c,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            _ => return None,
        };
        Some(Some(c))
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        let (number, rest) = self.rest.split_at_checked(digits)?;
        if !number.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u32::from_str_radix(number, 16).ok().and_then(char::from_u32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_python_prints_is_read() {
        for (text, expected) in [
            ("{}", json!({})),
            (
                " {   'a': True,\n 'b': [None, False, 1, -2, 1.5,],\n}\n",
                json!({ "a": true, "b": [null, false, 1, -2, 1.5] }),
            ),
            ("{'a': 'one '\n  \"it's\" 'two'}", json!({ "a": "one it'stwo" })),
            ("('a'\n 'b')", json!("ab")),
            ("('a',)", json!(["a"])),
            ("('a', u'b', ())", json!(["a", "b", []])),
            (r"'\'\x41\u00e9\U0001F600\n\\'", json!("'A\u{e9}\u{1f600}\n\\")),
            ("{1: ''}", json!({ "1": "" })),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_is_told_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("{'a': x}", 6),
            ("{'a' 1}", 5),
            ("[1 2]", 3),
            ("{'a': 1} b", 9),
            ("{'a': datetime(1)}", 6),
        ] {
            assert_eq!(read(text), Err(at), "{text}");
        }
        for text in [
            "'a", "'''a'''", "'\\q'", "'\\xg1'", "'a\nb'", "{[]: 1}", "b'a'", "1e999", "[1,,]", "-",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"(".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_panics(text in r#"([\[\]{}(),:' "\\ux0-9aTrueNon.-]|\PC)*"#) {
            let _ = read(&text);
        }
    }
}

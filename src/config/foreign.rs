//! YAML of another program, for those who import it: as plain values, without a meaning.
//!
//! Must not know: whose it is. Bounds are those of a configuration.
#![expect(clippy::wildcard_enum_match_arm, reason = "what is no map or list is one value")]

use serde_json::{Map, Number, Value};

use crate::config::document::{Document, Kind, Node};
use crate::domain::location::Location;

/// Reads a YAML text; an empty one is an empty table.
///
/// # Errors
/// Where it is no YAML, or has a key twice.
pub fn yaml(text: &str) -> Result<Value, Location> {
    let document = Document::parse(text).map_err(|error| error.at)?;
    value(document.root)
}

/// As deep as [`Document::parse`] allows.
fn value(node: Node) -> Result<Value, Location> {
    Ok(match node.kind {
        Kind::Bool(flag) => flag.into(),
        Kind::Unsigned(number) => number.into(),
        Kind::Signed(number) => number.into(),
        Kind::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Kind::Text(text) => text.into(),
        Kind::List { items, .. } => items.into_iter().map(value).collect::<Result<_, _>>()?,
        Kind::Map(entries) => {
            let mut map = Map::new();
            for entry in entries {
                if map.insert(entry.key, value(entry.value)?).is_some() {
                    return Err(entry.key_at);
                }
            }
            map.into()
        }
        _ => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_its_values() {
        let text = "a: 'False'\nb: [true, 1, -2, 1.5, ~]\nc: {}\n";
        let expected = json!({ "a": "False", "b": [true, 1, -2, 1.5, null], "c": {} });
        assert_eq!(yaml(text), Ok(expected));
    }

    #[test]
    fn what_is_no_yaml_or_ambiguous_is_told_with_its_line() {
        assert_eq!(yaml("a: 1\nb: [\n").unwrap_err().line, 2);
        assert_eq!(yaml("a: 1\nb: 1\na: 2\n").unwrap_err().line, 3);
        assert!(yaml(&"[".repeat(1000)).is_err());
    }
}

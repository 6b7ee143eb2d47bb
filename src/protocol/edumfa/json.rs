//! JSON as Python's `json` writes it, which signatures are made over, read so that nobody can read it differently.
//!
//! Must not know what a document says.

use std::fmt;
use std::fmt::Write as _;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The document, if it is JSON in UTF-8 in which no object has a name twice. Others may take the first of two values
/// where we take the last, so nobody is asked to guess. Nesting is bounded by `serde_json`, at 128.
pub(super) fn parse(bytes: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Reads any value, but no name twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a name that stands twice")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("a name stands twice"));
            }
            let value = entries.next_value_seed(Self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// What Python's `json.dumps(value, sort_keys=True)` gives: ASCII, names by code point, `", "` and `": "`.
pub(super) fn dump(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// As deep as [`parse`] lets a document be, or as ours are.
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => write_float(out, float),
            _ => {
                let _ = write!(out, "{number}");
            }
        },
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => {
            let mut entries: Vec<(&String, &Value)> = object.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (place, (name, item)) in entries.into_iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                write_text(out, name);
                out.push_str(": ");
                write(out, item);
            }
            out.push('}');
        }
    }
}

/// As `ensure_ascii` has it: what is no ASCII is `\uXXXX`, beyond the basic plane two of them.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// Python's `repr`: the shortest digits that give the same number, with an exponent below 1e-4 and from 1e16 on.
fn write_float(out: &mut String, float: f64) {
    let scientific = python_digits(float);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
        return;
    }
    let digits = mantissa.trim_start_matches('-').chars().filter(|&digit| digit != '.');
    let zeros = std::iter::repeat('0');
    // At least one digit stands on either side of the point.
    let before = usize::try_from(exponent.max(0)).unwrap_or_default() + 1;
    let leading = usize::try_from(-exponent.min(0)).unwrap_or_default();
    let count = (leading + digits.clone().count()).max(before + 1);
    if mantissa.starts_with('-') {
        out.push('-');
    }
    let all = zeros.clone().take(leading).chain(digits).chain(zeros).take(count);
    for (place, digit) in all.enumerate() {
        if place == before {
            out.push('.');
        }
        out.push(digit);
    }
}

/// Of the shortest digits, Rust takes the upper ones where two are equally near, Python the even ones.
fn python_digits(float: f64) -> String {
    let shortest = format!("{float:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let nearest = format!("{float:.*e}", digits.saturating_sub(1));
    let is_same = nearest.parse::<f64>().is_ok_and(|parsed| parsed.to_bits() == float.to_bits());
    if is_same { nearest } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_written_as_python_does() {
        // Both columns: `json.dumps(json.loads(left), sort_keys=True)` of Python 3.11.
        for (read, written) in [
            (
                r#"{"b":1,"a":[true,false,null],"Z":{}}"#,
                r#"{"Z": {}, "a": [true, false, null], "b": 1}"#,
            ),
            (
                r#"["\u00fc €😀\u007f\u0000\u001f\"\\\/\b\f\n\r\t"]"#,
                "[\"\\u00fc \\u20ac\\ud83d\\ude00\\u007f\\u0000\\u001f\\\"\\\\/\\b\\f\\n\\r\\t\"]",
            ),
            ("[1795304934.0925152, 1.0, -0.0, 0.5e0]", "[1795304934.0925152, 1.0, -0.0, 0.5]"),
            (
                "[1e15, 1e16, 123456789012345680.0, 1e22, 1.5e300]",
                "[1000000000000000.0, 1e+16, 1.2345678901234568e+17, 1e+22, 1.5e+300]",
            ),
            (
                "[617032895143818.25, 1795304877.00390625]",
                "[617032895143818.2, 1795304877.0039062]",
            ),
            ("[0.0001, 0.00001, 1.25e-7, 5e-324]", "[0.0001, 1e-05, 1.25e-07, 5e-324]"),
            (
                "[9007199254740993, -9223372036854775808, 18446744073709551615]",
                "[9007199254740993, -9223372036854775808, 18446744073709551615]",
            ),
            (
                "[9007199254740993.0, 0.1, 2.675, 1.7976931348623157e308]",
                "[9007199254740992.0, 0.1, 2.675, 1.7976931348623157e+308]",
            ),
        ] {
            assert_eq!(dump(&parse(read.as_bytes()).unwrap()), written);
        }
    }

    #[test]
    fn a_name_that_stands_twice_makes_it_no_document() {
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert_eq!(parse(twice.as_bytes()), None);
        }
        assert!(parse(br#"{"a":{"a":1}}"#).is_some());
    }

    #[test]
    fn what_is_not_one_document_in_utf8_is_none() {
        for wrong in [
            &b""[..],
            b"{} {}",
            b"{}x",
            b"\"\xfc\"",
            b"NaN",
            b"[1e400]",
            br#""\ud800""#,
            b"\xef\xbb\xbf{}",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(parse("[".repeat(100_000).as_bytes()), None);
    }
}

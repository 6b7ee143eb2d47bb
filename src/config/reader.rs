//! From the tree to the raw types, past every error.
//!
//! Reading is repeated: each error is reported at its place and its node broken, until the rest of the
//! file fits. Must not know: which keys exist (the raw types do) and YAML.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of YAML nodes are alike here")]

use serde::de::value::Error as ReadError;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::config::diagnostics::{Diagnostic, MOST_DIAGNOSTICS, Severity, did_you_mean};
use crate::config::document::{Document, Entry, Kind, Node, Part};
use crate::config::key_path::{KeyPath, Segment};

/// Reads as much of `document` as fits `T`; what does not is added to `found` and broken.
pub fn read<T: DeserializeOwned>(
    document: &mut Document,
    found: &mut Vec<Diagnostic>,
) -> Option<T> {
    for _ in 0..MOST_DIAGNOSTICS {
        let error = match serde_path_to_error::deserialize::<_, T>(&document.root) {
            Ok(raw) => return Some(raw),
            Err(error) => error,
        };
        let path = steps(error.path());
        let (part, text) = explain(&error.into_inner().to_string());
        let at = document.place(&path, part);
        let written = document.written(&path).to_string();
        found.push(Diagnostic::new(Severity::Error, written, at, &text));
        if path.segments().is_empty() || !document.break_at(&path) {
            return None;
        }
    }
    None
}

fn steps(path: &serde_path_to_error::Path) -> KeyPath {
    let mut steps = KeyPath::default();
    for segment in path {
        match segment {
            serde_path_to_error::Segment::Seq { index } => steps.push(Segment::Index(*index)),
            serde_path_to_error::Segment::Map { key } => {
                steps.push(Segment::Key(key.as_str().into()));
            }
            // Below an enum's name there is nothing to break: break the whole value.
            _ => break,
        }
    }
    steps
}

/// serde's texts in the operator's words, with a remedy.
fn explain(text: &str) -> (Part, String) {
    if let Some(rest) = text.strip_prefix("unknown field ") {
        let mut names = backticked(rest);
        let written = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        return (Part::Key, format!("unknown key `{written}`; {}", suggestion(written, &known)));
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        let mut names = backticked(rest);
        let written = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        return (
            Part::Value,
            format!("unknown value `{written}`; {}", suggestion(written, &known)),
        );
    }
    let unfit = text.strip_prefix("invalid type: ").or(text.strip_prefix("invalid value: "));
    if let Some((found, expected)) = unfit.and_then(|rest| rest.split_once(", expected ")) {
        let found = match found {
            "sequence" => "a list",
            "map" => "a mapping",
            found => found,
        };
        let expected = match expected {
            "a string" if found.starts_with("a ") => "a text",
            "a string" => "a text, in quotes if it looks like a number",
            "a sequence" => "a list",
            "a boolean" => "true or false",
            "u8" => "a whole number from 0 to 255",
            "u32" => "a whole number from 0 to 4294967295",
            "i64" => "a whole number",
            expected => expected,
        };
        return (Part::Value, format!("{found} does not fit here; write {expected}"));
    }
    (Part::Value, text.to_owned())
}

fn backticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The remedy for a name that does not exist.
pub fn suggestion(written: &str, known: &[&str]) -> String {
    match did_you_mean(written, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known are {}", known.join(", ")),
    }
}

// === Node as a deserializer ===

impl Node {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.kind {
            Kind::Text(value) => Unexpected::Str(value),
            Kind::Bool(value) => Unexpected::Bool(*value),
            Kind::Unsigned(value) => Unexpected::Unsigned(*value),
            Kind::Signed(value) => Unexpected::Signed(*value),
            Kind::Float(value) => Unexpected::Float(*value),
            Kind::List { .. } => Unexpected::Seq,
            Kind::Map(_) => Unexpected::Map,
            Kind::Null | Kind::Broken => Unexpected::Unit,
        }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            Kind::Null | Kind::Broken => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Unsigned(value) => visitor.visit_u64(*value),
            Kind::Signed(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(value) => visitor.visit_borrowed_str(value),
            Kind::List { items, .. } => visitor.visit_seq(Items(items.iter())),
            Kind::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.kind {
            Kind::Text(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            _ => Err(serde::de::Error::invalid_type(self.unexpected(), &"a name")),
        }
    }

    /// Mappings only: serde would also take a list for a struct, field by field.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.kind {
            Kind::Map(_) => self.deserialize_any(visitor),
            _ => Err(serde::de::Error::invalid_type(self.unexpected(), &"a mapping")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        self.0.find(|item| !item.is_broken()).map(|item| seed.deserialize(item)).transpose()
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.find(|entry| !entry.value.is_broken()) else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        seed.deserialize(entry.key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let value = self.value.take();
        seed.deserialize(value.ok_or_else(|| serde::de::Error::custom("a key without a value"))?)
    }
}

//! Variables, where they come from and where they go: a name alone, or more about it. As `raw`, they do
//! not know what they mean.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// How a text stands in a header.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawEncoding {
    /// The text's own bytes. Proxies pass them on as they are, but not every program reads them as UTF-8.
    #[default]
    Utf8,
    /// ISO-8859-1, a byte a character (not windows-1252). Read: behind Envoy only with
    /// `encode_raw_headers: true`. Written: a text with other characters is not sent (`not_latin1`), and
    /// over gRPC neither are bytes that are not UTF-8 (`not_utf8`): there the header is removed.
    Latin1,
    /// UTF-8 with `%C3%A9` for every byte that is not a letter, a digit or one of `-._~`. Read: decoded once;
    /// other ASCII characters may stand for themselves (`+` too), a broken escape is refused.
    Percent,
    /// UTF-8 in base64 with the standard alphabet and its padding. Read: any other spelling is refused.
    Base64,
    /// `UTF-8''%C3%A9`, the `ext-value` of RFC 8187. Read: with any language, and in ISO-8859-1 too.
    Rfc8187,
}

/// An exported variable: its header, or more about it.
#[derive(Default)]
pub struct RawVariable {
    /// The master's header.
    pub header: Option<String>,
    /// How the master writes it.
    pub encoding: RawEncoding,
    /// What separates the items of a list.
    pub separator: Option<String>,
}

/// The long form of [`RawVariable`].
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RawVariableMap {
    /// The master's header. Required.
    #[schemars(with = "String")]
    header: Option<String>,
    /// How the master writes the value, or each item of a list. What is not written so is refused
    /// (`malformed_attribute`). Default: `utf8`.
    encoding: RawEncoding,
    /// What separates the items of a list. The list is split before its items are decoded, so a separator
    /// that stands inside of an item must be encoded there. Default: the value is one text.
    #[schemars(with = "String")]
    separator: Option<String>,
}

/// What an application gets in a header: a variable, or more about it.
#[derive(Default)]
pub struct RawExport {
    /// The variable.
    pub variable: Option<String>,
    /// What is rendered in place of a variable.
    pub expression: Option<String>,
    /// How the application wants it.
    pub encoding: RawEncoding,
}

/// The long form of [`RawExport`].
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RawExportMap {
    /// The variable: an exported one, a macro, or a built-in one. Required, unless there is an `expression`.
    #[schemars(with = "String")]
    variable: Option<String>,
    /// An expression in CEL in place of a variable, over `user`, `realm`, `master`, `groups`, variables, macros and
    /// `session.level`: docs/expressions.md. If it fails, no value is sent (`failed`). A list is joined with `; `.
    #[schemars(with = "String")]
    expression: Option<String>,
    /// How the value is written, or each item of a list; an unset variable is an empty header in each
    /// encoding. A text with control characters is not sent in any (`control_bytes`), nor is a list with an
    /// item that would pass for two (`separator`). Default: `utf8`.
    encoding: RawEncoding,
}

// === Deserialize ===

struct VariableVisitor;

impl<'de> Visitor<'de> for VariableVisitor {
    type Value = RawVariable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header or { header: ..., encoding: ..., separator: ... }")
    }

    fn visit_str<E>(self, header: &str) -> Result<RawVariable, E> {
        Ok(RawVariable { header: Some(header.to_owned()), ..RawVariable::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawVariable, A::Error> {
        let map = RawVariableMap::deserialize(MapAccessDeserializer::new(map))?;
        let RawVariableMap { header, encoding, separator } = map;
        Ok(RawVariable { header, encoding, separator })
    }
}

impl<'de> Deserialize<'de> for RawVariable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VariableVisitor)
    }
}

struct ExportVisitor;

impl<'de> Visitor<'de> for ExportVisitor {
    type Value = RawExport;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a variable, { variable: ..., encoding: ... } or { expression: ..., encoding: ... }",
        )
    }

    fn visit_str<E>(self, variable: &str) -> Result<RawExport, E> {
        Ok(RawExport { variable: Some(variable.to_owned()), ..RawExport::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawExport, A::Error> {
        let map = RawExportMap::deserialize(MapAccessDeserializer::new(map))?;
        let RawExportMap { variable, expression, encoding } = map;
        Ok(RawExport { variable, expression, encoding })
    }
}

impl<'de> Deserialize<'de> for RawExport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExportVisitor)
    }
}

// === JsonSchema ===

impl JsonSchema for RawVariable {
    fn schema_name() -> Cow<'static, str> {
        "ExportedVariable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<RawVariableMap>();
        json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}

impl JsonSchema for RawExport {
    fn schema_name() -> Cow<'static, str> {
        "Export".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<RawExportMap>();
        json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}

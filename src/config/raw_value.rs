//! Values that may be written in more than one way. As `raw`, they do not know what they mean.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::config::raw::RawTls;

/// One text or a list of texts.
#[derive(Default)]
pub struct OneOrMany {
    /// The texts.
    pub items: Vec<String>,
    /// Whether it was written as a list, so that messages can point at one item.
    pub is_list: bool,
}

/// A mapping in the order of the file.
pub struct Ordered<V>(pub Vec<(String, V)>);

/// A duration as written, unit included.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct RawDuration(pub String);

/// A size as written, unit included.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct RawSize(pub String);

/// A secret: itself, where to read it, or several of both.
pub enum RawSecret {
    /// The secret in the clear.
    Text(String),
    /// Where it stands.
    Reference(RawReference),
    /// Several, all of them accepted.
    List(Vec<RawSecret>),
}

/// Where a secret stands.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawReference {
    /// A file; one newline at its end is not part of the secret.
    #[schemars(with = "String")]
    pub file: Option<String>,
    /// An environment variable.
    #[schemars(with = "String")]
    pub env: Option<String>,
}

/// A listener: its address, or more about it.
#[derive(Default)]
pub struct RawListener {
    /// `address:port` or `unix:/path`.
    pub address: Option<String>,
    /// Its TLS.
    pub tls: Option<RawTls>,
    /// Whether it was written as a mapping, so that messages can point at its address.
    pub is_mapping: bool,
}

/// The long form of [`RawListener`].
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RawListenerMap {
    /// `address:port` or `unix:/path`. Required.
    #[schemars(with = "String")]
    address: Option<String>,
    /// Its TLS, only with `address:port`. Default: plain text.
    #[schemars(with = "RawTls")]
    tls: Option<RawTls>,
}

/// A logo: whether the built-in one is shown, or a picture.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "true, false or the path of a picture")]
pub enum RawLogo {
    /// Whether the built-in one is shown.
    Shown(bool),
    /// The path of a picture: png, svg, jpg, webp or gif, at most 256 KiB.
    Picture(String),
}

impl RawListener {
    /// One without TLS.
    pub fn at(address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::default() }
    }
}

impl RawSecret {
    /// A reference to a file.
    pub fn file(path: &str) -> Self {
        Self::Reference(RawReference { file: Some(path.to_owned()), env: None })
    }
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

// === Deserialize ===

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany { items: vec![text.to_owned()], is_list: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(OneOrMany { items, is_list: true })
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OrderedVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for OrderedVisitor<V> {
    type Value = Ordered<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<V>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered(entries))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedVisitor(PhantomData))
    }
}

/// Reads a text, and answers a bare number with the remedy.
struct WithUnit {
    expected: &'static str,
    remedy: &'static str,
}

impl Visitor<'_> for WithUnit {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Err(E::custom(format!("{number} has no unit; {}", self.remedy)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Err(E::custom(format!("{number} has no unit; {}", self.remedy)))
    }
}

impl<'de> Deserialize<'de> for RawDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write e.g. 90s, 15m or 20h";
        let visitor = WithUnit { expected: "a duration with its unit, e.g. 20h", remedy };
        deserializer.deserialize_any(visitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write e.g. 64MiB or 1GiB";
        let visitor = WithUnit { expected: "a size with its unit, e.g. 512MiB", remedy };
        deserializer.deserialize_any(visitor).map(Self)
    }
}

struct SecretVisitor;

/// serde's own messages would quote the value.
fn not_a_text<T, E: Error>() -> Result<T, E> {
    Err(E::custom("a secret must be a text; put it in quotes"))
}

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = RawSecret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, { file: ... }, { env: ... } or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<RawSecret, E> {
        Ok(RawSecret::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<RawSecret, E> {
        not_a_text()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<RawSecret, E> {
        not_a_text()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<RawSecret, E> {
        not_a_text()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<RawSecret, E> {
        not_a_text()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawSecret, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(RawSecret::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawSecret, A::Error> {
        RawReference::deserialize(MapAccessDeserializer::new(map)).map(RawSecret::Reference)
    }
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct ListenerVisitor;

impl<'de> Visitor<'de> for ListenerVisitor {
    type Value = RawListener;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("address:port, unix:/path or { address: ..., tls: ... }")
    }

    fn visit_str<E>(self, address: &str) -> Result<RawListener, E> {
        Ok(RawListener::at(address))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawListener, A::Error> {
        let map = RawListenerMap::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RawListener { address: map.address, tls: map.tls, is_mapping: true })
    }
}

impl<'de> Deserialize<'de> for RawListener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenerVisitor)
    }
}

// === JsonSchema ===

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

impl<V: JsonSchema> JsonSchema for Ordered<V> {
    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<V>();
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

impl JsonSchema for RawDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A duration with its unit: 90s, 15m, 20h." })
    }
}

impl JsonSchema for RawSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A size with its unit: 64MiB, 1GiB." })
    }
}

impl JsonSchema for RawSecret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reference = generator.subschema_for::<RawReference>();
        let one = json_schema!({ "anyOf": [{ "type": "string" }, reference] });
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl JsonSchema for RawListener {
    fn schema_name() -> Cow<'static, str> {
        "Listener".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<RawListenerMap>();
        json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}

//! The YAML text as a tree in which every key and value knows its place.
//!
//! The only file that names the YAML library. Must not know: which keys exist. A node that was found
//! wrong is *broken*: reading skips it, so that everything else in the file can still be checked, and
//! [`Document::wrote`] still knows that the operator did write it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Spanned, budget, options,
};

use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::key_path::{KeyPath, Segment};
use crate::domain::limits::{APPLICATIONS, CONFIG_BYTES};
use crate::domain::location::Location;

/// Deepest nesting; the deepest key that exists has nine levels.
const DEPTH: usize = 32;
/// Nodes of the largest configuration: that many for each possible application.
const NODES_PER_APPLICATION: usize = 40;
/// Nodes that aliases may add.
const ALIASED_NODES: usize = 1_000_000;

/// A value and where it stands.
#[derive(Clone)]
pub struct Node {
    /// Its place.
    pub at: Location,
    /// Itself.
    pub kind: Kind,
}

/// A key of a mapping and its value.
#[derive(Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The key's place.
    pub key_at: Location,
    /// The value.
    pub value: Node,
}

/// What YAML knows. There is no `Debug`: values may be secrets.
#[derive(Clone)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Signed(i64),
    /// A number with a fraction.
    Float(f64),
    /// Everything else that is one value.
    Text(String),
    /// A list.
    List {
        /// What stands in it.
        items: Vec<Node>,
        /// Whether an item is broken: without one, long lists need not be walked.
        holes: bool,
    },
    /// A mapping, in the order of the file, repetitions included.
    Map(Vec<Entry>),
    /// Found wrong and reported; does not exist for readers.
    Broken,
}

/// A parsed file.
pub struct Document {
    /// The whole of it.
    pub root: Node,
}

impl Document {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The first place where it is not YAML, or too large.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.len() > CONFIG_BYTES {
            return Err(Diagnostic::of_file(&format!(
                "the file has {} bytes; at most {CONFIG_BYTES} are read",
                text.len()
            )));
        }
        let nodes = APPLICATIONS * NODES_PER_APPLICATION;
        let mut options = options! {
            budget: budget! { max_depth: DEPTH, max_nodes: nodes, max_events: 2 * nodes, max_documents: 1 },
            // Repetitions are found later, together with all other errors.
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            merge_keys: MergeKeyPolicy::Error,
            non_finite_float_policy: NonFiniteFloatPolicy::AsString,
            strict_booleans: true,
            with_snippet: false,
        };
        options.alias_limits.max_total_replayed_events = ALIASED_NODES;
        match serde_saphyr::from_str_with_options::<Node>(text, options) {
            // A file of comments is a configuration without keys.
            Ok(Node { at, kind: Kind::Null }) => {
                Ok(Self { root: Node { at, kind: Kind::Map(Vec::new()) } })
            }
            Ok(root) => Ok(Self { root }),
            Err(error) => {
                let at = error.location().map_or(Location::default(), place);
                let text = error.without_snippet().to_string();
                let message = without_place(&text);
                let path = String::new();
                Err(Diagnostic::new(Severity::Error, path, at, &format!("not YAML: {message}")))
            }
        }
    }

    /// The node at `path`, if it is there and not broken.
    pub fn find(&self, path: &KeyPath) -> Option<&Node> {
        let mut node = &self.root;
        for segment in path.segments() {
            node = node.child(segment)?.1;
        }
        (!matches!(node.kind, Kind::Broken)).then_some(node)
    }

    /// Whether the operator wrote something at `path`, right or wrong. Below something wrong the
    /// answer is yes: nobody knows what was meant to be there.
    pub fn wrote(&self, path: &KeyPath) -> bool {
        let mut node = &self.root;
        for segment in path.segments() {
            match node.child(segment) {
                Some((_, child)) => node = child,
                None => return matches!(node.kind, Kind::Broken),
            }
        }
        true
    }

    /// Where `path` stands, or else the nearest key above it.
    pub fn place(&self, path: &KeyPath, part: Part) -> Location {
        let mut node = &self.root;
        let mut at = Location::default();
        let mut last = path.segments().len();
        for segment in path.segments() {
            last -= 1;
            let Some((key_at, child)) = node.child(segment) else { return at };
            let own = last == 0 && matches!(part, Part::Value);
            at = if own { child.at } else { key_at };
            node = child;
        }
        at
    }

    /// `path` as the operator counts: broken items are items.
    pub fn written(&self, path: &KeyPath) -> KeyPath {
        let mut node = Some(&self.root);
        let mut written = KeyPath::default();
        for segment in path.segments() {
            let step = match (node.map(|node| &node.kind), segment) {
                (Some(Kind::List { items, holes: true }), Segment::Index(index)) => {
                    let mut whole = items.iter().enumerate().filter(|(_, item)| !item.is_broken());
                    Segment::Index(whole.nth(*index).map_or(*index, |(at, _)| at))
                }
                _ => segment.clone(),
            };
            written.push(step);
            node = node.and_then(|node| node.child(segment)).map(|(_, child)| child);
        }
        written
    }

    /// Takes the node at `path` out of everything that is read later; `false` if there is none.
    pub fn break_at(&mut self, path: &KeyPath) -> bool {
        let mut node = &mut self.root;
        for (index, segment) in path.segments().iter().enumerate() {
            if let Kind::List { holes, .. } = &mut node.kind
                && index + 1 == path.segments().len()
            {
                *holes = true;
            }
            match node.child_mut(segment) {
                Some(child) => node = child,
                None => return false,
            }
        }
        !matches!(std::mem::replace(&mut node.kind, Kind::Broken), Kind::Broken)
    }
}

/// Which part of an entry a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

// === impl Node ===

impl Node {
    /// The child that readers see under `segment`: broken items do not count, broken entries do.
    fn child(&self, segment: &Segment) -> Option<(Location, &Self)> {
        match (&self.kind, segment) {
            (Kind::List { items, holes }, Segment::Index(index)) => {
                let item = if *holes {
                    items.iter().filter(|item| !item.is_broken()).nth(*index)
                } else {
                    items.get(*index)
                }?;
                Some((item.at, item))
            }
            (Kind::Map(entries), Segment::Key(key)) => {
                let entry = entries.iter().find(|entry| entry.key == **key)?;
                Some((entry.key_at, &entry.value))
            }
            _ => None,
        }
    }

    fn child_mut(&mut self, segment: &Segment) -> Option<&mut Self> {
        match (&mut self.kind, segment) {
            (Kind::List { items, .. }, Segment::Index(index)) => {
                items.iter_mut().filter(|item| !item.is_broken()).nth(*index)
            }
            (Kind::Map(entries), Segment::Key(key)) => {
                entries.iter_mut().find(|entry| entry.key == **key).map(|entry| &mut entry.value)
            }
            _ => None,
        }
    }

    /// Whether readers skip it.
    pub fn is_broken(&self) -> bool {
        matches!(self.kind, Kind::Broken)
    }
}

fn place(at: serde_saphyr::Location) -> Location {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Location { line: number(at.line()), column: number(at.column()) }
}

/// The library writes "line 5 column 5: " or " at line 5, column 5" itself; we have it already.
fn without_place(text: &str) -> &str {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = match text.strip_prefix("line ") {
        Some(rest) => rest.split_once(": ").map_or(text, |(_, message)| message),
        None => text,
    };
    text.rsplit_once(" at line ").map_or(text, |(message, _)| message)
}

// === YAML to Node ===

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { at: place(spanned.referenced), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(u64::try_from(value).map_or(Kind::Signed(value), Kind::Unsigned))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List { items, holes: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry { key: key.value, key_at: place(key.referenced), value });
        }
        Ok(Kind::Map(entries))
    }
}

//! What is wrong with a tree before anybody reads it: repeated keys, keys without a value, and keys and
//! values that exist in the design and not in this version, or elsewhere and not here.
//!
//! A key of a later version or of another program is no typo, so it gets a message of its own.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of YAML nodes are alike here")]

use std::collections::HashSet;

use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::document::{Document, Kind, Node};
use crate::config::key_path::{KeyPath, Segment};
use crate::domain::location::Location;

/// Keys of later versions. A key leaves this table in the commit that makes it work.
pub const FUTURE_KEYS: &[&str] = &[];

/// Keys that will not come, each with what is said about it.
const REFUSED_KEYS: &[(&str, &str)] = &[(
    "mfa.handlers[].conditions.counter",
    "`counter` is about the counters of eduMFA's counter handlers, which do not exist here; remove it, or \
     the handler",
)];

/// Values of later versions, by the key that takes them.
const FUTURE_VALUES: &[(&str, &[&str])] =
    &[("listen.*", &["systemd"]), ("listen.*.address", &["systemd"])];

/// Reports and breaks all of that.
pub fn examine(document: &mut Document, found: &mut Vec<Diagnostic>) {
    Examination { found, path: KeyPath::default() }.node(&mut document.root);
}

struct Examination<'a> {
    found: &'a mut Vec<Diagnostic>,
    path: KeyPath,
}

impl Examination<'_> {
    fn node(&mut self, node: &mut Node) {
        let future = self.is_future_value(node);
        match &mut node.kind {
            Kind::List { items, holes } => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.path.push(Segment::Index(index));
                    if matches!(item.kind, Kind::Null) {
                        self.error(item.at, "this item has no value; write one or remove it");
                        item.kind = Kind::Broken;
                    } else {
                        self.node(item);
                    }
                    *holes |= item.is_broken();
                    self.path.pop();
                }
            }
            Kind::Map(_) => self.entries(node),
            _ if future => {
                self.error(node.at, "this value is not available in this version; use another one");
                node.kind = Kind::Broken;
            }
            _ => {}
        }
    }

    fn entries(&mut self, node: &mut Node) {
        let Kind::Map(entries) = &mut node.kind else { return };
        let mut seen = HashSet::new();
        let mut first = Vec::with_capacity(entries.len());
        for entry in entries.iter_mut() {
            self.path.push(Segment::Key(entry.key.as_str().into()));
            let (at, key) = (entry.key_at, &entry.key);
            first.push(seen.insert(key.clone()));
            if first.last() == Some(&false) {
                self.error(at, &format!("the key `{key}` stands twice; remove one of them"));
            } else if is_future_key(&self.path) {
                let text = format!("`{key}` is not available in this version; remove the key");
                self.error(at, &text);
                entry.value.kind = Kind::Broken;
            } else if let Some(text) = refused_key(&self.path) {
                self.error(at, text);
                entry.value.kind = Kind::Broken;
            } else if matches!(entry.value.kind, Kind::Null) {
                self.error(at, &format!("`{key}` has no value; write one or remove the key"));
                entry.value.kind = Kind::Broken;
            } else {
                self.node(&mut entry.value);
            }
            self.path.pop();
        }
        let mut first = first.into_iter();
        entries.retain(|_| first.next().unwrap_or(true));
    }

    fn is_future_value(&self, node: &Node) -> bool {
        let text = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Unsigned(number) => number.to_string(),
            _ => return false,
        };
        let matches = |(pattern, values): &(&str, &[&str])| {
            values.contains(&text.as_str()) && self.path.matches(pattern)
        };
        FUTURE_VALUES.iter().any(matches)
    }

    fn error(&mut self, at: Location, text: &str) {
        self.found.push(Diagnostic::new(Severity::Error, self.path.to_string(), at, text));
    }
}

fn is_future_key(path: &KeyPath) -> bool {
    let Some(Segment::Key(last)) = path.segments().last() else { return false };
    FUTURE_KEYS.iter().any(|pattern| {
        pattern.rsplit('.').next().is_some_and(|end| end == &**last) && path.matches(pattern)
    })
}

fn refused_key(path: &KeyPath) -> Option<&'static str> {
    REFUSED_KEYS.iter().find(|(pattern, _)| path.matches(pattern)).map(|(_, text)| *text)
}

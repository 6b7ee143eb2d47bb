//! The way to a key from the top of the file: `slave.masters[0].ips`.

use std::fmt;

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Into a mapping.
    Key(Box<str>),
    /// Into a list, from 0.
    Index(usize),
}

/// A key's way from the top; cheap enough to build one a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPath(Vec<Segment>);

impl KeyPath {
    /// From `a.b.c`; only for keys that the code names, which hold no dots.
    pub fn of(dotted: &str) -> Self {
        Self(dotted.split('.').map(|key| Segment::Key(key.into())).collect())
    }

    /// The way to `key` of this mapping.
    pub fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// The way to an item of this list.
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The way one step further.
    pub fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// Its steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Goes one step further in place.
    pub fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    /// Goes one step back in place.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// Whether this is the key that `pattern` names: `a.*.b[].c`, where `*` is any key.
    pub fn matches(&self, pattern: &str) -> bool {
        let mut steps = self.0.iter();
        for part in pattern.split('.') {
            let name = part.trim_end_matches("[]");
            match steps.next() {
                Some(Segment::Key(key)) if name == "*" || name == &**key => {}
                _ => return false,
            }
            let lists = (part.len() - name.len()) / 2;
            if (0..lists).any(|_| !matches!(steps.next(), Some(Segment::Index(_)))) {
                return false;
            }
        }
        steps.next().is_none()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if index == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_keys_in_every_item_and_every_entry() {
        let masters = KeyPath::of("slave.masters");
        let ips = masters.index(3).key("ips");
        assert_eq!(ips.to_string(), "slave.masters[3].ips");
        assert!(ips.matches("slave.masters[].ips") && ips.matches("*.masters[].ips"));
        for other in ["slave.masters.ips", "slave.masters[]", "slave.masters[].ips.x", "ips"] {
            assert!(!ips.matches(other), "{other}");
        }
    }
}

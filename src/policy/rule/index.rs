//! The plain part of an application's rules, packed: a rule for another path is passed over, and a rule about
//! nothing but a prefix is decided, by looking at a few neighbouring bytes and not at the rule.
//!
//! Must not know: any clause but the path's. Whatever is not certain here is asked as always.

use crate::policy::rule::clause::{PathClause, starts_with_segments};

/// One rule, as far as it can be told here.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    /// Bytes with which a path must begin; zero for a rule that demands no beginning.
    length: u32,
    /// Whether it takes every path with this prefix of whole segments, and asks for nothing else.
    is_certain: bool,
}

/// What comes next in the order of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The rule at this place certainly matches.
    Matches(usize),
    /// The rule at this place may.
    MayMatch(usize),
    /// None of those that are left does.
    None,
}

/// All rules of an application, in their order.
#[derive(Debug, Clone, Default)]
pub struct RuleIndex {
    entries: Box<[Entry]>,
    bytes: Box<[u8]>,
}

/// What is packed of a rule: its path clauses, and whether it asks for nothing else.
pub type Packed<'a> = (&'a [PathClause], bool);

impl RuleIndex {
    /// Packs rules.
    #[must_use]
    pub fn new<'a>(rules: impl Iterator<Item = Packed<'a>>) -> Self {
        let mut bytes = Vec::new();
        let entries = rules.map(|(paths, asks_no_more)| {
            let beginning = paths.iter().find_map(PathClause::beginning).unwrap_or_default();
            let is_prefix = matches!(paths, [] | [PathClause::Prefix(_)]);
            let is_certain = asks_no_more && is_prefix;
            let place = (u32::try_from(bytes.len()), u32::try_from(beginning.len()));
            bytes.extend_from_slice(beginning);
            match place {
                (Ok(start), Ok(length)) => Entry { start, length, is_certain },
                // What does not fit is asked of the rule itself.
                _ => Entry { start: 0, length: 0, is_certain: false },
            }
        });
        let entries = entries.collect();
        Self { entries, bytes: bytes.into() }
    }

    /// What comes next for `path`, from the place `from` on.
    #[must_use]
    pub fn next(&self, from: usize, path: &[u8]) -> Next {
        for (at, entry) in self.entries.iter().enumerate().skip(from) {
            let (start, length) = (entry.start as usize, entry.length as usize);
            let Some(beginning) = self.bytes.get(start..start + length) else {
                return Next::MayMatch(at);
            };
            if entry.is_certain && starts_with_segments(path, beginning) {
                return Next::Matches(at);
            }
            if !entry.is_certain && path.starts_with(beginning) {
                return Next::MayMatch(at);
            }
        }
        Next::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_is_decided_and_only_other_paths_are_passed_over() {
        let prefix = |text: &str| [PathClause::Prefix(text.as_bytes().into())];
        let exact = [PathClause::Exact(b"/login"[..].into())];
        let (admin, public) = (prefix("/admin"), prefix("/public/"));
        let index = RuleIndex::new(
            [
                (&admin[..], false),
                (&exact[..], true),
                (&public[..], true),
                (&admin[..], true),
                (&[][..], false),
                (&[][..], true),
            ]
            .into_iter(),
        );
        assert_eq!(index.next(0, b"/admin/x"), Next::MayMatch(0));
        assert_eq!(index.next(1, b"/admin/x"), Next::Matches(3));
        assert_eq!(index.next(1, b"/adminx"), Next::MayMatch(4));
        assert_eq!(index.next(0, b"/login"), Next::MayMatch(1));
        assert_eq!(index.next(0, b"/public/a"), Next::Matches(2));
        assert_eq!(index.next(0, b"/public"), Next::MayMatch(4));
        assert_eq!(index.next(5, b"/"), Next::Matches(5));
        assert_eq!(index.next(6, b"/"), Next::None);
    }
}

//! Wildcard hosts as a tree of labels, the top domain first: one step a label, and the first label that nobody
//! configured ends it.
//!
//! Must not know: what a host leads to.

use std::collections::HashMap;

/// What `*.` and a suffix lead to; the longest suffix wins (SEMANTICS R3).
#[derive(Debug, Default)]
pub struct HostTree {
    root: Branch,
}

#[derive(Debug, Default)]
struct Branch {
    /// What everything below this suffix leads to.
    leads_to: Option<u32>,
    below: HashMap<Box<str>, Branch>,
}

impl HostTree {
    /// Lets everything below `suffix` lead to `place`, unless something does already: then that is returned.
    pub fn insert(&mut self, suffix: &str, place: u32) -> Option<u32> {
        let mut branch = &mut self.root;
        for label in suffix.rsplit('.') {
            branch = branch.below.entry(label.into()).or_default();
        }
        let taken = branch.leads_to;
        branch.leads_to = taken.or(Some(place));
        taken
    }

    /// What `host`, which is canonical, leads to: one label at least stands before the suffix.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<u32> {
        let mut found = None;
        let mut branch = &self.root;
        for label in host.rsplit('.') {
            // There is one label more than the suffix has.
            found = branch.leads_to.or(found);
            match branch.below.get(label) {
                Some(below) => branch = below,
                None => break,
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The longest suffix, found by trying them all.
    fn by_trying(suffixes: &[String], host: &str) -> Option<usize> {
        let is_below =
            |suffix: &String| host.strip_suffix(&**suffix).is_some_and(|rest| rest.ends_with('.'));
        let matching = (0..suffixes.len()).filter(|at| is_below(&suffixes[*at]));
        matching.max_by_key(|at| suffixes[*at].len())
    }

    #[test]
    fn what_is_taken_stays() {
        let mut tree = HostTree::default();
        assert_eq!(tree.insert("example.com", 1), None);
        assert_eq!(tree.insert("example.com", 2), Some(1));
        assert_eq!(tree.find("a.example.com"), Some(1));
    }

    proptest! {
        #[test]
        fn the_tree_finds_the_longest_suffix(
            suffixes in prop::collection::btree_set("[ab](\\.[ab]){0,3}", 0..12),
            host in "[abc](\\.[abc]){0,5}",
        ) {
            let suffixes: Vec<String> = suffixes.into_iter().collect();
            let mut tree = HostTree::default();
            for (at, suffix) in (0..).zip(&suffixes) {
                tree.insert(suffix, at);
            }
            prop_assert_eq!(tree.find(&host).map(|at| at as usize), by_trying(&suffixes, &host));
        }
    }
}

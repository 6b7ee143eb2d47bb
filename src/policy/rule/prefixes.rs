//! What rules say about the beginning of a path, packed: most rules of a long list are passed over by looking at
//! a few neighbouring bytes, and not at the rule.
//!
//! Must not know: anything else about rules. A rule that is not passed over here is asked as always.

/// A rule's prefix among all of them.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    /// Zero for a rule that demands no beginning.
    length: u32,
}

/// The prefixes of one application's rules, in their order.
#[derive(Debug, Clone, Default)]
pub struct Prefixes {
    spans: Box<[Span]>,
    bytes: Box<[u8]>,
}

impl Prefixes {
    /// Packs them; `None` for a rule whose path may begin in any way.
    #[must_use]
    pub fn new<'a>(prefixes: impl Iterator<Item = Option<&'a [u8]>>) -> Self {
        let mut bytes = Vec::new();
        let spans = prefixes.map(|prefix| {
            let prefix = prefix.unwrap_or_default();
            let place = (u32::try_from(bytes.len()), u32::try_from(prefix.len()));
            bytes.extend_from_slice(prefix);
            match place {
                (Ok(start), Ok(length)) => Span { start, length },
                // More than fits is demanded of nobody.
                _ => Span { start: 0, length: 0 },
            }
        });
        let spans = spans.collect();
        Self { spans, bytes: bytes.into() }
    }

    /// The place of the first rule from `from` on that may match `path`.
    #[must_use]
    pub fn next(&self, from: usize, path: &[u8]) -> Option<usize> {
        let rest = self.spans.get(from..)?;
        let may_match = |span: &Span| {
            let (start, length) = (span.start as usize, span.length as usize);
            self.bytes.get(start..start + length).is_none_or(|prefix| path.starts_with(prefix))
        };
        rest.iter().position(may_match).map(|at| from + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_passed_over_only_for_another_beginning() {
        let prefixes = [Some(&b"/admin"[..]), Some(b"/a"), None, Some(b"/public/"), None];
        let prefixes = Prefixes::new(prefixes.into_iter());
        let all = |path: &[u8]| {
            let mut from = 0;
            let mut all = Vec::new();
            while let Some(at) = prefixes.next(from, path) {
                all.push(at);
                from = at + 1;
            }
            all
        };
        assert_eq!(all(b"/admin/x"), [0, 1, 2, 4]);
        assert_eq!(all(b"/adminx"), [0, 1, 2, 4]);
        assert_eq!(all(b"/public/"), [2, 3, 4]);
        assert_eq!(all(b"/"), [2, 4]);
        assert_eq!(all(b""), [2, 4]);
    }
}

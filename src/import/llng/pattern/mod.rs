//! Perl's regular expressions, as far as they mean the same in Rust, and what they say about a path.
//!
//! LemonLDAP::NG searches `path?query`, Vouchsafe the path. [`Scope`] tells in how far that is one thing.
//! Must not know: rules.

mod read;

pub use read::read;

/// A pattern that means the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As Rust's library takes it; ASCII.
    pub rust: String,
    /// What of `path?query` decides whether it matches.
    pub scope: Scope,
    /// What is said of a level in a comment: `(?#AuthnLevel=5)`.
    pub level: Option<String>,
}

/// When a search in the path finds what a search in `path?query` finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Always.
    Path,
    /// Without a query; with one it never matches.
    PathAlone,
    /// What matches the path matches with every query; but a query may match where its path does not.
    AtLeastPath {
        /// What then matches the path all the same; empty is anything.
        head: String,
    },
    /// Without a query; with one it may match or not.
    Unknown {
        /// What matches the path if it matches with a query; empty is anything.
        head: String,
    },
}

impl Scope {
    /// The same with flags in front of patterns.
    fn with_flags(self, flags: &str) -> Self {
        let add = |head: String| if head.is_empty() { head } else { format!("{flags}{head}") };
        match self {
            Self::AtLeastPath { head } => Self::AtLeastPath { head: add(head) },
            Self::Unknown { head } => Self::Unknown { head: add(head) },
            Self::Path | Self::PathAlone => self,
        }
    }
}

/// Why a pattern is not translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Why; the text ends a sentence.
    pub why: String,
    /// What matches whatever the pattern could match; empty is anything.
    pub head: String,
    /// What comments say of a level.
    pub level: Option<String>,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// One character; whether it can be a `?`.
    One(Question),
    /// `^` or `\A`.
    Start,
    /// `$` or `\z`.
    End,
    /// `\b` or `\B`.
    Edge,
    /// These behind each other.
    Group(Vec<Vec<Item>>),
}

/// Whether a character can be the `?` before a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Never,
    Maybe,
    Always,
}

/// A part with its quantifier, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    part: Part,
    can_be_empty: bool,
    rust: String,
}

impl Item {
    fn has_anchor_inside(&self) -> bool {
        match &self.part {
            Part::Start | Part::End | Part::Edge => true,
            Part::One(_) => false,
            Part::Group(ways) => ways.iter().flatten().any(Self::has_anchor_inside),
        }
    }

    fn takes_question(&self) -> bool {
        match &self.part {
            Part::One(question) => *question != Question::Never,
            Part::Start | Part::End | Part::Edge => false,
            Part::Group(ways) => ways.iter().flatten().any(Self::takes_question),
        }
    }

    fn matches_empty(&self) -> bool {
        self.can_be_empty
            || match &self.part {
                Part::One(_) => false,
                Part::Start | Part::End | Part::Edge => true,
                Part::Group(ways) => ways.iter().any(|way| way.iter().all(Self::matches_empty)),
            }
    }
}

/// Whether every way begins with `^`.
fn is_anchored(ways: &[Vec<Item>]) -> bool {
    ways.iter().all(|way| {
        way.first().is_some_and(|first| match &first.part {
            _ if first.can_be_empty => false,
            Part::Start => true,
            Part::Group(ways) => is_anchored(ways),
            Part::One(_) | Part::End | Part::Edge => false,
        })
    })
}

/// Whether every way ends with `$`.
fn is_closed(ways: &[Vec<Item>]) -> bool {
    ways.iter().all(|way| {
        way.last().is_some_and(|last| match &last.part {
            _ if last.can_be_empty => false,
            Part::End => true,
            Part::Group(ways) => is_closed(ways),
            Part::One(_) | Part::Start | Part::Edge => false,
        })
    })
}

/// Whether `$` or an edge of a word stands anywhere, or `^` elsewhere than in front.
fn looks_around(ways: &[Vec<Item>]) -> bool {
    ways.iter().any(|way| {
        way.iter().enumerate().any(|(at, item)| match &item.part {
            Part::Start => at > 0 || item.can_be_empty,
            Part::End | Part::Edge => true,
            Part::One(_) => false,
            Part::Group(ways) if at == 0 => looks_around(ways),
            Part::Group(_) => item.has_anchor_inside(),
        })
    })
}

/// The longest beginning that takes no `?`, as a pattern; empty if there is none.
fn head_of(ways: &[Vec<Item>]) -> String {
    let [way] = ways else { return String::new() };
    if !is_anchored(ways) {
        return String::new();
    }
    let is_plain = |(at, item): &(usize, &Item)| {
        !item.takes_question() && (*at == 0 || !item.has_anchor_inside())
    };
    let plain: Vec<&Item> = way.iter().enumerate().take_while(is_plain).map(|(_, i)| i).collect();
    let mut head: String = plain.iter().map(|item| item.rust.as_str()).collect();
    let next = way.get(plain.len());
    let is_question = |item: &Item| item.part == Part::One(Question::Always) && !item.can_be_empty;
    if next.is_some_and(is_question) {
        // The path ends here, or has a `?` of its own.
        head.push_str(r"(?:$|\?)");
    }
    head
}

/// What of `path?query` decides.
fn scope(ways: &[Vec<Item>]) -> Scope {
    let takes_question = ways.iter().flatten().any(Item::takes_question);
    let looks_around = looks_around(ways);
    let anchored = is_anchored(ways);
    // What could take the `?` and all behind it may as well take nothing.
    let is_optional_from_question = ways.iter().all(|way| {
        let mut rest = way.iter().skip_while(|item| !item.takes_question());
        rest.all(Item::matches_empty)
    });
    if anchored && !looks_around && is_optional_from_question {
        Scope::Path
    } else if anchored && !takes_question && is_closed(ways) {
        Scope::PathAlone
    } else if !looks_around {
        Scope::AtLeastPath { head: head_of(ways) }
    } else {
        Scope::Unknown { head: head_of(ways) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(written: &str, rust: &str, scope: Scope) {
        let pattern = read(written).unwrap();
        assert_eq!((pattern.rust.as_str(), pattern.scope), (rust, scope), "{written}");
        assert!(regex::bytes::Regex::new(rust).is_ok(), "{rust}");
    }

    fn at_least(head: &str) -> Scope {
        Scope::AtLeastPath { head: head.to_owned() }
    }

    fn unknown(head: &str) -> Scope {
        Scope::Unknown { head: head.to_owned() }
    }

    #[test]
    fn what_a_query_can_do_is_known() {
        is("^/deny", "^/deny", Scope::Path);
        is("^/a.*", "^/a.*", Scope::Path);
        is("^/(?:a|b)", "^/(?:a|b)", Scope::Path);
        is("(?:^/a|^/b)", "(?:^/a|^/b)", Scope::Path);
        is("^/index\\.php$", r"^/index\.php$", Scope::PathAlone);
        is("^/$|^/b$", "^/$|^/b$", Scope::PathAlone);
        is("^/query\\?.*secret=1", r"^/query\?.*secret=1", at_least(r"^/query(?:$|\?)"));
        is("^/a.*b", "^/a.*b", at_least("^/a"));
        is("admin", "admin", at_least(""));
        is("^/a|b", "^/a|b", at_least(""));
        is("\\.css$", r"\.css$", unknown(""));
        is("^/.*\\.php$", r"^/.*\.php$", unknown("^/"));
        is("^/a\\b", r"^/a\b", unknown("^/a"));
        is("^/a(\\?.*)?$", r"^/a(\?.*)?$", unknown("^/a"));
        is("^/[^/]+/x", "^/[^/]+/x", at_least("^/"));
        is("", "", at_least(""));
        is("(^/a)?b", "(^/a)?b", at_least(""));
        is("^/[!-z]x", "^/[!-z]x", at_least("^/"));
        is("^/[0-9A-Za-z._-]+x", r"^/[0-9A-Za-z._\-]+x", Scope::Path);
        is("(?i)^/a.*b", "(?i)^/a.*b", at_least("(?i)^/a"));
    }

    #[test]
    fn comments_are_dropped_and_their_level_is_kept() {
        let pattern = read("(?#AuthnLevel=5)^/level5").unwrap();
        assert_eq!((pattern.rust.as_str(), pattern.level.as_deref()), ("^/level5", Some("5")));
        let unreadable = read("(?#AuthnLevel=-3)^/a(?=b)").unwrap_err();
        assert_eq!((unreadable.head.as_str(), unreadable.level.as_deref()), ("^/a", Some("-3")));
        is("(?#1 first)(?i)^/A", "(?i)^/A", Scope::Path);
    }

    #[test]
    fn spellings_of_perl_become_those_of_rust() {
        is(r"^\/a\-b\_\@\:\<", "^/a\\-b_@:<", Scope::Path);
        is(r"^/[\w\.\-@]+", r"^/[\w\.\-@]+", Scope::Path);
        is(r"\A/x\z", r"\A/x\z", Scope::PathAlone);
        is("^/a{2,3}b+?c*", "^/a{2,3}b+?c*", Scope::Path);
        is("^/a#&~b", "^/a#&~b", Scope::Path);
    }

    #[test]
    fn what_could_mean_something_else_is_refused_with_what_is_sure() {
        for (written, head) in [
            ("^/a(?!b)", "^/a"),
            ("^/a(?<=b)", "^/a"),
            (r"^/a\1", "^/a"),
            ("^/ab++", "^/a"),
            ("^/a{", "^/"),
            (r"^/a\Qb\E", "^/a"),
            (r"^/a\x41", "^/a"),
            (r"^/a\p{L}", "^/a"),
            ("^/a[[:alpha:]]", "^/a"),
            ("^/a[b&&c]", "^/a"),
            ("^/é", "^/"),
            ("^/a(?!b)|c", ""),
            ("a(?!b)", ""),
            ("^/a(b(?!c))", "^/a"),
            ("^/a[", "^/a"),
            ("^/a(", "^/a"),
            ("^/a)", "^/a"),
            ("*", ""),
            ("^*", ""),
            (r"^/a\", "^/a"),
            ("(?#x", ""),
            ("(?x) a", ""),
            ("^/a(?i)b", ""),
            ("^/a\n", "^/a"),
            (r"^/a\h", "^/a"),
            (r"^/a\Z", "^/a"),
            ("^/a[]b]", "^/a"),
        ] {
            let unreadable = read(written).unwrap_err();
            assert_eq!(unreadable.head, head, "{written}: {}", unreadable.why);
        }
        assert!(read(&"(".repeat(10_000)).is_err());
        assert!(read(&"a".repeat(10_000)).is_err());
    }
}

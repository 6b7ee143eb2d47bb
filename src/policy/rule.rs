//! Rules: the first one whose clauses all hold decides; no match denies (SEMANTICS R1).

use crate::domain::location::Location;

/// What a rule asks for before it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requirement {
    /// A master must assert the identity on each request; a cookie alone is not enough.
    pub master: bool,
}

/// What happens to a request that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Allow a session that meets the requirement.
    Allow(Requirement),
    /// Refuse every session.
    Deny,
    /// Allow anybody without looking a session up; no identity is sent.
    Skip,
    /// Allow anybody; a session's exports are sent if there is one.
    Unprotect,
}

/// A path prefix that matches whole segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(Box<[u8]>);

impl PathPrefix {
    /// `/admin` is itself and everything below; `/admin/` only what is below.
    /// The prefix must already be canonical (see [`crate::domain::target`]).
    #[must_use]
    pub fn new(prefix: &[u8]) -> Self {
        Self(prefix.into())
    }

    fn contains(&self, path: &[u8]) -> bool {
        match path.strip_prefix(&*self.0) {
            None => false,
            Some(rest) => {
                rest.is_empty() || self.0.last() == Some(&b'/') || rest.first() == Some(&b'/')
            }
        }
    }
}

/// The clauses of a rule; all must hold. None is "always".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matcher {
    /// The canonical path lies under this prefix.
    pub path: Option<PathPrefix>,
    /// The method is one of these, exactly.
    pub methods: Option<Box<[Box<str>]>>,
}

impl Matcher {
    fn holds(&self, method: &str, path: &[u8]) -> bool {
        self.path.as_ref().is_none_or(|prefix| prefix.contains(path))
            && self.methods.as_ref().is_none_or(|methods| methods.iter().any(|m| &**m == method))
    }
}

/// One rule and where the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// When it applies.
    pub matcher: Matcher,
    /// What it does.
    pub effect: Effect,
    /// Its place in `config.yaml`.
    pub at: Location,
}

/// The rules of one application, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules(pub Box<[Rule]>);

impl Rules {
    /// The first rule that matches; `None` means deny.
    #[must_use]
    pub fn first_match(&self, method: &str, path: &[u8]) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.matcher.holds(method, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: Option<&str>, methods: Option<&[&str]>, effect: Effect) -> Rule {
        Rule {
            matcher: Matcher {
                path: path.map(|p| PathPrefix::new(p.as_bytes())),
                methods: methods.map(|m| m.iter().map(|&m| m.into()).collect()),
            },
            effect,
            at: Location::default(),
        }
    }

    #[track_caller]
    fn matches(prefix: &str, path: &str, expected: bool) {
        let matcher = Matcher { path: Some(PathPrefix::new(prefix.as_bytes())), methods: None };
        assert_eq!(matcher.holds("GET", path.as_bytes()), expected, "{prefix} on {path}");
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        // A41.
        matches("/admin", "/admin", true);
        matches("/admin", "/admin/", true);
        matches("/admin", "/admin/x", true);
        matches("/admin", "/administrator", false);
        matches("/admin", "/admin.", false);
        matches("/admin/", "/admin", false);
        matches("/admin/", "/admin/x", true);
        matches("/", "/anything", true);
        matches("/admin", "/ADMIN", false);
    }

    #[test]
    fn the_first_match_wins_and_no_match_is_none() {
        let allow = Effect::Allow(Requirement::default());
        let rules = Rules(Box::new([
            rule(Some("/public/"), None, Effect::Unprotect),
            rule(Some("/api"), Some(&["GET", "HEAD"]), allow),
            rule(Some("/api"), None, Effect::Deny),
        ]));
        let effect =
            |method, path: &str| rules.first_match(method, path.as_bytes()).map(|r| r.effect);
        assert_eq!(effect("GET", "/public/x"), Some(Effect::Unprotect));
        assert_eq!(effect("GET", "/api/1"), Some(allow));
        assert_eq!(effect("POST", "/api/1"), Some(Effect::Deny));
        assert_eq!(effect("get", "/api/1"), Some(Effect::Deny));
        assert_eq!(effect("GET", "/other"), None);
    }
}

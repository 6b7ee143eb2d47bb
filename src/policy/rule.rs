//! Rules: the first one whose clauses all hold decides; no match denies (SEMANTICS R1).

use crate::domain::location::Location;
use crate::domain::target::Target;

/// What a rule asks for before it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requirement {
    /// A master must assert the identity on each request; a cookie alone is not enough.
    pub master: bool,
}

impl Requirement {
    /// What both ask for.
    const fn and(self, other: Self) -> Self {
        Self { master: self.master || other.master }
    }

    const fn is_none(self) -> bool {
        !self.master
    }
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

impl Effect {
    /// Of two effects the one with the higher number is the stricter (R2).
    const fn strictness(self) -> u8 {
        match self {
            Self::Skip => 0,
            Self::Unprotect => 1,
            Self::Allow(requirement) if requirement.is_none() => 2,
            Self::Allow(_) => 3,
            Self::Deny => 4,
        }
    }
}

/// What the rules say about a request, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What happens.
    pub effect: Effect,
    /// Where the rule stands that has this effect.
    pub at: Location,
}

impl Verdict {
    /// The stricter of two that are about the same request; of equals this one.
    const fn or_stricter(self, other: Self) -> Self {
        let stricter =
            if other.effect.strictness() > self.effect.strictness() { other } else { self };
        match (self.effect, other.effect) {
            (Effect::Allow(mine), Effect::Allow(theirs)) => {
                Self { effect: Effect::Allow(mine.and(theirs)), at: stricter.at }
            }
            _ => stricter,
        }
    }
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

    /// The strictest of what the first matches say about each form of `target` (R2); `None` means deny.
    #[must_use]
    pub fn verdict(&self, method: &str, target: &Target<'_>) -> Option<Verdict> {
        let of = |form| {
            let rule = self.first_match(method, form)?;
            Some(Verdict { effect: rule.effect, at: rule.at })
        };
        let mut forms = target.forms().map(of);
        let kept = forms.next().flatten();
        forms.fold(kept, |strictest, next| match (strictest, next) {
            (Some(strictest), Some(next)) => Some(strictest.or_stricter(next)),
            // Without a match it is denied anyway; a rule that denies it too tells more.
            (one, other) => one.or(other).filter(|verdict| verdict.effect == Effect::Deny),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::target::PathForms;

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

    const MASTER: Effect = Effect::Allow(Requirement { master: true });
    const ANYBODY: Effect = Effect::Allow(Requirement { master: false });

    fn verdict(rules: &Rules, raw: &str, forms: PathForms) -> Option<Verdict> {
        rules.verdict("GET", &Target::parse(raw.as_bytes(), forms).unwrap())
    }

    #[test]
    fn of_all_forms_of_a_path_the_strictest_effect_wins_with_its_place() {
        let effects = [Effect::Skip, Effect::Unprotect, ANYBODY, MASTER, Effect::Deny];
        let at = |line| Location { line, ..Location::default() };
        for (kept_is, kept) in effects.into_iter().enumerate() {
            for (resolved_is, resolved) in effects.into_iter().enumerate() {
                let mut rules = [
                    rule(Some("/a;x"), None, kept),
                    rule(Some("/a"), None, resolved),
                    rule(Some("/open"), None, Effect::Skip),
                ];
                (rules[0].at, rules[1].at) = (at(1), at(2));
                let rules = Rules(Box::new(rules));
                let expected =
                    if resolved_is > kept_is { (resolved, at(2)) } else { (kept, at(1)) };
                let found = verdict(&rules, "/a;x", PathForms::ALL).unwrap();
                assert_eq!((found.effect, found.at), expected);
                // A form that nothing matches is denied, and so is the request.
                assert_eq!(verdict(&rules, "/open;x", PathForms::ALL), None);
                let found = verdict(&rules, "/a;x%2Fb", PathForms::ALL);
                let denial = [kept, resolved].contains(&Effect::Deny);
                assert_eq!(found.map(|found| found.effect), denial.then_some(Effect::Deny));
            }
        }
    }

    fn any_rules() -> impl Strategy<Value = Rules> {
        let paths = ["/a", "/a/", "/b", "/a/b", "/a;x", "/a%2Fb", "/", "/b;x/a", "/a/b%2Fa"];
        let path = prop::option::of(prop::sample::select(paths.to_vec()));
        let effect = vec![Effect::Skip, Effect::Unprotect, ANYBODY, MASTER, Effect::Deny];
        let rule = (path, prop::sample::select(effect))
            .prop_map(|(path, effect)| rule(path, None, effect));
        prop::collection::vec(rule, 0..6).prop_map(|rules| Rules(rules.into()))
    }

    fn strictness(verdict: Option<Effect>) -> u8 {
        verdict.map_or(Effect::Deny.strictness(), Effect::strictness)
    }

    proptest! {
        /// R2: what a flag newly accepts is at least as strict as each of its forms alone, and what was
        /// accepted without it keeps its effect.
        #[test]
        fn a_flag_never_makes_anything_laxer(
            rules in any_rules(),
            parts in prop::collection::vec(prop::sample::select(vec!["/", "/", "a", "b", ";x", "%2F", "//"]), 0..8),
            parameters: bool,
            encoded_slash: bool,
        ) {
            let raw = format!("/{}", parts.concat());
            let accepted = PathForms { parameters, encoded_slash };
            let Ok(target) = Target::parse(raw.as_bytes(), accepted) else { return Ok(()) };
            let found = rules.verdict("GET", &target).map(|verdict| verdict.effect);
            for form in target.forms() {
                let alone = rules.first_match("GET", form).map(|rule| rule.effect);
                prop_assert!(strictness(found) >= strictness(alone), "{raw}: {found:?} {alone:?}");
            }
            if let Ok(before) = Target::parse(raw.as_bytes(), PathForms::STRICT) {
                let before = rules.first_match("GET", before.path()).map(|rule| rule.effect);
                prop_assert_eq!(found, before);
            }
        }
    }
}

use proptest::prelude::*;

use super::clause::{IdentityClauses, OneOf, PathClause, Who};
use super::*;
use crate::domain::explanation::Happening;
use crate::domain::identity::{IdentityView, Owner};
use crate::domain::network::{LOOPBACK, Networks};
use crate::domain::request::Scheme;
use crate::domain::target::PathForms;
use crate::domain::time::Timestamp;

fn prefix(path: &str) -> PathClause {
    PathClause::Prefix(path.as_bytes().into())
}

fn list(names: &[&str]) -> Box<[Box<str>]> {
    names.iter().map(|&name| name.into()).collect()
}

fn one_of(name: &str, values: &[&str]) -> OneOf {
    OneOf { name: name.into(), values: list(values) }
}

fn rule(path: Option<&str>, methods: Option<&[&str]>, effect: Effect) -> Rule {
    let clauses = Clauses {
        paths: path.map(prefix).into_iter().collect(),
        methods: methods.map(list),
        ..Clauses::default()
    };
    Rule { clauses, effect, at: Location::default() }
}

fn facts(method: &str) -> Facts<'_> {
    let now = Timestamp::default();
    let (host, scheme) = ("app.example.com", Scheme::Https);
    Facts { method, host, scheme, query: None, client: LOOPBACK, now, who: Who::Nobody }
}

/// The effect of the first match on one path; `None` is a denial.
fn effect(rules: &Rules, path: &str, facts: &Facts<'_>) -> Option<Effect> {
    match rules.walk(path.as_bytes(), facts, &mut Happening) {
        Outcome::Matched(verdict) => Some(verdict.effect),
        Outcome::Unmatched => None,
        Outcome::Undecided | Outcome::Failed { .. } => panic!("no effect"),
    }
}

#[track_caller]
fn holds(clauses: &Clauses, path: &str, facts: &Facts<'_>, expected: Truth) {
    assert_eq!(
        clauses.hold(path.as_bytes(), facts, &mut Happening),
        expected,
        "{clauses:?} on {path}"
    );
}

#[track_caller]
fn on_path(clause: PathClause, path: &str, expected: bool) {
    let clauses = Clauses { paths: [clause].into(), ..Clauses::default() };
    holds(&clauses, path, &facts("GET"), if expected { Truth::Yes } else { Truth::No });
}

#[test]
fn a_prefix_ends_at_a_segment() {
    // A41.
    for (written, path, expected) in [
        ("/admin", "/admin", true),
        ("/admin", "/admin/", true),
        ("/admin", "/admin/x", true),
        ("/admin", "/administrator", false),
        ("/admin", "/admin.", false),
        ("/admin/", "/admin", false),
        ("/admin/", "/admin/x", true),
        ("/", "/anything", true),
        ("/admin", "/ADMIN", false),
    ] {
        on_path(prefix(written), path, expected);
    }
}

#[test]
fn a_path_is_matched_exactly_by_a_glob_or_by_an_expression() {
    let exact = || PathClause::Exact(b"/a".as_slice().into());
    on_path(exact(), "/a", true);
    on_path(exact(), "/a/", false);
    on_path(exact(), "/a/b", false);
    let glob = |written: &str| {
        let glob = globset::GlobBuilder::new(written).literal_separator(true).build().unwrap();
        PathClause::Glob(glob.compile_matcher())
    };
    on_path(glob("/*/edit"), "/page/edit", true);
    on_path(glob("/*/edit"), "/a/b/edit", false);
    on_path(glob("/**/edit"), "/a/b/edit", true);
    on_path(glob("/*.png"), "/x.png", true);
    on_path(glob("/*.png"), "/x.png/y", false);
    on_path(glob("/{a,b}/?"), "/b/x", true);
    let regex = |written: &str| PathClause::Regex(regex::bytes::Regex::new(written).unwrap());
    on_path(regex("^/v[0-9]+/"), "/v12/x", true);
    on_path(regex("^/v[0-9]+/"), "/x/v12/", false);
}

#[test]
fn every_value_of_a_query_parameter_is_seen_decoded() {
    let clauses =
        || Clauses { query: [one_of("secret", &["1", "a b"])].into(), ..Clauses::default() };
    let with = |query: &'static str| Facts { query: Some(query.as_bytes()), ..facts("GET") };
    for query in ["secret=1", "secret=%31", "x=2&secret=2&secret=1", "%73ecret=1", "secret=a+b"] {
        holds(&clauses(), "/", &with(query), Truth::Yes);
    }
    for query in ["", "secret", "secret=", "secret=2", "Secret=1", "xsecret=1", "secret=1%00"] {
        holds(&clauses(), "/", &with(query), Truth::No);
    }
    holds(&clauses(), "/", &facts("GET"), Truth::No);
}

#[test]
fn a_client_is_in_a_network() {
    let clauses = |networks| Clauses {
        client: Some(Networks::parse(networks).unwrap()),
        ..Clauses::default()
    };
    holds(&clauses("127.0.0.0/8"), "/", &facts("GET"), Truth::Yes);
    holds(&clauses("10.0.0.0/8 ::1"), "/", &facts("GET"), Truth::No);
}

/// Somebody with these groups.
struct User(&'static str, u8, &'static [&'static str]);

impl IdentityView for User {
    fn owner(&self) -> Owner<'_> {
        Owner { master: "sso", realm: "", user: self.0 }
    }

    fn level(&self) -> u8 {
        self.1
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        self.2.iter().for_each(|group| each("groups", group));
    }
}

fn asking(identity: IdentityClauses) -> Clauses {
    Clauses { identity: Some(Box::new(identity)), ..Clauses::default() }
}

#[test]
fn what_is_asked_of_an_identity_holds_for_somebody_only() {
    let user = User("dwho", 2, &["users", "timelords"]);
    let groups = |names: &[&str]| IdentityClauses {
        variables: [one_of("groups", names)].into(),
        ..IdentityClauses::default()
    };
    let users =
        |names: &[&str]| IdentityClauses { users: Some(list(names)), ..IdentityClauses::default() };
    let masters = |names: &[&str]| IdentityClauses {
        masters: Some(list(names)),
        ..IdentityClauses::default()
    };
    let level = |level| IdentityClauses { level, ..IdentityClauses::default() };
    for (clauses, expected) in [
        (groups(&["admins", "users"]), true),
        (groups(&["admins"]), false),
        (users(&["rtyler", "dwho"]), true),
        (users(&["Dwho"]), false),
        (masters(&["sso"]), true),
        (masters(&["other"]), false),
        (level(2), true),
        (level(3), false),
        (level(0), true),
    ] {
        let asked = |who| Facts { who, ..facts("GET") };
        let expected = if expected { Truth::Yes } else { Truth::No };
        holds(&asking(clauses.clone()), "/", &asked(Who::Somebody(&user)), expected);
        holds(&asking(clauses.clone()), "/", &asked(Who::Nobody), Truth::No);
        holds(&asking(clauses.clone()), "/", &asked(Who::Unasked), Truth::Unknown);
        // What fails anyway needs nobody to be asked.
        let elsewhere = Clauses { paths: [prefix("/a")].into(), ..asking(clauses) };
        holds(&elsewhere, "/b", &asked(Who::Unasked), Truth::No);
    }
}

#[test]
fn a_walk_stops_where_somebody_has_to_be_asked_and_not_before() {
    let mut admins = rule(Some("/admin"), None, Effect::Skip);
    admins.clauses.identity = Some(Box::default());
    let rules = Rules::new(Box::new([admins, rule(None, None, Effect::Skip)]));
    let unasked = Facts { who: Who::Unasked, ..facts("GET") };
    assert_eq!(rules.walk(b"/admin", &unasked, &mut Happening), Outcome::Undecided);
    assert!(matches!(rules.walk(b"/assets", &unasked, &mut Happening), Outcome::Matched(_)));
    // One form of a path that is undecided leaves the whole path so.
    let target = Target::parse(b"/admin;x", PathForms::ALL).unwrap();
    assert_eq!(rules.outcome(&target, &unasked, &mut Happening), Outcome::Undecided);
}

#[test]
fn the_first_match_wins_and_no_match_is_none() {
    let allow = Effect::Allow(Requirement::default());
    let rules = Rules::new(Box::new([
        rule(Some("/public/"), None, Effect::Unprotect),
        rule(Some("/api"), Some(&["GET", "HEAD"]), allow),
        rule(Some("/api"), None, Effect::Deny),
    ]));
    let effect = |method, path: &str| effect(&rules, path, &facts(method));
    assert_eq!(effect("GET", "/public/x"), Some(Effect::Unprotect));
    assert_eq!(effect("GET", "/api/1"), Some(allow));
    assert_eq!(effect("POST", "/api/1"), Some(Effect::Deny));
    assert_eq!(effect("get", "/api/1"), Some(Effect::Deny));
    assert_eq!(effect("GET", "/other"), None);
}

const MASTER: Effect = Effect::Allow(Requirement { master: true, level: 0, factor_max_age: None });
const ANYBODY: Effect =
    Effect::Allow(Requirement { master: false, level: 0, factor_max_age: None });
const EFFECTS: [Effect; 7] = [
    Effect::Skip,
    Effect::Unprotect,
    ANYBODY,
    MASTER,
    Effect::Logout,
    Effect::Maintenance,
    Effect::Deny,
];

fn verdict(rules: &Rules, raw: &str, forms: PathForms) -> Option<Verdict> {
    match rules.outcome(
        &Target::parse(raw.as_bytes(), forms).unwrap(),
        &facts("GET"),
        &mut Happening,
    ) {
        Outcome::Matched(verdict) => Some(verdict),
        Outcome::Unmatched | Outcome::Undecided | Outcome::Failed { .. } => None,
    }
}

#[test]
fn two_requirements_are_both_required() {
    let minutes = |minutes| Some(Duration::from_mins(minutes));
    let of = |master, level, factor_max_age| Requirement { master, level, factor_max_age };
    assert_eq!(of(true, 2, None).and(of(false, 5, None)), of(true, 5, None));
    for (mine, theirs, both) in [(1, 5, 1), (5, 1, 1), (3, 3, 3)] {
        let found = of(false, 0, minutes(mine)).and(of(false, 0, minutes(theirs)));
        assert_eq!(found.factor_max_age, minutes(both));
    }
    let one = of(false, 0, minutes(5));
    assert_eq!(
        (one.and(of(false, 2, None)), of(false, 2, None).and(one)),
        (of(false, 2, minutes(5)), of(false, 2, minutes(5)))
    );
}

#[test]
fn an_allow_that_wants_a_factor_is_stricter_than_one_that_wants_nothing() {
    let factor_max_age = Some(Duration::from_mins(5));
    let fresh = Effect::Allow(Requirement { factor_max_age, ..Requirement::default() });
    assert!(fresh.strictness() > ANYBODY.strictness());
    assert!(fresh.strictness() < Effect::Deny.strictness());
}

#[test]
fn of_all_forms_of_a_path_the_strictest_effect_wins_with_its_place() {
    let effects = EFFECTS;
    let at = |line| Location { line, ..Location::default() };
    for (kept_is, kept) in effects.into_iter().enumerate() {
        for (resolved_is, resolved) in effects.into_iter().enumerate() {
            let mut rules = [
                rule(Some("/a;x"), None, kept),
                rule(Some("/a"), None, resolved),
                rule(Some("/open"), None, Effect::Skip),
            ];
            (rules[0].at, rules[1].at) = (at(1), at(2));
            let rules = Rules::new(Box::new(rules));
            let expected = if resolved_is > kept_is { (resolved, at(2)) } else { (kept, at(1)) };
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
    let effect = EFFECTS.to_vec();
    let rule =
        (path, prop::sample::select(effect)).prop_map(|(path, effect)| rule(path, None, effect));
    prop::collection::vec(rule, 0..6).prop_map(|rules| Rules::new(rules.into()))
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
        let found = verdict(&rules, &raw, accepted).map(|verdict| verdict.effect);
        for form in target.forms() {
            let alone = effect(&rules, std::str::from_utf8(form).unwrap(), &facts("GET"));
            prop_assert!(strictness(found) >= strictness(alone), "{raw}: {found:?} {alone:?}");
        }
        if let Ok(before) = Target::parse(raw.as_bytes(), PathForms::STRICT) {
            let before = effect(&rules, std::str::from_utf8(before.path()).unwrap(), &facts("GET"));
            prop_assert_eq!(found, before);
        }
    }
}

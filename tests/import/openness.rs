//! The property that counts: no request gets further than LemonLDAP::NG lets it, and without a query exactly as far.
//!
//! LemonLDAP::NG is modelled in its own words: patterns sorted as texts, the first that is found in
//! `path?query` decides.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regex::Regex;
use serde_json::json;
use vouchsafe::domain::explanation::Happening;
use vouchsafe::domain::network::LOOPBACK;
use vouchsafe::domain::request::Scheme;
use vouchsafe::domain::target::{PathForms, Target};
use vouchsafe::domain::time::Timestamp;
use vouchsafe::policy::rule::clause::{Facts, Who};
use vouchsafe::policy::rule::{Effect, Outcome};

use crate::{Kind, import, settings, with};

/// Who gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Openness {
    Nobody,
    Sessions,
    Anybody,
}

/// A pattern as Perl reads it: comments are none of it.
fn searched(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&pattern.replace("(?#1)", ""))
}

/// A condition: as it is written, and what it asks.
#[derive(Debug, Clone)]
enum Condition {
    Word(&'static str),
    /// `1`, which is true.
    True,
    /// `$ENV{REQUEST_URI} =~ /pattern/`.
    Matches(String),
    Misses(String),
    /// `... ? skip : ...`.
    Skips(String, Box<Self>),
}

impl Condition {
    fn written(&self) -> String {
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::True => "1".to_owned(),
            Self::Matches(pattern) => format!("$ENV{{REQUEST_URI}} =~ m!{pattern}!"),
            Self::Misses(pattern) => format!("$ENV{{REQUEST_URI}} !~ m!{pattern}!"),
            Self::Skips(pattern, other) => {
                format!("$ENV{{REQUEST_URI}} =~ m!{pattern}! ? skip : {}", other.written())
            }
        }
    }

    fn patterns(&self) -> Vec<&String> {
        match self {
            Self::Word(_) | Self::True => Vec::new(),
            Self::Matches(pattern) | Self::Misses(pattern) => vec![pattern],
            Self::Skips(pattern, other) => other.patterns().into_iter().chain([pattern]).collect(),
        }
    }

    fn openness(&self, uri: &str) -> Openness {
        let found = |pattern: &str| searched(pattern).unwrap().is_match(uri);
        let lets = |is: bool| if is { Openness::Sessions } else { Openness::Nobody };
        match self {
            Self::Word("accept") | Self::True => Openness::Sessions,
            Self::Word("skip" | "unprotect") => Openness::Anybody,
            Self::Word(_) => Openness::Nobody,
            Self::Matches(pattern) => lets(found(pattern)),
            Self::Misses(pattern) => lets(!found(pattern)),
            Self::Skips(pattern, _) if found(pattern) => Openness::Anybody,
            Self::Skips(_, other) => other.openness(uri),
        }
    }
}

fn reference(rules: &BTreeMap<String, Condition>, uri: &str) -> Openness {
    let mut patterns = rules.iter().filter(|(key, _)| *key != "default");
    let first = patterns.find(|(key, _)| searched(key).unwrap().is_match(uri));
    match first.map(|(_, condition)| condition).or_else(|| rules.get("default")) {
        Some(condition) => condition.openness(uri),
        None => Openness::Sessions,
    }
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "/", "/a", "a", "b", "x", "=", ".", ".*", ".*a", "[^/]+", "[^x]", r"\?", r"\?.*x=1",
        "(a|b)", "(?:/a)?", "(/a|b$)", r"\b", "a*", r"\w+", r"\W", "[!-z]", "a{2}", "b+?", "$",
        "^", "(?#1)", r"(\?.*)?",
    ]);
    let parts = prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat());
    (any::<bool>(), parts, any::<bool>(), any::<bool>()).prop_map(|(start, parts, end, fold)| {
        let (fold, start) = (if fold { "(?i)" } else { "" }, if start { "^" } else { "" });
        format!("{fold}{start}{parts}{}", if end { "$" } else { "" })
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let word = || {
        prop::sample::select(vec!["accept", "deny", "skip", "unprotect", "logout_sso"])
            .prop_map(Condition::Word)
    };
    let other = prop_oneof![
        Just(Condition::True),
        pattern().prop_map(Condition::Matches),
        pattern().prop_map(Condition::Misses),
    ];
    prop_oneof![
        3 => word(),
        1 => pattern().prop_map(Condition::Matches),
        1 => pattern().prop_map(Condition::Misses),
        1 => (pattern(), other).prop_map(|(pattern, other)| Condition::Skips(pattern, other.into())),
    ]
}

/// A target as it is sent, and what LemonLDAP::NG searches.
fn target() -> impl Strategy<Value = (String, String)> {
    let part = || prop::sample::select(vec!["/", "a", "b", "x", "=", "1", "A", "-", "%3F", "%20"]);
    let path = prop::collection::vec(part(), 0..6).prop_map(|parts| format!("/{}", parts.concat()));
    let query = prop::collection::vec(part(), 1..5).prop_map(|parts| parts.concat());
    (path, prop::option::of(query)).prop_filter_map("one path", |(path, query)| {
        let sent = query.iter().fold(path.clone(), |path, query| format!("{path}?{query}"));
        let read = Target::parse(sent.as_bytes(), PathForms::STRICT).ok()?;
        let path = std::str::from_utf8(read.path()).ok()?;
        let searched = query.iter().fold(path.to_owned(), |path, query| format!("{path}?{query}"));
        Some((sent, searched))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_request_gets_further_than_lemonldap_lets_it(
        mut rules in prop::collection::btree_map(pattern(), condition(), 1..4),
        default in prop::option::of(condition()),
        targets in prop::collection::vec(target(), 1..12),
    ) {
        rules.extend(default.map(|condition| ("default".to_owned(), condition)));
        // As Perl does, Rust's library refuses what repeats nothing.
        let patterns = rules.keys().chain(rules.values().flat_map(Condition::patterns));
        for pattern in patterns {
            prop_assume!(searched(pattern).is_ok());
        }
        let written: BTreeMap<&String, String> =
            rules.iter().map(|(key, condition)| (key, condition.written())).collect();
        let import = import(&with(&json!({ "locationRules": { "app.example.com": written } })));
        let settings = settings(&import);
        let application = settings.policy.applications.find("app.example.com").unwrap();
        let mut entries = import.report.entries().iter();
        let is_exact = entries.all(|entry| entry.kind != Kind::Denies);
        for (sent, searched) in &targets {
            let target = Target::parse(sent.as_bytes(), PathForms::STRICT).unwrap();
            let facts = Facts {
                method: "GET",
                host: "app.example.com",
                scheme: Scheme::Https,
                query: target.query(),
                client: LOOPBACK,
                now: Timestamp::default(),
                who: Who::Nobody,
            };
            let ours = match application.rules.outcome(&target, &facts, &mut Happening) {
                Outcome::Matched(verdict) => match verdict.effect {
                    Effect::Allow(_) => Openness::Sessions,
                    Effect::Skip | Effect::Unprotect => Openness::Anybody,
                    Effect::Deny | Effect::Logout | Effect::Maintenance => Openness::Nobody,
                },
                Outcome::Unmatched | Outcome::Undecided | Outcome::Failed { .. } => Openness::Nobody,
            };
            let theirs = reference(&rules, searched);
            prop_assert!(ours <= theirs, "{searched}: {ours:?} for {theirs:?}\n{}", import.config);
            if target.query().is_none() && is_exact {
                prop_assert_eq!(ours, theirs, "{}\n{}", searched, &import.config);
            }
        }
    }
}

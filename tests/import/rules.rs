//! `locationRules` and what they become, rule by rule.

use serde_json::json;

use crate::{Kind, import, lines, rules_of, settings, tells, with};

#[test]
fn patterns_are_tried_in_the_order_of_their_texts() {
    let (rules, _) = rules_of(&json!({
        "default": "deny", "^/zz": "accept", "(?#0order)^/zz": "deny", "^/ob": "deny", "^/o": "accept",
    }));
    assert_eq!(
        rules,
        [
            "- { path_regex: '^/zz', effect: deny }",
            "- { path_regex: '^/o', effect: allow }",
            "- { path_regex: '^/ob', effect: deny }",
            "- { path_regex: '^/zz', effect: allow }",
            "- { effect: deny }",
        ]
    );
}

#[test]
fn each_rule_says_what_it_was_made_of() {
    let (_, import) = rules_of(&json!({ "^/a\n": "$uid\teq 'x'" }));
    assert!(import.config.contains("      # ^/a\\n: $uid\\teq 'x'\n"), "{}", import.config);
    assert!(import.config.contains("      # default: accept\n"), "{}", import.config);
}

#[test]
fn words_are_effects_in_any_case() {
    let (rules, import) = rules_of(&json!({
        "^/1": "ACCEPT", "^/2": "unprotect", "^/3": "Skip", "^/4": "logout_sso http://x/", "^/5": "maintenance",
        "^/6": "accept(?#7)",
    }));
    let effects: Vec<&str> = rules
        .iter()
        .map(|rule| rule.rsplit_once(' ').unwrap().0.rsplit_once(' ').unwrap().1)
        .collect();
    assert_eq!(effects, ["allow", "unprotect", "skip", "logout", "maintenance", "allow", "allow"]);
    assert!(tells(&import, Kind::Approximately, "locationRules.app.example.com.^/4", "URL"));
}

#[test]
fn a_level_is_the_patterns_or_else_the_hosts() {
    let import = import(&with(&json!({
        "locationRules": { "app.example.com": {
            "(?#AuthnLevel=2)^/2": "accept", "(?#AuthnLevel=0)^/0": "accept", "(?#AuthnLevel=-1)^/n": "$uid eq 'a'",
            "(?#AuthnLevel=999)^/9": "accept", "^/s": "skip", "^/u": "$uid eq 'a'",
        } },
        "vhostOptions": { "app.example.com": { "vhostAuthnLevel": "5" } },
    })));
    settings(&import);
    assert_eq!(
        lines(&import, "rules:"),
        [
            "- { path_regex: '^/n', when: \"vars.uid == 'a'\", effect: allow }",
            "- { path_regex: '^/n', effect: deny }",
            "- { path_regex: '^/0', level: 5, effect: allow }",
            "- { path_regex: '^/2', level: 2, effect: allow }",
            "- { path_regex: '^/9', effect: deny }",
            "- { path_regex: '^/s', effect: skip }",
            "- { path_regex: '^/u', when: \"vars.uid == 'a'\", level: 5, effect: allow }",
            "- { path_regex: '^/u', effect: deny }",
            "- { level: 5, effect: allow }",
        ]
    );
}

#[test]
fn a_conditional_skip_is_three_rules() {
    let (rules, _) =
        rules_of(&json!({ "^/m": "$ENV{REQUEST_URI} =~ /open/ ? skip : $uid eq 'a'" }));
    assert_eq!(
        rules,
        [
            "- { path_regex: '^/m', when: \"request.path.matches('open')\", effect: skip }",
            "- { path_regex: '^/m', when: \"vars.uid == 'a'\", effect: allow }",
            "- { path_regex: '^/m', effect: deny }",
            "- { effect: allow }",
        ]
    );
}

#[test]
fn a_pattern_about_the_query_denies_all_that_it_could_deny() {
    let (rules, import) = rules_of(&json!({ "^/query\\?.*secret=1": "deny" }));
    assert_eq!(
        rules,
        [
            "- { path_regex: '^/query\\?.*secret=1', effect: deny }",
            "- { path_regex: '^/query(?:$|\\?)', when: 'size(request.query) > 0', effect: deny }",
            "- { effect: allow }",
        ]
    );
    let place = "locationRules.app.example.com.^/query\\?.*secret=1";
    assert!(tells(&import, Kind::Approximately, place, "query"), "{}", import.report);
}

#[test]
fn a_pattern_for_everybody_leaves_to_others_what_is_not_certain() {
    let (rules, _) = rules_of(&json!({ "\\.(css|js)$": "skip" }));
    let sure = "- { path_regex: '\\.(css|js)$', when: 'size(request.query) == 0', effect: skip }";
    assert_eq!(rules, [sure, "- { effect: allow }"]);
}

#[test]
fn a_pattern_for_sessions_denies_what_is_not_certain_if_others_are_let_in_below() {
    let (rules, import) = rules_of(&json!({ "^/a.*b": "accept", "default": "skip" }));
    assert_eq!(
        rules,
        [
            "- { path_regex: '^/a.*b', effect: allow }",
            "- { path_regex: '^/a', when: 'size(request.query) > 0', effect: deny }",
            "- { effect: skip }",
        ]
    );
    assert!(tells(&import, Kind::Denies, "locationRules.app.example.com.^/a.*b", "query"));
}

#[test]
fn a_pattern_that_rust_does_not_have_denies_what_it_could_match() {
    let (rules, import) = rules_of(&json!({ "^/a(?!b)": "accept", "default": "unprotect" }));
    assert_eq!(rules, ["- { path_regex: '^/a', effect: deny }", "- { effect: unprotect }"]);
    assert!(tells(&import, Kind::Denies, "locationRules.app.example.com.^/a(?!b)", "looks around"));
    let (rules, _) = rules_of(&json!({ "(?!b)c": "deny" }));
    assert_eq!(rules, ["- { effect: deny }", "- { effect: allow }"]);
    let (rules, _) = rules_of(&json!({ "^/a(?!b)": "skip" }));
    assert_eq!(rules, ["- { effect: allow }"]);
}

#[test]
fn a_condition_that_cannot_be_used_denies_only_itself() {
    let long = vec!["$uid eq 'aaaaaaaaaaaaaaaaaaaa'"; 60].join(" or ");
    let (rules, import) = rules_of(&json!({ "^/a": long, "^/b": "$uid eq" }));
    assert_eq!(
        rules,
        [
            "- { path_regex: '^/a', effect: deny }",
            "- { path_regex: '^/b', effect: deny }",
            "- { effect: allow }",
        ]
    );
    assert!(tells(&import, Kind::Denies, "locationRules.app.example.com.^/a", "longer than"));
}

#[test]
fn an_application_whose_rules_are_elsewhere_denies() {
    let import = import(&with(&json!({
        "locationRules": { "app.example.com": { "default": "skip" } },
        "vhostOptions": { "app.example.com": { "vhostType": "DevOps" } },
    })));
    assert_eq!(lines(&import, "rules:"), ["- { effect: deny }"]);
}

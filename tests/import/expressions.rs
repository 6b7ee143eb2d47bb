//! Conditions in Perl and what they become, a row each.

use serde_json::json;

use crate::{Kind, rules_of, tells};

/// `condition` lets in where `expected` is true.
#[track_caller]
fn becomes(condition: &str, expected: &str) {
    let (lines, import) = rules_of(&json!({ "default": condition }));
    let quoted = if expected.contains('\'') || expected.contains('\\') {
        format!("\"{}\"", expected.replace('\\', "\\\\"))
    } else {
        format!("'{expected}'")
    };
    let rule = format!("- {{ when: {quoted}, effect: allow }}");
    assert_eq!(lines, [rule.as_str(), "- { effect: deny }"], "{condition}: {}", import.report);
}

/// `condition` lets nobody in, and the report says why.
#[track_caller]
fn denies(condition: &str, word: &str) {
    let (lines, import) = rules_of(&json!({ "default": condition }));
    assert_eq!(lines, ["- { effect: deny }"], "{condition}");
    let place = "locationRules.app.example.com.default";
    assert!(tells(&import, Kind::Denies, place, word), "{condition}: {}", import.report);
}

#[test]
fn comparisons_become_comparisons() {
    becomes("$uid eq 'dwho'", "vars.uid == 'dwho'");
    becomes("$uid ne \"dwho\"", "vars.uid != 'dwho'");
    becomes("$uid lt 'm' and $uid ge 'a'", "vars.uid < 'm' && vars.uid >= 'a'");
    becomes("$authenticationLevel >= 3", "session.level >= 3");
    becomes("$uid == 7", "int(vars.uid) == 7");
    becomes("$_user eq 'it\\'s'", r"user == 'it\'s'");
    becomes("$ENV{REQUEST_METHOD} eq 'GET'", "request.method == 'GET'");
    becomes("$ip eq '10.0.0.1' || $vhost eq 'a'", "client == '10.0.0.1' || request.host == 'a'");
}

#[test]
fn a_text_is_true_unless_it_is_empty_or_0() {
    becomes("$mail", "vars.mail != '' && vars.mail != '0'");
    becomes("!$mail", "!(vars.mail != '' && vars.mail != '0')");
    becomes("not $authenticationLevel", "!(session.level != 0)");
    let (lines, _) = rules_of(&json!({ "default": "1" }));
    assert_eq!(lines, ["- { effect: allow }"]);
    becomes("'0' or $uid eq 'a'", "false || vars.uid == 'a'");
}

#[test]
fn brackets_stay_where_they_matter() {
    becomes(
        "($uid eq 'a' or $uid eq 'b') and !($mail eq 'c')",
        "(vars.uid == 'a' || vars.uid == 'b') && !(vars.mail == 'c')",
    );
    becomes(
        "$uid eq 'a' ? $mail eq 'b' : $mail eq 'c'",
        "vars.uid == 'a' ? vars.mail == 'b' : vars.mail == 'c'",
    );
    becomes(
        "($uid || $mail) eq 'a'",
        "(vars.uid != '' && vars.uid != '0' ? vars.uid : vars.mail) == 'a'",
    );
}

#[test]
fn patterns_are_searched_in_values() {
    becomes("$uid =~ /^(dwho|rtyler)$/", "vars.uid.matches('^(dwho|rtyler)$')");
    becomes(r"$mail !~ /\@example\.com$/i", r"!vars.mail.matches('(?i)@example\\.com$')");
    becomes(r"$ENV{REMOTE_ADDR} =~ m{^10\.}", r"client.matches('^10\\.')");
}

#[test]
fn texts_are_put_together() {
    becomes("$uid . '@x' eq \"${uid}-$mail\"", "vars.uid + '@x' == vars.uid + '-' + vars.mail");
    becomes("join('-', $uid, 'a') eq 'b-a'", "vars.uid + '-' + 'a' == 'b-a'");
}

#[test]
fn what_the_query_could_change_is_said_too_narrowly() {
    becomes("$ENV{REQUEST_URI} =~ /open/", "request.path.matches('open')");
    becomes("$ENV{REQUEST_URI} =~ m{^/open}", "request.path.matches('^/open')");
    becomes("$ENV{REQUEST_URI} !~ m{^/open}", "!request.path.matches('^/open')");
    becomes(
        "$ENV{REQUEST_URI} !~ /open/",
        "!(request.path.matches('open') || size(request.query) > 0)",
    );
    becomes(
        "$ENV{REQUEST_URI} =~ /open$/",
        "request.path.matches('open$') && size(request.query) == 0",
    );
    denies("($ENV{REQUEST_URI} =~ /open/) eq '1'", "exact");
}

#[test]
fn whatever_is_not_understood_denies() {
    for (condition, word) in [
        ("$ENV{HTTP_USER_AGENT} =~ /curl/", "header"),
        ("die('boom')", "die"),
        ("$uid eq", "ends"),
        ("$uid eq \"dwho@example.com\"", "single quotes"),
        ("$nosuch eq 'a'", "$nosuch"),
        ("!$nosuch", "$nosuch"),
        ("$hGroups->{admins}", "structure"),
        ("$uid =~ /^(?!root)/", "looks around"),
        ("$uid =~ $mail", "pattern"),
        ("checkLogonHours($uid)", "checkLogonHours"),
        ("$date > 20260101000000", "2^32"),
        ("deny", ""),
        (" accept", "accept"),
        ("unprotect ", ""),
        ("logout_app", "application"),
        ("has2f('TOTP')", "has2f"),
        ("$uid eq 'caf\u{e9}'", "ASCII"),
        ("", ""),
    ] {
        let (lines, import) = rules_of(&json!({ "default": condition }));
        if condition == "unprotect " {
            // A blank behind a word is dropped there, too, in every way to write it.
            assert_eq!(lines, ["- { effect: unprotect }"]);
        } else {
            assert_eq!(lines, ["- { effect: deny }"], "{condition}");
            let told = import.report.entries().iter().any(|entry| entry.text.contains(word));
            assert!(told || condition == "deny", "{condition}: {}", import.report);
        }
    }
}

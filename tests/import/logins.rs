//! Exported variables, macros, groups, and headers made of them.

use serde_json::json;

use crate::{Kind, import, settings, tells, with};

#[test]
fn a_header_at_the_login_is_an_exported_variable() {
    let import = import(&with(&json!({
        "macros": { "uid": "$ENV{HTTP_AUTH_USER}", "ua": "$ENV{HTTP_USER_AGENT}" },
        "slaveExportedVars": { "mail": "User-Email", "uid": "Other" },
        "exportedVars": { "UA": "HTTP_USER_AGENT", "cn": "HTTP_X_CN" },
    })));
    settings(&import);
    for line in ["    uid: Auth-User\n", "    mail: User-Email\n", "    cn: X-Cn\n"] {
        assert!(import.config.contains(line), "{line}{}", import.config);
    }
    assert!(!import.config.contains("User-Agent") && !import.config.contains("Other"));
    assert!(tells(&import, Kind::Missing, "exportedVars.UA", "header"), "{}", import.report);
    assert!(tells(&import, Kind::Missing, "macros.ua", "no master sends"), "{}", import.report);
    assert!(tells(&import, Kind::Note, "slaveExportedVars.mail", "never stores"));
}

#[test]
fn macros_and_groups_become_expressions_in_the_order_of_their_names() {
    let import = import(&with(&json!({
        "macros": {
            "uid": "$ENV{HTTP_AUTH_USER}", "_whatToTrace": "lc($_user)", "b": "$a . 'x'", "a": "uc(\"$uid\")",
            "c": "$d", "d": "1", "e": "substr($uid, 0, 1)", "f": "$ENV{HTTP_X_UNIT} || 'none'", "g": "inGroup('x')",
        },
        "groups": { "some": "$b", "lost": "$e", "unit": "$ENV{HTTP_X_UNIT} eq 'a'" },
        "whatToTrace": "_whatToTrace",
    })));
    settings(&import);
    for line in [
        "    http_x_unit: X-Unit\n",
        "  '_whatToTrace': 'user.lowerAscii()'\n",
        "  a: 'vars.uid.upperAscii()'\n",
        "  b: \"vars.a + 'x'\"\n",
        "  d: \"'1'\"\n",
        "  f: \"vars.http_x_unit != '' && vars.http_x_unit != '0' ? vars.http_x_unit : 'none'\"\n",
        "  some: \"vars.b != '' && vars.b != '0'\"\n",
        "  unit: \"vars.http_x_unit == 'a'\"\n",
        "trace_name: '_whatToTrace'\n",
    ] {
        assert!(import.config.contains(line), "{line}{}", import.config);
    }
    // A macro does not see one that comes after it, and no group.
    assert!(tells(&import, Kind::Missing, "macros.c", "$d"), "{}", import.report);
    assert!(tells(&import, Kind::Missing, "macros.e", "substr"), "{}", import.report);
    assert!(tells(&import, Kind::Missing, "macros.g", "groups"), "{}", import.report);
    assert!(tells(&import, Kind::Missing, "groups.lost", "$e"), "{}", import.report);
}

#[test]
fn whoever_asks_for_a_lost_group_denies() {
    for (condition, when) in [
        ("inGroup('SOME')", "\"'some' in groups\""),
        ("!inGroup('some')", "\"!('some' in groups)\""),
        ("$groups =~ /\\bsome\\b/", ""),
        ("inGroup('lost')", ""),
        ("!inGroup('Lost')", ""),
        ("$groups", ""),
    ] {
        let import = import(&with(&json!({
            "groups": { "some": "$mail", "lost": "rand()" },
            "locationRules": { "app.example.com": { "default": condition } },
        })));
        settings(&import);
        let rules = crate::lines(&import, "rules:");
        if when.is_empty() {
            assert_eq!(rules, ["- { effect: deny }"], "{condition}");
        } else {
            assert_eq!(rules[0], format!("- {{ when: {when}, effect: allow }}"), "{condition}");
        }
    }
}

#[test]
fn groups_that_the_master_sends_are_compared_in_any_case() {
    let import = import(&with(&json!({
        "slaveExportedVars": { "groups": "Auth-Groups" },
        "locationRules": { "app.example.com": { "^/a": "inGroup('Admins')", "^/b": "$groups =~ /x/" } },
    })));
    settings(&import);
    assert!(import.config.contains("groups: { header: Auth-Groups, separator: ';' }"));
    let rules = crate::lines(&import, "rules:");
    assert!(rules[0].contains("groups.exists(g, g.lowerAscii() == 'admins')"), "{rules:?}");
    assert!(rules[2].contains("groups.join('; ').matches('x')"), "{rules:?}");
}

#[test]
fn headers_become_exports() {
    let import = import(&with(&json!({
        "locationRules": { "app.example.com": {} },
        "groups": { "some": "1" },
        "exportedHeaders": { "app.example.com": {
            "Auth-A": "$uid", "Auth-B": "encode_base64($uid,'')", "Auth-C": "unicode2iso($mail)", "Auth-D": "\"<$uid>\"",
            "Auth-E": "$groups", "Auth-F": "$authenticationLevel . ''", "Auth-G": "$nosuch", "Auth-H": "$ENV{REMOTE_ADDR}",
            "Auth-I": "$_user", "Auth-J": "encode_base64($uid . ':x', '')", "Cookie": "$uid", "control": "$uid",
        } },
    })));
    settings(&import);
    for line in [
        "Auth-A: uid\n",
        "Auth-B: { variable: uid, encoding: base64 }\n",
        "Auth-C: { variable: mail, encoding: latin1 }\n",
        "Auth-D: { expression: \"'<' + vars.uid + '>'\" }\n",
        "Auth-E: { expression: \"groups.join('; ')\" }\n",
        "Auth-F: { expression: \"string(session.level) + ''\" }\n",
        "Auth-G: { expression: \"''\" }\n",
        "Auth-H: ipAddr\n",
        "Auth-I: user\n",
        "Auth-J: { expression: \"vars.uid + ':x'\", encoding: base64 }\n",
    ] {
        assert!(import.config.contains(line), "{line}{}\n{}", import.config, import.report);
    }
    for header in ["Cookie", "control"] {
        let place = format!("exportedHeaders.app.example.com.{header}");
        assert!(
            tells(&import, Kind::Missing, &place, "the proxy must remove"),
            "{}",
            import.report
        );
    }
}

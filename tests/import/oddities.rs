//! Whatever comes in: what goes out is good or refused, nothing panics, and the secret is told to nobody.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vouchsafe::import::llng::{self, ImportError};

use crate::{Kind, import, least, settings, tells, with};

/// The master's secret in these tests.
const SECRET: &str = "opensesame";

#[track_caller]
fn is_refused(config: &Value, key: &str, word: &str) {
    match llng::import(config.to_string().as_bytes()) {
        Err(ImportError::Refused(problems)) => {
            let said = problems
                .iter()
                .any(|p| p.key == key && p.text.contains(word) && p.text.contains("; "));
            assert!(said, "{key}: {problems:?}");
        }
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn what_is_no_configuration_is_said_so_with_its_place() {
    let error = llng::import(b"{\n  \"portal\": x").unwrap_err();
    assert_eq!(error, ImportError::NotJson { line: 2, column: 13 });
    for other in ["[]", "1", "{}", "{\"a\": 1}", "null"] {
        assert_eq!(llng::import(other.as_bytes()).unwrap_err(), ImportError::NotConfiguration);
    }
    assert!(matches!(llng::import(b"\xff"), Err(ImportError::NotJson { .. })));
    assert_eq!(llng::import(&vec![b' '; (16 << 20) + 1]).unwrap_err(), ImportError::TooLarge);
    assert!(llng::import("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn what_keeps_people_out_is_never_dropped_in_silence() {
    for (keys, key, word) in [
        (json!({ "portal": null }), "portal", "not set"),
        (json!({ "portal": "ftp://x/" }), "portal", ""),
        (json!({ "slaveUserHeader": "" }), "slaveUserHeader", "not set"),
        (json!({ "slaveUserHeader": "Cookie" }), "slaveUserHeader", ""),
        (json!({ "slaveHeaderName": "" }), "slaveHeaderName", "not set"),
        (json!({ "slaveHeaderContent": "" }), "slaveHeaderContent", "not set"),
        (json!({ "slaveMasterIP": "10.0.0.5/8" }), "slaveMasterIP", ""),
        (json!({ "slaveMasterIP": "localhost" }), "slaveMasterIP", ""),
        (json!({ "slaveCertificateField": "SSL_CLIENT_S_DN" }), "slaveCertificateField", "header"),
        (json!({ "slaveCertificateField": "HTTP_X_CERT" }), "slaveCertificateRegexp", "not set"),
        (json!({ "userControl": "^(?!root)" }), "userControl", "looks around"),
        (json!({ "authentication": "LDAP" }), "authentication", "slave"),
        (
            json!({ "authentication": "Choice", "authChoiceModules": { "1": "LDAP;LDAP;LDAP" } }),
            "authentication",
            "slave",
        ),
        (json!({ "domain": "example.org" }), "domain", ""),
        (json!({ "securedCookie": 4 }), "securedCookie", ""),
        (json!({ "timeout": "long" }), "timeout", "whole number"),
        (json!({ "timeout": 0 }), "timeout", ""),
        (json!({ "sfRequired": 1 }), "sfRequired", "second factor"),
        (json!({ "totp2fActivation": "1" }), "totp2fActivation", "second factor"),
        (json!({ "locationRules": [1] }), "locationRules", "table"),
        (json!({ "locationRules": { "a": 1 } }), "locationRules.a", "table"),
        (json!({ "macros": { "a": {} } }), "macros.a", "text"),
        (json!({ "cookieName": ["a"] }), "cookieName", "text"),
    ] {
        is_refused(&with(&keys), key, word);
    }
}

#[test]
fn a_host_that_is_claimed_twice_is_nobodys() {
    let import = import(&with(&json!({
        "locationRules": { "a.example.com": { "default": "deny" }, "b.example.com": { "default": "skip" } },
        "vhostOptions": { "b.example.com": { "vhostAliases": "A.example.com *.c.example.com" } },
    })));
    let settings = settings(&import);
    assert!(settings.policy.applications.find("a.example.com").is_none());
    assert!(settings.policy.applications.find("x.c.example.com").is_none());
    assert!(settings.policy.applications.find("b.example.com").is_some());
    let place = "locationRules.a.example.com, name a.example.com";
    assert!(tells(&import, Kind::Denies, place, "several"), "{}", import.report);
}

#[test]
fn conditions_for_a_session_stand_in_every_rule() {
    let import = import(&with(&json!({
        "grantSessionRules": { "Not you##1": "$uid ne 'amy'" },
        "locationRules": { "a.example.com": { "^/p": "unprotect", "^/s": "skip", "^/t": "$mail eq 'x'" } },
    })));
    settings(&import);
    let rules = crate::lines(&import, "rules:");
    assert_eq!(
        rules,
        [
            "- { path_regex: '^/p', when: \"vars.uid != 'amy'\", effect: unprotect }",
            "- { path_regex: '^/p', effect: skip }",
            "- { path_regex: '^/s', effect: skip }",
            "- { path_regex: '^/t', when: \"vars.uid != 'amy' && vars.mail == 'x'\", effect: allow }",
            "- { path_regex: '^/t', effect: deny }",
            "- { when: \"vars.uid != 'amy'\", effect: allow }",
            "- { effect: deny }",
        ]
    );
}

/// Values that could stand anywhere.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "",
            "0",
            "1",
            "accept",
            "deny",
            "skip",
            "unprotect",
            "logout_sso http://x",
            "$uid eq 'a'",
            "$uid eq \"a@b\"",
            "inGroup('a')",
            "$a ? skip : $b",
            "$groups =~ /x/",
            "lc($_user)",
            "$ENV{HTTP_AUTH_USER}",
            "encode_base64($uid,'')",
            "Slave;Slave;Null",
            "Choice",
            "Slave",
            "10.0.0.0/8",
            "127.0.0.1",
            "https://auth.example.com/",
            "a.example.com",
            "*",
            "%",
            "*.example.com b",
            "-1",
            "5",
            "99999999999",
            "(?#AuthnLevel=5)^/x",
            "^/a\\?b",
            "^/(?!x)",
            "(",
            "[",
            "\\",
            "'",
            "\"",
            "#",
            ": ",
            "- a",
            "{",
            "\u{0}",
            "\u{2028}",
            "\u{feff}",
            "\r\nx",
            "vars",
            "true",
            "null",
            SECRET,
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        4 => text.prop_map(Value::String),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => prop::collection::vec((name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => any::<String>(),
        4 => prop::sample::select(vec![
            "default", "^/a", "^/a$", "(?#1)^/b", "a", "uid", "mail", "groups", "user", "a.example.com", "*.b.example.com",
            "auth.example.com", "Auth-User", "Cookie", "control", "CN", "vhostAliases", "vhostMaintenance", "vhostAuthnLevel",
            "in", "vars", "request", "2_Slave", "",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Keys that are read.
const KEYS: &[&str] = &[
    "locationRules",
    "exportedHeaders",
    "vhostOptions",
    "macros",
    "groups",
    "slaveExportedVars",
    "exportedVars",
    "trustedDomains",
    "whatToTrace",
    "authChoiceModules",
    "authentication",
    "userDB",
    "cookieName",
    "sameSite",
    "securedCookie",
    "timeout",
    "timeoutActivity",
    "timeoutActivityInterval",
    "slaveMasterIP",
    "slaveAuthnLevel",
    "userControl",
    "grantSessionRules",
    "multiValuesSeparator",
    "applicationList",
    "domain",
    "slaveUserHeader",
    "other",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_imported_is_a_good_configuration(
        keys in prop::collection::vec((prop::sample::select(KEYS), value()), 0..5),
    ) {
        let mut config = least();
        for (key, value) in keys {
            config[key] = value;
        }
        match llng::import(config.to_string().as_bytes()) {
            Ok(import) => {
                let said = import.report.to_string();
                let is_told = !config_has_secret_elsewhere(&config) && said.contains(SECRET);
                prop_assert!(!is_told, "{said}");
                settings(&import);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn whatever_tables_are_imported_are_a_good_configuration(
        rules in prop::collection::vec((name(), prop::collection::vec((name(), value()), 0..5)), 0..4),
        headers in prop::collection::vec((name(), value()), 0..4),
        macros in prop::collection::vec((name(), value()), 0..4),
        groups in prop::collection::vec((name(), value()), 0..4),
    ) {
        let texts = |members: Vec<(String, Value)>| -> Value {
            let text = |value: Value| {
                if value.is_object() || value.is_array() { Value::Null } else { value }
            };
            members.into_iter().map(|(key, value)| (key, text(value))).collect::<Map<_, _>>().into()
        };
        let headers = texts(headers);
        let hosts: Map<String, Value> =
            rules.iter().map(|(host, _)| (host.clone(), headers.clone())).collect();
        let rules: Map<String, Value> =
            rules.into_iter().map(|(host, rules)| (host, texts(rules))).collect();
        let config = with(&json!({
            "locationRules": rules,
            "exportedHeaders": hosts,
            "macros": texts(macros),
            "groups": texts(groups),
        }));
        settings(&import(&config));
    }

    #[test]
    fn nothing_that_comes_in_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = llng::import(&bytes);
    }
}

/// Whether the secret was written where no secret is.
fn config_has_secret_elsewhere(config: &Value) -> bool {
    let mut others = config.clone();
    others["slaveHeaderContent"] = Value::Null;
    others.to_string().contains(SECRET)
}

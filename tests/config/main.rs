//! The configuration as operators meet it: whole files, and exactly what is printed about them.
//!
//! `tests/fixtures/config/*.yaml` are configurations, the `.txt` beside each is the output of `check`.
//! `UPDATE_FIXTURES=1 cargo test --test config` writes the outputs anew; read the difference.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "UPDATE_FIXTURES is this test's switch; the shared support waits for real programs"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses more of it")]
mod support;

mod listen;
mod mfa;
mod redis;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use vouchsafe::app::keys::create_signing_key;
use vouchsafe::config::{
    self, Diagnostics, KeySource, ListenAddress, ListenSettings, Settings, Severity, StoreSettings,
};
use vouchsafe::domain::explanation::Happening;
use vouchsafe::domain::header::HeaderList;
use vouchsafe::domain::network::{LOOPBACK, parse_chain};
use vouchsafe::domain::request::{Peer, Scheme};
use vouchsafe::domain::target::{PathForms, Target};
use vouchsafe::domain::time::Timestamp;
use vouchsafe::mfa::settings::Base;
use vouchsafe::policy::rule::clause::{Facts, Who};
use vouchsafe::policy::rule::{Effect, Outcome, Requirement};
use vouchsafe::session::settings::SecuredMode;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

fn env(name: &str) -> Option<String> {
    match name {
        "CONTROL" | "SHORT" => Some("hush-hush".to_owned()),
        "KEY" => Some("k".repeat(32)),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Settings, Diagnostics> {
    config::parse(text, Path::new("nowhere"), &env)
}

/// The number of the first line that holds `part`.
#[track_caller]
fn line(text: &str, part: &str) -> u32 {
    u32::try_from(text.lines().position(|line| line.contains(part)).unwrap()).unwrap() + 1
}

#[track_caller]
fn good(text: &str) -> Settings {
    parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn rendered(text: &str) -> String {
    let mut out = String::new();
    match parse(text) {
        Ok(settings) => {
            for warning in &settings.warnings {
                writeln!(out, "{warning}\n").unwrap();
            }
            writeln!(out, "good, {} warnings", settings.warnings.len()).unwrap();
        }
        Err(errors) => writeln!(out, "{errors}\n\n{} errors", errors.errors()).unwrap(),
    }
    out
}

/// A configuration that is good without any warning, for tests that spoil one thing.
const GOOD: &str = r#"
trusted_proxies: [127.0.0.1]
portal: { url: "https://auth.example.com", domain: .Example.com }
slave:
  user_header: CN
  masters: [{ name: sso, ips: [10.0.0.1], control_header: control, control_content: { env: CONTROL } }]
  exported_vars: { mail: Mail, groups: { header: Groups, separator: ";" } }
sessions: { key: { env: KEY }, store: { kind: memory } }
applications:
  - name: a
    hosts: [a.example.com]
    exports: { Auth-Mail: mail, Auth-User: user, Auth-Groups: groups }
    rules:
      - { path: //x, method: GET, require_master: true }
      - { effect: allow }
"#;

#[test]
fn every_file_of_the_corpus_prints_what_it_should() {
    let mut wrong = String::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "yaml")) {
        let output = rendered(&std::fs::read_to_string(file).unwrap());
        let expected = file.with_extension("txt");
        for secret in ["hush-hush", "hash-hash", "1234567", "in-the-clear"] {
            assert!(!output.contains(secret), "{secret} of {} is shown", file.display());
        }
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&expected, &output).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != output {
            write!(wrong, "=== {}\n{output}\n", file.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_shipped_file_works_as_it_stands() {
    let settings = good(config::SHIPPED);
    assert_eq!(settings.listen.public.address.to_string(), "127.0.0.1:9080");
    let admin = settings.listen.admin.map(|admin| admin.address.to_string());
    assert_eq!(admin.as_deref(), Some("127.0.0.1:9082"));
    assert_eq!(&*settings.portal.url, "https://auth.example.com/");
    assert_eq!(settings.portal.choice.as_deref(), Some(&["2_Slave".into()][..]));
    assert_eq!(settings.policy.slave.auth_level, 2);
    assert_eq!(settings.policy.slave.exported_vars.len(), 3);
    assert_eq!(settings.sessions.cookie.domain.as_deref(), Some("example.com"));
    assert_eq!(settings.sessions.cookie.secured, SecuredMode::DoubleCookie);
    assert_eq!(settings.sessions.timeout, Duration::from_hours(20));
    assert_eq!(settings.sessions.touch_interval, Duration::from_mins(1));
    assert_eq!(settings.sessions.max_bytes, 512 << 20);
    let path = Path::new("nowhere/data/sessions.redb").to_owned();
    assert!(matches!(&settings.store, StoreSettings::Embedded { path: kept } if *kept == path));
    // The words of its comments are no secrets.
    assert!(settings.warnings.iter().any(|warning| warning.contains("tells them apart")));
    assert!(
        matches!(&*settings.sessions_keys, [KeySource::File(file)] if file.ends_with("sessions.key"))
    );
    assert_eq!(settings.audit, None);
    let mfa = settings.mfa.unwrap();
    assert_eq!((mfa.auth_level, mfa.federation.base), (5, Base::Local));
    assert!(mfa.api.is_none() && mfa.signing_key.is_none() && mfa.federation.servers.is_empty());
    let wiki = settings.policy.applications.find("x.apps.example.com").unwrap();
    assert_eq!(&*wiki.name, "wiki");
    assert_eq!(wiki.rules.iter().len(), 5);
    // Its own advice: change the content; the master sits on the proxy's machine.
    assert_eq!(settings.warnings.len(), 2, "{:#?}", settings.warnings);
    assert!(settings.warnings.iter().any(|warning| warning.contains("change it")));
}

#[test]
fn a_rule_knows_its_line_and_is_canonical() {
    let settings = good(GOOD);
    assert_eq!(settings.warnings, Vec::<String>::new());
    let rules = &settings.policy.applications.find("a.example.com").unwrap().rules;
    let lines: Vec<u32> = rules.iter().map(|rule| rule.at.line).collect();
    assert_eq!(lines, [line(GOOD, "path: //x"), line(GOOD, "{ effect: allow }")]);
    let target = Target::parse(b"/x/y", PathForms::STRICT).unwrap();
    let effect = |method| {
        let now = Timestamp::default();
        let (host, scheme) = ("a.example.com", Scheme::Https);
        let facts =
            Facts { method, host, scheme, query: None, client: LOOPBACK, now, who: Who::Nobody };
        let Outcome::Matched(verdict) = rules.outcome(&target, &facts, &mut Happening) else {
            panic!()
        };
        verdict.effect
    };
    assert_eq!(
        effect("GET"),
        Effect::Allow(Requirement { master: true, ..Requirement::default() })
    );
    assert_eq!(effect("POST"), Effect::Allow(Requirement::default()));
}

#[test]
fn a_rule_that_demands_a_fresh_factor_allows() {
    for rule in ["{ factor_max_age: 15m }", "{ factor_max_age: 15m, level: 3, effect: allow }"] {
        let settings = good(&GOOD.replace("{ effect: allow }", rule));
        let rules = &settings.policy.applications.find("a.example.com").unwrap().rules;
        let Some(Effect::Allow(requirement)) = rules.iter().last().map(|rule| rule.effect) else {
            panic!("{rule}")
        };
        assert_eq!(requirement.factor_max_age, Some(Duration::from_mins(15)));
        assert_eq!(requirement.level, if rule.contains("level") { 3 } else { 0 });
    }
}

#[test]
fn an_application_reads_other_forms_of_paths_only_if_it_says_so() {
    let forms =
        |text: &str| good(text).policy.applications.find("a.example.com").unwrap().path_forms;
    assert_eq!(forms(GOOD), PathForms::STRICT);
    let with =
        |key: &str| forms(&GOOD.replace("name: a\n", &format!("name: a\n    {key}: true\n")));
    let parameters = PathForms { parameters: true, ..PathForms::STRICT };
    assert_eq!(with("allow_path_parameters"), parameters);
    assert_eq!(with("allow_encoded_slash"), PathForms { encoded_slash: true, ..PathForms::STRICT });
}

#[test]
fn an_allow_may_be_reused_only_where_the_file_says_so() {
    let reuse = |text: &str| {
        let settings = good(text);
        settings.policy.applications.find("a.example.com").unwrap().reuse
    };
    assert_eq!(reuse(GOOD), Duration::ZERO);
    let cached =
        GOOD.replace("    hosts: [a.example.com]", "    hosts: [a.example.com]\n    cache: 7s");
    assert_eq!(reuse(&cached), Duration::from_secs(7));
}

#[test]
fn exports_keep_the_order_of_the_file() {
    let settings = good(GOOD);
    let exports = &settings.policy.applications.find("a.example.com").unwrap().exports;
    let names: Vec<&str> = exports.nobody().headers.iter().map(|header| &*header.name).collect();
    assert_eq!(names, ["auth-mail", "auth-user", "auth-groups"]);
}

#[test]
fn a_referenced_content_admits_its_master() {
    let settings = good(GOOD);
    let peer = Peer::Address(LOOPBACK);
    let chain = parse_chain(b"10.0.0.1").unwrap();
    let mut headers = HeaderList::default();
    headers.push("control", b"hush-hush");
    let standing = settings.policy.trust.admit(peer, &chain, &headers).unwrap();
    assert_eq!(&*standing.admitted.unwrap().master().name, "sso");
}

#[test]
fn patterns_match_whole_logins() {
    let pattern = &good(GOOD).policy.slave.user_pattern;
    assert!(pattern.is_match(b"dwho@x.y-z"));
    for bad in [&b"dwho\n"[..], b"d who", b"", b"\xff", "é".as_bytes(), b"dwho\nroot"] {
        assert!(!pattern.is_match(bad), "{bad:?}");
    }
    let text = GOOD.replace("user_header: CN", "user_header: CN\n  user_pattern: '(?m)^a|b$'");
    let pattern = good(&text).policy.slave.user_pattern;
    assert!(pattern.is_match(b"a") && pattern.is_match(b"b"));
    for bad in [&b"ax"[..], b"xb", b"a\nb", b"x\nb"] {
        assert!(!pattern.is_match(bad), "{bad:?}");
    }
}

#[test]
fn the_touch_interval_follows_a_short_idle_timeout() {
    let text = GOOD.replace("sessions: {", "sessions: { idle_timeout: 2m,");
    assert_eq!(good(&text).sessions.touch_interval, Duration::from_secs(30));
}

#[test]
fn ten_different_errors_are_reported_at_once() {
    let text = std::fs::read_to_string(fixtures().join("ten_errors.yaml")).unwrap();
    let errors = parse(&text).unwrap_err();
    let found: Vec<(u32, &str)> = errors
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| (found.at.line, found.path.as_str()))
        .collect();
    let expected = [
        ("listen.public", "public: localhost"),
        ("trusted_proxies[0]", "10.0.0.5/8"),
        ("portal.domain", "example.org"),
        ("slave.user_header", "Auth_User"),
        ("slave.user_pattern", "user_pattern"),
        ("slave.masters[0].control_header", "control_header"),
        ("slave.exported_vars.user", "user: CN"),
        ("sessions.timeout", "timeout: 20"),
        ("sessions.max_bytes", "parsec"),
        ("applications[0].wen", "wen"),
        ("applications[0].exports.Auth-Mail", "mial"),
        ("applications[0].exports.Set-Cookie", "Set-Cookie"),
        ("applications[0].rules[0].path", "path: admin"),
        ("log.level", "loud"),
    ];
    assert_eq!(found, expected.map(|(path, part)| (line(&text, part), path)));
    assert!(errors.iter().all(|found| found.help.is_some()), "{errors}");
}

/// What `check` says about `keys`, of files of these names and contents in the folder.
fn with_keys(keys: &str, application: &str, files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    create_signing_key(&folder.path().join("good.pem")).unwrap();
    let text = format!("{}\nassertion: {{ keys: {keys} }}\n", GOOD.trim_end())
        .replace("hosts: [a.example.com]", &format!("hosts: [a.example.com]\n    {application}"));
    match config::parse(&text, folder.path(), &env) {
        Ok(settings) => settings.warnings.join("\n"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn a_key_that_cannot_sign_is_named_with_the_remedy() {
    let wanted = "assertion: true";
    assert_eq!(with_keys("{ file: good.pem }", wanted, &[]), "");
    let open = "chmod 600";
    assert!(
        with_keys("[{ file: good.pem }]", "", &[]).contains("no application wants an assertion")
    );
    let rsa = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let sec1 = rsa.replace("PRIVATE KEY", "EC PRIVATE KEY");
    let sealed = rsa.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (content, remedy) in [
        ("hello", "vouchsafe key new"),
        (rsa, "use Ed25519 or P-256"),
        (&sec1, "openssl pkcs8 -topk8"),
        (&sealed, "without a passphrase"),
        ("", "the secret is empty"),
        (rsa, open),
    ] {
        let said =
            with_keys("[{ file: good.pem }, { file: bad.pem }]", wanted, &[("bad.pem", content)]);
        assert!(said.contains(remedy) && said.contains("assertion.keys[1]"), "{remedy}: {said}");
        assert!(!said.contains("MAA="), "{said}");
    }
    for (keys, remedy) in [
        ("[{ file: good.pem }, { file: good.pem }]", "in the list already"),
        ("[]", "there is no key in this list"),
        ("{ file: nowhere.pem }", "vouchsafe key new"),
        ("in-the-clear", "does not stand in the clear"),
    ] {
        let said = with_keys(keys, wanted, &[]);
        assert!(said.contains(remedy) && !said.contains("in-the-clear"), "{remedy}: {said}");
    }
}

#[test]
fn secret_files_are_found_beside_the_configuration() {
    // A106.
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str, mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("control", "hush-hush\n", 0o644);
    write("key", &"k".repeat(32), 0o600);
    let text = GOOD
        .replace("{ env: CONTROL }", "{ file: control }")
        .replace("{ env: KEY }", "{ file: key }");
    write("config.yaml", &text, 0o600);
    let settings = config::load(&folder.path().join("config.yaml")).unwrap();
    assert_eq!(settings.warnings.len(), 1, "{:#?}", settings.warnings);
    assert!(settings.warnings[0].contains("chmod 600 "), "{:#?}", settings.warnings);
    write("key", "short", 0o600);
    let errors = config::load(&folder.path().join("config.yaml")).unwrap_err();
    assert_eq!(errors.errors(), 1, "{errors}");
    assert!(errors.to_string().contains("less than 32 bytes"), "{errors}");
    let absent = config::load(&folder.path().join("absent.yaml")).unwrap_err();
    assert!(absent.to_string().contains("absent.yaml"), "{absent}");
}

#[test]
fn settings_show_no_secrets() {
    let text = GOOD.replace("{ env: CONTROL }", "hush-hush");
    let shown = format!("{:?}", good(&text));
    assert!(!shown.contains("hush-hush") && !shown.contains("kkkk"), "{shown}");
}

#[test]
fn a_huge_or_deep_file_is_refused() {
    for text in [
        "[".repeat(10_000),
        "a: &a [x, x]\nb: &b [*a, *a]\n".repeat(3),
        "- ".repeat(10_000),
        format!("a: {}", "x".repeat(17 << 20)),
        "x: 1\n".repeat(5_000),
    ] {
        let errors = parse(&text).unwrap_err();
        assert!(errors.to_string().len() < 100_000);
    }
}

#[test]
fn every_key_of_the_schema_has_a_description() {
    fn walk(value: &serde_json::Value, path: &str, missing: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(|p| p.as_object()) {
            for (key, property) in properties {
                if property.get("description").is_none() {
                    missing.push(format!("{path}.{key}"));
                }
            }
        }
        if let Some(map) = value.as_object() {
            map.iter().for_each(|(key, inner)| walk(inner, &format!("{path}/{key}"), missing));
        }
    }
    let mut missing = Vec::new();
    walk(&config::schema(), "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

/// The good file with one line's part replaced, and pieces of YAML in any order.
fn spoiled() -> impl Strategy<Value = String> {
    let good = GOOD.len();
    let pieces = prop::collection::vec(
        prop::sample::select(vec![
            "portal",
            "slave",
            "masters",
            "rules",
            ": ",
            "- ",
            "\n",
            "  ",
            "[",
            "]",
            "{",
            "}",
            "&a ",
            "*a",
            "<<",
            "!!str ",
            "? ",
            "|\n",
            "'",
            "\"",
            "\t",
            "~",
            "1",
            "é",
            "\u{0}",
            "# ",
            ",",
            "control_content",
            "mfa",
            "servers",
            "keys",
            "hosts",
            "*.x",
            "effect",
            "allow",
            "---\n",
        ]),
        0..40,
    );
    prop_oneof![
        pieces.prop_map(|pieces| pieces.concat()),
        any::<String>(),
        (0..good, 0..good, "\\PC{0,6}").prop_map(|(from, length, insert)| {
            let mut text: Vec<char> = GOOD.chars().collect();
            let from = from.min(text.len());
            let to = (from + length % 8).min(text.len());
            text.splice(from..to, insert.chars());
            text.into_iter().collect()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in spoiled()) {
        let _ = rendered(&text);
    }

    #[test]
    fn no_spoiled_file_shows_its_secret(at in 0..GOOD.len(), length in 0usize..3, insert in "[\\[\\]{}:,\"'#&*!|> \\n\\-]{0,2}") {
        let text = GOOD.replace("{ env: CONTROL }", "Wy7-Qx9-Zk3");
        let secret = text.find("Wy7").unwrap();
        // Whoever spoils the key or the value itself makes another file of it.
        prop_assume!(at + length < secret - "control_content: ".len() || at > secret + 11);
        let mut text: Vec<char> = text.chars().collect();
        let to = (at + length).min(text.len());
        text.splice(at.min(to)..to, insert.chars());
        let text: String = text.into_iter().collect();
        prop_assert!(!rendered(&text).contains("Qx9"), "{}", rendered(&text));
    }
}

#[test]
fn groups_with_conditions_exist_though_no_master_sends_any() {
    let text = GOOD.replace(", groups: { header: Groups, separator: \";\" }", "");
    let text = text.replace(
        "{ effect: allow }",
        "{ group: staff, when: \"'staff' in groups\", effect: allow }",
    );
    let errors = parse(&text).map(drop).unwrap_err().to_string();
    assert!(errors.contains("there is no variable `groups`"), "{errors}");
    let with = |condition: &str| {
        let groups = format!("groups: {{ staff: \"{condition}\" }}\nsessions:");
        parse(&text.replace("sessions:", &groups)).map(|settings| settings.warnings.len())
    };
    assert_eq!(with("user == 'dwho'").unwrap(), 0);
    // The master's own are what a condition sees, and there are none.
    let errors = with("'a' in groups").unwrap_err().to_string();
    assert!(errors.contains("there is no `groups` in expressions"), "{errors}");
}

#[test]
fn a_trace_name_is_a_variable_or_the_login() {
    for (written, is_good) in [
        ("mail", true),
        ("user", true),
        ("groups", true),
        ("m", true),
        ("realm", false),
        ("no", false),
    ] {
        let keys = format!("macros: {{ m: user }}\ntrace_name: {written}\nsessions:");
        assert_eq!(parse(&GOOD.replace("sessions:", &keys)).is_ok(), is_good, "{written}");
    }
}

#[test]
fn exports_applications_and_the_file_itself_have_their_limits() {
    use vouchsafe::domain::limits::{
        APPLICATIONS, CONFIG_BYTES, DEFINITIONS, EXPORTS_PER_APPLICATION,
    };
    let refused = |text: &str| {
        let parsed = config::parse(text, Path::new(""), &|_| None);
        parsed.err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    let exports = |count: usize| {
        let list: Vec<_> = (0..count).map(|n| format!("App-{n}: uid")).collect();
        let from = "exports: { Auth-User: uid, Auth-Mail: mail, Auth-Groups: groups }";
        config::SHIPPED.replace(from, &format!("exports: {{ {} }}", list.join(", ")))
    };
    assert_eq!(refused(&exports(EXPORTS_PER_APPLICATION)), "");
    assert!(refused(&exports(EXPORTS_PER_APPLICATION + 1)).contains("exports"));
    let definitions = |count: usize| {
        let macros: Vec<_> = (0..count / 2).map(|n| format!("  m{n}: user\n")).collect();
        let groups: Vec<_> = (count / 2..count).map(|n| format!("  g{n}: \"true\"\n")).collect();
        let (macros, groups) = (macros.concat(), groups.concat());
        config::SHIPPED
            .replace("sessions:\n", &format!("macros:\n{macros}groups:\n{groups}\nsessions:\n"))
    };
    assert_eq!(refused(&definitions(DEFINITIONS)), "");
    assert!(refused(&definitions(DEFINITIONS + 1)).contains("more than 256 macros and groups"));
    let applications = |count: usize| {
        let (head, _) = config::SHIPPED.split_once("applications:").unwrap();
        let list: Vec<_> = (0..count)
            .map(|n| {
                format!("  - {{ name: a{n}, hosts: [h{n}.test], rules: [{{ effect: allow }}] }}\n")
            })
            .collect();
        format!("{head}applications:\n{}", list.concat())
    };
    assert!(refused(&applications(APPLICATIONS + 1)).contains("applications"));
    assert!(
        refused(&format!("{}{}", config::SHIPPED, " ".repeat(CONFIG_BYTES)))
            .contains(&CONFIG_BYTES.to_string())
    );
}

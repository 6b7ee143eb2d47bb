//! What `vouchsafe import edumfa` makes of servers and event handlers: recorded ones, exported ones and odd ones.

use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vouchsafe::config::{self, MfaSettings, Settings};
use vouchsafe::domain::node::{Answer, Event, Holder, Question, Verdict};
use vouchsafe::domain::time::Timestamp;
use vouchsafe::import::edumfa::{self, Import, ImportError, Kind};
use vouchsafe::mfa::condition::Circumstances;
use vouchsafe::mfa::facts::{Facts, LastAuth, TokenFacts};
use vouchsafe::mfa::settings::{HandlerSettings, Position, Role};

/// A configuration without second factors.
const BASE: &str = r#"
trusted_proxies: [127.0.0.1]
portal: { url: "https://auth.example.com", domain: example.com }
slave:
  user_header: CN
  masters: [{ name: sso, ips: [10.0.0.1], control_header: control, control_content: changed }]
applications: [{ name: a, hosts: [a.example.com], rules: [{ effect: allow }] }]
"#;

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/edumfa_import");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Imports these fixtures together.
#[track_caller]
fn fixtures(names: &[&str]) -> Import {
    try_fixtures(names).unwrap_or_else(|error| panic!("{error}"))
}

fn try_fixtures(names: &[&str]) -> Result<Import, ImportError> {
    let files: Vec<Vec<u8>> = names.iter().map(|name| fixture(name)).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().zip(&files).map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    edumfa::import(&files)
}

/// Imports these handlers, and a server `lab` that they may ask.
#[track_caller]
fn handlers(events: &Value) -> Import {
    let export = json!({
        "edumfaserver": { "lab": { "url": "https://mfa.lab.example.com", "tls": true } },
        "event": events,
    });
    let bytes = export.to_string().into_bytes();
    edumfa::import(&[("export", &bytes)]).unwrap_or_else(|error| panic!("{error}"))
}

/// A handler that is translated as it is, with these keys.
fn handler(keys: &Value) -> Value {
    let mut handler = json!({
        "id": 7, "name": "h", "active": true, "ordering": 0, "position": "post", "event": ["validate_check"],
        "handlermodule": "Federation", "action": "forward", "conditions": {}, "options": { "eduMFA": "lab" },
    });
    for (key, value) in keys.as_object().unwrap() {
        handler[key] = value.clone();
    }
    handler
}

/// What the daemon makes of a configuration with this section.
#[track_caller]
fn settings(import: &Import) -> MfaSettings {
    let whole = format!("{BASE}{}", import.config);
    let settings: Result<Settings, _> =
        config::parse(&whole, Path::new("no/such/folder"), &|_| None);
    let settings = settings.unwrap_or_else(|errors| panic!("{errors}\n{}", import.config));
    settings.mfa.expect("a section")
}

/// The one handler.
#[track_caller]
fn only(import: &Import) -> HandlerSettings {
    let mut handlers = settings(import).federation.handlers;
    assert_eq!(handlers.len(), 1, "{}", import.config);
    handlers.remove(0)
}

/// Whether the report has something of this kind about this place, with this word.
fn tells(import: &Import, kind: Kind, place: &str, word: &str) -> bool {
    let mut entries = import.report.entries().iter();
    entries.any(|entry| entry.kind == kind && entry.place == place && entry.text.contains(word))
}

#[test]
fn answers_of_the_rest_api_become_servers_and_handlers() {
    let import = fixtures(&["edumfaserver_list.json", "event_list.json"]);
    let expected = "\
# Translated from eduMFA by `vouchsafe import edumfa`; a part of config.yaml. The base is the embedded node.
mfa:
  servers:
    child:
      url: 'http://127.0.0.1:19902'
      role: child
    fake-403:
      url: 'http://127.0.0.1:19903/json403nodetail'
      role: child
    fake-ok:
      url: 'http://127.0.0.1:19903/ok'
      role: child
  handlers:
    # handler 1 (fed)
    - name: fed
      event: [validate_check]
      position: post
      order: 0
      active: true
      conditions:
        result_value: false
      action: forward
      options:
        server: child
        client_ip: true
    # handler 2 (fed2)
    - name: fed2
      event: [validate_check]
      position: post
      order: 0
      active: false
      conditions:
        realm: prealm
        result_value: false
      action: forward
      options:
        server: child
        realm: crealm
        resolver: cpasswd
        forward_authorization: true
";
    assert_eq!(import.config, expected);
    let mfa = settings(&import);
    assert_eq!(mfa.federation.servers.len(), 3);
    assert!(mfa.federation.servers.iter().all(|server| server.role == Role::Child));
    assert!(tells(&import, Kind::Missing, "handler 2 (fed2)", "the event auth"));
    assert!(tells(&import, Kind::Note, "handler 2 (fed2)", "inactive in eduMFA, too"));
    assert!(tells(&import, Kind::Approximately, "handler 2 (fed2)", "/validate/*"));
    assert!(tells(&import, Kind::Note, "server child", "in the clear"));
    assert!(tells(&import, Kind::Note, "all handlers", "does not know"));
}

#[test]
fn certificates_are_checked_as_in_edumfa() {
    let import = fixtures(&["edumfaserver_list_after.json", "event_list_empty.json"]);
    let mfa = settings(&import);
    let unverified: Vec<&str> = mfa
        .federation
        .servers
        .iter()
        .filter(|server| server.tls.is_unverified)
        .map(|server| &*server.name)
        .collect();
    assert_eq!(unverified, ["tmp"]);
    assert!(tells(&import, Kind::Note, "server tmp", "not checked"));
    assert!(!tells(&import, Kind::Note, "server tmp2", "not checked"));
    assert!(mfa.federation.handlers.is_empty());
}

#[test]
fn all_exporters_spell_the_same_federation() {
    let json = fixtures(&["exporter.json"]);
    let mfa = settings(&json);
    let names: Vec<&str> = mfa.federation.handlers.iter().map(|handler| &*handler.name).collect();
    assert_eq!(names, ["polls", "to the lab", "long message"], "in the order of `ordering`");
    let lab = &mfa.federation.handlers[1];
    assert_eq!(lab.events, [Event::Check, Event::Trigger]);
    assert!(lab.is_active && lab.unknown_matches && lab.forward.client_ip);
    assert_eq!(lab.conditions.len(), 4);
    assert_eq!(lab.forward.realm.as_deref(), Some("lab"));
    let names: Vec<&str> = mfa.federation.servers.iter().map(|server| &*server.name).collect();
    assert_eq!(names, ["hq_child", "old"]);
    assert!(tells(&json, Kind::Approximately, "server hq child", "hq_child"));
    assert!(tells(&json, Kind::Missing, "handler 4 (mail)", "UserNotification"));
    assert!(tells(&json, Kind::Note, "handler 1 (to the lab)", "when_unknown"));
    for other in ["exporter.txt", "exporter.yaml"] {
        let other = fixtures(&[other]);
        assert_eq!((&other.config, &other.report), (&json.config, &json.report));
    }
    // `config export full` has no servers, so they are given in a file of their own.
    assert_eq!(try_fixtures(&["full.txt"]).unwrap_err(), ImportError::NoServers);
    let text = String::from_utf8(fixture("exporter.json")).unwrap();
    let servers = serde_json::from_str::<Value>(&text).unwrap()["edumfaserver"].clone();
    let answer = json!({ "result": { "status": true, "value": servers } }).to_string();
    let full = fixture("full.txt");
    let files: [(&str, &[u8]); 2] = [("full", &full), ("servers", answer.as_bytes())];
    assert_eq!(edumfa::import(&files).unwrap().config, json.config);
}

#[test]
fn privacyideas_export_is_read_under_its_own_names() {
    let export = json!({
        "privacyideaserver": { "lab": { "url": "https://mfa.lab.example.com", "tls": "0" } },
        "event": [handler(&json!({
            "options": { "option.privacyIDEA": "lab", "abort_on_error": "1", "odd": 1 },
            "conditions": { "result_authentication": "REJECT" },
        }))],
    });
    let import = edumfa::import(&[("export", export.to_string().as_bytes())]).unwrap();
    let handler = only(&import);
    assert!(handler.is_active);
    assert_eq!(handler.on_error, vouchsafe::mfa::settings::OnError::Fail);
    assert!(settings(&import).federation.servers[0].tls.is_unverified);
    assert!(tells(&import, Kind::Missing, "handler 7 (h)", "odd"));
}

// === Conditions ===

/// Carol's only token, as it was while the matrix was recorded.
fn carols_token() -> TokenFacts {
    TokenFacts {
        serial: Some("P-SPASS-CAROL".into()),
        token_type: Some("spass".into()),
        realms: Some(vec!["prealm".into()]),
        resolver: Some("ppasswd".into()),
        is_locked: Some(false),
        has_owner: Some(true),
        is_orphaned: Some(false),
        is_valid: Some(true),
        otp_counter: Some(0),
        fail_counter: Some(3),
        count_auth: Some(9),
        count_auth_success: Some(4),
        count_auth_fail: Some(5),
        last_auth: LastAuth::At(Timestamp::from_millis(999_000)),
        rollout_state: Some("".into()),
        info: Some(vec![("tokenkind".into(), "software".into())]),
    }
}

#[test]
fn each_recorded_condition_holds_no_more_often_than_in_edumfa() {
    let matrix: Value = serde_json::from_slice(&fixture("conditions_matrix.json")).unwrap();
    let mut stricter = Vec::new();
    for row in matrix["table"].as_array().unwrap() {
        let conditions = &row["conditions"];
        let import = handlers(&json!([handler(&json!({ "conditions": conditions }))]));
        let handler = only(&import);
        let count = conditions.as_object().unwrap().len();
        if handler.is_active {
            assert_eq!(handler.conditions.len(), count, "{conditions}");
        } else {
            let place = format!(
                "handler 7 (h), condition {}",
                conditions.as_object().unwrap().keys().next().unwrap()
            );
            assert!(tells(&import, Kind::Inactive, &place, ""), "{conditions}: {}", import.report);
        }
        let user = row["request"]["user"].as_str().unwrap_or("carol");
        let (tokens, token) = match user {
            "carol" => (1, Some(carols_token())),
            "kate" => (0, None),
            _ => (2, None),
        };
        let facts = Facts { resolver: Some("ppasswd".into()), tokens: Some(tokens), token };
        let answer = match (user, row["request"]["pass"].as_str().unwrap()) {
            ("carol", "pspass") => Answer::new(Verdict::Accepted, "matching 1 tokens"),
            ("kate", _) => Answer::new(Verdict::Rejected, "The user has no tokens assigned"),
            _ => Answer::new(Verdict::Rejected, "wrong otp pin"),
        };
        let mut question = Question::new(Event::Check, Holder::Caller("test"));
        (question.realm, question.client) = ("prealm", Some("127.0.0.1".parse().unwrap()));
        let now = Timestamp::from_millis(1_000_000);
        let at = Circumstances { question: &question, answer: Some(&answer), facts: &facts, now };
        let holds = handler.is_active
            && handler
                .conditions
                .iter()
                .all(|condition| condition.holds(&at, handler.unknown_matches));
        let forwarded = row["forwarded"].as_bool().unwrap();
        assert!(!holds || forwarded, "{row}");
        if holds != forwarded {
            stricter.push(conditions.to_string());
        }
    }
    // eduMFA does not know the token of a wrong PIN where a serial is concerned; the others are not translated.
    assert_eq!(
        stricter,
        [
            r#"{"serial":"SPASS"}"#,
            r#"{"detail_message":"^(?!.*Failcounter)"}"#,
            r#"{"detail_error_message":""}"#,
            r#"{"counter":"c == 0"}"#,
            r#"{"foo":"bar"}"#,
        ]
    );
}

#[test]
fn a_condition_that_is_not_translated_stands_in_a_comment_above_its_inactive_handler() {
    let conditions = json!({ "counter": "c > 5", "realm": "hq", "result_value": "False" });
    let import = handlers(&json!([handler(&json!({ "conditions": conditions }))]));
    let written = only(&import);
    assert!(!written.is_active);
    assert_eq!(written.conditions.len(), 2);
    assert!(import.config.contains("    # not translated: counter: c > 5\n"), "{}", import.config);
    assert!(tells(&import, Kind::Inactive, "handler 7 (h), condition counter", "do not exist"));
    // What only the configuration's own checks find is no different.
    let import = handlers(&json!([handler(&json!({ "conditions": { "serial": "(" } }))]));
    assert!(!only(&import).is_active);
    assert!(import.config.contains("    # not translated: serial: (\n"), "{}", import.config);
    assert!(tells(
        &import,
        Kind::Inactive,
        "handler 7 (h), condition serial",
        "regular expression"
    ));
}

#[test]
fn conditions_about_what_is_not_known_hold_as_in_edumfa_or_less_often() {
    for (conditions, matches) in [
        (json!({ "result_value": "False", "realm": "hq" }), false),
        (json!({ "tokentype": "hotp" }), true),
        (json!({ "user_token_number": ">1", "realm": "hq" }), true),
        (json!({ "resolver": "users" }), false),
        (json!({ "token_locked": "True" }), false),
        (json!({ "tokentype": "hotp", "resolver": "users" }), false),
    ] {
        let import = handlers(&json!([handler(&json!({ "conditions": conditions }))]));
        let handler = only(&import);
        assert!(handler.is_active);
        assert_eq!(handler.unknown_matches, matches, "{conditions}");
    }
}

// === Handlers ===

#[test]
fn what_is_not_understood_switches_its_handler_off() {
    for (keys, word) in [
        (json!({ "position": "pre" }), "throws its answer away"),
        (json!({ "position": "middle" }), "no such position"),
        (json!({ "event": ["validate_check", "no_such_event"] }), "no_such_event"),
        (json!({ "event": "validate_check,no_such_event" }), "no_such_event"),
        (json!({ "ordering": "first" }), "no whole number"),
        (json!({ "conditions": null }), "no table"),
        (json!({ "conditions": ["realm"] }), "no table"),
        (json!({ "conditions": "realm" }), "no table"),
        (json!({ "condition": "realm == hq" }), "besides its conditions"),
    ] {
        let import = handlers(&json!([handler(&keys)]));
        assert!(!only(&import).is_active, "{keys}");
        assert!(tells(&import, Kind::Inactive, "handler 7 (h)", word), "{keys}: {}", import.report);
    }
    let import = handlers(&json!([handler(&json!({ "position": "pre" }))]));
    assert_eq!(only(&import).position, Position::Pre);
    let import = handlers(&json!([handler(&json!({ "conditions": "{\"realm\": \"hq\"}" }))]));
    assert_eq!(only(&import).conditions.len(), 1);
    for active in [json!(false), json!(null), json!("no"), json!([])] {
        let import = handlers(&json!([handler(&json!({ "active": active }))]));
        assert!(!only(&import).is_active, "{active}");
    }
}

#[test]
fn what_cannot_be_written_is_left_out_and_reported() {
    for (keys, word) in [
        (json!({ "handlermodule": "Token" }), "module Token"),
        (json!({ "action": "fly" }), "action fly"),
        (json!({ "event": ["token_init", "auth"] }), "listens for nothing"),
        (json!({ "event": ["no_such_event"] }), "listens for nothing"),
        (json!({ "event": null }), "listens for nothing"),
        (json!({ "options": {} }), "names no server"),
        (json!({ "options": { "eduMFA": "gone" } }), "the server gone"),
        (json!({ "options": { "eduMFA": "lab", "realm": 5 } }), "realm is no text"),
        (json!({ "options": null }), "no table"),
    ] {
        let import = handlers(&json!([handler(&keys)]));
        assert!(settings(&import).federation.handlers.is_empty(), "{keys}");
        assert!(tells(&import, Kind::Missing, "handler 7 (h)", word), "{keys}: {}", import.report);
    }
}

#[test]
fn events_of_administrators_are_left_out_of_a_handler_that_has_others() {
    let events = json!(["token_init", "validate_check", "user_add", "validate_poll_transaction"]);
    let import = handlers(&json!([handler(&json!({ "event": events }))]));
    let handler = only(&import);
    assert!(handler.is_active);
    assert_eq!(handler.events, [Event::Check, Event::Poll]);
    for event in ["token_init", "user_add"] {
        assert!(tells(&import, Kind::Missing, "handler 7 (h)", event));
    }
}

#[test]
fn names_are_kept_as_far_as_they_can_be() {
    let long = "n".repeat(80);
    let names = ["to: the #1 \"lab\"\u{e9}", "twice", "twice", "", "a\nb", &long, &long];
    let events: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(id, name)| handler(&json!({ "id": id, "name": name })))
        .collect();
    let import = handlers(&events.into());
    let mfa = settings(&import);
    let written: Vec<&str> = mfa.federation.handlers.iter().map(|handler| &*handler.name).collect();
    let (cut, numbered) = ("n".repeat(64), format!("{} #7", "n".repeat(61)));
    assert_eq!(written, [names[0], "twice", "twice #3", "#4", "a b", &cut, &numbered]);
    assert!(tells(&import, Kind::Approximately, "handler 2 (twice)", "twice #3"));
}

#[test]
fn a_server_that_cannot_be_asked_is_left_out_with_its_handlers_and_its_secret_is_not_told() {
    for url in [
        "not a url",
        "ftp://x",
        "https://u:opensesame@x.example.com",
        "https://x.example.com/?k=opensesame",
        "",
    ] {
        let export = json!({
            "edumfaserver": { "bad": { "url": url }, "lab": { "url": "https://mfa.lab.example.com/" } },
            "event": [handler(&json!({ "options": { "eduMFA": "bad" } })), handler(&json!({ "id": 8, "name": "good" }))],
        });
        let import = edumfa::import(&[("export", export.to_string().as_bytes())]).unwrap();
        assert_eq!(&*only(&import).name, "good", "{url}");
        assert!(
            tells(&import, Kind::Missing, "server bad", "left out"),
            "{url}: {}",
            import.report
        );
        assert!(tells(&import, Kind::Missing, "handler 7 (h)", "the server bad"), "{url}");
        assert!(!import.report.to_string().contains("opensesame"), "{}", import.report);
    }
}

#[test]
fn what_is_no_federation_is_said_so_with_its_place() {
    let import = |files: &[(&str, &str)]| {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        edumfa::import(&files).unwrap_err()
    };
    let file = "f".to_owned();
    for text in [
        "5",
        "'a'",
        "{}",
        "a: b",
        "{\"result\": {\"status\": true, \"value\": 5}}",
        "[{\"a\": 1}]",
        "{'event': 5}",
        "",
    ] {
        assert_eq!(
            import(&[("f", text)]),
            ImportError::NotFederation { file: file.clone() },
            "{text}"
        );
    }
    for (text, line, column) in
        [("{\n  'a': x}", 2, 8), ("{\n \"a\": x", 2, 7), ("a: 1\nb: [\n", 2, 4)]
    {
        let expected = ImportError::NotReadable { file: file.clone(), line, column };
        assert_eq!(import(&[("f", text)]), expected, "{text}");
    }
    assert_eq!(import(&[("f", "[]")]), ImportError::Nothing);
    let twice = |url: &str| format!("{{\"edumfaserver\": {{\"a\": {{\"url\": \"{url}\"}}}}}}");
    let (one, other) = (twice("https://a"), twice("https://b"));
    assert_eq!(
        import(&[("f", &one), ("g", &other)]),
        ImportError::Contradiction { name: "a".to_owned() }
    );
    assert!(edumfa::import(&[("f", one.as_bytes()), ("g", one.as_bytes())]).is_ok());
    let refused = try_fixtures(&["edumfaserver_list_no_auth.json"]).unwrap_err();
    assert_eq!(
        refused,
        ImportError::ErrorAnswer { file: "edumfaserver_list_no_auth.json".to_owned() }
    );
    let many = Value::Array(vec![handler(&json!({})); 1001]).to_string();
    assert_eq!(import(&[("f", &many)]), ImportError::TooMany { file: file.clone() });
    let large = vec![b' '; (16 << 20) + 1];
    assert_eq!(edumfa::import(&[("f", &large)]).unwrap_err(), ImportError::TooLarge { file });
}

// === Whatever comes in ===

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        1 => any::<String>(),
        5 => prop::sample::select(vec![
            "", "True", "False", "1", "0", "user", "admin", "hq", "a,b", "hotp, totp", ">5", "!= 1", "10.0.0.0/8",
            "!10.0.0.1", "1h", "2y", "a == b", "a < {now}", "(", "^(?!x)", "\\d+", "[", "validate_check", "pre", "post",
            "token_init", "lab", "https://x.example.com", "null", "~", "- a", "{", ": ", "#", "'", "\"", "\u{0}",
            "\u{2028}", "\r\nx", "local", "%",
        ]).prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        6 => text.prop_map(Value::String),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            2 => table(inner),
        ]
    })
}

fn table(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        1 => any::<String>(),
        6 => prop::sample::select(vec![
            "result_value", "result_status", "realm", "resolver", "client_ip", "tokentype", "tokenrealm", "serial",
            "tokenresolver", "user_token_number", "failcounter", "detail_message", "logged_in_user", "token_locked",
            "last_auth", "tokeninfo", "counter", "rollout_state", "token_has_owner", "result_authentication", "eduMFA",
            "forward_client_ip", "url", "tls", "event", "edumfaserver", "result", "value", "status", "response", "json",
            "handlermodule", "count_auth",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec((name, value), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_handler_is_active_with_fewer_conditions_than_it_had(
        written in prop::collection::vec((table(value()), prop::collection::vec(("(position|event|ordering|active|options|condition|id)", value()), 0..2)), 1..5),
    ) {
        let events: Vec<Value> = written.into_iter().enumerate().map(|(id, (conditions, odd))| {
            let mut event = handler(&json!({ "id": id, "name": format!("h{id}"), "conditions": conditions }));
            for (key, value) in odd {
                event[key] = value;
            }
            event
        }).collect();
        let import = handlers(&events.clone().into());
        for handler in settings(&import).federation.handlers {
            let source = events.iter().find(|event| event["name"] == *handler.name).unwrap();
            let count = source["conditions"].as_object().unwrap().len();
            prop_assert!(!handler.is_active || handler.conditions.len() == count, "{}\n{}", source, import.config);
            prop_assert!(!handler.is_active || handler.position == Position::Post);
            prop_assert!(handler.is_active || import.report.entries().iter().any(|entry| entry.place.starts_with("handler ")));
        }
    }

    #[test]
    fn whatever_is_imported_is_a_good_configuration(
        servers in table(value()),
        events in prop::collection::vec(table(value()), 0..4),
        whole in value(),
    ) {
        let export = json!({ "edumfaserver": servers, "event": events });
        let server = json!({ "result": { "status": true, "value": { "lab": { "url": whole.clone(), "tls": whole.clone() } } } });
        for file in [export, server, whole] {
            match edumfa::import(&[("f", file.to_string().as_bytes())]) {
                Ok(import) => drop(settings(&import)),
                Err(error) => prop_assert!(!matches!(error, ImportError::Unusable(_)), "{error}"),
            }
        }
    }

    #[test]
    fn nothing_that_comes_in_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in r#"([\[\]{}()'",: \n#a-]|\PC)*"#) {
        let _ = edumfa::import(&[("a", &bytes), ("b", text.as_bytes())]);
        let _ = edumfa::import(&[("b", text.as_bytes())]);
    }
}

// === The command ===

fn vouchsafe(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_command_writes_the_section_and_reports_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["edumfaserver_list.json", "event_list.json"] {
        std::fs::write(folder.path().join(name), fixture(name)).unwrap();
    }
    let import = ["import", "edumfa", "edumfaserver_list.json", "event_list.json"];
    let printed = vouchsafe(folder.path(), &import);
    let report = String::from_utf8(printed.stderr).unwrap();
    assert_eq!(printed.status.code(), Some(0), "{report}");
    assert!(report.contains("handler 2 (fed2)"), "{report}");
    let written = vouchsafe(folder.path(), &[&import[..], &["--output", "mfa.yaml"]].concat());
    assert_eq!(written.status.code(), Some(0));
    assert!(written.stdout.is_empty());
    let section = std::fs::read(folder.path().join("mfa.yaml")).unwrap();
    assert_eq!(section, printed.stdout);
    let again = vouchsafe(folder.path(), &[&import[..], &["--output", "mfa.yaml"]].concat());
    assert_eq!(again.status.code(), Some(1), "a file is never replaced");
    let whole = [BASE.as_bytes(), b"\n", &section].concat();
    std::fs::write(folder.path().join("config.yaml"), whole).unwrap();
    let check = vouchsafe(folder.path(), &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
    let none = vouchsafe(folder.path(), &["import", "edumfa", "event_list.json"]);
    let errors = String::from_utf8(none.stderr).unwrap();
    assert_eq!(none.status.code(), Some(2), "{errors}");
    assert!(errors.starts_with("error: ") && errors.contains("GET /edumfaserver/"), "{errors}");
    assert!(none.stdout.is_empty());
}

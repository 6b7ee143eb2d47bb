//! What must stand in no log, metric, answer or file: A59, A103, and the addresses of A13.

use super::*;

/// The control content of this file's daemon; the example's stands in documentation.
const SECRET: &str = "hush-hush-9";

/// The configuration with an audit log of its own.
fn audited(config: &str) -> String {
    replace(config, "# audit: {", "audit: {")
}

#[test]
fn neither_ids_nor_the_control_content_are_written_anywhere() {
    let daemon = Daemon::start_with(|config| {
        let config = replace(&config, "level: info", "level: debug");
        let config =
            replace(&config, "control_content: password", &format!("control_content: {SECRET}"));
        audited(&config)
    });
    let world = World::around(daemon);
    let front = world.fronts[0].1.address;
    let login = Request::new("POST", PORTAL, "/")
        .header("Accept", "application/json")
        .headers(&[
            ("CN", "dwho"),
            ("control", SECRET),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ])
        .body("lmAuth=2_Slave")
        .send(front)
        .json();
    let id = |name: &str| login[name].as_str().unwrap().to_owned();
    let (main, http) = (id("id"), id("id_http"));
    let cookie = format!("vouchsafe={main}; vouchsafehttp={http}");
    let mut answers = Vec::new();
    for path in ["/page", "/admin/x", "/x;y", "/public/x"] {
        for control in [SECRET, "wrong-guess"] {
            let request = stranger("GET", path).headers(&[
                ("CN", "dwho"),
                ("control", control),
                ("Cookie", &cookie),
                ("X-OTP", "123456"),
            ]);
            answers.push(request.send(front));
            answers.push(request.send(world.daemon.public));
        }
    }
    let admin = world.daemon.admin;
    answers.push(Request::new("GET", &admin.to_string(), "/metrics").send(admin));
    // The audit log is complete once the daemon has ended.
    assert_eq!(world.daemon.terminate(), Some(0));
    let mut places = world.daemon.files();
    places.push(("log".into(), world.daemon.log().into_bytes()));
    places.extend(answers.iter().map(|answer| ("answer".into(), answer.to_string().into_bytes())));
    assert!(places.iter().any(|(name, text)| name.ends_with("audit.jsonl") && !text.is_empty()));
    for (name, bytes) in places {
        for secret in [main.as_str(), &http, "123456", "wrong-guess"] {
            assert!(
                support::client::find(&bytes, secret.as_bytes()).is_none(),
                "{secret} in {name}"
            );
        }
        // The configuration file holds it, of course.
        let leaks = support::client::find(&bytes, SECRET.as_bytes()).is_some()
            && !name.ends_with("config.yaml");
        assert!(!leaks, "the control content in {name}");
    }
}

#[test]
fn an_audit_line_tells_of_each_login_switch_and_denial() {
    let daemon = Daemon::start_with(|config| audited(&config));
    let world = World::around(daemon);
    let front = world.fronts[0].1.address;
    let cookie = format!("vouchsafehttp={}", portal::login(front).id_http);
    let other = stranger("GET", "/page").headers(&[
        ("CN", "other"),
        ("control", "password"),
        ("Cookie", &cookie),
    ]);
    drop(allowed(&other, front));
    // However it was spelled, the line names what the rule has seen.
    drop(from_master("POST", "//%61dmin?secret=1").send(front));
    assert_eq!(world.daemon.terminate(), Some(0));
    let (_, text) =
        world.daemon.files().into_iter().find(|(name, _)| name.ends_with("audit.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["login", "switch", "denial"]);
    assert_eq!(
        (&lines[0]["user"], &lines[0]["master"], &lines[0]["client"]),
        (&"dwho".into(), &"sso".into(), &"127.0.0.1".into())
    );
    assert_eq!((&lines[1]["user"], &lines[1]["previous_user"]), (&"other".into(), &"dwho".into()));
    assert_eq!(
        (&lines[2]["reason"], &lines[2]["request"]),
        (&"rule_denied".into(), &"POST app.example.com/admin".into())
    );
    assert!(lines[2]["rule"].as_str().unwrap().starts_with("line "), "{}", lines[2]);
}

#[test]
fn a_peer_in_mapped_form_is_the_same_peer() {
    let mapped = |config: String| {
        let (_, behind) = config.split_once("public: 127.0.0.1:").unwrap();
        let port: String = behind.chars().take_while(char::is_ascii_digit).collect();
        config.replace(&format!("127.0.0.1:{port}"), &format!("\"[::ffff:127.0.0.1]:{port}\""))
    };
    let daemon = Daemon::start_with(mapped);
    let answer = Daemon::check("/page").headers(MASTER).send(daemon.public);
    assert_eq!((answer.status, answer.one("auth-user")), (200, Some("dwho")), "{answer}");
}

#[test]
fn a_json_log_is_one_object_a_line_with_fields_of_its_own() {
    let daemon = Daemon::start_with(|config| replace(&config, "format: text", "format: json"));
    let check = Request::new("GET", APP, "/auth/nginx").headers(MASTER).headers(&[
        ("X-Original-Method", "POST"),
        ("X-Original-URI", "/admin/x"),
        ("X-Forwarded-Host", APP),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-For", "127.0.0.1"),
    ]);
    assert_eq!(check.send(daemon.public).status, 403);
    assert_eq!(daemon.terminate(), Some(0));
    let log = daemon.log();
    // Standard output, which says where it listens, goes to the same file.
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let denial =
        lines.iter().find(|line| line["event"] == "denial").unwrap_or_else(|| panic!("{log}"));
    assert_eq!(denial["reason"], "rule_denied");
    assert_eq!(denial["target"], "vouchsafe::audit");
    assert!(
        lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()),
        "{log}"
    );
}

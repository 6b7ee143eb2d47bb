//! Why: a refusal behind nginx is found by its request id, and the API is for whoever has the credential.

use std::process::{Command, Output};

use serde_json::Value;

use super::*;
use crate::support::wait_for;

/// Runs `vouchsafe explain` with the daemon's own configuration.
fn explain(daemon: &Daemon, arguments: &[&str]) -> Output {
    Command::new(programs::vouchsafe())
        .arg("explain")
        .arg("--config")
        .arg(daemon.path("config.yaml"))
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn explained(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = explain(daemon, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn credential(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.path("data/admin.credential")).unwrap()
}

/// A request to the API, with the credential.
fn api(daemon: &Daemon, method: &str, target: &str) -> Request {
    let bearer = format!("Bearer {}", credential(daemon));
    Request::new(method, &daemon.admin.to_string(), target).header("Authorization", &bearer)
}

/// Where a text stands in the daemon's configuration.
fn line_of(daemon: &Daemon, text: &str) -> usize {
    let config = std::fs::read_to_string(daemon.path("config.yaml")).unwrap();
    config.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn a_refusal_behind_nginx_is_explained_by_its_request_id() {
    let daemon = &WORLD.daemon;
    WORLD.behind_each(|front| {
        let page = format!("/admin/{}", marker());
        refused(&from_master("DELETE", &page), front, 403, "forbidden");
        let id = wait_for("the refusal is listed", || {
            let listed: Value =
                serde_json::from_str(&explained(daemon, &["--recent", "--json"])).unwrap();
            let refusal = listed
                .as_array()
                .unwrap()
                .iter()
                .find(|refusal| refusal["request"].as_str().unwrap().ends_with(&page));
            refusal.map(|refusal| refusal["request_id"].as_str().unwrap().to_owned())
        });
        let text = explained(daemon, &["--request", &id]);
        let line = line_of(daemon, "{ path: /admin, effect: deny }");
        for part in [
            "deny: rule_denied",
            &format!("Decided by the rule at config.yaml:{line}:"),
            "user dwho of master sso",
            "method does not hold",
            "headers: ",
            &page,
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        for hidden in ["password", "dwho@example.com", "timelords"] {
            assert!(!text.contains(hidden), "`{hidden}` in\n{text}");
        }
    });
}

#[test]
fn an_unknown_request_id_is_answered_with_what_may_be_the_cause() {
    let output = explain(&WORLD.daemon, &["--request", "no-such-request"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("no refusal of this request is kept") && said.contains("X-Request-Id"),
        "{said}"
    );
}

#[test]
fn the_running_daemon_explains_a_cookie_and_counts_nothing() {
    let daemon = Daemon::start();
    let login = Request::new("POST", PORTAL, "/").headers(MASTER).headers(&[
        ("Accept", "application/json"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
    ]);
    let id =
        login.body("lmAuth=2_Slave").send(daemon.public).json()["id"].as_str().unwrap().to_owned();
    let metrics = || {
        let answer = Request::new("GET", &daemon.admin.to_string(), "/metrics").send(daemon.admin);
        let text = String::from_utf8(answer.body).unwrap();
        let counted =
            text.lines().filter(|line| line.contains("_total") || line.contains("_count"));
        counted.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = metrics();
    let cookie = format!("Cookie: vouchsafe={id}");
    let text = explained(
        &daemon,
        &[
            "--live",
            "--host",
            APP,
            "--path",
            "/page",
            "--client",
            "203.0.113.9",
            "--header",
            &cookie,
        ],
    );
    for part in [
        "allow: session",
        "user dwho of master sso",
        "groups: users | timelords",
        "auth-mail: dwho@example.com",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(!text.contains(&id), "{text}");
    assert_eq!(metrics(), before);
    // The file alone knows no session.
    let offline = explained(
        &daemon,
        &["--host", APP, "--path", "/page", "--client", "203.0.113.9", "--header", &cookie],
    );
    assert!(offline.starts_with("challenge: session_unknown"), "{offline}");
}

#[test]
fn without_the_credential_the_api_tells_nothing() {
    let daemon = &WORLD.daemon;
    let credential = credential(daemon);
    let here = daemon.admin.to_string();
    let bearer = format!("Bearer {credential}");
    let asked = |host: &str, headers: &[(&str, &str)]| {
        let answer =
            Request::new("GET", host, "/api/v1/explain").headers(headers).send(daemon.admin);
        assert_eq!(answer.one("Cache-Control"), Some("no-store"), "{answer}");
        answer.status
    };
    assert_eq!(asked(&here, &[("Authorization", &bearer)]), 200);
    assert_eq!(asked("localhost", &[("Authorization", &bearer)]), 200);
    assert_eq!(asked(&here, &[]), 401);
    assert_eq!(asked(&here, &[("Authorization", bearer.strip_suffix(|_| true).unwrap())]), 401);
    assert_eq!(asked("evil.example", &[("Authorization", &bearer)]), 403);
    assert_eq!(asked(&here, &[("Authorization", &bearer), ("Origin", "http://evil.example")]), 403);
    // What does not exist is not told apart from what does.
    let nothing = Request::new("GET", &here, "/api/v1/nothing").send(daemon.admin);
    assert_eq!(nothing.status, 401, "{nothing}");
    assert_eq!(api(daemon, "GET", "/api/v1/nothing").send(daemon.admin).status, 404);
    // On the public listener there is no such thing, and its answer knows no credential.
    let public = Request::new("GET", PORTAL, "/api/v1/explain").header("Authorization", &bearer);
    assert_eq!(public.send(daemon.public).status, 404);
}

#[test]
fn a_post_that_a_form_could_send_is_refused_and_a_bad_body_named() {
    let daemon = &WORLD.daemon;
    let post = |media: &str, body: &str| {
        let request = api(daemon, "POST", "/api/v1/explain").header("Content-Type", media);
        request.body(body).send(daemon.admin)
    };
    assert_eq!(post("text/plain", r#"{"host":"app.example.com"}"#).status, 415);
    for (body, part) in [
        ("{", "not a request to explain"),
        ("{}", "there is no `host`"),
        (r#"{"host":"a","hots":"b"}"#, "hots"),
        (r#"{"host":"a","headers":["CN: dwho","CN"]}"#, "the header at 2"),
    ] {
        let answer = post("application/json", body);
        assert_eq!(answer.status, 400, "{answer}");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{answer}");
    }
    let large = format!(r#"{{"host":"{}"}}"#, "a".repeat(70_000));
    assert_eq!(post("application/json", &large).status, 413);
    let good = post("application/json", r#"{"host":"app.example.com","path":"/assets/x"}"#);
    assert_eq!(good.json()["reason"], "skipped", "{good}");
}

#[test]
fn without_a_running_daemon_the_command_says_so() {
    let daemon = Daemon::start();
    daemon.terminate();
    let output = explain(&daemon, &["--recent"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("does it run?"), "{said}");
}

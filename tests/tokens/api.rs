//! `/api/v1/tokens`: for whoever has the credential, in JSON; what is wrong is named.

use serde_json::{Value, json};

use crate::station::Station;
use crate::support::client::Request;
use crate::support::otp::seed;

#[test]
fn the_api_needs_the_credential_and_no_foreign_page() {
    let station = Station::start();
    let here = station.daemon.admin;
    let bare = |method: &str, path: &str| {
        Request::new(method, &here.to_string(), path).header("Content-Type", "application/json")
    };
    for (method, path) in [
        ("GET", "/api/v1/tokens"),
        ("POST", "/api/v1/tokens"),
        ("POST", "/api/v1/tokens/import"),
        ("DELETE", "/api/v1/tokens/A"),
        ("POST", "/api/v1/tokens/A/enable"),
        ("GET", "/api/v1/nodes"),
        ("POST", "/api/v1/nodes/local/test"),
        ("GET", "/api/v1/handlers"),
    ] {
        assert_eq!(bare(method, path).body("{}").send(here).status, 401, "{method} {path}");
        let foreign = station.request(method, path).header("Content-Type", "application/json");
        let foreign = foreign.header("Origin", "http://evil.example").body("{}").send(here);
        assert_eq!(foreign.status, 403, "{method} {path}");
        let public = bare(method, path).send(station.daemon.public);
        assert_eq!(public.status, 404, "{method} {path}");
        if method == "POST" {
            let form = station.request(method, path).header("Content-Type", "text/plain");
            assert_eq!(form.body("{}").send(here).status, 415, "{path}");
        }
    }
    assert_eq!(station.run(&["token", "list"]).good().lines().count(), 1);
}

#[test]
fn a_secret_is_told_at_creation_and_never_again() {
    let station = Station::start();
    let made = station.ask("POST", "/api/v1/tokens", &json!({ "user": "ada", "serial": "T1" }));
    assert_eq!(made.one("Cache-Control"), Some("no-store"), "{made}");
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(made["uri"].as_str().unwrap().contains(secret), "{made}");
    for path in ["/api/v1/tokens", "/api/v1/tokens?serial=T1", "/api/v1/tokens?user=ada"] {
        let listed = station.request("GET", path).send(station.daemon.admin);
        let text = String::from_utf8(listed.body).unwrap();
        assert!(text.contains("\"T1\"") && !text.contains(secret), "{text}");
    }
    let given = json!({ "serial": "T2", "secret": seed(9), "type": "hotp" });
    assert_eq!(station.ask("POST", "/api/v1/tokens", &given).status, 200);
    let list = station.request("GET", "/api/v1/tokens?limit=1").send(station.daemon.admin);
    let first = list.json()[0]["serial"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/tokens?after={first}");
    let rest = station.request("GET", &path).send(station.daemon.admin).json();
    assert_eq!(rest.as_array().unwrap().len(), 1, "{rest}");
    assert_ne!(rest[0]["serial"], first.as_str());
}

#[test]
fn what_is_wrong_with_a_question_is_named() {
    let station = Station::start();
    let good = json!({ "serial": "W1", "user": "ada" });
    assert_eq!(station.ask("POST", "/api/v1/tokens", &good).status, 200);
    let large = json!({ "description": "a".repeat(70_000) });
    let nothing = json!({});
    let table: [(&str, &str, &Value, u16, &str); 13] = [
        ("POST", "", &good, 409, "there is a token 'W1' already"),
        ("POST", "", &json!({ "usr": "ada" }), 400, "usr"),
        ("POST", "", &json!({ "type": "sms" }), 422, "none of hotp, totp"),
        ("POST", "", &json!({ "algorithm": "md5" }), 422, "none of sha1"),
        ("POST", "", &json!({ "secret": "!" }), 422, "neither hex nor base32"),
        ("POST", "", &large, 413, ""),
        ("DELETE", "/W2", &nothing, 404, "there is no token 'W2'"),
        ("POST", "/W2/enable", &nothing, 404, "there is no token 'W2'"),
        ("POST", "/W1/explode", &nothing, 404, "can be enabled"),
        ("POST", "/W1/resync", &nothing, 400, "otp1"),
        ("POST", "/W1/resync", &json!({ "otp1": "000000", "otp2": "000001" }), 422, "two new ones"),
        (
            "POST",
            "/import",
            &json!({ "format": "csv", "text": "serial,secret\nA\n" }),
            422,
            "line 2: ",
        ),
        ("POST", "/import", &json!({ "format": "tar", "text": "" }), 400, "expected one of"),
    ];
    for (method, path, body, status, part) in table {
        let answer = station.ask(method, &format!("/api/v1/tokens{path}"), body);
        assert_eq!(answer.status, status, "{method} {path} {answer}");
        let error =
            if part.is_empty() { String::new() } else { answer.json()["error"].to_string() };
        assert!(error.contains(part), "no `{part}` in {answer}");
    }
}

#[test]
fn a_large_file_is_imported_and_one_that_is_too_large_is_not() {
    let station = Station::start();
    let comment = "# a line that means nothing\n".repeat(3000);
    let text = format!("serial,secret,user\n{comment}B1,{},ada\nB1,{},ada\n", seed(1), seed(2));
    let body = json!({ "format": "csv", "text": text });
    let answer = station.ask("POST", "/api/v1/tokens/import", &body);
    assert_eq!(answer.json()["added"], json!(["B1"]), "{answer}");
    assert_eq!(answer.json()["failed"][0]["place"], 2, "{answer}");
    let bare = json!({ "format": "tokens", "tokens": [{ "type": "totp" }] });
    let answer = station.ask("POST", "/api/v1/tokens/import", &bare).json();
    assert!(answer["failed"][0]["error"].as_str().unwrap().contains("brings its secret"));
    let body = json!({ "format": "csv", "text": "#".repeat(16_777_216) });
    assert_eq!(station.ask("POST", "/api/v1/tokens/import", &body).status, 413);
}

#[test]
fn where_there_is_no_local_node_the_remedy_is_told() {
    let server = "servers: { hq: { url: \"http://127.0.0.1:9\", role: parent } }";
    let station = Station::start_configured(|config| {
        let base = config.lines().find(|line| line.starts_with("  base: local")).unwrap();
        config.replace(base, &format!("  base: hq\n  {server}"))
    });
    let list = station.request("GET", "/api/v1/tokens").send(station.daemon.admin);
    assert_eq!(list.status, 404, "{list}");
    let said = station.run(&["token", "add", "--user", "dwho"]).bad();
    assert!(said.contains("there is no local node") && said.contains("mfa.local"), "{said}");
    station.daemon.terminate();
    let said = station.run(&["token", "list"]).bad();
    assert!(said.contains("there is no local node"), "{said}");
}

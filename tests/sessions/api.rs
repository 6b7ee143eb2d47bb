//! What the API refuses, and how.

use crate::house::House;
use crate::support::client::Request;

#[test]
fn what_is_not_understood_ends_nothing_and_says_what_to_do() {
    let house = House::start();
    let person = house.log_in("dwho");
    for (method, path, body, status, words) in [
        ("GET", "/api/v1/sessions?client=nowhere", "", 400, "`client` is not an address"),
        ("GET", "/api/v1/sessions?key=xyz", "", 400, "consists of the digits 0-9 and a-f"),
        ("GET", "/api/v1/sessions?after=zz", "", 400, "begin again"),
        ("GET", "/api/v1/sessions?usr=dwho", "", 400, "unknown field `usr`"),
        ("GET", "/api/v1/sessions?level=high", "", 400, "openapi.json"),
        ("GET", "/api/v1/sessions/abc", "", 400, "64 digits"),
        ("DELETE", "/api/v1/sessions/abc", "{}", 400, "64 digits"),
        ("POST", "/api/v1/sessions/end", "{}", 400, "say which sessions are to end"),
        ("POST", "/api/v1/sessions/end", r#"{"usr":"dwho"}"#, 400, "unknown field `usr`"),
        (
            "POST",
            "/api/v1/sessions/end",
            r#"{"sessions":{"user":"dwho"},"all":true}"#,
            400,
            "not both",
        ),
        (
            "POST",
            "/api/v1/sessions/end",
            r#"{"sessions":{"user":"dwho","cleint":"10.0.0.1"}}"#,
            400,
            "unknown field `cleint`",
        ),
    ] {
        let answer = house.ask(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{method} {path} {body}: {error}");
    }
    let unknown = format!("/api/v1/sessions/{}", "0".repeat(64));
    assert_eq!(house.ask("GET", &unknown, "").status, 404);
    assert_eq!(house.ask("DELETE", &unknown, "{}").status, 404);
    assert!(house.lets_in(&person));
}

#[test]
fn nobody_without_the_credential_learns_of_sessions_or_ends_them() {
    let house = House::start();
    let person = house.log_in("dwho");
    let key = house.listed(&[])[0]["key"].as_str().unwrap().to_owned();
    for (method, path) in [
        ("GET", "/api/v1/sessions".to_owned()),
        ("GET", format!("/api/v1/sessions/{key}")),
        ("DELETE", format!("/api/v1/sessions/{key}")),
        ("POST", "/api/v1/sessions/end".to_owned()),
    ] {
        let admin = house.daemon.admin;
        let request = Request::new(method, &admin.to_string(), &path)
            .header("Content-Type", "application/json")
            .body(r#"{"all":true}"#);
        let answer = request.send(admin);
        assert_eq!(answer.status, 401, "{method} {path}: {answer}");
        // Nor does the public listener have these paths.
        let public = Request::new(method, "auth.example.com", &path).send(house.daemon.public);
        assert_ne!(public.status, 200, "{method} {path}: {public}");
    }
    assert!(house.lets_in(&person));
}

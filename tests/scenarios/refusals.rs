//! What clients are told when a request is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// The URL that the portal is asked to return to.
#[track_caller]
fn return_url(location: &str) -> String {
    let value = location.strip_prefix("https://auth.example.com/?url=");
    let value = value.unwrap_or_else(|| panic!("not to the portal: {location}"));
    let value = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
    String::from_utf8(STANDARD.decode(value.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_program_without_identity_gets_401_and_is_told_how() {
    WORLD.behind_each(|front| {
        for request in [
            stranger("GET", "/page"),
            stranger("GET", "/page").header("Accept", "application/json"),
            stranger("POST", "/page").headers(NAVIGATION).body("a=b"),
            stranger("GET", "/page")
                .headers(&[("Accept", "text/html"), ("Sec-Fetch-Mode", "cors")]),
            stranger("GET", "/page")
                .headers(&[("Accept", "text/html"), ("X-Requested-With", "XMLHttpRequest")]),
        ] {
            let answer = refused(&request, front, 401, "login");
            assert!(answer.one("WWW-Authenticate").is_some(), "{answer}");
            assert_eq!(answer.one("Location"), None);
            assert_eq!(answer.one("Content-Type"), Some("application/json"));
            assert_eq!(answer.json()["error"], "unauthenticated");
        }
    });
}

#[test]
fn a_browser_without_identity_is_sent_to_the_portal_with_the_raw_url() {
    WORLD.behind_each(|front| {
        let target = "/some%20page//x?q=1&r=%2Fa&url=b+c";
        let answer = refused(&stranger("GET", target).headers(NAVIGATION), front, 302, "login");
        let location = answer.one("Location").unwrap();
        assert_eq!(return_url(location), format!("http://app.example.com{target}"));
        assert_eq!(answer.one("WWW-Authenticate"), None);
    });
}

#[test]
fn an_unknown_session_is_asked_to_log_in() {
    WORLD.behind_each(|front| {
        let cookie = format!("vouchsafehttp={}", "0".repeat(64));
        refused(&stranger("GET", "/page").header("Cookie", &cookie), front, 401, "login");
        let cookie = format!("vouchsafe={}; vouchsafehttp=x; vouchsafehttp=", "f".repeat(64));
        refused(&stranger("GET", "/page").header("Cookie", &cookie), front, 401, "login");
    });
}

#[test]
fn a_wrong_control_header_is_refused_everywhere_even_with_a_session() {
    WORLD.behind_each(|front| {
        let cookie = format!("vouchsafehttp={}", portal::login(front).id_http);
        for path in ["/page", "/public/page", "/assets/page"] {
            let wrong = [("CN", "dwho"), ("control", "Password"), ("Cookie", &cookie)];
            refused(&stranger("GET", path).headers(&wrong), front, 403, "master-refused");
        }
    });
}

#[test]
fn a_malformed_login_is_refused() {
    WORLD.behind_each(|front| {
        for login in ["d who", "dwho;x", "../dwho", "dwho<script>", "dw\u{e9}"] {
            let request =
                stranger("GET", "/page").headers(&[("CN", login), ("control", "password")]);
            refused(&request, front, 403, "master-refused");
        }
    });
}

#[test]
fn a_login_without_the_control_header_is_no_identity() {
    WORLD.behind_each(|front| {
        refused(&stranger("GET", "/page").header("CN", "dwho"), front, 401, "login");
    });
}

#[test]
fn an_unknown_host_is_refused_and_never_reaches_the_application() {
    WORLD.behind_each(|front| {
        for host in ["nowhere.example", "example.com", "127.0.0.1", "apps.example.com"] {
            let request = Request::new("GET", host, "/page").headers(MASTER);
            refused(&request, front, 403, "forbidden");
        }
        let other = Request::new("GET", APP, "http://nowhere.example/page").headers(MASTER);
        refused(&other, front, 403, "forbidden");
    });
}

#[test]
fn the_check_itself_cannot_be_asked_by_clients() {
    WORLD.behind_each(|front| {
        let paths = ["/_vouchsafe", "/%5fvouchsafe", "//_vouchsafe"];
        for path in paths {
            let answer = from_master("GET", path).send(front);
            assert_eq!(answer.status, 404, "{path}: {answer}");
        }
        for path in
            ["/auth/nginx", "/%61uth/nginx", "//auth/nginx", "/auth%2fnginx", "/x/../auth/nginx"]
        {
            let request = Request::new("GET", PORTAL, path).headers(MASTER);
            let answer = request.header("X-Original-URI", "/page").send(front);
            assert_eq!(answer.status, 404, "{path}: {answer}");
            assert_eq!(answer.one("Auth-User"), None);
        }
    });
}

#[test]
fn a_stranger_speaking_as_a_master_is_only_a_stranger() {
    let elsewhere = Daemon::check("/page").bytes();
    let elsewhere = String::from_utf8(elsewhere).unwrap().replace("127.0.0.1", "192.0.2.7");
    let lines: Vec<_> = MASTER.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let master = lines.concat();
    let request = elsewhere.replace("\r\n\r\n", &format!("\r\n{master}\r\n"));
    let answer = support::client::exchange(WORLD.daemon.public, request.as_bytes()).unwrap();
    assert_eq!(answer.status, 401, "{answer}");
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("login"));
}

#[test]
fn too_many_new_sessions_are_throttled_and_told_when_to_come_again() {
    let few = |config: String| replace(&config, "per_master: 60000", "per_master: 2");
    World::around(Daemon::start_with(few)).behind_each(|front| {
        let page = |user: &str| stranger("GET", "/page").headers(&[("CN", user), MASTER[3]]);
        let throttled = (0..10).map(|n| page(&format!("user{n}")));
        let throttled = throttled.into_iter().find(|request| request.send(front).status != 200);
        let answer = refused(&throttled.expect("a limit"), front, 403, "throttled");
        assert!(answer.one("Retry-After").unwrap().parse::<u32>().unwrap() >= 1, "{answer}");
        assert_eq!(answer.json()["error"], "forbidden");
    });
}

//! Scripts of other origins: whose preflights are answered in front of the check, and who may read a refusal.

use super::applications::APPLICATIONS;
use super::*;

const API: &str = "api.apps.example.com";
const LISTED: &str = "https://spa.example.com";

/// Origins that are not in the list, among them everything that looks like the one that is.
const FOREIGN: &[&str] = &[
    "https://evil.example",
    "null",
    "*",
    "",
    "http://spa.example.com",
    "https://spa.example.com:8443",
    "https://spa.example.com.evil.example",
    "https://evil.example/https://spa.example.com",
    "https://xspa.example.com",
    "https://spa.example.com, https://evil.example",
    "https://evil.example, https://spa.example.com",
];

fn preflight(target: &str, origin: &str) -> Request {
    Request::new("OPTIONS", API, target).headers(&[
        ("Origin", origin),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "content-type"),
        ("Sec-Fetch-Mode", "cors"),
    ])
}

/// Nothing in `answer` lets a script read it.
#[track_caller]
fn assert_unreadable(answer: &Answer) {
    let cors = answer
        .headers
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
    assert_eq!(cors.count(), 0, "{answer}");
}

/// A script of the listed origin, and no other, may read `answer`, credentials included.
#[track_caller]
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.one("Access-Control-Allow-Origin"), Some(LISTED), "{answer}");
    assert_eq!(answer.one("Access-Control-Allow-Credentials"), Some("true"), "{answer}");
    assert_eq!(answer.one("Vary"), Some("Origin"), "{answer}");
}

#[test]
fn a_preflight_of_a_listed_origin_is_answered_without_anybody_being_asked() {
    APPLICATIONS.behind_each(|front| {
        for path in ["/page", "/admin", "/public/page", "/", "/_vouchsafe"] {
            let marker = marker();
            let request = preflight(&format!("{path}?{marker}"), LISTED);
            let answer = request.send(front.address());
            assert_eq!(answer.status, 204, "{path}: {answer}");
            assert_readable(&answer);
            assert!(answer.one("Access-Control-Allow-Methods").unwrap().contains("PUT"));
            let headers = answer.one("Access-Control-Allow-Headers").unwrap().to_lowercase();
            assert!(headers.contains("content-type"), "{answer}");
            for never in ["*", "control", "cn,", "x-otp", "auth-user", "x-vouchsafe"] {
                assert!(!headers.contains(never), "{answer}");
            }
            assert_eq!(answer.one("Access-Control-Max-Age"), Some("600"));
            assert!(!APPLICATIONS.app.saw(&marker));
        }
    });
}

#[test]
fn a_preflight_of_a_foreign_origin_is_a_request_like_others() {
    APPLICATIONS.behind_each(|front| {
        for origin in FOREIGN {
            let marker = marker();
            let request = preflight(&format!("/page?{marker}"), origin);
            let answer = refused(&request, front.address(), 401, "login");
            assert_unreadable(&answer);
            assert!(!APPLICATIONS.app.saw(&marker));
        }
    });
}

#[test]
fn what_is_not_a_whole_preflight_is_checked() {
    APPLICATIONS.behind_each(|front| {
        let marker = marker();
        let target = format!("/page?{marker}");
        let asks = ("Access-Control-Request-Method", "PUT");
        let of = |method: &str, headers: &[(&str, &str)]| {
            Request::new(method, API, &target).headers(headers)
        };
        for request in [
            of("OPTIONS", &[]),
            of("OPTIONS", &[asks]),
            of("OPTIONS", &[("Origin", LISTED)]),
            of("OPTIONS", &[("Origin", LISTED), (asks.0, "")]),
            of("OPTIONS", &[("Origin", LISTED), (asks.0, "put https://spa.example.com")]),
            of("OPTIONS", &[(asks.0, LISTED)]),
            of("OPTIONS", &[("Origin", "null"), (asks.0, "PUT https://spa.example.com")]),
            of("GET", &[("Origin", LISTED), asks]),
            of("HEAD", &[("Origin", LISTED), asks]),
            of("POST", &[("Origin", LISTED), asks]).body("x"),
            of("DELETE", &[("Origin", LISTED), asks, ("X-HTTP-Method-Override", "OPTIONS")]),
        ] {
            let answer = request.send(front.address());
            assert_eq!(answer.status, 401, "{request:?} got {answer}");
        }
        assert!(!APPLICATIONS.app.saw(&marker));
        // With an identity it is the application's own OPTIONS, as everywhere.
        let asked = allowed(&of("OPTIONS", &[("Origin", LISTED)]).headers(MASTER), front.address());
        assert_eq!(asked.method(), "OPTIONS");
    });
}

#[test]
fn scripts_of_a_listed_origin_alone_can_read_a_refusal() {
    APPLICATIONS.behind_each(|front| {
        let page = |origin: &str| Request::new("GET", API, "/page").header("Origin", origin);
        let script = page(LISTED).header("Sec-Fetch-Mode", "cors");
        assert_readable(&refused(&script, front.address(), 401, "login"));
        let wrong = [("CN", "dwho"), ("control", "guess")];
        let denied = page(LISTED).headers(&wrong);
        assert_readable(&refused(&denied, front.address(), 403, "master-refused"));
        for origin in FOREIGN {
            assert_unreadable(&refused(&page(origin), front.address(), 401, "login"));
            let denied = page(origin).headers(&wrong);
            let answer = refused(&denied, front.address(), 403, "master-refused");
            assert_unreadable(&answer);
            assert_eq!(answer.one("Vary"), Some("Origin"), "{answer}");
        }
    });
}

#[test]
fn what_the_application_answers_is_its_own_business() {
    APPLICATIONS.behind_each(|front| {
        for origin in [LISTED, "https://evil.example"] {
            let request = Request::new("GET", API, "/page").headers(MASTER);
            let answer = request.header("Origin", origin).send(front.address());
            let asked = Asked::from(&answer).expect("the application's answer");
            assert_eq!(asked.all("Origin"), [origin]);
            assert_unreadable(&answer);
            assert_eq!(answer.one("Vary"), None);
        }
    });
}

#[test]
fn servers_without_a_list_know_nothing_of_it() {
    WORLD.behind_each(|front| {
        let marker = marker();
        let request = stranger("OPTIONS", &format!("/page?{marker}"))
            .headers(&[("Origin", LISTED), ("Access-Control-Request-Method", "PUT")]);
        let answer = refused(&request, front, 401, "login");
        assert_unreadable(&answer);
        assert_eq!(answer.one("Vary"), None);
        assert!(!WORLD.app.saw(&marker));
    });
}

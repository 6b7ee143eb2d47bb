//! Spellings of a path that programs read differently must not reach the application.

use super::*;

/// Ways to write `/admin`, or to look free and mean it.
const DISGUISED: &[&str] = &[
    "/x/..%2fadmin",
    "/x/%2e%2e/admin",
    "/x/../admin",
    "/./admin",
    "//admin",
    "/%61dmin",
    "/%61%64%6d%69%6e",
    "/%2561dmin",
    "/admin;x",
    "/admin;x=1/y",
    "/;/admin",
    "/admin%00",
    "/admin%3bx",
    "/public/../admin",
    "/public/..%2fadmin",
    "/public/..%2f..%2fadmin",
    "/public/%2e%2e%2fadmin",
    "/public/..;/admin",
    "/public/..%5cadmin",
    "/public/..\\admin",
    "/public%2f..%2fadmin",
    "/public/.%2e/admin",
    "/public/%252e%252e/admin",
    "/public/%c0%ae%c0%ae/admin",
    "/assets/../admin",
    "/assets/..%2fadmin",
    "/assets/..;/admin",
];

#[track_caller]
fn never_arrives(request: impl Fn(&str) -> Request) {
    WORLD.behind_each(|front| {
        for path in DISGUISED {
            let marker = marker();
            let answer = request(&format!("{path}?{marker}")).send(front);
            assert!([400, 401, 403].contains(&answer.status), "{path}: {answer}");
            assert!(!WORLD.app.saw(&marker), "{path} reached the application");
        }
    });
}

#[test]
fn a_disguised_path_does_not_open_without_an_identity() {
    never_arrives(|target| stranger("GET", target));
}

#[test]
fn a_disguised_path_does_not_open_what_is_denied() {
    never_arrives(|target| from_master("POST", target).body("x"));
}

#[test]
fn a_fragment_sent_as_part_of_the_path_does_not_open_it() {
    never_arrives(|target| stranger("GET", &format!("/public/#/..{target}")));
}

#[test]
fn ordinary_encodings_are_passed_as_the_client_wrote_them() {
    WORLD.behind_each(|front| {
        for target in ["/caf%C3%A9", "/a%20b?c=%2F..%2F", "/100%25", "/a//b/", "/?x=;y"] {
            assert_eq!(allowed(&from_master("GET", target), front).target(), target);
        }
    });
}

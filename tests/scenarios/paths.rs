//! Spellings of a path that programs read differently must not reach the application.

use super::*;
use crate::support::disguises::DISGUISED;

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

//! What a client sends and the application must never see, wherever the request goes.

use super::*;

/// Names that only the daemon or nginx may send, in every spelling that an application may confuse.
pub const FORGED: &[(&str, &str)] = &[
    ("Auth-User", "evil"),
    ("auth-user", "evil"),
    ("Auth_User", "evil"),
    ("Auth.User", "evil"),
    ("Auth-Mail", "evil"),
    ("AUTH_MAIL", "evil"),
    ("X-OTP", "evil"),
    ("X-Vouchsafe-Assertion", "evil"),
    ("X-Vouchsafe-Groups", "evil"),
    ("X-Vouchsafe-Level", "evil"),
    ("X-Vouchsafe-Mail", "evil"),
    ("X-Vouchsafe-Master", "evil"),
    ("X-Vouchsafe-Origin", "evil"),
    ("X-Vouchsafe-Realm", "evil"),
    ("X-Vouchsafe-Reason", "evil"),
    ("X-Vouchsafe-Request", "evil"),
    ("X-Vouchsafe-Session", "evil"),
    ("X-Vouchsafe-User", "evil"),
    ("X_Vouchsafe_User", "evil"),
    ("X-Original-Method", "EVIL"),
    ("X-Original-URI", "/evil"),
    ("X-Original-URL", "/evil"),
    ("X-Original-Path", "/evil"),
    ("X-Forwarded-For", "192.0.2.66"),
    ("X-Forwarded-Host", "evil"),
    ("X-Forwarded-Method", "EVIL"),
    ("X-Forwarded-Port", "66666"),
    ("X-Forwarded-Proto", "evil"),
    ("X-Forwarded-Uri", "/evil"),
    ("X-Real-IP", "192.0.2.66"),
    ("X-Request-Id", "evil"),
    ("Forwarded", "for=192.0.2.66"),
];

const PATHS: [&str; 3] = ["/page", "/public/page", "/assets/page"];

#[track_caller]
fn assert_clean(asked: &Asked) {
    for trace in ["evil", "EVIL", "66666", "192.0.2.66", "password"] {
        assert!(!asked.text().contains(trace), "{trace} in {asked:?}");
    }
    let masters = ["control", "cn", "user-email", "x-otp"];
    assert!(asked.names().iter().all(|name| !masters.contains(&name.as_str())), "{asked:?}");
    assert_eq!(asked.all("Host"), [APP]);
    assert_eq!(asked.all("X-Forwarded-For"), ["127.0.0.1"]);
    assert_eq!(asked.all("X-Forwarded-Host"), [APP]);
    assert_eq!(asked.all("X-Forwarded-Proto"), ["http"]);
    assert_eq!(asked.all("X-Request-Id").len(), 1);
}

#[test]
fn forged_names_never_reach_the_application_with_a_master() {
    WORLD.behind_each(|front| {
        for path in PATHS {
            let asked = allowed(&from_master("GET", path).headers(FORGED), front);
            assert_clean(&asked);
            if path == "/page" {
                assert_eq!(asked.all("Auth-User"), ["dwho"]);
            }
        }
    });
}

#[test]
fn forged_names_never_reach_the_application_without_a_master() {
    WORLD.behind_each(|front| {
        for path in ["/public/page", "/assets/page"] {
            let forged = [("CN", "evil"), ("User-Email", "evil"), ("Auth-Groups", "evil")];
            let asked = allowed(&stranger("GET", path).headers(FORGED).headers(&forged), front);
            assert_clean(&asked);
            assert_eq!(asked.all("Auth-User"), [""; 0]);
            assert_eq!(asked.all("Auth-Groups"), [""; 0]);
        }
        refused(&stranger("GET", "/page").headers(FORGED), front, 401, "login");
    });
}

#[test]
fn naming_a_header_in_connection_removes_nothing_from_the_application() {
    WORLD.behind_each(|front| {
        let request = from_master("GET", "/").header("Connection", "Auth-User, X-Forwarded-For");
        let asked = allowed(&request, front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert_eq!(asked.all("X-Forwarded-For"), ["127.0.0.1"]);
    });
}

#[test]
fn an_unknown_name_in_our_name_space_is_refused() {
    WORLD.behind_each(|front| {
        for path in PATHS {
            let request = from_master("GET", path).header("X-Vouchsafe-Anything", "evil");
            refused(&request, front, 403, "bad-request");
        }
    });
}

#[test]
fn a_master_header_that_stands_twice_is_refused() {
    WORLD.behind_each(|front| {
        for (name, value) in MASTER {
            for path in PATHS {
                let request = from_master("GET", path).header(name, value);
                refused(&request, front, 403, "bad-request");
            }
        }
    });
}

#[test]
fn a_clients_word_about_its_request_has_no_effect_on_the_decision() {
    WORLD.behind_each(|front| {
        let lies: &[(&str, &str)] = &[
            ("X-Original-URI", "/public/"),
            ("X-Original-URI", "/assets/"),
            ("X-Original-URL", "/public/"),
            ("X-Forwarded-Uri", "/public/"),
            ("X-Forwarded-Host", "nowhere.example"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("X-Original-Method", "GET"),
            ("X-Forwarded-Method", "GET"),
        ];
        let marker = marker();
        let target = format!("/page?{marker}");
        refused(&stranger("GET", &target).headers(lies), front, 401, "login");
        let request = from_master("POST", &format!("/admin?{marker}")).headers(lies).body("x");
        refused(&request, front, 403, "forbidden");
        assert!(!WORLD.app.saw(&marker));
        allowed(&from_master("GET", "/page").headers(lies), front);
    });
}

#[test]
fn control_characters_in_a_path_add_no_header_to_the_check() {
    WORLD.behind_each(|front| {
        let marker = marker();
        let target = format!("/page%0d%0aX-Original-URI:%20/public/?{marker}");
        let answer = stranger("GET", &target).send(front);
        assert!([400, 401, 403].contains(&answer.status), "{answer}");
        assert!(!WORLD.app.saw(&marker));
    });
}

#[test]
fn more_headers_than_the_daemon_reads_never_reach_the_application() {
    WORLD.behind_each(|front| {
        let marker = marker();
        let many: Vec<_> = (0..200).map(|n| format!("X-Many-{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
        for path in PATHS {
            let answer = from_master("GET", &format!("{path}?{marker}")).headers(&many).send(front);
            assert!(matches!(answer.status, 400..=499 | 503), "{answer}");
        }
        assert!(!WORLD.app.saw(&marker));
    });
}

//! What each proxy asks and how it is answered, straight at the daemon: byte by byte, no proxy between.

use super::*;

/// A question in one dialect about `method https://app.example.com{target}`, from a stranger.
struct Dialect {
    name: &'static str,
    ask: fn(&str, &str) -> Request,
}

const FROM: (&str, &str) = ("X-Forwarded-For", "127.0.0.1");
const TLS: (&str, &str) = ("X-Forwarded-Proto", "https");

const DIALECTS: [Dialect; 4] = [
    Dialect {
        name: "nginx",
        ask: |method, target| {
            Request::new("GET", APP, "/auth/nginx").headers(&[
                ("X-Original-Method", method),
                ("X-Original-URI", target),
                ("X-Forwarded-Host", APP),
                FROM,
                TLS,
            ])
        },
    },
    Dialect {
        name: "forward",
        ask: |method, target| {
            Request::new("GET", "127.0.0.1", "/auth/forward").headers(&[
                ("X-Forwarded-Method", method),
                ("X-Forwarded-Uri", target),
                ("X-Forwarded-Host", APP),
                FROM,
                TLS,
            ])
        },
    },
    Dialect {
        name: "envoy",
        ask: |method, target| {
            Request::new(method, APP, &format!("/auth/envoy{target}")).headers(&[FROM, TLS])
        },
    },
    Dialect {
        name: "envoy-override",
        ask: |method, target| {
            let original = ("X-Original-URI", target);
            Request::new(method, APP, "/auth/envoy-override").headers(&[original, FROM, TLS])
        },
    },
];

impl Dialect {
    fn is_nginx(&self) -> bool {
        self.name == "nginx"
    }

    fn is_envoy(&self) -> bool {
        self.name.starts_with("envoy")
    }

    #[track_caller]
    fn answer(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        (self.ask)(method, target).headers(headers).send(WORLD.daemon.public)
    }
}

#[test]
fn whoever_the_master_names_is_allowed_with_every_export_exactly_once() {
    for dialect in DIALECTS {
        let master = [("CN", "dwho"), ("control", "password"), ("User-Email", "dwho@example.com")];
        let answer = dialect.answer("GET", "/page?x=1", &master);
        let name = dialect.name;
        assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]), "{name}: {answer}");
        assert_eq!(answer.one("Auth-User"), Some("dwho"), "{name}: {answer}");
        assert_eq!(answer.one("Auth-Mail"), Some("dwho@example.com"), "{name}: {answer}");
        assert_eq!(answer.one("Cache-Control"), Some("no-store"), "{name}");
        // There are no groups: nothing of what a client sends under that name may pass.
        let unset = answer.one("Auth-Groups");
        let removed = answer.one("x-envoy-auth-headers-to-remove").unwrap_or_default();
        let removed: Vec<&str> = removed.split(',').collect();
        if dialect.is_envoy() {
            assert_eq!(unset, None, "{name}: {answer}");
            for header in
                ["auth-groups", "control", "cn", "user-email", "x-otp", "x-vouchsafe-user"]
            {
                assert!(removed.contains(&header), "{header} in {answer}");
            }
            // Removal beats setting.
            assert!(!removed.contains(&"auth-user") && !removed.contains(&"auth-mail"), "{answer}");
        } else {
            assert_eq!((unset, removed), (Some(""), vec![""]), "{name}: {answer}");
        }
    }
}

#[test]
fn what_is_free_for_anybody_passes_with_nobodys_name() {
    for dialect in DIALECTS {
        for target in ["/public/x", "/assets/x"] {
            let answer = dialect.answer("GET", target, &[("Auth-User", "evil")]);
            assert_eq!(answer.status, 200, "{}: {answer}", dialect.name);
            if dialect.is_envoy() {
                let removed = answer.one("x-envoy-auth-headers-to-remove").unwrap();
                for header in ["auth-user", "auth-mail", "auth-groups"] {
                    assert!(removed.split(',').any(|name| name == header), "{answer}");
                }
                assert_eq!(answer.one("Auth-User"), None, "{answer}");
            } else {
                assert_eq!(answer.one("Auth-User"), Some(""), "{}: {answer}", dialect.name);
            }
        }
    }
}

#[test]
fn a_person_is_sent_to_the_portal_and_a_program_is_told_how() {
    for dialect in DIALECTS {
        let name = dialect.name;
        // A page of its own: four challenges for one page look like a loop.
        let target = format!("/{}?x=1", marker());
        let person = dialect.answer("GET", &target, NAVIGATION);
        assert_eq!(person.status, if dialect.is_nginx() { 401 } else { 302 }, "{name}: {person}");
        let location = person.one("Location").unwrap();
        let back = journeys::with_return(&format!("https://app.example.com{target}"));
        assert_eq!(location, format!("https://auth.example.com/?{back}"), "{name}");
        assert_eq!(person.one("WWW-Authenticate"), None, "{name}");
        let program = dialect.answer("GET", "/page", &[("Accept", "application/json")]);
        assert_eq!((program.status, program.one("Location")), (401, None), "{name}: {program}");
        assert_eq!(
            program.one("WWW-Authenticate"),
            Some("SSO https://auth.example.com/"),
            "{name}"
        );
        if !dialect.is_nginx() {
            assert_eq!(program.json()["error"], "unauthenticated", "{name}");
        }
        for answer in [person, program] {
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("login"), "{name}: {answer}");
            assert_eq!(answer.one("Cache-Control"), Some("no-store"), "{name}: {answer}");
            assert_eq!(answer.one("Auth-User"), None, "{name}: {answer}");
        }
    }
}

#[test]
fn a_denial_is_a_page_for_people_json_for_programs_and_a_bare_status_for_nginx() {
    for dialect in DIALECTS {
        let name = dialect.name;
        let master = [("CN", "dwho"), ("control", "wrong"), ("X-Request-Id", "req-1")];
        let program = dialect.answer("POST", "/page", &master);
        assert_eq!(program.status, 403, "{name}: {program}");
        let person = dialect.answer("GET", "/page", &[NAVIGATION, &master].concat());
        assert_eq!(person.status, 403, "{name}: {person}");
        for answer in [&program, &person] {
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("master-refused"), "{name}");
            assert_eq!(answer.one("Auth-User"), None, "{name}: {answer}");
            assert_eq!(answer.one("Set-Cookie"), None, "{name}: {answer}");
        }
        if dialect.is_nginx() {
            assert_eq!((program.body.len(), person.body.len()), (0, 0), "{program}{person}");
            continue;
        }
        assert_eq!(program.json()["error"], "forbidden", "{name}");
        let html = String::from_utf8(person.body.clone()).unwrap();
        assert!(html.contains("<h1>No access</h1>") && html.contains("req-1"), "{name}: {html}");
        assert!(html.contains("https://auth.example.com/assets/portal.css"), "{name}: {html}");
        let policy = person.one("Content-Security-Policy").unwrap();
        assert!(policy.contains("style-src https://auth.example.com;"), "{name}: {policy}");
    }
}

#[test]
fn each_dialect_reads_its_own_inputs_only() {
    // T7: what another dialect would read says the opposite here.
    let lies = [
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/public/x"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/public/x"),
        ("X-Envoy-Original-Path", "/public/x"),
        ("X-Rewrite-URL", "/public/x"),
        ("X-Original-Host", "nowhere.example"),
        ("X-Real-IP", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1;host=nowhere.example"),
    ];
    for dialect in DIALECTS {
        let own: &[&str] = match dialect.name {
            "nginx" => &["X-Original-Method", "X-Original-URI"],
            "forward" => &["X-Forwarded-Method", "X-Forwarded-Uri"],
            "envoy-override" => &["X-Original-URI"],
            _ => &[],
        };
        let lies: Vec<_> = lies.into_iter().filter(|(name, _)| !own.contains(name)).collect();
        let refused = dialect.answer("GET", "/page", &lies);
        assert_eq!(refused.status, 401, "{}: {refused}", dialect.name);
        let free = dialect.answer("GET", "/public/x", &[("X-Original-Host", "nowhere.example")]);
        assert_eq!(free.status, 200, "{}: {free}", dialect.name);
        // Its own input twice is nobody's.
        for name in own {
            let twice = dialect.answer("GET", "/public/x", &[(*name, "/public/x")]);
            assert_eq!(twice.status, 403, "{} {name}: {twice}", dialect.name);
            assert_eq!(twice.one("X-Vouchsafe-Reason"), Some("bad-request"), "{twice}");
        }
    }
}

#[test]
fn a_path_is_judged_as_the_client_wrote_it() {
    for dialect in DIALECTS {
        for target in [
            "/public/../admin",
            "/public/%2e%2e/admin",
            "/public/..%2fadmin",
            "/public/..;/admin",
            "/public/%5c../admin",
            "/public/%00",
            "/public/%252e%252e/admin",
        ] {
            let answer = dialect.answer("GET", target, &[]);
            assert_eq!(answer.status, 403, "{} {target}: {answer}", dialect.name);
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("bad-request"), "{answer}");
        }
        let merged = dialect.answer("GET", "//public//x", &[]);
        assert_eq!(merged.status, 200, "{}: {merged}", dialect.name);
        // The daemon's own query is not the client's path, and the other way round.
        let query = dialect.answer("GET", "/page?/public/x", &[]);
        assert_eq!(query.status, 401, "{}: {query}", dialect.name);
    }
}

#[test]
fn an_application_behind_envoy_sees_every_cookie_but_ours() {
    let id = portal::login(WORLD.fronts[0].1.address).id;
    for dialect in DIALECTS.iter().filter(|dialect| dialect.is_envoy()) {
        let cookie = |line: &str| dialect.answer("GET", "/page", &[("Cookie", line)]);
        let answer = cookie(&format!("a=1; vouchsafe={id}; vouchsafehttp=x; b=2"));
        assert_eq!((answer.status, answer.one("Cookie")), (200, Some("a=1; b=2")), "{answer}");
        let answer = cookie(&format!("vouchsafe={id}"));
        let removed = answer.one("x-envoy-auth-headers-to-remove").unwrap();
        assert!(removed.split(',').any(|name| name == "cookie"), "{answer}");
        assert_eq!((answer.status, answer.one("Cookie")), (200, None), "{answer}");
        let master = [("CN", "dwho"), ("control", "password"), ("Cookie", "a=1; b=2")];
        let answer = dialect.answer("GET", "/page", &master);
        assert_eq!((answer.status, answer.one("Cookie")), (200, None), "{answer}");
    }
}

#[test]
fn a_navigation_from_the_master_gets_both_cookies_in_every_dialect() {
    for dialect in DIALECTS {
        let master = [("CN", "dwho"), ("control", "password")];
        let answer = dialect.answer("GET", "/page", &[NAVIGATION, &master].concat());
        assert_eq!((answer.status, answer.all("Set-Cookie").len()), (200, 2), "{answer}");
        let numbered = answer.one("X-Set-Cookie-1").is_some();
        assert_eq!(numbered, !dialect.is_envoy(), "{}: {answer}", dialect.name);
    }
}

#[test]
fn nobody_but_a_trusted_proxy_is_answered() {
    let daemon = Daemon::start_with(|config| {
        replace(
            &config,
            r#"trusted_proxies: [127.0.0.0/8, "::1/128"]"#,
            "trusted_proxies: 192.0.2.1",
        )
    });
    for dialect in DIALECTS {
        let answer = (dialect.ask)("GET", "/public/x").send(daemon.public);
        assert_eq!(answer.status, 403, "{}: {answer}", dialect.name);
        assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("forbidden"), "{answer}");
    }
}

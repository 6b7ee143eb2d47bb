//! Ending sessions at the portal, and who may make a browser do it.

use super::journeys::{Jar, browser, page_number, with_return};
use super::*;

/// The secure world that all tests share which do not end everybody's sessions.
static SECURE: LazyLock<World> = LazyLock::new(World::start_secure);

/// Logs in as a browser does.
#[track_caller]
fn logged_in(front: SocketAddr) -> Jar {
    let answer = browser("GET", "/?lmAuth=2_Slave").send(front);
    assert_eq!((answer.status, page_number(&answer)), (200, 0), "{answer}");
    let mut jar = Jar::default();
    jar.take(&answer);
    jar
}

/// A browser that is not behind the master any more, with its cookies.
fn person(method: &str, target: &str, jar: &Jar) -> Request {
    Request::new(method, PORTAL, target).headers(NAVIGATION).header("Cookie", &jar.line())
}

#[track_caller]
fn is_alive(jar: &Jar, front: SocketAddr) -> bool {
    let page = stranger("GET", "/page").header("Cookie", &jar.line()).send(front);
    let ping = Request::new("GET", PORTAL, "/ping").header("Cookie", &jar.line()).send(front);
    assert_eq!(ping.status, 200, "{ping}");
    let alive = page.status == 200;
    assert_eq!(ping.json()["status"], u8::from(alive), "{page}");
    alive
}

#[test]
fn a_logout_is_in_force_when_it_is_answered() {
    // A71: by query, by path, by form; the old cookies are tried again at once.
    SECURE.behind_each(|front| {
        for (method, target, body) in [
            ("GET", "/?logout=1", ""),
            ("GET", "/logout", ""),
            ("POST", "/logout", "logout=1"),
            ("POST", "/", "logout=1"),
        ] {
            let jar = logged_in(front);
            assert!(is_alive(&jar, front));
            let request = person(method, target, &jar);
            let form = ("Content-Type", "application/x-www-form-urlencoded");
            let request =
                if body.is_empty() { request } else { request.headers(&[form]).body(body) };
            let answer = request.send(front);
            assert_eq!((answer.status, page_number(&answer)), (200, 47), "{answer}");
            assert_eq!(answer.all("Set-Cookie").len(), 2, "{answer}");
            let mut after = Jar::default();
            after.take(&answer);
            assert!(after.is_empty(), "{answer}");
            assert!(!is_alive(&jar, front), "{method} {target}");
            let menu = person("GET", "/", &jar).send(front);
            assert_eq!((menu.status, page_number(&menu)), (401, 1), "{menu}");
        }
    });
}

#[test]
fn a_program_is_told_47_whether_there_was_a_session_or_not() {
    SECURE.behind_each(|front| {
        for jar in [logged_in(front), Jar::default()] {
            let request =
                Request::new("GET", PORTAL, "/logout").header("Accept", "application/json");
            let answer = request.header("Cookie", &jar.line()).send(front);
            assert_eq!(answer.status, 200, "{answer}");
            let text: String = String::from_utf8_lossy(&answer.body).split_whitespace().collect();
            assert_eq!(text, r#"{"result":1,"error":47}"#);
        }
    });
}

#[test]
fn logging_out_everywhere_ends_the_sessions_of_other_browsers() {
    let world = World::start_secure();
    let front = world.fronts[0].1.address;
    let (here, there) = (logged_in(front), logged_in(front));
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let logout = person("POST", "/logout", &here).headers(&[form]).body("logout=1&all=1");
    assert_eq!(page_number(&logout.send(front)), 47);
    assert!(!is_alive(&here, front) && !is_alive(&there, front));
}

#[test]
fn after_a_logout_one_goes_on_only_to_addresses_of_ours() {
    SECURE.behind_each(|front| {
        let ours = format!("https://{APP}/bye?x=%2F");
        let answer = person("GET", &format!("/logout?{}", with_return(&ours)), &logged_in(front));
        let answer = answer.send(front);
        assert_eq!((answer.status, answer.one("Location")), (302, Some(&*ours)), "{answer}");
        let jar = logged_in(front);
        let foreign = format!("/logout?{}", with_return("https://evil.test/"));
        let answer = person("GET", &foreign, &jar).send(front);
        assert_eq!((answer.status, page_number(&answer)), (200, 47), "{answer}");
        assert!(answer.one("Location").is_none() && !is_alive(&jar, front), "{answer}");
    });
}

#[test]
fn a_page_of_another_site_logs_nobody_out_or_in() {
    // A78.
    let foreign: [&[(&str, &str)]; 5] = [
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Origin", "null")],
        &[("Origin", "https://evil.test")],
        &[("Origin", "https://auth.example.com.evil.test"), ("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://auth.example.com"), ("Sec-Fetch-Site", "cross-site")],
    ];
    SECURE.behind_each(|front| {
        let jar = logged_in(front);
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        for headers in foreign {
            for (target, body) in
                [("/", "logout=1"), ("/logout", "logout=1&all=1"), ("/", "lmAuth=2_Slave")]
            {
                let post = browser("POST", target).header("Cookie", &jar.line()).headers(headers);
                let answer = post.headers(&[form]).body(body).send(front);
                assert_eq!(answer.status, 403, "{headers:?} {target} {body}: {answer}");
                assert_eq!(answer.all("Set-Cookie"), [""; 0], "{answer}");
            }
            let answer = person("GET", "/logout?all=1", &jar).headers(headers).send(front);
            let html = String::from_utf8_lossy(&answer.body);
            assert!(html.contains("<form") && html.contains(r#"method="post""#), "{answer}");
            assert_eq!((answer.status, page_number(&answer)), (200, 0), "{answer}");
            assert!(is_alive(&jar, front), "{headers:?}");
        }
        // Nor does a picture or a frame of theirs open sessions; a link may lead here.
        for (dest, expected) in [("image", 403), ("iframe", 403), ("document", 200)] {
            let headers = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", dest)];
            let get = Request::new("GET", PORTAL, "/?lmAuth=2_Slave").headers(MASTER);
            let answer = get.headers(&headers).send(front);
            assert_eq!(answer.status, expected, "{dest}: {answer}");
            assert_eq!(answer.all("Set-Cookie").is_empty(), expected == 403, "{answer}");
        }
        // Its own form, and a program that says nothing about where it comes from, may.
        let own = [("Origin", "https://auth.example.com"), ("Sec-Fetch-Site", "same-origin")];
        let logout =
            person("POST", "/logout", &jar).headers(&own).headers(&[form]).body("logout=1");
        assert_eq!(page_number(&logout.send(front)), 47);
        assert!(!is_alive(&jar, front));
        let jar = logged_in(front);
        let program =
            Request::new("POST", PORTAL, "/logout").header("Cookie", &jar.line()).body("");
        assert_eq!(program.send(front).status, 200);
        assert!(!is_alive(&jar, front));
    });
}

#[test]
fn nobody_else_may_read_the_portals_answers_or_show_them_in_a_frame() {
    SECURE.behind_each(|front| {
        let origin = [("Origin", "https://evil.test"), ("Access-Control-Request-Method", "POST")];
        for method in ["OPTIONS", "GET", "POST", "PUT", "HEAD"] {
            let answer = Request::new(method, PORTAL, "/").headers(&origin).send(front);
            let cors = answer
                .headers
                .iter()
                .find(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
            assert_eq!(cors, None, "{method}: {answer}");
            let expected = match method {
                "OPTIONS" => 204,
                "PUT" | "HEAD" => 400,
                "POST" => 403,
                _ => 401,
            };
            assert_eq!(answer.status, expected, "{method}: {answer}");
        }
        let page = browser("GET", "/").send(front);
        assert_eq!(page.one("X-Frame-Options"), Some("DENY"));
        let policy = page.one("Content-Security-Policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    });
}

#[test]
fn the_masters_back_channel_ends_sessions_and_tells_nothing() {
    let world = World::start_secure();
    for (_, nginx) in &world.fronts {
        let front = nginx.address;
        let backchannel = |headers: &[(&str, &str)]| {
            Request::new("POST", PORTAL, "/logout/backchannel")
                .headers(headers)
                .body("")
                .send(front)
        };
        let jar = logged_in(front);
        for refused in [
            &[("CN", "dwho")][..],
            &[("CN", "dwho"), ("control", "wrong")],
            &[("control", "password")],
            &[("CN", "dwho"), ("CN", "root"), ("control", "password")],
        ] {
            let answer = backchannel(refused);
            assert_eq!((answer.status, &answer.json()["result"]), (401, &0.into()), "{answer}");
        }
        // A page could make a browser behind the master send this, and the master would add its proof.
        for headers in [[("Sec-Fetch-Site", "cross-site")], [("Origin", "https://evil.test")]] {
            let answer = backchannel(&[MASTER, &headers].concat());
            assert_eq!(answer.status, 403, "{answer}");
        }
        let get = Request::new("GET", PORTAL, "/logout/backchannel").headers(MASTER).send(front);
        assert_eq!(get.status, 403, "{get}");
        assert!(is_alive(&jar, front));
        let ended = backchannel(MASTER);
        assert!(!is_alive(&jar, front));
        let nothing = backchannel(MASTER);
        assert_eq!((ended.status, nothing.status), (200, 200));
        assert_eq!(ended.body, nothing.body);
        assert_eq!(ended.json(), serde_json::json!({"result": 1, "error": 47}));
    }
}

#[test]
fn junk_cookies_of_a_sibling_domain_hide_no_session_and_end_none() {
    // A55, S5.
    SECURE.behind_each(|front| {
        let jar = logged_in(front);
        let junk = "vouchsafe=\"\"; vouchsafe=%ff; vouchsafe; ;;; =x; vouchsafe=0";
        let line = format!("{junk}; {}; x{}", jar.line(), jar.line());
        let menu = Request::new("GET", PORTAL, "/").headers(NAVIGATION).header("Cookie", &line);
        let answer = menu.send(front);
        assert_eq!((answer.status, page_number(&answer)), (200, 0), "{answer}");
        let asked = allowed(&stranger("GET", "/page").header("Cookie", &line), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert!(is_alive(&jar, front));
    });
}

#[test]
fn what_a_person_can_quote_stands_in_the_audit_log() {
    // A daemon of its own: denials are sampled.
    let world = World::start_secure();
    let front = world.fronts[0].1.address;
    let answer = Request::new("GET", PORTAL, "/?lmAuth=2_Slave").headers(NAVIGATION).send(front);
    assert_eq!((answer.status, page_number(&answer)), (401, 75), "{answer}");
    let html = String::from_utf8(answer.body).unwrap();
    let ids = html.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 32);
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids.len(), 1, "{html}");
    support::wait_for("the line with the reference", || {
        world.daemon.log().contains(ids[0]).then_some(())
    });
}

//! Logging in at the portal, and what the cookies of a login open.

use serde_json::json;

use super::*;

/// A login's two ids, and the whole answer.
pub struct Login {
    pub id: String,
    pub id_http: String,
    answer: Answer,
}

/// A login form as curl's `-d` sends it.
fn form(headers: &[(&str, &str)], body: &str) -> Request {
    Request::new("POST", PORTAL, "/")
        .headers(&[("User-Agent", "curl/8"), ("Accept", "application/json")])
        .headers(headers)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body)
}

/// Logs in through `front`.
#[track_caller]
pub fn login(front: SocketAddr) -> Login {
    // The curl line of LemonLDAP::NG's page "Slave".
    let answer = form(&[("CN", "dwho"), ("control", "password")], "lmAuth=2_Slave").send(front);
    assert_eq!(answer.status, 200, "{answer}");
    let text = |key: &str| answer.json()[key].as_str().unwrap_or_default().to_owned();
    Login { id: text("id"), id_http: text("id_http"), answer }
}

/// The attributes of the cookie called `name`, which must be set exactly once.
#[track_caller]
fn attributes(answer: &Answer, name: &str) -> (String, Vec<String>) {
    let lines = answer.all("Set-Cookie");
    let mut named = lines.iter().filter(|line| line.starts_with(&format!("{name}=")));
    let line = named.next().unwrap_or_else(|| panic!("no {name} in {answer}"));
    assert!(named.next().is_none(), "{name} twice in {answer}");
    let mut parts = line.split(';').map(str::trim);
    let value = parts.next().unwrap().split_once('=').unwrap().1.to_owned();
    (value, parts.map(str::to_ascii_lowercase).collect())
}

#[track_caller]
fn assert_double_cookie(answer: &Answer) -> (String, String) {
    assert_eq!(answer.all("Set-Cookie").len(), 2, "{answer}");
    let (id, secure) = attributes(answer, "vouchsafe");
    let (id_http, plain) = attributes(answer, "vouchsafehttp");
    for wanted in ["httponly", "samesite=lax", "domain=example.com", "path=/"] {
        assert!(secure.iter().any(|a| a == wanted), "{wanted} in {answer}");
        assert!(plain.iter().any(|a| a == wanted), "{wanted} in {answer}");
    }
    assert!(secure.iter().any(|a| a == "secure"), "{answer}");
    assert!(plain.iter().all(|a| a != "secure"), "{answer}");
    for value in [&id, &id_http] {
        assert!(value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()), "{answer}");
    }
    assert_ne!(id, id_http);
    (id, id_http)
}

#[test]
fn the_login_of_the_seed_answers_as_its_page_says() {
    WORLD.behind_each(|front| {
        let Login { id, id_http, answer } = login(front);
        let text: String = String::from_utf8_lossy(&answer.body).split_whitespace().collect();
        let expected = format!(r#"{{"result":1,"error":0,"id_http":"{id_http}","id":"{id}"}}"#);
        assert_eq!(text, expected);
        assert!(answer.one("Content-Type").unwrap().starts_with("application/json"), "{answer}");
        assert_eq!(assert_double_cookie(&answer), (id, id_http));
    });
}

#[test]
fn the_http_cookie_of_a_login_opens_the_application_over_plain_http() {
    WORLD.behind_each(|front| {
        let cookie = format!("a=1; vouchsafehttp={}; b=2", login(front).id_http);
        let request = stranger("GET", "/page").header("Cookie", &cookie);
        let asked = allowed(&request, front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert_eq!(asked.all("Cookie"), ["a=1; b=2"]);
        allowed(&request.header("X-Forwarded-Proto", "https"), front);
    });
}

#[test]
fn the_id_of_the_http_cookie_does_not_count_as_the_secure_one() {
    WORLD.behind_each(|front| {
        let cookie = format!("vouchsafe={}", login(front).id_http);
        refused(&stranger("GET", "/page").header("Cookie", &cookie), front, 401, "login");
    });
}

#[test]
fn a_clients_word_about_where_it_comes_from_has_no_effect_at_the_portal() {
    WORLD.behind_each(|front| {
        let lies = [
            ("X-Forwarded-For", "192.0.2.7"),
            ("X-Forwarded-Host", "nowhere.example"),
            ("X-Forwarded-Proto", "gopher"),
            ("X-Real-IP", "192.0.2.7"),
            ("Forwarded", "for=192.0.2.7"),
        ];
        let headers = [&[("CN", "dwho"), ("control", "password")], &lies[..]].concat();
        assert_eq!(form(&headers, "lmAuth=2_Slave").send(front).status, 200);
    });
}

#[test]
fn over_tls_the_secure_cookie_counts_and_the_http_cookie_does_not() {
    let front = WORLD.fronts[0].1.address;
    let Login { id, id_http, .. } = login(front);
    // What nginx would send for a request over TLS; the fronts here speak plain HTTP.
    let status = |name: &str, value: &str| {
        let check = String::from_utf8(Daemon::check("/page").bytes()).unwrap();
        let check = check.replace("X-Forwarded-Proto: http", "X-Forwarded-Proto: https");
        let check = check.replace("\r\n\r\n", &format!("\r\nCookie: {name}={value}\r\n\r\n"));
        support::client::exchange(WORLD.daemon.public, check.as_bytes()).unwrap().status
    };
    assert_eq!(status("vouchsafe", &id), 200);
    assert_eq!(status("vouchsafehttp", &id_http), 401);
    assert_eq!(status("vouchsafehttp", &id), 401);
    assert_eq!(status("vouchsafe", &id_http), 401);
}

#[test]
fn two_different_live_sessions_under_one_name_are_refused_and_both_end() {
    WORLD.behind_each(|front| {
        let (one, two) = (login(front).id_http, login(front).id_http);
        let page = |cookie: &str| stranger("GET", "/page").header("Cookie", cookie);
        refused(&page(&format!("vouchsafehttp={one}; vouchsafehttp={two}")), front, 401, "login");
        refused(&page(&format!("vouchsafehttp={one}")), front, 401, "login");
        refused(&page(&format!("vouchsafehttp={two}")), front, 401, "login");
    });
}

#[test]
fn a_session_cookie_that_stands_twice_with_one_value_is_one_session() {
    WORLD.behind_each(|front| {
        let cookie = format!("vouchsafehttp={}", login(front).id_http);
        let twice = stranger("GET", "/page").headers(&[("Cookie", &cookie), ("Cookie", &cookie)]);
        assert_eq!(allowed(&twice, front).all("Auth-User"), ["dwho"]);
    });
}

#[test]
fn a_session_on_a_free_path_tells_the_application_who_it_is_only_if_unprotected() {
    WORLD.behind_each(|front| {
        let cookie = format!("vouchsafehttp={}", login(front).id_http);
        let get = |path| allowed(&stranger("GET", path).header("Cookie", &cookie), front);
        assert_eq!(get("/public/page").all("Auth-User"), ["dwho"]);
        assert_eq!(get("/assets/page").all("Auth-User"), [""; 0]);
    });
}

#[test]
fn a_navigation_from_the_master_opens_a_session_with_one_line_for_each_cookie() {
    WORLD.behind_each(|front| {
        let answer = from_master("GET", "/page").headers(NAVIGATION).send(front);
        assert!(Asked::from(&answer).is_some(), "{answer}");
        let (_, id_http) = assert_double_cookie(&answer);
        let cookie = format!("vouchsafehttp={id_http}");
        let asked = allowed(&stranger("GET", "/page").header("Cookie", &cookie), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert_eq!(asked.all("Auth-Mail"), ["dwho@example.com"]);
    });
}

#[test]
fn a_program_of_the_master_gets_no_cookie() {
    WORLD.behind_each(|front| {
        let answer = from_master("GET", "/page").send(front);
        assert_eq!((answer.status, answer.all("Set-Cookie").len()), (200, 0), "{answer}");
    });
}

#[test]
fn a_form_is_read_up_to_its_limit_and_a_larger_one_is_refused() {
    let login = "lmAuth=2_Slave&x=";
    let filled = |bytes: usize| format!("{login}{}", "x".repeat(bytes - login.len()));
    let status = |body: &str| {
        form(&[("CN", "dwho"), ("control", "password")], body).send(WORLD.daemon.public).status
    };
    assert_eq!(status(&filled(vouchsafe::domain::limits::LOGIN_FORM_BYTES)), 200);
    assert_eq!(status(&filled(vouchsafe::domain::limits::LOGIN_FORM_BYTES + 1)), 413);
}

#[test]
fn nothing_that_a_client_says_makes_a_cookie_weaker() {
    // A61.
    WORLD.behind_each(|front| {
        for query in ["", "?insecure=1", "?danger_cookie_insecure=true&secured=0"] {
            let answer = Request::new("POST", PORTAL, &format!("/{query}"))
                .headers(&[("CN", "dwho"), ("control", "password"), ("X-Forwarded-Proto", "http")])
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body("lmAuth=2_Slave")
                .send(front);
            assert_double_cookie(&answer);
        }
    });
}

#[test]
fn a_refused_login_says_why_by_number_only() {
    #[track_caller]
    fn fails(front: SocketAddr, headers: &[(&str, &str)], body: &str, error: u32) {
        let answer = form(headers, body).send(front);
        assert_eq!(answer.status, 401, "{answer}");
        assert_eq!(answer.json(), json!({"result": 0, "error": error}), "{answer}");
        assert_eq!(answer.all("Set-Cookie"), [""; 0]);
    }
    WORLD.behind_each(|front| {
        let slave = "lmAuth=2_Slave";
        fails(front, &[("CN", "dwho"), ("control", "wrong")], slave, 75);
        fails(front, &[("CN", "dwho")], slave, 75);
        fails(front, &[("control", "password")], slave, 4);
        fails(front, &[("CN", "d who"), ("control", "password")], slave, 40);
        fails(front, &[("CN", "dwho"), ("control", "password")], "lmAuth=1_Other", 9);
    });
}

#[test]
fn a_picture_of_the_operators_own_is_shown_and_can_run_nothing() {
    let picture = programs::shipped("assets/logo.svg");
    let daemon = Daemon::start_with(|config| {
        let path = format!("display_logo: {}", picture.display());
        replace(&config, "display_logo: true", &path)
    });
    let get = |target| Request::new("GET", PORTAL, target).headers(NAVIGATION).send(daemon.public);
    let choice = String::from_utf8(get("/").body).unwrap();
    assert!(choice.contains(r#"src="assets/logo""#), "{choice}");
    let logo = get("/assets/logo");
    assert_eq!((logo.status, logo.one("Content-Type")), (200, Some("image/svg+xml")), "{logo}");
    assert_eq!(logo.body, std::fs::read(&picture).unwrap());
    assert!(logo.one("Content-Security-Policy").unwrap().contains("sandbox"), "{logo}");
    assert_eq!(logo.one("X-Content-Type-Options"), Some("nosniff"), "{logo}");
    let without =
        Daemon::start_with(|config| replace(&config, "display_logo: true", "display_logo: false"));
    let logo = Request::new("GET", PORTAL, "/assets/logo").send(without.public);
    assert_eq!(logo.status, 404, "{logo}");
}

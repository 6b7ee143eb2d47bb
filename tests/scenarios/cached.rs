//! Checks that nginx remembers: only allows, only of applications that opt in, and only for the very same question.

use std::time::{Duration, Instant};

use super::applications::{Applications, Front};
use super::*;

const CACHED: &str = "cached.apps.example.com";
const OTHER: &str = "other.apps.example.com";

/// A daemon that lets allows be reused for `time`.
fn daemon(time: &str) -> Daemon {
    Daemon::start_with(|config| replace(&config, "# cache: 2s ", &format!("cache: {time} ")))
}

/// A world with that daemon, in which a test can choose what else goes into the key: the scheme and the
/// client's address, by headers, and a second host.
fn remembering(time: &str) -> Applications {
    Applications::around_with(daemon(time), |file, text| match file {
        "applications.conf" => {
            let text = replace(&text, &format!("{CACHED};"), &format!("{CACHED} {OTHER};"));
            let more = "include snippets/maps.conf;\n\
                map $http_x_test_scheme $tested_scheme { default http; https https; }\n\
                set_real_ip_from 127.0.0.1; real_ip_header X-Test-Client-IP;";
            replace(&text, "include snippets/maps.conf;", more)
        }
        "auth.conf" => replace(&text, "$scheme;", "$tested_scheme;"),
        "auth_cached.conf" => replace(&text, "\"$scheme\\n", "\"$tested_scheme\\n"),
        _ => text,
    })
}

/// How many questions nginx has asked so far.
fn questions(daemon: &Daemon) -> u64 {
    let metrics = Request::new("GET", &daemon.admin.to_string(), "/metrics").send(daemon.admin);
    let text = String::from_utf8(metrics.body).unwrap();
    let lines = text.lines().filter(|line| {
        line.starts_with("vouchsafe_decisions_total") && line.contains("dialect=\"nginx\"")
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Sends `request` and tells how often the daemon was asked about it.
fn asked_about(world: &Applications, front: &Front, request: &Request) -> (Answer, u64) {
    let before = questions(&world.daemon);
    let answer = request.send(front.address());
    (answer, questions(&world.daemon) - before)
}

/// Sends `request`, which must be allowed: after a question if `anew`, without one if this nginx remembers.
#[track_caller]
fn allowed_after(world: &Applications, front: &Front, request: &Request, anew: bool) -> Asked {
    let (answer, asked) = asked_about(world, front, request);
    assert_eq!(answer.status, 200, "{request:?} got {answer}");
    assert_eq!(asked, u64::from(anew || !front.remembers()), "{request:?} got {answer}");
    assert_eq!(answer.all("Set-Cookie"), [""; 0]);
    Asked::from(&answer).unwrap()
}

fn page(target: &str) -> Request {
    Request::new("GET", CACHED, target)
}

/// A request with the master's headers, one of them with another value.
fn with(target: &str, name: &str, value: &str) -> Request {
    let others = MASTER.iter().filter(|(other, _)| *other != name);
    others
        .fold(page(target), |request, (name, value)| request.header(name, value))
        .header(name, value)
}

#[test]
fn an_allow_is_given_again_without_asking() {
    let world = remembering("60s");
    let forged = [("Auth-User", "evil"), ("X-Vouchsafe-User", "evil"), ("X-Real-IP", "evil")];
    world.behind_each(|front| {
        for target in ["/page", "/public/page", "/assets/page"] {
            let request = page(target).headers(MASTER).headers(&forged);
            for anew in [true, false, false] {
                let asked = allowed_after(&world, front, &request, anew);
                let user: &[&str] = if target == "/assets/page" { &[] } else { &["dwho"] };
                assert_eq!(asked.all("Auth-User"), user, "{target}");
                assert!(!asked.text().contains("password"), "{asked:?}");
                assert!(!asked.text().contains("evil"), "{asked:?}");
            }
        }
    });
}

#[test]
fn whatever_a_decision_depends_on_makes_another_entry() {
    let world = remembering("60s");
    world.behind_each(|front| {
        let known = page("/page?a=1").headers(MASTER);
        let others = [
            Request::new("GET", OTHER, "/page?a=1").headers(MASTER),
            Request::new("GET", &format!("{CACHED}:8080"), "/page?a=1").headers(MASTER),
            Request::new("HEAD", CACHED, "/page?a=1").headers(MASTER),
            Request::new("POST", CACHED, "/page?a=1").headers(MASTER).body("x"),
            page("/page?a=2").headers(MASTER),
            page("/page").headers(MASTER),
            page("/%70age?a=1").headers(MASTER),
            page("//page?a=1").headers(MASTER),
            page("/page?a=1").headers(MASTER).header("X-Test-Scheme", "https"),
            page("/page?a=1").headers(MASTER).header("X-Test-Client-IP", "10.0.0.9"),
            page("/page?a=1").headers(MASTER).header("X-Forwarded-For", "10.0.0.9"),
            page("/page?a=1").headers(MASTER).header("Cookie", "a=1"),
            page("/page?a=1").headers(MASTER).header("Cookie", "a=2"),
            page("/page?a=1").headers(MASTER).header("Authorization", "Basic eDp5"),
            page("/page?a=1").headers(MASTER).header("X-OTP", "123456"),
            with("/page?a=1", "CN", "rtyler"),
            with("/page?a=1", "CN", "Dwho"),
            with("/page?a=1", "User-Email", "other@example.com"),
            with("/page?a=1", "Auth-Groups", "users"),
        ];
        allowed_after(&world, front, &known, true);
        for other in &others {
            let (answer, asked) = asked_about(&world, front, other);
            assert_eq!((answer.status, asked), (200, 1), "{other:?} got {answer}");
            allowed_after(&world, front, &known, false);
            let again = u64::from(!front.remembers());
            assert_eq!(asked_about(&world, front, other).1, again, "{other:?}");
        }
        let rtyler = allowed_after(&world, front, &with("/page?a=1", "CN", "rtyler"), false);
        assert_eq!(rtyler.all("Auth-User"), ["rtyler"]);
        // What is refused is no part of an entry either.
        for (name, value) in [("control", "guess"), ("control", ""), ("CN", ""), ("CN", "a b")] {
            let (answer, asked) = asked_about(&world, front, &with("/page?a=1", name, value));
            assert!(matches!(answer.status, 401 | 403), "{name}: {value} got {answer}");
            assert_eq!(asked, 1, "{name}: {value}");
        }
    });
}

#[test]
fn a_value_cannot_pretend_to_be_two_parts_of_the_key() {
    let world = remembering("60s");
    world.behind_each(|front| {
        let one = page("/page").headers(MASTER).header("Cookie", "a=1").header("X-OTP", "2");
        allowed_after(&world, front, &one, true);
        for (cookie, otp) in [("a=1\t2", ""), ("a=1\\n2", ""), ("a=12", ""), ("a=", "12")] {
            let other = page("/page").headers(MASTER).header("Cookie", cookie).header("X-OTP", otp);
            assert_eq!(asked_about(&world, front, &other).1, 1, "{cookie} {otp}");
        }
    });
}

#[test]
fn a_header_that_stands_twice_is_never_taken_for_one() {
    let world = remembering("60s");
    world.behind_each(|front| {
        // Everything in one line, as nginx would show two of them.
        let joined = with("/page", "Auth-Groups", "users, timelords");
        allowed_after(&world, front, &joined, true);
        let (_, asked) = asked_about(&world, front, &joined);
        assert_eq!(asked, 1, "what may be two headers is asked again");
        let known = page("/page").headers(MASTER);
        allowed_after(&world, front, &known, true);
        allowed_after(&world, front, &known, false);

        let two = with("/page", "Auth-Groups", "users").header("Auth-Groups", "timelords");
        let mut doubled = vec![two];
        for (name, value) in MASTER {
            for more in [*value, "root", "", ",", " , "] {
                doubled.push(page("/page").headers(MASTER).header(name, more));
                doubled.push(page("/page").header(name, more).headers(MASTER));
            }
        }
        for request in doubled {
            let (answer, asked) = asked_about(&world, front, &request);
            assert_eq!((answer.status, asked), (403, 1), "{request:?} got {answer}");
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("bad-request"));
        }
        allowed_after(&world, front, &known, false);
    });
}

#[test]
fn refusals_and_answers_that_set_a_cookie_are_not_remembered() {
    let world = remembering("60s");
    world.behind_each(|front| {
        let wrong = [("CN", "dwho"), ("control", "guess")];
        for (request, status) in [
            (page("/page"), 401),
            (page("/page").headers(NAVIGATION), 302),
            (page("/page").headers(&wrong), 403),
            (Request::new("POST", CACHED, "/admin").headers(MASTER).body("x"), 403),
        ] {
            for _ in 0..3 {
                let (answer, asked) = asked_about(&world, front, &request);
                assert_eq!((answer.status, asked), (status, 1), "{request:?} got {answer}");
            }
        }
        let navigation = page("/start").headers(MASTER).headers(NAVIGATION);
        let cookies = [(), ()].map(|()| {
            let (answer, asked) = asked_about(&world, front, &navigation);
            assert_eq!((answer.status, asked), (200, 1), "{answer}");
            answer.all("Set-Cookie").join("\n")
        });
        assert!(cookies[0].contains("vouchsafe=") && cookies[0] != cookies[1], "{cookies:?}");
    });
}

#[test]
fn an_application_that_does_not_opt_in_is_asked_about_each_time() {
    let world = Applications::around(Daemon::start());
    world.behind_each(|front| {
        for target in ["/page", "/public/page", "/assets/page"] {
            for _ in 0..2 {
                allowed_after(&world, front, &page(target).headers(MASTER), true);
            }
        }
    });
}

/// Waits until `request` is no longer allowed, and tells when it was last sent and still was.
fn last_allow(front: &Front, request: &Request, since: Instant) -> (Answer, Duration) {
    let mut last = Duration::ZERO;
    let answer = support::wait_for("the allow is forgotten", || {
        let sent = since.elapsed();
        let answer = request.send(front.address());
        if answer.status == 200 {
            last = sent;
            return None;
        }
        Some(answer)
    });
    (answer, last)
}

#[test]
fn a_logout_and_an_outage_are_seen_at_the_latest_after_that_time() {
    const TIME: Duration = Duration::from_secs(2);
    let world = remembering("2s");
    world.behind_each(|front| {
        // The moment within a second of nginx's clock makes a difference, so several of them.
        for _ in 0..3 {
            let login = portal::login(world.daemon.public);
            let (plain, cookie) =
                (format!("vouchsafehttp={}", login.id_http), format!("vouchsafe={}", login.id));
            let request = page("/page").header("Cookie", &plain);
            allowed(&request, front.address());
            let logout = Request::new("POST", PORTAL, "/logout").header("Cookie", &cookie);
            let ended = logout.header("Accept", "application/json").send(world.daemon.public);
            assert_eq!(ended.status, 200, "{ended}");
            let (answer, last) = last_allow(front, &request, Instant::now());
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("login"), "{answer}");
            assert!(last < TIME, "{last:?}");
        }
        allowed(&page("/page").headers(MASTER), front.address());
        world.daemon.kill();
        let request = page("/page").headers(MASTER);
        let (answer, last) = last_allow(front, &request, Instant::now());
        assert_eq!(answer.status, 503, "{answer}");
        assert!(last < TIME, "{last:?}");
        world.daemon.restart();
    });
}

/// What the daemon says about keeping its answer to a check.
fn cache_control(daemon: &Daemon, check: &Request) -> String {
    let answer = check.send(daemon.public);
    answer.one("Cache-Control").unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn only_nginx_is_told_how_long_and_only_for_an_allow_without_cookies() {
    let daemon = daemon("5s");
    for uri in ["/page", "/public/x", "/assets/x"] {
        let check = Daemon::check(uri).headers(MASTER);
        assert_eq!(cache_control(&daemon, &check), "max-age=4", "{uri}");
    }
    let navigation = Daemon::check("/page").headers(MASTER).headers(NAVIGATION);
    assert_eq!(cache_control(&daemon, &navigation), "no-store");
    assert_eq!(cache_control(&daemon, &Daemon::check("/page")), "no-store");
    let denied = Daemon::check_of("POST", "https", APP, "/admin").headers(MASTER);
    assert_eq!(cache_control(&daemon, &denied), "no-store");
    let forward = Request::new("GET", APP, "/auth/forward").headers(MASTER).headers(&[
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/page"),
        ("X-Forwarded-Host", APP),
        ("X-Forwarded-For", "127.0.0.1"),
    ]);
    let envoy = Request::new("GET", APP, "/auth/envoy/page").headers(MASTER);
    for other in [forward, envoy.header("X-Forwarded-For", "127.0.0.1")] {
        let answer = other.send(daemon.public);
        assert_eq!(
            (answer.status, answer.one("Cache-Control")),
            (200, Some("no-store")),
            "{answer}"
        );
    }
}

#[test]
fn no_allow_is_reused_for_longer_than_its_session_lives() {
    let short = |config: String, key: &str, from: &str| {
        let config = replace(&config, "# cache: 2s ", "cache: 60s ");
        let config = replace(&config, "touch_interval: 1m", "touch_interval: 1s");
        replace(&config, &format!("  {key}: {from}"), &format!("  {key}: 10s"))
    };
    let idle = Daemon::start_with(|config| short(config, "idle_timeout", "1h"));
    let check = Daemon::check("/page").headers(MASTER);
    assert_eq!(cache_control(&idle, &check), "max-age=9");
    let total = Daemon::start_with(|config| {
        let config = short(config, "timeout", "20h");
        replace(&config, "idle_timeout: 1h", "idle_timeout: 10s")
    });
    cache_control(&total, &check);
    std::thread::sleep(Duration::from_secs(2)); // the session grows older; that is what is measured
    let left = cache_control(&total, &check);
    let left: u64 = left.strip_prefix("max-age=").unwrap().parse().unwrap();
    assert!(left <= 7, "{left}");
}

//! Factors that come with the request itself (issue 6, point 9; SEMANTICS F11, S3, M6).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fronts::{Backends, Front, NAMES, caddy, envoy, haproxy, traefik};
use crate::person::{COOKIE, Person};
use crate::support::client::Request;
use crate::support::daemon::{Daemon, replace};
use crate::support::nginx::Nginx;
use crate::support::programs;
use crate::world::{
    APP, MASTER, PROGRAMS, STRANGER, UNREGULATED, WORLD, World, about, allowed, good, login,
    refused,
};

/// The fronts with the check that is shipped for such requests.
static RIDING: LazyLock<World> =
    LazyLock::new(|| World::behind(&NAMES, UNREGULATED, |config| config, patient));

/// A front with what its files offer for such requests.
fn patient(name: &'static str, backends: &Backends) -> Front {
    let program = match name {
        "nginx 1.22" => programs::nginx_of_debian(),
        "nginx 1.31" => programs::nginx_of_wheel(),
        "Caddy 2.11" => {
            let line =
                |text: String| replace(&text, "# request_header -Auth", "request_header -Auth");
            return caddy::start_with(name, backends, line);
        }
        "Traefik 3.7" => {
            let line = |text: String| replace(&text, "# Authorization: ", "Authorization: ");
            return traefik::start_with(name, backends, line);
        }
        "HAProxy 2.6" => {
            return haproxy::start_with(name, backends, |text| {
                let text = replace(&text, r#""x-otp" }"#, r#""x-otp", "authorization" }"#);
                replace(&text, "TIMEOUT_MS = 1000", "TIMEOUT_MS = 3000")
            });
        }
        _ => return envoy::start_with(name, backends, |text| with_programs(&text)),
    };
    let addresses = [
        (9080, backends.daemon.to_string()),
        (8081, backends.application.to_string()),
        (8082, crate::support::free_address().to_string()),
        (8083, backends.grpc_application.to_string()),
    ];
    let unchanged = |_: &str, text| text;
    let nginx = Nginx::start_file("applications.conf", &program, &addresses, &unchanged);
    Front::around(name, nginx.server)
}

/// Envoy's file with the lines for programs, which are in comments.
fn with_programs(text: &str) -> String {
    let in_host = |line: &str| line.trim_start().starts_with('#');
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let first = lines.iter().position(|line| line.ends_with("#- name: programs")).unwrap();
    for line in lines.iter_mut().skip(first).take_while(|line| in_host(line)) {
        *line = line.replacen('#', "", 1);
    }
    lines.join("\n")
}

/// `Authorization` with the user's name and a secret.
pub fn basic(user: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))
}

/// A program's request with a session's cookie.
fn with_cookie(id: &str, target: &str) -> Request {
    Request::new("GET", PROGRAMS, target).header("Cookie", &format!("{COOKIE}={id}")).from(STRANGER)
}

/// A program's request that the master speaks for.
fn asserted(user: &str, target: &str) -> Request {
    Request::new("GET", PROGRAMS, target).headers(&about(user)).from(MASTER)
}

fn session(world: &World) -> String {
    login(world.daemon.public, "dwho")
}

#[test]
fn an_otp_with_a_session_goes_on_under_a_new_id() {
    RIDING.behind_each(|front| {
        let (id, otp) = (session(&RIDING), good());
        refused(&with_cookie(&id, "/admin"), front.address, 401, "factor-needed");
        let request = with_cookie(&id, "/admin").header("X-OTP", &otp);
        let answer = request.send(front.address);
        assert_eq!(answer.status, 200, "{answer}");
        let asked = crate::support::echo::Asked::from(&answer).unwrap();
        assert_eq!((asked.all("Auth-Mail"), asked.all("X-OTP")), (vec!["5"], vec![]));
        let mut program = Person { front: front.address, id: id.clone(), address: STRANGER };
        program.take(&answer);
        assert_ne!(program.id, id, "{answer}");
        assert_eq!(answer.all("Set-Cookie").len(), 1, "{answer}");
        assert_eq!(
            allowed(&with_cookie(&program.id, "/admin"), front.address).all("Auth-Mail"),
            ["5"]
        );
        refused(&with_cookie(&id, "/page"), front.address, 401, "login");
        assert_eq!(RIDING.lab.asked_for(&otp).len(), 1);
        // What is met already is not checked again, and not passed on either.
        let unasked = good();
        let asked =
            allowed(&with_cookie(&program.id, "/admin").header("X-OTP", &unasked), front.address);
        assert_eq!((asked.all("X-OTP"), RIDING.lab.asked_for(&unasked).len()), (vec![], 0));
        // A wrong one changes nothing.
        let id = session(&RIDING);
        let wrong = with_cookie(&id, "/admin").header("X-OTP", "wrong");
        refused(&wrong, front.address, 403, "factor-refused");
        allowed(&with_cookie(&id, "/page"), front.address);
    });
}

#[test]
fn an_otp_without_a_session_is_good_for_one_call() {
    RIDING.behind_each(|front| {
        let otp = good();
        let call = asserted("dwho", "/admin");
        let with_otp = call.clone().header("X-OTP", &otp);
        let answer = with_otp.send(front.address);
        assert_eq!((answer.status, answer.all("Set-Cookie").len()), (200, 0), "{answer}");
        refused(&call, front.address, 401, "factor-needed");
        refused(&with_otp, front.address, 403, "factor-refused");
        refused(
            &asserted("rtyler", "/admin").header("X-OTP", &otp),
            front.address,
            403,
            "factor-refused",
        );
    });
}

#[test]
fn of_many_calls_with_one_otp_one_is_served() {
    let front = RIDING.fronts[1].address;
    for _ in 0..5 {
        let otp = good();
        let call = asserted("dwho", "/admin").header("X-OTP", &otp);
        let served = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..16).map(|_| scope.spawn(|| call.send(front).status)).collect();
            let statuses = calls.into_iter().map(|call| call.join().unwrap());
            statuses.filter(|status| *status == 200).count()
        });
        assert_eq!(served, 1, "of calls with one OTP");
    }
}

#[test]
fn what_a_factor_on_the_way_has_opened_is_remembered_by_no_proxy() {
    let daemon = RIDING.daemon.public;
    let ask = |target| {
        let check = Daemon::check_from(&MASTER.to_string(), "GET", "http", PROGRAMS, target);
        check.headers(&about("dwho"))
    };
    let plain = ask("/page").send(daemon);
    assert_ne!(plain.one("Cache-Control"), Some("no-store"), "{plain}");
    let (otp, authorization) = (good(), basic("dwho", &good()));
    for (name, value) in
        [("X-OTP", &otp), ("Authorization", &authorization), ("Authorization", &authorization)]
    {
        let opened = ask("/admin").header(name, value).send(daemon);
        assert_eq!(
            (opened.status, opened.one("Cache-Control")),
            (200, Some("no-store")),
            "{opened}"
        );
    }
}

#[test]
fn basic_credentials_serve_whoever_presents_them_again() {
    RIDING.behind_each(|front| {
        for call in [with_cookie(&session(&RIDING), "/admin"), asserted("dwho", "/admin")] {
            let (user, secret) = ("dwho", good());
            let authorization = basic(user, &secret);
            for _ in 0..3 {
                let answer =
                    call.clone().header("Authorization", &authorization).send(front.address);
                assert_eq!((answer.status, answer.all("Set-Cookie").len()), (200, 0), "{answer}");
                let asked = crate::support::echo::Asked::from(&answer).unwrap();
                assert_eq!(asked.all("Auth-Mail"), ["5"]);
                assert_eq!(
                    asked.all("Authorization"),
                    [""; 0],
                    "the secret reached the application"
                );
            }
            assert_eq!(RIDING.lab.asked_for(&secret).len(), 1);
            // They raise nothing but the calls that carry them.
            refused(&call, front.address, 401, "factor-needed");
            let other = good();
            let other_value = basic(user, &other);
            allowed(&call.clone().header("Authorization", &other_value), front.address);
            assert_eq!(RIDING.lab.asked_for(&other).len(), 1);
            let wrong = call.clone().header("Authorization", &basic(user, "wrong"));
            refused(&wrong, front.address, 403, "factor-refused");
            // From another address the same value is asked about anew, and was used.
            let elsewhere = with_cookie(&session(&RIDING), "/admin").from([127, 0, 0, 7].into());
            let elsewhere = elsewhere.header("Authorization", &authorization);
            refused(&elsewhere, front.address, 403, "factor-refused");
        }
    });
}

#[test]
fn credentials_of_another_user_are_refused_and_nobody_is_asked() {
    RIDING.behind_each(|front| {
        let id = session(&RIDING);
        for user in ["rtyler", "DWHO", "dwho ", "dwho@hq", ""] {
            let secret = good();
            for call in [with_cookie(&id, "/admin"), asserted("dwho", "/admin")] {
                let call = call.header("Authorization", &basic(user, &secret));
                refused(&call, front.address, 403, "factor-refused");
            }
            assert_eq!(RIDING.lab.asked_for(&secret).len(), 0, "{user:?}");
        }
        // Twice is nobody's.
        let secret = good();
        let twice = with_cookie(&id, "/admin")
            .header("Authorization", &basic("dwho", &secret))
            .header("Authorization", &basic("dwho", "x"));
        let answer = twice.send(front.address);
        // Envoy makes one line of the two, which is none that anybody can read.
        assert!(matches!(answer.status, 400 | 401 | 403), "{answer}");
        assert_eq!(RIDING.lab.asked_for(&secret).len(), 0);
    });
}

#[test]
fn neither_logs_anybody_in() {
    RIDING.behind_each(|front| {
        for target in ["/admin", "/page", "/fresh"] {
            let secret = good();
            let nobody = || Request::new("GET", PROGRAMS, target).from(STRANGER);
            for call in [
                nobody().header("X-OTP", &secret),
                nobody().header("Authorization", &basic("dwho", &secret)),
                nobody().header("Authorization", &basic("dwho", &secret)).header("X-OTP", &secret),
            ] {
                let answer = refused(&call, front.address, 401, "login");
                assert_eq!(answer.all("Set-Cookie"), [""; 0], "{answer}");
            }
            assert_eq!(RIDING.lab.asked_for(&secret).len(), 0);
        }
        // On what is free they are not passed on either.
        let secret = good();
        let free = Request::new("GET", PROGRAMS, "/public/x").from(STRANGER);
        let asked = allowed(
            &free.header("X-OTP", &secret).header("Authorization", &basic("dwho", &secret)),
            front.address,
        );
        assert!(!asked.text().contains(&secret), "{asked:?}");
        assert_eq!(asked.all("Authorization"), [""; 0]);
    });
}

#[test]
fn a_slow_node_is_asked_once_and_its_verdict_waits_for_the_same_credentials() {
    // Its own, because it is slow for everybody.
    let world = World::behind(&NAMES, UNREGULATED, |config| config, patient);
    world.behind_each(|front| {
        let secret = good();
        let call = asserted("slow", "/admin").header("X-OTP", &secret);
        world.lab.hold();
        refused(&call, front.address, 401, "factor-pending");
        refused(&call, front.address, 401, "factor-pending");
        world.lab.let_go();
        // Neither another user nor another address collects it.
        let other = asserted("rtyler", "/admin").header("X-OTP", &secret);
        refused(&other, front.address, 403, "factor-refused");
        let answer = call.send(front.address);
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(world.lab.asked_for(&secret).len(), 2, "once for each user");
        refused(&call, front.address, 403, "factor-refused");

        // A session is still the old one until its factor is collected.
        let (id, secret) = (session(&world), good());
        let call = with_cookie(&id, "/admin").header("X-OTP", &secret);
        world.lab.hold();
        refused(&call, front.address, 401, "factor-pending");
        world.lab.let_go();
        allowed(&with_cookie(&id, "/page"), front.address);
        let answer = call.send(front.address);
        assert_eq!((answer.status, answer.all("Set-Cookie").len()), (200, 1), "{answer}");
        assert_eq!(world.lab.asked_for(&secret).len(), 1);
    });
}

#[test]
fn where_they_are_not_wanted_they_are_the_applications_own() {
    WORLD.behind_each(|front| {
        let (id, secret) = (session(&WORLD), good());
        let call = |target| {
            Request::new("GET", APP, target)
                .header("Cookie", &format!("{COOKIE}={id}"))
                .header("Authorization", &basic("dwho", &secret))
                .header("X-OTP", &secret)
                .from(STRANGER)
        };
        refused(&call("/admin"), front.address, 401, "factor-needed");
        let asked = allowed(&call("/page"), front.address);
        assert_eq!(asked.all("Authorization"), [basic("dwho", &secret)]);
        assert_eq!(asked.all("X-OTP"), [""; 0]);
        assert_eq!(WORLD.lab.asked_for(&secret).len(), 0);
    });
}

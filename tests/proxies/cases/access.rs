//! Who gets in, and what the others are told.

use crate::asking::{
    APP, NAVIGATION, PORTAL, about, allowed, assert_nobody, from_master, login as log_in, marker,
    never_arrives, refused, stranger,
};
use crate::fronts::Front;
use crate::support::client::Request;
use crate::world::{MASTER, STRANGER, World};

pub fn allow(_: &World, front: &Front) {
    let asked = allowed(front, &from_master("GET", "/page?q=1"));
    assert_eq!(asked.all("Auth-User"), ["dwho"]);
    assert_eq!(asked.all("Auth-Mail"), ["dwho@example.com"]);
    assert_eq!(asked.all("Auth-Groups"), ["users;timelords"]);
    assert_eq!((asked.method(), asked.target()), ("GET", "/page?q=1"));
    // What the master does not say is no header, and nothing of the client's.
    let sparse = stranger("GET", "/page").from(MASTER);
    let sparse =
        sparse.headers(&[("CN", "rtyler"), ("control", "password"), ("Auth-Mail", "evil")]);
    let asked = allowed(front, &sparse);
    assert_eq!(asked.all("Auth-User"), ["rtyler"]);
    let unset = [asked.all("Auth-Mail"), asked.all("Auth-Groups")].concat();
    assert_eq!(unset.concat(), "", "{asked:?}");
    assert!(unset.is_empty() || front.is_traefik(), "{asked:?}");
    let wildcard = Request::new("GET", "one.apps.example.com", "/").headers(&about("dwho"));
    assert_eq!(allowed(front, &wildcard.from(MASTER)).all("Auth-User"), ["dwho"]);
}

pub fn session(_: &World, front: &Front) {
    // A user of its own, because all of its sessions end.
    let user = marker();
    let (_, id) = log_in(front, &user);
    let cookie = format!("vouchsafehttp={id}");
    let page = stranger("GET", "/page").header("Cookie", &cookie);
    assert_eq!(allowed(front, &page).all("Auth-User"), [&user]);
    let logout = Request::new("GET", PORTAL, "/logout").header("Accept", "application/json");
    let answer = logout.header("Cookie", &cookie).from(STRANGER).send(front.address);
    assert_eq!((answer.status, answer.json()["error"].as_u64()), (200, Some(47)), "{answer}");
    // Over plain HTTP with a double cookie the portal reads neither; the session ends at the back channel.
    let back = Request::new("POST", PORTAL, "/logout/backchannel").headers(&about(&user));
    let answer = back.header("Content-Length", "0").from(MASTER).send(front.address);
    assert_eq!(answer.status, 200, "{answer}");
    refused(front, &page, 401, "login");
}

pub fn login(_: &World, front: &Front) {
    let target = format!("/some%20page?q=1&r={}", marker());
    let answer = refused(front, &stranger("GET", &target).headers(NAVIGATION), 302, "login");
    let location = answer.one("Location").unwrap();
    assert!(location.starts_with("https://auth.example.com/?url="), "{location}");
    assert_eq!(answer.one("WWW-Authenticate"), None);
    for program in [
        stranger("GET", "/page"),
        stranger("POST", "/page").headers(NAVIGATION).body("a=b"),
        stranger("GET", "/page").headers(&[("Accept", "text/html"), ("Sec-Fetch-Mode", "cors")]),
    ] {
        let answer = refused(front, &program, 401, "login");
        assert_eq!(answer.one("WWW-Authenticate"), Some("SSO https://auth.example.com/"));
        assert_eq!(
            (answer.one("Location"), &answer.json()["error"]),
            (None, &"unauthenticated".into())
        );
    }
}

pub fn denied(world: &World, front: &Front) {
    let program = from_master("POST", "/admin").body("x");
    assert_eq!(refused(front, &program, 403, "forbidden").json()["error"], "forbidden");
    let target = format!("/page?{}", marker());
    let person = from_master("GET", &target).headers(NAVIGATION).header("control", "password");
    let answer = refused(front, &person, 403, "bad-request");
    if !front.is_nginx() {
        let html = String::from_utf8_lossy(&answer.body);
        assert!(html.contains("<h1>Request not understood</h1>"), "{answer}");
        assert!(answer.one("Content-Security-Policy").is_some(), "{answer}");
    }
    assert!(!world.application.saw(&target));
}

pub fn unprotected(_: &World, front: &Front) {
    let nobody = allowed(front, &stranger("GET", "/public/page"));
    assert_nobody(front, &nobody);
    let somebody = allowed(front, &from_master("GET", "/public/page"));
    assert_eq!(somebody.all("Auth-User"), ["dwho"]);
}

pub fn skipped(_: &World, front: &Front) {
    for request in [stranger("GET", "/assets/x.png"), from_master("GET", "/assets/x.png")] {
        let asked = allowed(front, &request);
        assert_nobody(front, &asked);
        assert!(!asked.text().contains("password"), "{asked:?}");
    }
}

pub fn wrong_master(world: &World, front: &Front) {
    let elsewhere = stranger("GET", "/page").headers(&about("dwho"));
    refused(front, &elsewhere, 401, "login");
    for (control, user) in [("Password", "dwho"), ("password ", "dwho"), (".*", "dwho"), ("x", "")]
    {
        if control.ends_with(' ') {
            continue; // blanks at the end are no part of a value
        }
        let wrong = stranger("GET", "/page").headers(&[("CN", user), ("control", control)]);
        refused(front, &wrong.from(MASTER), 403, "master-refused");
    }
    let without = stranger("GET", "/page").header("CN", "dwho").from(MASTER);
    refused(front, &without, 401, "login");
    for login in ["a b", "a,b", "../../etc", "a@x;b", "Amélie"] {
        let odd = |target: &str| stranger("GET", target).headers(&about(login)).from(MASTER);
        never_arrives(world, front, "/page", odd);
    }
    let zero = stranger("GET", "/page").headers(&about("0")).from(MASTER);
    assert_eq!(allowed(front, &zero).all("Auth-User"), ["0"]);
}

pub fn unknown_host(world: &World, front: &Front) {
    for host in ["nowhere.example", "evilapp.example.com", "app.example.com.evil.test"] {
        for path in ["/page", "/public/page", "/assets/page"] {
            let write = |target: &str| {
                Request::new("GET", host, target).headers(&about("dwho")).from(MASTER)
            };
            let answer = never_arrives(world, front, path, write).unwrap();
            assert!([400, 403, 404, 421].contains(&answer.status), "{host}: {answer}");
        }
    }
}

pub fn cookies_set(_: &World, front: &Front) {
    let answer = from_master("GET", "/page").headers(NAVIGATION).send(front.address);
    assert_eq!((answer.status, answer.one("X-Echo")), (200, Some("1")), "{answer}");
    let lines = answer.all("Set-Cookie");
    assert_eq!(lines.len(), 2, "{answer}");
    for (line, name) in lines.iter().zip(["vouchsafe=", "vouchsafehttp="]) {
        assert!(line.starts_with(name) && line.contains("HttpOnly"), "{answer}");
    }
    assert!(
        !answer.headers.iter().any(|(name, _)| name.to_lowercase().starts_with("x-set-cookie"))
    );
    // They open the page without the master.
    let id = lines[1].split(';').next().unwrap();
    let page = stranger("GET", "/page").header("Cookie", id);
    assert_eq!(allowed(front, &page).all("Auth-User"), ["dwho"]);
    // A call gets none.
    let call = from_master("GET", "/page").send(front.address);
    assert_eq!(call.all("Set-Cookie").len(), 0, "{call}");
}

pub fn cookies_passed(_: &World, front: &Front) {
    let (_, id) = log_in(front, "dwho");
    let own = format!("vouchsafehttp={id}");
    let similar = "vouchsafe2=1; xvouchsafe=2; a=vouchsafe";
    for (lines, expected) in [
        (vec![own.clone()], None),
        (vec![format!("a=1; {own}; b=2")], Some("a=1; b=2")),
        (vec!["a=1".to_owned(), own.clone(), "b=2".to_owned()], Some("a=1; b=2")),
        (vec![format!("{own}; {own}; vouchsafe=x; __Host-vouchsafe=y")], None),
        (vec![format!("{own}; {similar}")], Some(similar)),
    ] {
        for path in ["/page", "/public/page", "/assets/page"] {
            let request = lines
                .iter()
                .fold(stranger("GET", path), |request, line| request.header("Cookie", line));
            let asked = allowed(front, &request);
            assert!(!asked.text().contains(&id), "{lines:?} gave {asked:?}");
            let got = asked.all("Cookie").join("; ");
            assert_eq!(got, expected.unwrap_or_default(), "{lines:?} on {path}: {asked:?}");
        }
    }
    let untouched = stranger("GET", "/public/page").header("Cookie", "a=\"x y\"; b=%3D; d");
    assert_eq!(allowed(front, &untouched).all("Cookie"), ["a=\"x y\"; b=%3D; d"]);
}

pub fn portal_has_no_checks(_: &World, front: &Front) {
    for path in [
        "/auth/nginx",
        "/auth/forward",
        "/auth/envoy/page",
        "/auth/envoy-override",
        "//auth/forward",
        "/auth//forward",
        "/%61uth/forward",
        "/auth/%66orward",
        "/x/../auth/forward",
        "/./auth/forward",
        "/auth%2fforward",
        "/AUTH/forward",
        "/auth;x/forward",
    ] {
        let request =
            Request::new("GET", PORTAL, path).headers(&about("dwho")).from(MASTER).headers(&[
                ("X-Forwarded-Uri", "/page"),
                ("X-Forwarded-Method", "GET"),
                ("X-Original-URI", "/page"),
                ("X-Original-Method", "GET"),
                ("X-Forwarded-Host", APP),
            ]);
        let answer = request.send(front.address);
        assert!((400..500).contains(&answer.status), "{path}: {answer}");
        assert_eq!(answer.one("Auth-User"), None, "{path}: {answer}");
        assert_eq!(answer.one("X-Vouchsafe-Reason"), None, "{path} was decided about: {answer}");
    }
}

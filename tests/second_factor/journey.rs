//! From a page to the form and back to the page (issue 6, point 8; SEMANTICS F1, S3, S4).

use crate::person::{Form, Person};
use crate::support::client::Request;
use crate::world::{APP, PORTAL, WORLD, allowed, good, refused};

#[test]
fn a_person_types_an_otp_and_comes_back_to_the_page_with_a_new_session_and_a_higher_level() {
    WORLD.behind_each(|front| {
        let mut dwho = Person::logged_in(front.address, "dwho");
        let before = allowed(&dwho.visit(APP, "/page"), front.address);
        assert_eq!(before.all("Auth-Mail"), ["2"]);
        let form = dwho.sent_to_form("/admin?x=1&y=%2F");
        let wrong = dwho.send(&form, "wrong");
        assert_eq!(wrong.status, 403, "{wrong}");
        assert_eq!(wrong.one("X-Vouchsafe-Reason"), Some("factor-refused"), "{wrong}");
        assert_eq!(wrong.all("Set-Cookie"), [""; 0], "{wrong}");
        let form = Form::again(&wrong);

        let (old, otp) = (dwho.id.clone(), good());
        let done = dwho.send(&form, &otp);
        assert_eq!(done.status, 302, "{done}");
        assert_eq!(done.one("Location"), Some("http://app.example.com/admin?x=1&y=%2F"), "{done}");
        assert_eq!(done.one("Cache-Control"), Some("no-store"), "{done}");
        assert_ne!(dwho.id, old);
        assert_eq!(WORLD.lab.asked_for(&otp).len(), 1);

        for target in ["/admin?x=1&y=%2F", "/fresh", "/page"] {
            let asked = allowed(&dwho.visit(APP, target), front.address);
            assert_eq!((asked.target(), asked.all("Auth-Mail")), (target, vec!["5"]));
        }
        // The old id is dead, for a page and for the form.
        let stale = Person { id: old, ..dwho };
        refused(&stale.visit(APP, "/page"), front.address, 302, "login");
        let to_login = stale.visit(PORTAL, "/mfa").send(front.address);
        assert_eq!(to_login.status, 302, "{to_login}");
        assert_eq!(to_login.one("Location"), Some("https://auth.example.com/"), "{to_login}");
        // A logout that was on its way with the old id still ends the session.
        let out = stale.visit(PORTAL, "/logout").send(front.address);
        assert_eq!(out.status, 200, "{out}");
        refused(&dwho.visit(APP, "/page"), front.address, 302, "login");
    });
}

/// A97.
#[test]
fn a_factor_of_one_session_is_none_of_the_same_users_other_session() {
    WORLD.behind_each(|front| {
        let mut here = Person::logged_in(front.address, "dwho");
        let there = Person::logged_in(front.address, "dwho");
        let form = here.sent_to_form("/admin");
        assert_eq!(here.send(&form, &good()).status, 302);
        assert_eq!(allowed(&here.visit(APP, "/admin"), front.address).all("Auth-Mail"), ["5"]);
        there.sent_to_form("/admin");
        there.sent_to_form("/fresh");
        assert_eq!(allowed(&there.visit(APP, "/page"), front.address).all("Auth-Mail"), ["2"]);
    });
}

#[test]
fn a_script_is_told_where_a_factor_is_asked_for_and_is_not_sent_there() {
    WORLD.behind_each(|front| {
        let dwho = Person::logged_in(front.address, "dwho");
        for method in ["GET", "POST"] {
            let call = dwho.request(method, APP, "/admin").header("Accept", "application/json");
            let answer = refused(&call, front.address, 401, "factor-needed");
            let scheme = answer.one("WWW-Authenticate");
            assert_eq!(scheme, Some("SSO https://auth.example.com/mfa"), "{answer}");
            assert_eq!(answer.one("Location"), None, "{answer}");
        }
    });
}

#[test]
fn a_program_at_the_portal_gets_json() {
    WORLD.behind_each(|front| {
        let program = Person::logged_in(front.address, "dwho");
        let json = |method, body: &str| {
            let request =
                program.request(method, PORTAL, "/mfa").header("Accept", "application/json");
            let form = ("Content-Type", "application/x-www-form-urlencoded");
            let request =
                if method == "GET" { request } else { request.headers(&[form]).body(body) };
            request.send(front.address)
        };
        let asked = json("GET", "");
        assert_eq!(asked.status, 200, "{asked}");
        let token = asked.json()["token"].as_str().unwrap().to_owned();
        let wrong = json("POST", &format!("token={token}&otp=wrong"));
        assert_eq!((wrong.status, wrong.json()["result"].as_u64()), (403, Some(0)), "{wrong}");
        assert_eq!(wrong.one("X-Vouchsafe-Reason"), Some("factor-refused"), "{wrong}");

        let challenge = json("POST", &format!("token={token}&otp=pin"));
        assert_eq!(challenge.status, 401, "{challenge}");
        assert_eq!(challenge.one("X-Vouchsafe-Reason"), Some("factor-pending"), "{challenge}");
        let transaction = challenge.json()["transaction_id"].as_str().unwrap().to_owned();
        let body = format!("token={token}&transaction_id={transaction}&otp={}", good());
        let done = json("POST", &body);
        assert_eq!((done.status, done.json()["result"].as_u64()), (200, Some(1)), "{done}");
        let id = done.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(done.all("Set-Cookie").len(), 1, "{done}");
        let raised = Person { id, ..program };
        assert_eq!(
            allowed(&raised.request("GET", APP, "/admin"), front.address).all("Auth-Mail"),
            ["5"]
        );

        let nobody = Request::new("GET", PORTAL, "/mfa").header("Accept", "application/json");
        let answer = nobody.send(front.address);
        assert_eq!(answer.status, 401, "{answer}");
        assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("login"), "{answer}");
        assert_eq!(answer.json()["result"], 0);
    });
}

#[test]
fn a_way_back_that_leads_elsewhere_is_refused_and_nobody_is_asked() {
    let front = WORLD.fronts[0].address;
    let mut dwho = Person::logged_in(front, "dwho");
    let (form, otp) = (dwho.sent_to_form("/admin"), good());
    // https://evil.test/
    for url in ["aHR0cHM6Ly9ldmlsLnRlc3Qv", "x", "https://app.example.com/"] {
        let answer = dwho.send(&form.clone().with("url", url), &otp);
        assert_eq!(answer.status, 400, "{answer}");
        assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("bad-request"), "{answer}");
        assert_eq!(answer.one("Location"), None, "{answer}");
    }
    assert_eq!(WORLD.lab.asked_for(&otp).len(), 0);
    // Without one the portal's own page is next.
    let answer = dwho.send(&form.with("url", ""), &otp);
    assert_eq!(answer.one("Location"), Some("https://auth.example.com/"), "{answer}");
}

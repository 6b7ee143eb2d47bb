//! What may be sent to the portal, and by whom (SEMANTICS F9, P4; A92).

use serde_json::Value;

use crate::person::{Form, Person};
use crate::world::{PORTAL, WORLD, World, good};

#[test]
fn a_form_that_another_page_sends_is_refused_and_nobody_is_asked() {
    WORLD.behind_each(|front| {
        let dwho = Person::logged_in(front.address, "dwho");
        let form = dwho.sent_to_form("/admin");
        let post = |body: &str| {
            let form = ("Content-Type", "application/x-www-form-urlencoded");
            dwho.request("POST", PORTAL, "/mfa").headers(&[form]).body(body)
        };
        for headers in [
            &[("Origin", "https://evil.test"), ("Sec-Fetch-Site", "cross-site")][..],
            &[("Origin", "https://evil.test")],
            &[("Origin", "null")],
            &[("Origin", "https://auth.example.com.evil.test")],
            &[("Sec-Fetch-Site", "cross-site")],
        ] {
            let otp = good();
            let answer = post(&form.body(&otp)).headers(headers).send(front.address);
            assert_eq!(answer.status, 403, "{headers:?} {answer}");
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("forbidden"), "{answer}");
            assert_eq!(answer.all("Set-Cookie"), [""; 0], "{answer}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("name=\"otp\""), "{answer}");
            assert_eq!(WORLD.lab.asked_for(&otp).len(), 0, "{headers:?}");
        }
        // The token of no session, of another one, none, and half of it.
        let other = Person::logged_in(front.address, "dwho").sent_to_form("/admin");
        let token = form.field("token");
        for token in ["", "0badcafe", other.field("token"), token.get(..token.len() / 2).unwrap()] {
            let otp = good();
            let answer = post(&form.clone().with("token", token).body(&otp)).send(front.address);
            assert_eq!(answer.status, 403, "{answer}");
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("forbidden"), "{answer}");
            assert_eq!(WORLD.lab.asked_for(&otp).len(), 0);
        }
        // Nothing that a link can carry is checked.
        let otp = good();
        let target = format!("/mfa?{}", form.body(&otp));
        Form::read(&dwho.visit(PORTAL, &target).send(front.address));
        assert_eq!(WORLD.lab.asked_for(&otp).len(), 0);
        // The very same form from its own page is good.
        let mut dwho = dwho;
        assert_eq!(dwho.send(&form, &otp).status, 302);
    });
}

/// A92.
#[test]
fn nothing_but_the_secret_is_taken_from_a_form_and_the_client_is_the_daemons_word() {
    let world = World::around(
        &["nginx 1.22", "Envoy 1.40 HTTP"],
        "  handlers:\n    - { name: near, event: validate_check, position: pre, action: forward, \
         conditions: { client_ip: 127.0.0.8 }, options: { server: lab, client_ip: true } }\n  \
         regulation: { free_failures: 1000000, per_client: 1000000 }\n",
        |config| config,
    );
    world.behind_each(|front| {
        let mut dwho = Person::logged_in(front.address, "dwho");
        let form = dwho.sent_to_form("/admin");
        let otp = good();
        let body = [
            &form.body(&otp),
            "&client=203.0.113.9&realm=other&resolver=r2&serial=OTP7&otponly=1&type=spass&user=rtyler\
             &username=rtyler&pass=good-other&hops=x&exception=1",
        ]
        .concat();
        let answer = dwho
            .posting(&body)
            .header("X-Real-IP", "203.0.113.9")
            .header("Client-IP", "203.0.113.9")
            .send(front.address);
        dwho.take(&answer);
        assert_eq!(answer.status, 302, "{answer}");
        let asked = world.lab.asked_for(&otp);
        assert_eq!(asked.len(), 1);
        let Ok(Value::Object(mut sent)) = serde_json::from_str(&asked[0].body) else {
            panic!("{}", asked[0].body)
        };
        sent.retain(|name, _| !name.contains("hop"));
        let expected = serde_json::json!({ "user": "dwho", "pass": otp, "client": "127.0.0.8" });
        assert_eq!(Value::Object(sent), expected);
        assert_eq!(asked[0].headers["authorization"], Value::Null);
    });
}

#[test]
fn a_secret_that_is_too_long_is_refused_and_nobody_is_asked() {
    let front = WORLD.fronts[0].address;
    let mut dwho = Person::logged_in(front, "dwho");
    let form = dwho.sent_to_form("/admin");
    let before = WORLD.lab.asked_for(&"x".repeat(600)).len();
    let answer = dwho.send(&form, &"x".repeat(600));
    assert_eq!(answer.status, 403, "{answer}");
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("factor-refused"), "{answer}");
    assert_eq!(WORLD.lab.asked_for(&"x".repeat(600)).len(), before);
}

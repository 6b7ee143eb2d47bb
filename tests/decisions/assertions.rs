//! Signed assertions (R5): who gets one, for whom it is, and when the next one is signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use vouchsafe::domain::decision::{Decision, Grant, Reason};
use vouchsafe::domain::request::RouteDemands;
use vouchsafe::edge::http::nginx;

use crate::installation::{Ask, Installation, START, Wish, at};

const HOST: &str = "signed.example.com";
const SECOND: u64 = 1_000;

fn page(host: &str, target: &str, id: &str) -> Ask {
    Ask::page(target).set("x-forwarded-host", host).cookie(format!("sid={id}"))
}

#[track_caller]
fn granted(decision: Decision) -> Grant {
    let Decision::Allow(grant) = decision else { panic!("not allowed: {decision:?}") };
    grant
}

/// The token of an allow, if there is one.
#[track_caller]
fn token(decision: Decision) -> Option<String> {
    let token = granted(decision).assertion?;
    Some(String::from_utf8(token.bytes().to_vec()).unwrap())
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn only_a_known_user_of_an_application_that_wants_it_is_asserted() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    for (path, subject) in [("/", Some("dwho")), ("/public/x", Some("dwho")), ("/assets/x", None)] {
        let token = token(here.decide(&page(HOST, path, &id), at(0)).await);
        let found = token.map(|token| claims(&token)["sub"].as_str().unwrap().to_owned());
        assert_eq!(found.as_deref(), subject, "{path}");
    }
    for (host, path) in [("app.example.com", "/page"), ("other.example.com", "/")] {
        assert_eq!(token(here.decide(&page(host, path, &id), at(0)).await), None, "{host}");
    }
    let nobody = Ask::page("/public/x").set("x-forwarded-host", HOST);
    assert_eq!(token(here.decide(&nobody, at(0)).await), None);
    let denied = here.decide(&page(HOST, "/admin", &id), at(0)).await;
    assert_eq!(denied, Decision::Deny(Reason::RuleDenied));
}

#[tokio::test]
async fn a_token_is_for_the_canonical_host_alone() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    for (host, audience) in [
        (HOST, HOST),
        ("SIGNED.example.com.:8443", HOST),
        ("a.signed.example.com", "a.signed.example.com"),
        ("b.signed.example.com", "b.signed.example.com"),
        (HOST, HOST),
    ] {
        let token = token(here.decide(&page(host, "/", &id), at(0)).await).unwrap();
        assert_eq!(claims(&token)["aud"], audience);
        assert_eq!(claims(&token)["iss"], "https://auth.example.com/");
    }
    assert_eq!(here.metrics.assertions_signed.get(), 3);
}

#[tokio::test]
async fn a_token_is_given_out_again_until_half_its_life_is_over() {
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let id = here.login("dwho", at(0)).await;
        let mut tokens = Vec::new();
        for second in [0, 1, 59, 60, 61, 119, 120] {
            let now = at(second * SECOND);
            tokens.push(token(here.decide(&page(HOST, "/", &id), now).await).unwrap());
            let claims = claims(tokens.last().unwrap());
            let left = claims["exp"].as_u64().unwrap() - (START / 1_000 + second);
            assert!((60..=120).contains(&left), "{left} at {second}");
            assert_eq!(claims["auth_time"], START / 1_000);
        }
        assert_eq!(here.metrics.assertions_signed.get(), 3);
        tokens.dedup();
        let ids: std::collections::HashSet<String> =
            tokens.iter().map(|token| claims(token)["jti"].to_string()).collect();
        assert_eq!((tokens.len(), ids.len()), (3, 3));
    }
}

#[tokio::test]
async fn other_attributes_are_another_token() {
    let here = Installation::usual();
    let ask = |mail: &str| {
        Ask::asserted("/", "dwho").set("x-forwarded-host", HOST).header("user-email", mail)
    };
    let first = token(here.decide(&ask("a@example.com"), at(0)).await);
    assert_eq!(token(here.decide(&ask("a@example.com"), at(1)).await), first);
    assert_ne!(token(here.decide(&ask("b@example.com"), at(2)).await), first);
}

#[tokio::test]
async fn two_users_have_two_tokens_and_one_that_logged_out_has_none() {
    let here = Installation::usual();
    let (dwho, rtyler) = (here.login("dwho", at(0)).await, here.login("rtyler", at(0)).await);
    for (id, user) in [(&dwho, "dwho"), (&rtyler, "rtyler"), (&dwho, "dwho")] {
        let token = token(here.decide(&page(HOST, "/", id), at(0)).await).unwrap();
        assert_eq!(claims(&token)["sub"], user);
    }
    let _ = here.logout("https", &[format!("sid={dwho}")], false, at(1)).await;
    let decision = here.decide(&page(HOST, "/", &dwho), at(2)).await;
    assert_eq!(decision, Decision::Challenge(Reason::SessionEnded));
    assert_eq!(token(here.decide(&page(HOST, "/public/", &dwho), at(2)).await), None);
}

#[tokio::test]
async fn a_token_ends_with_its_session_and_is_not_reused_to_its_end() {
    let here = Installation::new(&Wish { short_lived: true, ..Wish::default() });
    let id = here.login("dwho", at(0)).await;
    let end = START / 1_000 + 90;
    for second in [0, 30, 44, 46, 70, 89] {
        let now = at(second * SECOND);
        let grant = granted(here.decide(&page(HOST, "/", &id), now).await);
        let claims = claims(std::str::from_utf8(grant.assertion.unwrap().bytes()).unwrap());
        assert_eq!(claims["exp"], end, "at {second}");
        assert!(grant.reuse.as_secs() <= (90 - second) / 2, "{:?} at {second}", grant.reuse);
    }
}

/// T7: the operator's word at a route chooses the application, the client's Host header the audience.
#[tokio::test]
async fn nobody_gets_a_token_for_a_host_of_another_application() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    for (host, wanted) in [("other.example.com", false), ("foreign.test", false), (HOST, true)] {
        let ask = page(host, "/", &id);
        let (list, cookies) = (ask.list(), ask.cookie_lines());
        let mut request = nginx::ask(&list, &cookies, ask.from());
        request.demands = RouteDemands { application: Some("signed"), level: 0 };
        let token = token(here.authority.decide(&request, at(0)).await);
        assert_eq!(token.is_some(), wanted, "{host}");
    }
}

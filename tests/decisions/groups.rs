//! Rules that ask who it is, and all other clauses: R1.

use vouchsafe::domain::decision::{Decision, Reason};

use crate::installation::{Ask, Installation, Wish, at, exports};

const HOST: &str = "groups.example.com";

fn page(target: &str) -> Ask {
    Ask::page(target).set("x-forwarded-host", HOST)
}

fn asserted(target: &str, user: &str, groups: &str) -> Ask {
    let ask = Ask::asserted(target, user).set("x-forwarded-host", HOST);
    if groups.is_empty() { ask } else { ask.header("auth-groups", groups) }
}

#[tokio::test]
async fn a_rule_for_a_group_is_for_its_members_whether_a_master_or_a_cookie_says_so() {
    let here = Installation::usual();
    let here = &here;
    let reason = async |ask: Ask| here.reason(&ask).await;
    assert_eq!(reason(asserted("/admin", "dwho", "users; timelords")).await, Reason::Session);
    assert_eq!(reason(asserted("/admin", "dwho", "users")).await, Reason::RuleDenied);
    assert_eq!(reason(asserted("/admin", "dwho", "")).await, Reason::RuleDenied);
    // Names are whole and exact.
    for groups in ["Timelords", "timelord", "timelords2", "x timelords", "users timelords"] {
        assert_eq!(
            reason(asserted("/admin", "dwho", groups)).await,
            Reason::RuleDenied,
            "{groups}"
        );
    }
    assert_eq!(reason(page("/admin")).await, Reason::LoginRequired);
    // The session remembers them.
    let login = asserted("/low", "dwho", "timelords").navigation();
    let Decision::Allow(grant) = here.decide(&login, at(0)).await else { panic!() };
    let cookie = grant.cookies[0].0.split(';').next().unwrap().to_owned();
    assert_eq!(reason(page("/admin").cookie(&cookie)).await, Reason::Session);
    // What the master says now counts more than what it said then.
    assert_eq!(
        reason(asserted("/admin", "dwho", "users").cookie(&cookie)).await,
        Reason::RuleDenied
    );
    // Of another user's cookie nothing counts.
    assert_eq!(reason(asserted("/admin", "rtyler", "").cookie(&cookie)).await, Reason::RuleDenied);
}

#[tokio::test]
async fn a_rule_that_asks_who_it_is_opens_no_session_by_asking() {
    let here = Installation::usual();
    for target in ["/admin", "/mail", "/high", "/nothing"] {
        let ask = asserted(target, "somebody", "users").navigation();
        assert!(matches!(here.decide(&ask, at(0)).await, Decision::Deny(_)), "{target}");
    }
    assert_eq!(here.records().await, 0);
}

#[tokio::test]
async fn a_skip_behind_a_question_about_identity_sends_none_all_the_same() {
    let here = Installation::usual();
    let skipped = here.decide(&asserted("/vip", "rtyler", ""), at(0)).await;
    assert_eq!(
        (skipped.reason(), exports(&skipped)),
        (Reason::Skipped, vec!["auth-user=".to_owned()])
    );
    let other = here.decide(&asserted("/vip", "dwho", ""), at(0)).await;
    assert_eq!(
        (other.reason(), exports(&other)),
        (Reason::Unprotected, vec!["auth-user=dwho".to_owned()])
    );
    assert_eq!(here.reason(&page("/vip")).await, Reason::Unprotected);
    assert_eq!(here.reason(&page("/logo.png")).await, Reason::Skipped);
    assert_eq!(here.reason(&page("/a/logo.png")).await, Reason::LoginRequired);
}

#[tokio::test]
async fn each_clause_is_asked() {
    let here = Installation::usual();
    for (target, expected) in [
        ("/", Reason::Session),
        ("/x", Reason::NoRuleMatched),
        ("/v12/x", Reason::Session),
        ("/vx/", Reason::NoRuleMatched),
        ("/secret", Reason::Session),
        ("/secret?key=2", Reason::Session),
        ("/secret?key=1", Reason::RuleDenied),
        ("/secret?key=%31", Reason::RuleDenied),
        ("/secret?key=2&key=1", Reason::RuleDenied),
        ("/secret?k%65y=1", Reason::RuleDenied),
        ("/near", Reason::Session),
        ("/mail", Reason::NoRuleMatched),
        ("/high", Reason::NoRuleMatched),
        ("/low", Reason::Session),
        ("/vault", Reason::LevelTooLow),
    ] {
        assert_eq!(here.reason(&asserted(target, "dwho", "")).await, expected, "{target}");
    }
    let mail = asserted("/mail", "dwho", "").header("user-email", "dwho@example.com");
    assert_eq!(here.reason(&mail).await, Reason::Session);
    // The other master reports its clients: this one is somewhere else.
    let far = asserted("/near", "dwho", "").set("x-forwarded-for", "203.0.113.9, 10.0.0.2");
    assert_eq!(here.reason(&far).await, Reason::RuleDenied);
}

#[tokio::test]
async fn logout_and_maintenance_are_for_everybody_and_end_nothing() {
    let here = Installation::usual();
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    for ask in [page("/logout"), page("/logout").cookie(&cookie), asserted("/logout", "dwho", "")] {
        assert_eq!(here.decide(&ask, at(1)).await, Decision::Challenge(Reason::LogoutByRule));
    }
    assert_eq!(here.reason(&page("/").cookie(&cookie)).await, Reason::Session);
    for ask in [page("/closed"), page("/closed").cookie(&cookie), asserted("/closed", "dwho", "")] {
        assert_eq!(here.decide(&ask, at(1)).await, Decision::Unavailable(Reason::Maintenance));
    }
    let closed = Ask::asserted("/any", "dwho").set("x-forwarded-host", "closed.example.com");
    assert_eq!(here.decide(&closed, at(1)).await, Decision::Unavailable(Reason::Maintenance));
    // A master that does not prove itself is refused first (M1).
    let wrong = closed.set("control", "wrong");
    assert_eq!(here.reason(&wrong).await, Reason::ControlMismatch);
}

/// S6: what can be read on the wire is never worth more than the slave backend's level.
#[tokio::test]
async fn the_cookie_for_plain_http_satisfies_no_rule_above_the_slave_backends_level() {
    let here = Installation::new(&Wish { secured: 3, ..Wish::default() });
    let login = asserted("/low", "dwho", "").navigation();
    let Decision::Allow(grant) = here.decide(&login, at(0)).await else { panic!() };
    let cookie = |at: usize| grant.cookies[at].0.split(';').next().unwrap().to_owned();
    let plain = page("/low").set("x-forwarded-proto", "http").cookie(cookie(1));
    assert_eq!(here.reason(&plain).await, Reason::Session);
    let vault = page("/vault").set("x-forwarded-proto", "http").cookie(cookie(1));
    assert_eq!(here.reason(&vault).await, Reason::LevelTooLow);
}

#[tokio::test]
async fn a_rule_with_hours_applies_within_them() {
    // The tests' time starts on a Friday at eight.
    const HOUR: u64 = 3_600_000;
    let here = Installation::usual();
    let reason =
        async |millis| here.decide(&asserted("/hours", "dwho", ""), at(millis)).await.reason();
    assert_eq!(reason(0).await, Reason::Session);
    assert_eq!(reason(HOUR - 1).await, Reason::Session);
    assert_eq!(reason(HOUR).await, Reason::NoRuleMatched);
    assert_eq!(reason(24 * HOUR).await, Reason::NoRuleMatched);
}

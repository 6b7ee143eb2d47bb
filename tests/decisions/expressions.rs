//! Rules with an expression: R1, R4.

use proptest::prelude::*;
use vouchsafe::domain::decision::{Decision, Reason};

use crate::installation::{Ask, Installation, at, exports};

fn page(target: &str) -> Ask {
    Ask::page(target).set("x-forwarded-host", "when.example.com")
}

fn asserted(target: &str, user: &str, groups: &str) -> Ask {
    let ask = Ask::asserted(target, user).set("x-forwarded-host", "when.example.com");
    if groups.is_empty() { ask } else { ask.header("auth-groups", groups) }
}

fn post(ask: Ask) -> Ask {
    ask.set("x-original-method", "POST")
}

#[tokio::test]
async fn an_expression_holds_together_with_the_other_clauses_of_its_rule() {
    let here = Installation::usual();
    let with_mail = |mail: &str| asserted("/known", "dwho", "").header("user-email", mail);
    for (ask, expected) in [
        (post(asserted("/admin", "dwho", "admins")), Reason::Session),
        (post(asserted("/admin", "rtyler", "admins")), Reason::NoRuleMatched),
        (post(asserted("/admin", "dwho", "readers")), Reason::NoRuleMatched),
        (asserted("/admin", "dwho", "admins"), Reason::NoRuleMatched),
        (asserted("/admin", "dwho", "users; readers"), Reason::Session),
        (page("/admin"), Reason::LoginRequired),
        (with_mail("d@example.com"), Reason::Session),
        (with_mail("d@example.org"), Reason::NoRuleMatched),
        (page("/known"), Reason::LoginRequired),
        (page("/anybody"), Reason::Unprotected),
        (asserted("/anybody", "dwho", ""), Reason::NoRuleMatched),
    ] {
        assert_eq!(here.reason(&ask).await, expected);
    }
}

#[tokio::test]
async fn a_skip_by_the_request_alone_looks_nobody_up() {
    let here = Installation::usual();
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    let lookups = || here.metrics.cache_hits.get() + here.metrics.cache_misses.get();
    let before = lookups();
    let hook = post(page("/hook?token=a")).cookie(&cookie);
    let skipped = here.decide(&hook, at(1)).await;
    assert_eq!(skipped.reason(), Reason::Skipped);
    assert_eq!(exports(&skipped), ["auth-user="]);
    let near = asserted("/near", "dwho", "").cookie(&cookie);
    assert_eq!(here.decide(&near, at(1)).await.reason(), Reason::Skipped);
    assert_eq!(lookups(), before);
    // From elsewhere, and by another method, it is looked at with its cookie.
    for target in ["/near", "/hook?token=a"] {
        let other = here.decide(&page(target).cookie(&cookie), at(1)).await;
        assert_eq!(other, Decision::Deny(Reason::NoRuleMatched), "{target}");
    }
    assert!(lookups() > before);
}

/// R4, A45.
#[tokio::test]
async fn a_rule_that_fails_denies_whatever_stands_below_it() {
    let here = Installation::usual();
    let broken = here.decide(&asserted("/broken", "dwho", "users"), at(0)).await;
    assert_eq!(broken, Decision::Deny(Reason::RuleFailed));
    let enough = "0; 1; 2; 3; 4; 5; 6; b";
    assert_eq!(here.reason(&asserted("/broken", "dwho", enough)).await, Reason::Skipped);
    // Nobody is asked to log in first, as for every denial.
    assert_eq!(here.reason(&page("/broken")).await, Reason::LoginRequired);
    assert_eq!(here.reason(&page("/crash?n=7")).await, Reason::Skipped);
    // What a client sends cannot make the walk go on.
    let many = format!("/crash?{}n=7", "a=b&".repeat(300));
    for target in ["/crash", "/crash?n=x", "/crash?m=7", "/crash?n=", many.as_str()] {
        let decision = here.decide(&asserted(target, "dwho", ""), at(0)).await;
        assert_eq!(decision, Decision::Deny(Reason::RuleFailed), "{target}");
        let decision = here.decide(&page(target), at(0)).await;
        assert_eq!(decision, Decision::Challenge(Reason::LoginRequired), "{target}");
    }
    assert_eq!(here.records().await, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// R4: there is nothing of a header in an expression.
    #[test]
    fn headers_that_nobody_asks_for_never_change_what_an_expression_says(
        headers in prop::collection::vec(("[a-w][a-w]{3,12}z", "[ -~]{0,20}"), 1..6),
        target in prop::sample::select(vec!["/hook?token=a", "/admin", "/broken", "/crash?n=7", "/near", "/known", "/anybody"]),
        is_asserted in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let here = Installation::usual();
            let ask = if is_asserted { asserted(target, "dwho", "readers") } else { page(target) };
            let plain = here.reason(&ask).await;
            let more = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
            assert_eq!(here.reason(&more).await, plain, "{headers:?}");
        });
    }
}

//! Effects, with and without somebody: R1, D3.

use vouchsafe::domain::decision::{Decision, Reason};

use crate::installation::{Ask, Installation, Wish, at, exports};

#[tokio::test]
async fn each_effect_answers_anonymous_known_and_asserted_clients() {
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let cookie = format!("sid={}", here.login("dwho", at(0)).await);
        let challenge = |reason| Decision::Challenge(reason);
        for (target, anonymous, known) in [
            ("/page", challenge(Reason::LoginRequired), Reason::Session),
            ("/admin/x", challenge(Reason::LoginRequired), Reason::RuleDenied),
            ("/ADMIN", challenge(Reason::LoginRequired), Reason::NoRuleMatched),
            ("/openadmin", challenge(Reason::LoginRequired), Reason::NoRuleMatched),
            ("/fresh", challenge(Reason::MasterRequired), Reason::MasterRequired),
        ] {
            assert_eq!(here.decide(&Ask::page(target), at(1)).await, anonymous, "{target}");
            assert_eq!(here.reason(&Ask::page(target).cookie(&cookie)).await, known, "{target}");
        }
        assert_eq!(here.reason(&Ask::asserted("/fresh", "dwho")).await, Reason::Session);
        assert_eq!(here.reason(&Ask::asserted("/admin", "dwho")).await, Reason::RuleDenied);
    }
}

#[tokio::test]
async fn a_denial_opens_no_session() {
    let here = Installation::usual();
    for target in ["/admin", "/nothing"] {
        let ask = Ask::asserted(target, "dwho").navigation();
        assert!(matches!(here.decide(&ask, at(0)).await, Decision::Deny(_)));
    }
    assert_eq!(here.records().await, 0);
}

#[tokio::test]
async fn skip_sends_no_identity_and_unprotect_sends_what_there_is() {
    let here = Installation::usual();
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    let empty = ["auth-user=", "auth-mail=", "auth-groups="];
    let known = Ask::page("/assets/x").cookie(&cookie);
    for ask in [Ask::page("/assets/x"), known, Ask::asserted("/assets/x", "dwho")] {
        let decision = here.decide(&ask, at(0)).await;
        assert_eq!(
            (decision.reason(), exports(&decision)),
            (Reason::Skipped, empty.map(str::to_owned).to_vec())
        );
    }
    let anonymous = here.decide(&Ask::page("/public/x").cookie("sid=junk"), at(0)).await;
    assert_eq!(
        (anonymous.reason(), exports(&anonymous)),
        (Reason::Unprotected, empty.map(str::to_owned).to_vec())
    );
    for ask in [Ask::page("/public/x").cookie(&cookie), Ask::asserted("/public/x", "dwho")] {
        let decision = here.decide(&ask, at(0)).await;
        assert_eq!(
            (decision.reason(), exports(&decision)[0].as_str()),
            (Reason::Unprotected, "auth-user=dwho")
        );
    }
}

#[tokio::test]
async fn methods_are_those_of_the_request_asked_about() {
    let here = Installation::usual();
    let read = |method: &str| Ask::asserted("/read", "dwho").set("x-original-method", method);
    assert_eq!(here.reason(&read("HEAD")).await, Reason::Session);
    assert_eq!(here.reason(&read("POST")).await, Reason::RuleDenied);
    assert_eq!(here.reason(&read("get")).await, Reason::RuleDenied);
}

#[tokio::test]
async fn a_warm_session_is_still_judged_by_host_path_and_method() {
    // A64.
    let here = Installation::usual();
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    let warm = Ask::page("/read").cookie(&cookie);
    assert_eq!(here.reason(&warm).await, Reason::Session);
    assert_eq!(
        here.reason(&warm.clone().set("x-original-uri", "/admin")).await,
        Reason::RuleDenied
    );
    assert_eq!(
        here.reason(&warm.clone().set("x-original-method", "PUT")).await,
        Reason::RuleDenied
    );
    assert_eq!(
        here.reason(&warm.clone().set("x-forwarded-host", "evil.test")).await,
        Reason::UnknownHost
    );
    let other =
        here.decide(&warm.clone().set("x-forwarded-host", "OTHER.example.com:443"), at(0)).await;
    assert_eq!(exports(&other), Vec::<String>::new());
    assert_eq!(
        exports(&here.decide(&warm.set("x-forwarded-host", "a.b.apps.example.com"), at(0)).await)
            .len(),
        3
    );
}

#[tokio::test]
async fn nothing_depends_on_the_user_agent_or_on_health_paths() {
    // A53.
    let here = Installation::usual();
    for agent in ["kube-probe/1.27", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Prometheus/2.0"] {
        for path in ["/page", "/ping", "/healthz", "/livez", "/metrics"] {
            let ask = Ask::page(path).header("user-agent", agent);
            assert_eq!(here.reason(&ask).await, Reason::LoginRequired);
        }
    }
}

#[tokio::test]
async fn an_application_that_reads_paths_in_several_ways_gets_the_strictest_answer() {
    // R2.
    let here = Installation::usual();
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    for (target, expected) in [
        ("/group%2Fname", Reason::Session),
        ("/group;v=1/name", Reason::Session),
        ("/assets/x;v=1", Reason::Skipped),
        // Only one of the forms is free.
        ("/assets;v=1/x", Reason::Session),
        ("/assets%2Fx", Reason::Session),
        ("/admin;x", Reason::RuleDenied),
        ("/admin%2Fx", Reason::RuleDenied),
        ("/;x/admin", Reason::RuleDenied),
        ("/%2fadmin", Reason::RuleDenied),
        ("/a;x%2F../admin", Reason::AmbiguousPath),
        ("/assets/..;/admin", Reason::AmbiguousPath),
        ("/assets/..%2fadmin", Reason::AmbiguousPath),
        ("/assets%252fx", Reason::AmbiguousPath),
        ("/assets%3bx", Reason::AmbiguousPath),
        ("/group%2ffresh", Reason::MasterRequired),
        ("/group;x%2ffresh", Reason::MasterRequired),
        ("/group;x/other%2ffresh", Reason::Session),
        ("/group%2fsecret", Reason::RuleDenied),
        ("/group/secret", Reason::Session),
    ] {
        let ask = Ask::page(target).set("x-forwarded-host", "lenient.example.com").cookie(&cookie);
        assert_eq!(here.reason(&ask).await, expected, "{target}");
        // Elsewhere nothing of it is accepted.
        if target.contains([';', '%']) {
            let strict = ask.set("x-forwarded-host", "other.example.com");
            assert_eq!(here.reason(&strict).await, Reason::AmbiguousPath, "{target}");
        }
    }
}

#[tokio::test]
async fn a_path_is_read_as_its_application_does_so_a_stranger_is_found_out_first() {
    let here = Installation::usual();
    let ask = Ask::page("/a;b").set("x-forwarded-host", "evil.test");
    assert_eq!(here.reason(&ask).await, Reason::UnknownHost);
}

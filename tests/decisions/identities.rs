//! Whose session a request is decided with: S1, S2, S4.

use std::sync::Arc;

use vouchsafe::authority::login::Login;
use vouchsafe::domain::decision::{Decision, Reason};

use crate::installation::{Ask, Installation, Wish, at, exports, set_cookies};

#[tokio::test]
async fn an_asserted_call_gets_the_identitys_exports_and_no_cookie() {
    let here = Installation::usual();
    let ask =
        Ask::asserted("/page", "dwho").header("user-email", "d@x").header("auth-groups", "a; b;");
    let decision = here.decide(&ask, at(0)).await;
    assert_eq!(exports(&decision), ["auth-user=dwho", "auth-mail=d@x", "auth-groups=a;b"]);
    assert_eq!(set_cookies(&decision), Vec::<String>::new());
}

#[tokio::test]
async fn many_calls_of_one_identity_leave_one_session_in_memory() {
    calls_leave_one_session(100_000, false).await;
}

#[tokio::test]
async fn a_million_calls_of_one_identity_leave_one_session_on_disk() {
    calls_leave_one_session(1_000_000, true).await;
}

async fn calls_leave_one_session(calls: u64, embedded: bool) {
    let here = Installation::new(&Wish { embedded, ..Wish::default() });
    let ask = Ask::asserted("/page", "dwho").header("auth-groups", "a;b");
    for call in 0..calls {
        assert_eq!(here.decide(&ask, at(call / 10)).await.reason(), Reason::Session);
    }
    assert_eq!(here.records().await, 1);
}

#[tokio::test]
async fn parallel_first_calls_open_one_session() {
    for embedded in [false, true] {
        let here = Arc::new(Installation::new(&Wish { embedded, ..Wish::default() }));
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let here = Arc::clone(&here);
                tokio::spawn(async move {
                    here.decide(&Ask::asserted("/page", "dwho"), at(0)).await.reason()
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), Reason::Session);
        }
        assert_eq!(here.records().await, 1);
        let metrics = String::from_utf8(here.metrics.exposition().0).unwrap();
        assert!(metrics.contains("vouchsafe_sessions_opened_total{kind=\"fingerprint\"} 1"));
    }
}

#[tokio::test]
async fn a_navigation_gets_a_cookie_that_works_without_the_master() {
    let here = Installation::usual();
    let decision = here.decide(&Ask::asserted("/page", "dwho").navigation(), at(0)).await;
    let cookies = set_cookies(&decision);
    assert_eq!(cookies.len(), 1);
    let later = here.decide(&Ask::page("/page").cookie(&cookies[0]), at(1)).await;
    assert_eq!(exports(&later)[0], "auth-user=dwho");
    let again =
        here.decide(&Ask::asserted("/page", "dwho").navigation().cookie(&cookies[0]), at(2)).await;
    assert_eq!(set_cookies(&again), Vec::<String>::new());
}

#[tokio::test]
async fn changed_attributes_are_seen_at_once_and_only_from_a_proven_master() {
    // A07, A70.
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let cookie = format!("sid={}", here.login("dwho", at(0)).await);
        let asserted =
            |mail: &str| Ask::asserted("/page", "dwho").cookie(&cookie).header("user-email", mail);
        assert_eq!(exports(&here.decide(&asserted("a@x"), at(1)).await)[1], "auth-mail=a@x");
        assert_eq!(exports(&here.decide(&asserted("b@x"), at(1)).await)[1], "auth-mail=b@x");
        let unproven = asserted("evil@x").without("control");
        assert_eq!(exports(&here.decide(&unproven, at(2)).await)[1], "auth-mail=b@x");
        assert_eq!(
            exports(&here.decide(&Ask::page("/page").cookie(&cookie), at(3)).await)[1],
            "auth-mail=b@x"
        );
        let dropped = Ask::asserted("/page", "dwho").cookie(&cookie);
        assert_eq!(exports(&here.decide(&dropped, at(4)).await)[1], "auth-mail=");
    }
}

#[tokio::test]
async fn another_user_under_a_live_cookie_is_a_switch_that_ends_the_old_session() {
    for (navigation, embedded) in [(false, false), (true, false), (false, true), (true, true)] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let old = format!("sid={}", here.login("alice", at(0)).await);
        let mut ask = Ask::asserted("/page", "bob").cookie(&old);
        if navigation {
            ask = ask.navigation();
        }
        let decision = here.decide(&ask, at(1)).await;
        assert_eq!(exports(&decision)[0], "auth-user=bob");
        assert_eq!(set_cookies(&decision).len(), usize::from(navigation));
        let replay = here.decide(&Ask::page("/page").cookie(&old), at(2)).await;
        assert_eq!(replay, Decision::Challenge(Reason::SessionEnded));
        // The ended id may be decided from the headers, and gets no cookie even on a navigation (S4).
        let with_old =
            here.decide(&Ask::asserted("/page", "bob").cookie(&old).navigation(), at(3)).await;
        assert_eq!(
            (exports(&with_old)[0].as_str(), set_cookies(&with_old).len()),
            ("auth-user=bob", 0)
        );
    }
}

#[tokio::test]
async fn two_masters_users_of_one_name_are_two_users() {
    let here = Installation::usual();
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    let other = Ask::asserted("/page", "dwho")
        .set("x-forwarded-for", "198.51.100.7, 10.0.0.2")
        .cookie(&cookie);
    assert_eq!(exports(&here.decide(&other, at(1)).await)[0], "auth-user=dwho");
    assert_eq!(
        here.decide(&Ask::page("/page").cookie(&cookie), at(2)).await,
        Decision::Challenge(Reason::SessionEnded)
    );
}

#[tokio::test]
async fn a_login_always_gets_a_new_id_and_the_old_one_is_dead() {
    // A58.
    let here = Installation::usual();
    let fixed = format!("sid={}", "a".repeat(64));
    let Login::Opened { id, .. } =
        here.try_login("alice", std::slice::from_ref(&fixed), at(0)).await
    else {
        panic!("not opened")
    };
    assert_ne!(format!("sid={}", id.to_hex()), fixed);
    assert_eq!(here.reason(&Ask::page("/page").cookie(&fixed)).await, Reason::SessionUnknown);
    let alice = format!("sid={}", id.to_hex());
    assert!(matches!(
        here.try_login("alice", std::slice::from_ref(&alice), at(1)).await,
        Login::AlreadyAuthenticated(_)
    ));
    let Login::Opened { id: bob, .. } =
        here.try_login("bob", std::slice::from_ref(&alice), at(2)).await
    else {
        panic!("not opened")
    };
    assert_eq!(
        here.decide(&Ask::page("/page").cookie(&alice), at(3)).await.reason(),
        Reason::SessionEnded
    );
    let bob = Ask::page("/page").cookie(format!("sid={}", bob.to_hex()));
    assert_eq!(exports(&here.decide(&bob, at(3)).await)[0], "auth-user=bob");
}

#[tokio::test]
async fn parallel_users_never_get_each_others_identity() {
    // A68.
    let here = Arc::new(Installation::new(&Wish { embedded: true, ..Wish::default() }));
    let users: Vec<_> = (0..100)
        .map(|user| {
            let here = Arc::clone(&here);
            tokio::spawn(async move {
                let name = format!("user{user}");
                let cookie = format!("sid={}", here.login(&name, at(0)).await);
                for round in 0..20 {
                    let by_cookie =
                        here.decide(&Ask::page("/page").cookie(&cookie), at(round)).await;
                    let by_master = here.decide(&Ask::asserted("/page", &name), at(round)).await;
                    assert_eq!(exports(&by_cookie)[0], format!("auth-user={name}"));
                    assert_eq!(exports(&by_master)[0], format!("auth-user={name}"));
                }
            })
        })
        .collect();
    for user in users {
        user.await.unwrap();
    }
}

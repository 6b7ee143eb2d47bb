//! What stands under the cookie's name: S5, S6.

use vouchsafe::authority::login::Login;
use vouchsafe::domain::decision::{Decision, Reason};

use crate::installation::{Ask, Installation, Wish, at, exports, set_cookies};

#[tokio::test]
async fn junk_beside_a_good_cookie_does_no_harm_and_alone_no_good() {
    // A55.
    let here = Installation::usual();
    let good = format!("sid={}", here.login("dwho", at(0)).await);
    for junk in [
        "sid=%ff",
        "sid=\"\"",
        "sid",
        "sid=",
        ";;;;",
        "=x",
        "sid='",
        &format!("sid={}", "f".repeat(64)),
        &format!("x={}", "y".repeat(65536)),
    ] {
        let reason = here.reason(&Ask::page("/page").cookie(junk)).await;
        assert!(
            matches!(reason, Reason::SessionUnknown | Reason::LoginRequired),
            "{junk:.40} {reason:?}"
        );
        let beside = here.reason(&Ask::page("/page").cookie(format!("{junk}; {good}"))).await;
        assert_eq!(beside, Reason::Session, "{junk:.40}");
        assert_eq!(
            here.reason(&Ask::page("/page").cookie(junk).cookie(&good)).await,
            Reason::Session
        );
    }
    let quoted = format!("{}\"", good.replace('=', "=\""));
    assert_eq!(here.reason(&Ask::page("/page").cookie(quoted)).await, Reason::SessionUnknown);
    assert_eq!(
        here.reason(&Ask::page("/page").cookie(good.to_uppercase())).await,
        Reason::LoginRequired
    );
}

#[tokio::test]
async fn two_live_sessions_under_one_name_are_refused_and_both_end() {
    let here = Installation::usual();
    let (alice, bob) = (here.login("alice", at(0)).await, here.login("bob", at(0)).await);
    let both = Ask::page("/page").cookie(format!("sid={alice}; sid={bob}"));
    assert_eq!(here.decide(&both, at(1)).await, Decision::Challenge(Reason::ConflictingSessions));
    for id in [alice, bob] {
        let reason =
            here.decide(&Ask::page("/page").cookie(format!("sid={id}")), at(2)).await.reason();
        assert_eq!(reason, Reason::SessionEnded);
    }
}

#[tokio::test]
async fn an_ended_id_among_others_still_gets_no_new_cookie() {
    let here = Installation::usual();
    let ended = format!("sid={}", here.login("alice", at(0)).await);
    let expired = format!("sid={}", here.login("carol", at(0)).await);
    let _ = here.decide(&Ask::asserted("/page", "bob").cookie(&ended), at(3_599_990)).await;
    let now = at(3_600_000);
    for cookies in [format!("{ended}; {expired}"), format!("{expired}; {ended}")] {
        let alone = here.decide(&Ask::page("/page").cookie(&cookies), now).await;
        assert_eq!(alone, Decision::Challenge(Reason::SessionEnded));
        let asserted =
            here.decide(&Ask::asserted("/page", "bob").navigation().cookie(&cookies), now).await;
        assert_eq!(set_cookies(&asserted), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_same_session_twice_is_one_session() {
    let here = Installation::usual();
    let id = here.login("alice", at(0)).await;
    let twice = Ask::page("/page").cookie(format!("sid={id}; sid={id}"));
    assert_eq!(exports(&here.decide(&twice, at(1)).await)[0], "auth-user=alice");
}

#[tokio::test]
async fn each_half_of_a_double_cookie_counts_only_under_its_name_and_scheme() {
    for (secured, embedded) in [(2, false), (2, true), (3, false), (3, true)] {
        let here = Installation::new(&Wish { embedded, secured, ..Wish::default() });
        let Login::Opened { id, id_http, cookies, .. } = here.try_login("dwho", &[], at(0)).await
        else {
            panic!()
        };
        let (main, http) = (id.to_hex(), id_http.unwrap().to_hex());
        assert_ne!(main, http);
        assert_eq!(cookies.len(), 2);
        let reason = async |scheme: &str, cookie: String| {
            here.reason(&Ask::page("/page").set("x-forwarded-proto", scheme).cookie(cookie)).await
        };
        assert_eq!(reason("https", format!("sid={main}")).await, Reason::Session);
        assert_eq!(reason("http", format!("sidhttp={http}")).await, Reason::Session);
        assert_eq!(
            reason("http", format!("sid={main}; sidhttp={http}; x=y")).await,
            Reason::Session
        );
        // A sniffed plain-HTTP id is worth nothing where TLS is.
        assert_eq!(reason("https", format!("sid={http}")).await, Reason::SessionUnknown);
        assert_eq!(reason("https", format!("sidhttp={http}")).await, Reason::LoginRequired);
        assert_eq!(reason("http", format!("sidhttp={main}")).await, Reason::SessionUnknown);
        assert_eq!(reason("http", format!("sid={main}")).await, Reason::LoginRequired);
        let at_portal = here.try_login("dwho", &[format!("sid={http}")], at(0)).await;
        assert!(matches!(at_portal, Login::Opened { .. }));
    }
}

#[tokio::test]
async fn ending_one_half_ends_both() {
    let here = Installation::new(&Wish { secured: 2, ..Wish::default() });
    let Login::Opened { id, id_http, .. } = here.try_login("alice", &[], at(0)).await else {
        panic!()
    };
    let switch = Ask::asserted("/page", "bob")
        .set("x-forwarded-proto", "http")
        .cookie(format!("sidhttp={}", id_http.unwrap().to_hex()));
    assert_eq!(exports(&here.decide(&switch, at(1)).await)[0], "auth-user=bob");
    let main = Ask::page("/page").cookie(format!("sid={}", id.to_hex()));
    assert_eq!(here.decide(&main, at(2)).await.reason(), Reason::SessionEnded);
}

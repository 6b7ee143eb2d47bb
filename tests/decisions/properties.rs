//! What must hold for every request.

use proptest::prelude::*;
use vouchsafe::domain::decision::{Decision, Reason};

use crate::explanations::target;
use crate::installation::{Ask, Installation, STRANGER, at};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What the dialect itself reads; of these no promise is made.
const IS_INPUT: &[&str] = &[
    "x-original-method",
    "x-original-uri",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-for",
];

/// Header names that matter, their look-alikes, and others.
fn header_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "cn",
            "control",
            "user-email",
            "auth-groups",
            "auth-user",
            "c_n",
            "auth_groups",
            "x-forwarded-uri",
            "x-original-url",
            "x-real-ip",
            "forwarded",
            "x-vouchsafe-user",
            "x-vouchsafe-x",
            "accept",
            "upgrade",
            "sec-fetch-mode",
            "authorization",
            "x-otp",
            "cookie2",
            "remote-user",
            "x-forwarded-host",
            "x-original-uri",
            "x-original-method",
            "x-forwarded-proto",
        ])
        .prop_map(str::to_owned),
        "[a-z][a-z._-]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// SEMANTICS R4, last sentence.
    #[test]
    fn a_strangers_headers_never_turn_a_refusal_into_an_allow(
        headers in prop::collection::vec((header_name(), "[ -~]{0,20}"), 0..8),
        target in prop::sample::select(vec!["/page", "/admin", "/nothing", "/x/../public/y", "/fresh"]),
    ) {
        block_on(async {
            let here = Installation::usual();
            let mut ask = Ask::page(target);
            for (name, value) in &headers {
                ask = ask.header(name, value);
            }
            let decision = here.decide(&ask, at(0)).await;
            assert!(!matches!(decision, Decision::Allow(_)), "{decision:?}");
        });
    }

    #[test]
    fn a_stranger_is_let_in_by_skip_and_unprotect_alone(
        (host, path) in target(),
        method in prop::sample::select(vec!["GET", "POST"]),
        headers in prop::collection::vec((header_name(), "[ -~]{0,20}"), 0..4),
        navigates in any::<bool>(),
    ) {
        block_on(async {
            let mut ask = Ask::page(path).set("x-forwarded-host", host).set("x-original-method", method);
            for (name, value) in headers.iter().filter(|(name, _)| !IS_INPUT.contains(&name.as_str())) {
                ask = ask.header(name, value);
            }
            let ask = if navigates { ask.navigation() } else { ask };
            let decision = Installation::usual().decide(&ask, at(0)).await;
            if let Decision::Allow(grant) = decision {
                assert!(matches!(grant.reason, Reason::Skipped | Reason::Unprotected), "{grant:?}");
                assert!(grant.exports.subject.is_none() && grant.cookies.is_empty(), "{grant:?}");
                assert!(grant.exports.headers.iter().all(|header| header.value.is_empty()));
            }
        });
    }

    /// SEMANTICS R4, last sentence, for somebody who has a session.
    #[test]
    fn a_users_headers_never_turn_a_refusal_into_an_allow(
        (host, path) in target(),
        method in prop::sample::select(vec!["GET", "POST"]),
        headers in prop::collection::vec((header_name(), "[ -~]{0,20}"), 1..6),
    ) {
        block_on(async {
            let here = Installation::usual();
            let id = here.login("dwho", at(0)).await;
            let plain = Ask::page(path)
                .set("x-forwarded-host", host)
                .set("x-original-method", method)
                .cookie(format!("sid={id}"));
            let more = headers.iter().filter(|(name, _)| !IS_INPUT.contains(&name.as_str()));
            let spoiled = more.fold(plain.clone(), |ask, (name, value)| ask.header(name, value));
            let (before, after) = (here.decide(&plain, at(1)).await, here.decide(&spoiled, at(2)).await);
            let is_allowed = |decision: &Decision| matches!(decision, Decision::Allow(_));
            assert!(is_allowed(&before) || !is_allowed(&after), "{before:?} {after:?}");
        });
    }

    #[test]
    fn no_bytes_in_any_input_panic_or_allow(
        inputs in prop::collection::vec((prop::sample::select(vec!["x-original-uri", "x-forwarded-host", "x-forwarded-for", "x-original-method", "x-forwarded-proto", "cn", "control"]), prop::collection::vec(any::<u8>(), 0..40)), 1..4),
        cookie in "\\PC{0,80}",
    ) {
        block_on(async {
            let here = Installation::usual();
            let mut ask = Ask::page("/page").cookie(cookie);
            for (name, value) in inputs {
                ask = ask.set(name, value);
            }
            let decision = here.decide(&ask, at(0)).await;
            assert!(!matches!(decision, Decision::Allow(_)), "{decision:?} {STRANGER}");
        });
    }
}

proptest! {
    // Each step builds a daemon.
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    /// A64: what a warm process answers, a cold one answers too.
    #[test]
    fn a_cached_decision_is_the_uncached_one(
        targets in prop::collection::vec(prop::sample::select(vec!["/page", "/admin", "/public/x", "/assets/x", "/fresh", "/read", "/nothing"]), 1..12),
        methods in prop::collection::vec(prop::sample::select(vec!["GET", "POST"]), 12),
        asserted in prop::collection::vec(any::<bool>(), 12),
    ) {
        block_on(async {
            let warm = Installation::usual();
            let warm_cookie = format!("sid={}", warm.login("dwho", at(0)).await);
            for (at_, target) in targets.iter().enumerate() {
                let cold = Installation::usual();
                let cold_cookie = format!("sid={}", cold.login("dwho", at(0)).await);
                let ask = |cookie: &str| {
                    let ask = if asserted[at_] { Ask::asserted(target, "dwho") } else { Ask::page(target) };
                    ask.set("x-original-method", methods[at_]).cookie(cookie)
                };
                let decided = [
                    warm.decide(&ask(&warm_cookie), at(1)).await,
                    cold.decide(&ask(&cold_cookie), at(1)).await,
                ];
                // They are two sessions of one user; all else is the same.
                let [a, b] = decided.map(|decision| {
                    let text = format!("{decision:?}");
                    let (before, after) = text.split_once("session: \"").unwrap_or((&text, ""));
                    format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest))
                });
                assert_eq!(a, b, "{target}");
            }
        });
    }
}

//! Second factors of a session (SEMANTICS S1, S3, S4, S6): what a rule demands, and step-up.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use vouchsafe::app::policy_tests::{Outcome, run};
use vouchsafe::app::rehearsal::Rehearsal;
use vouchsafe::authority::login::Login;
use vouchsafe::authority::logout::Logout;
use vouchsafe::config::{self, policy_tests};
use vouchsafe::domain::decision::{Class, Decision, Reason};
use vouchsafe::domain::explanation::Stage;
use vouchsafe::domain::factor::Factor;
use vouchsafe::domain::identity::SessionKey;
use vouchsafe::domain::request::Scheme;
use vouchsafe::edge::http::nginx;
use vouchsafe::session::id::SessionId;
use vouchsafe::session::record::Session;
use vouchsafe::session::{Keyed, Lookup, Opened, SessionError};

use crate::installation::{Ask, Installation, Wish, at, exports, set_cookies};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

fn page(path: &str, id: &str) -> Ask {
    Ask::page(path).set("x-forwarded-host", "factors.example.com").cookie(format!("sid={id}"))
}

/// The same over plain HTTP, with the other half of a double cookie.
fn plain(path: &str, id: &str) -> Ask {
    let ask = Ask::page(path).set("x-forwarded-host", "factors.example.com");
    ask.set("x-forwarded-proto", "http").cookie(format!("sidhttp={id}"))
}

async fn reason(here: &Installation, ask: &Ask, millis: u64) -> Reason {
    here.decide(ask, at(millis)).await.reason()
}

fn key(id: &str) -> SessionKey {
    SessionId::parse(id.as_bytes()).unwrap().key()
}

async fn session(here: &Installation, id: &str, millis: u64) -> Keyed {
    match here.sessions.find(key(id), at(millis)).await.unwrap() {
        Lookup::Live(session) => (key(id), session),
        other @ (Lookup::Expired | Lookup::Ended | Lookup::Unknown) => panic!("{other:?}"),
    }
}

fn factor(millis: u64) -> Factor<'static> {
    Factor::new("local", "totp", "OATH0001", at(millis)).unwrap()
}

/// A factor is checked for the session `id`.
async fn step_up(here: &Installation, id: &str, millis: u64) -> Opened {
    let previous = session(here, id, millis).await;
    here.sessions.step_up(&previous, &factor(millis), 5, at(millis)).await.unwrap()
}

async fn double(here: &Installation, user: &str) -> (String, String) {
    let Login::Opened { id, id_http, .. } = here.try_login(user, &[], at(0)).await else {
        panic!("not logged in")
    };
    (id.to_hex(), id_http.unwrap().to_hex())
}

fn factors(session: &Session) -> Vec<(u64, String)> {
    let of = |factor: Factor<'_>| (factor.at().as_millis(), factor.serial().to_owned());
    session.factors().map(of).collect()
}

#[tokio::test]
async fn a_fresh_factor_opens_what_demands_one_and_none_or_an_old_one_does_not() {
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let id = here.login("dwho", at(0)).await;
        let refused = here.decide(&page("/quarter", &id), at(1)).await;
        assert_eq!(refused, Decision::Deny(Reason::FactorTooOld));
        assert_eq!(refused.reason().class(), Class::FactorNeeded);
        assert_eq!(reason(&here, &page("/", &id), 1).await, Reason::Session);
        let id = step_up(&here, &id, MINUTE).await.id.to_hex();
        for (millis, path, expected) in [
            (MINUTE, "/quarter", Reason::Session),
            (16 * MINUTE, "/quarter", Reason::Session),
            (16 * MINUTE + 1, "/quarter", Reason::FactorTooOld),
            (16 * MINUTE + 1, "/level", Reason::Session),
            (16 * MINUTE + 1, "/strong", Reason::FactorTooOld),
            (MINUTE + 30 * SECOND, "/strong", Reason::Session),
            (MINUTE + 30 * SECOND, "/master", Reason::MasterRequired),
        ] {
            assert_eq!(reason(&here, &page(path, &id), millis).await, expected, "{path} {millis}");
        }
        // Another check, and it is fresh again.
        let id = step_up(&here, &id, 20 * MINUTE).await.id.to_hex();
        assert_eq!(reason(&here, &page("/strong", &id), 20 * MINUTE).await, Reason::Session);
    }
}

#[tokio::test]
async fn a_step_up_is_the_same_session_under_a_new_id_and_the_old_one_is_ended() {
    let here = Installation::usual();
    let old = here.login("dwho", at(0)).await;
    let before = session(&here, &old, 1).await.1;
    let opened = step_up(&here, &old, MINUTE).await;
    let new = opened.id.to_hex();
    assert_ne!(new, old);
    assert!(opened.cookies[0].0.starts_with(&format!("sid={new};")));
    assert_eq!((opened.cookies.len(), opened.id_http.is_none()), (1, true));
    let after = session(&here, &new, MINUTE).await.1;
    assert_eq!((after.owner(), after.client()), (before.owner(), before.client()));
    assert_eq!(
        (after.created(), after.attributes_at()),
        (before.created(), before.attributes_at())
    );
    assert_eq!((before.level(), after.level()), (2, 5));
    assert_eq!(factors(&after), [(at(MINUTE).as_millis(), "OATH0001".to_owned())]);
    assert_eq!(reason(&here, &page("/", &old), MINUTE).await, Reason::SessionEnded);
    // The master's word still counts under it, without the factor and without a cookie (S4).
    let ask = Ask::asserted("/", "dwho")
        .set("x-forwarded-host", "factors.example.com")
        .navigation()
        .cookie(format!("sid={old}"));
    let decision = here.decide(&ask, at(MINUTE)).await;
    assert_eq!(set_cookies(&decision), [""; 0]);
    let ask = ask.set("x-original-uri", "/quarter");
    assert_eq!(reason(&here, &ask, MINUTE).await, Reason::FactorTooOld);
    // A level is never lowered.
    let previous = session(&here, &new, MINUTE).await;
    let again = here.sessions.step_up(&previous, &factor(MINUTE), 1, at(MINUTE)).await.unwrap();
    assert_eq!((again.session.level(), again.session.factors().count()), (5, 2));
}

#[tokio::test]
async fn a_step_up_never_makes_a_session_live_longer() {
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, short_lived: true, ..Wish::default() });
        let id = here.login("dwho", at(0)).await;
        let id = step_up(&here, &id, 80 * SECOND).await.id.to_hex();
        assert_eq!(reason(&here, &page("/", &id), 89 * SECOND).await, Reason::Session);
        let late = reason(&here, &page("/", &id), 90 * SECOND).await;
        assert!(matches!(late, Reason::SessionExpired | Reason::SessionUnknown), "{late:?}");
    }
}

#[tokio::test]
async fn what_is_over_takes_no_factor() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    let held = session(&here, &id, 0).await;
    let late = here.sessions.step_up(&held, &factor(2 * HOUR), 5, at(2 * HOUR)).await;
    assert!(matches!(late, Err(SessionError::Expired | SessionError::Ended)), "{late:?}");
    here.sessions.end(std::slice::from_ref(&held), at(1)).await.unwrap();
    let ended = here.sessions.step_up(&held, &factor(2), 5, at(2)).await;
    assert!(matches!(ended, Err(SessionError::Ended)), "{ended:?}");
}

#[tokio::test]
async fn changed_attributes_keep_the_factor_and_a_switch_loses_it() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    let id = step_up(&here, &id, 1).await.id.to_hex();
    let asserted = |user, path| {
        Ask::asserted(path, user)
            .set("x-forwarded-host", "factors.example.com")
            .cookie(format!("sid={id}"))
    };
    let changed = asserted("dwho", "/quarter").header("user-email", "new@example.com");
    let decision = here.decide(&changed, at(2)).await;
    assert_eq!(exports(&decision)[1], "auth-mail=new@example.com");
    assert_eq!(reason(&here, &asserted("dwho", "/master"), 2).await, Reason::Session);
    assert_eq!(session(&here, &id, 3).await.1.level(), 5);
    let switched = asserted("rtyler", "/").navigation();
    let decision = here.decide(&switched, at(4)).await;
    let new = set_cookies(&decision)[0].clone();
    let ask = Ask::page("/quarter").set("x-forwarded-host", "factors.example.com").cookie(&*new);
    assert_eq!(reason(&here, &ask, 5).await, Reason::FactorTooOld);
    let level = ask.set("x-original-uri", "/level");
    assert_eq!(reason(&here, &level, 5).await, Reason::LevelTooLow);
    assert_eq!(reason(&here, &page("/quarter", &id), 5).await, Reason::SessionEnded);
}

#[tokio::test]
async fn a_fingerprint_session_takes_no_factor() {
    let here = Installation::usual();
    let ask = Ask::asserted("/quarter", "dwho").set("x-forwarded-host", "factors.example.com");
    assert_eq!(reason(&here, &ask, 0).await, Reason::FactorTooOld);
    let asserted = vouchsafe::domain::identity::Asserted {
        master: "sso",
        realm: "",
        user: "dwho",
        level: 2,
        client: "10.0.0.1".parse().unwrap(),
        reported_client: None,
        attributes: std::iter::empty().collect(),
    };
    let keyed = here.sessions.by_fingerprint(&asserted, at(1)).await.unwrap();
    let refused = here.sessions.step_up(&keyed, &factor(1), 5, at(1)).await;
    assert!(matches!(refused, Err(SessionError::NoFactor)), "{refused:?}");
    assert_eq!(reason(&here, &ask, 2).await, Reason::FactorTooOld);
}

#[tokio::test]
async fn over_plain_http_beside_a_double_cookie_no_factor_ever_counts() {
    for (secured, embedded) in [(2, false), (2, true), (3, false), (3, true)] {
        let here = Installation::new(&Wish { embedded, secured, ..Wish::default() });
        let (id, id_http) = double(&here, "dwho").await;
        let opened = step_up(&here, &id, 1).await;
        let (new, new_http) = (opened.id.to_hex(), opened.id_http.unwrap().to_hex());
        assert_eq!(opened.cookies.len(), 2);
        for (name, value) in [("sid", &new), ("sidhttp", &new_http)] {
            assert!(opened.cookies.iter().any(|c| c.0.starts_with(&format!("{name}={value};"))));
        }
        assert_eq!(reason(&here, &page("/strong", &new), 2).await, Reason::Session);
        assert_eq!(reason(&here, &plain("/", &new_http), 2).await, Reason::Session);
        assert_eq!(reason(&here, &plain("/quarter", &new_http), 2).await, Reason::FactorTooOld);
        assert_eq!(reason(&here, &plain("/strong", &new_http), 2).await, Reason::LevelTooLow);
        assert_eq!(reason(&here, &page("/", &id), 2).await, Reason::SessionEnded);
        assert_eq!(reason(&here, &plain("/", &id_http), 2).await, Reason::SessionEnded);
        // In mode 2 it is a session of its own, worth what it was; in mode 3 a way to the same one.
        if secured == 2 {
            let half = session(&here, &new_http, 2).await;
            assert_eq!((half.1.level(), half.1.factors().count()), (2, 0));
            let refused = here.sessions.step_up(&half, &factor(2), 5, at(2)).await;
            assert!(matches!(refused, Err(SessionError::NoFactor)), "{refused:?}");
        }
        // They end together, whichever is shown.
        let presented = [format!("sidhttp={new_http}")];
        assert!(matches!(here.logout("http", &presented, false, at(3)).await, Logout::Done { .. }));
        assert_eq!(reason(&here, &page("/", &new), 4).await, Reason::SessionEnded);
        assert_eq!(reason(&here, &plain("/", &new_http), 4).await, Reason::SessionEnded);
    }
}

#[tokio::test]
async fn a_plain_http_half_that_is_no_more_stays_so() {
    let here = Installation::new(&Wish { secured: 2, ..Wish::default() });
    let (mut id, id_http) = (double(&here, "dwho").await, String::new());
    // The half is idle while the session is in use.
    for step in 1..=3 {
        assert_eq!(reason(&here, &page("/", &id.0), step * 25 * MINUTE).await, Reason::Session);
        here.sessions.touch(key(&id.0), at(step * 25 * MINUTE)).await;
    }
    let opened = step_up(&here, &id.0, 80 * MINUTE).await;
    id = (opened.id.to_hex(), id_http);
    assert!(opened.id_http.is_none() && opened.session.partner().is_none());
    assert_eq!(opened.cookies.len(), 1);
    assert_eq!(reason(&here, &page("/quarter", &id.0), 80 * MINUTE).await, Reason::Session);
    // Nor does the next step-up need one.
    let again = step_up(&here, &id.0, 81 * MINUTE).await;
    assert!(again.id_http.is_none());
}

#[tokio::test]
async fn an_allow_is_not_reused_for_longer_than_its_factor_is_fresh() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    let id = step_up(&here, &id, 0).await.id.to_hex();
    let reuse = async |path: &str, millis| {
        let Decision::Allow(grant) = here.decide(&page(path, &id), at(millis)).await else {
            panic!("not allowed")
        };
        grant.reuse
    };
    assert_eq!(reuse("/quarter", 0).await, Duration::from_mins(1));
    assert_eq!(reuse("/quarter", 14 * MINUTE + 50 * SECOND).await, Duration::from_secs(10));
    assert_eq!(reuse("/quarter", 15 * MINUTE).await, Duration::ZERO);
    assert_eq!(reuse("/strong", 0).await, Duration::from_secs(30));
    assert_eq!(reuse("/level", 15 * MINUTE).await, Duration::from_mins(1));
}

#[tokio::test]
async fn the_menu_leaves_out_what_a_factor_would_have_to_open() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    let has = |session: &Session, millis| {
        let menu = here.authority.menu(session, at(millis));
        menu.iter().any(|entry| entry.name == "factors")
    };
    assert!(!has(&session(&here, &id, 0).await.1, 0));
    let opened = step_up(&here, &id, 1).await;
    assert!(has(&opened.session, 2));
    assert!(!has(&opened.session, 16 * MINUTE));
}

#[tokio::test]
async fn a_session_with_its_factor_survives_a_restart() {
    for secured in [0, 2, 3] {
        let wish = Wish { embedded: true, secured, ..Wish::default() };
        let here = Installation::new(&wish);
        let old = here.login("dwho", at(0)).await;
        let new = step_up(&here, &old, 1).await.id.to_hex();
        let here = here.restarted(&wish).await;
        assert_eq!(reason(&here, &page("/quarter", &new), 2).await, Reason::Session);
        assert_eq!(reason(&here, &page("/quarter", &old), 2).await, Reason::SessionEnded);
        // Logging out everywhere finds it by its owner.
        let presented = [format!("sid={new}")];
        assert!(matches!(here.logout("https", &presented, true, at(3)).await, Logout::Done { .. }));
        assert_eq!(reason(&here, &page("/", &new), 4).await, Reason::SessionEnded);
    }
}

#[tokio::test]
async fn of_a_logout_and_a_step_up_at_once_the_session_never_survives_a_logout_that_was_first() {
    for (embedded, secured) in [(false, 0), (true, 2), (true, 3)] {
        let here = Installation::new(&Wish { embedded, secured, ..Wish::default() });
        for round in 0..20 {
            let id = here.login("dwho", at(round)).await;
            let held = session(&here, &id, round).await;
            let fresh = factor(round);
            let logout = async || here.sessions.end(std::slice::from_ref(&held), at(round)).await;
            let step_up = async || here.sessions.step_up(&held, &fresh, 5, at(round)).await;
            let (ended, opened) = if round % 2 == 0 {
                tokio::join!(logout(), step_up())
            } else {
                let (opened, ended) = tokio::join!(step_up(), logout());
                (ended, opened)
            };
            ended.unwrap();
            assert_eq!(reason(&here, &page("/", &id), round).await, Reason::SessionEnded);
            match opened {
                Ok(opened) => {
                    assert_ne!(round % 2, 0, "the logout asked first");
                    let ask = page("/quarter", &opened.id.to_hex());
                    assert_eq!(reason(&here, &ask, round).await, Reason::Session);
                }
                Err(error) => assert!(matches!(error, SessionError::Ended), "{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_explanation_says_how_old_the_factor_is() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    let explained = async |id: &str, millis| {
        let ask = page("/quarter", id);
        let (list, cookies) = (ask.list(), ask.cookie_lines());
        let question = nginx::ask(&list, &cookies, ask.from());
        let explanation = here.authority.explain(&question, at(millis)).await;
        let notes = explanation.steps.iter().filter(|step| step.stage == Stage::Requirement);
        (explanation.reason.clone(), notes.map(|step| step.said.clone()).collect::<String>())
    };
    let (why, notes) = explained(&id, 1).await;
    assert!(why == "factor_too_old" && notes.contains("none was checked"), "{notes}");
    let id = step_up(&here, &id, 0).await.id.to_hex();
    let (why, notes) = explained(&id, 20 * MINUTE).await;
    assert!(why == "factor_too_old" && notes.contains("checked 1200 s ago"), "{notes}");
    let (why, notes) = explained(&id, 1500).await;
    assert!(why == "session" && notes.contains("checked 1.5 s ago"), "{notes}");
}

#[tokio::test]
async fn a_policy_test_has_a_session_with_a_factor_of_the_age_that_it_says() {
    let rule = "rules:\n      - { path: /quarter, level: 5, factor_max_age: 15m }";
    let text = config::SHIPPED.replacen("rules: ", &format!("{rule} "), 1);
    let folder = tempfile::tempdir().unwrap();
    let settings = config::parse(&text, folder.path(), &|_| None).unwrap();
    let rehearsal = Rehearsal::new(settings, at(0)).unwrap();
    let tests = "{ host: app.example.com, path: /quarter, user: dwho";
    let tests = format!(
        "tests:
  - {tests}, name: fresh, session: 5, factor_age: 14m, expect: allow }}
  - {tests}, name: just, session: 5, factor_age: 15m, expect: allow }}
  - {tests}, name: old, session: 5, factor_age: 15m 1s, expect: challenge, reason: factor_too_old }}
  - {tests}, name: older than a session, session: 5, factor_age: 9000days, expect: challenge }}
  - {tests}, name: none, session: 5, expect: challenge, reason: factor_too_old }}
  - {tests}, name: low, session: 2, factor_age: 1m, expect: challenge, reason: level_too_low }}
  - {tests}, name: plain, session: 2, scheme: http, factor_age: 1m, expect: deny }}
"
    );
    let tests = policy_tests::parse(&tests).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(tests.len(), 7);
    for test in &tests {
        let outcome = run(&rehearsal, test).await;
        assert!(matches!(outcome, Outcome::Passed), "{}: {outcome:?}", test.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Against a model that knows the time of the last check only; and the explanation is the decision.
    #[test]
    fn a_factor_counts_as_long_as_the_rule_says_and_never_over_plain_http_beside_a_double_cookie(
        secured in 0..4_u8,
        steps in prop::collection::vec((0..10 * MINUTE, any::<bool>(), any::<bool>(), prop::sample::select(vec!["/quarter", "/strong", "/level", "/"])), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let here = Installation::new(&Wish { secured, ..Wish::default() });
            let Login::Opened { id, id_http, .. } = here.try_login("dwho", &[], at(0)).await else {
                panic!("not logged in")
            };
            let (mut id, mut id_http) = (id.to_hex(), id_http.map(|id| id.to_hex()));
            let (mut now, mut checked) = (0, None);
            for (passes, checks, is_https, path) in steps {
                now += passes;
                if checks {
                    let opened = step_up(&here, &id, now).await;
                    (id, id_http) = (opened.id.to_hex(), opened.id_http.map(|id| id.to_hex()));
                    checked = Some(now);
                }
                let is_exposed = !is_https && id_http.is_some();
                let scheme = if is_https { Scheme::Https } else { Scheme::Http };
                let ask = match (&id_http, scheme) {
                    (Some(id_http), Scheme::Http) => plain(path, id_http),
                    (_, Scheme::Http) => page(path, &id).set("x-forwarded-proto", "http"),
                    (_, Scheme::Https) => page(path, &id),
                };
                let age = checked.filter(|_| !is_exposed).map(|checked| now - checked);
                let expected = match path {
                    "/level" | "/strong" if age.is_none() => Reason::LevelTooLow,
                    "/strong" if age > Some(30 * SECOND) => Reason::FactorTooOld,
                    "/quarter" if age.is_none_or(|age| age > 15 * MINUTE) => Reason::FactorTooOld,
                    _ => Reason::Session,
                };
                let (list, cookies) = (ask.list(), ask.cookie_lines());
                let question = nginx::ask(&list, &cookies, ask.from());
                let explanation = here.authority.explain(&question, at(now)).await;
                assert_eq!(explanation.reason, expected.as_str());
                assert_eq!(reason(&here, &ask, now).await, expected);
                // Both halves stay in use, as this is not about idleness.
                here.sessions.touch(key(&id), at(now)).await;
                if let Some(id_http) = &id_http {
                    here.sessions.touch(key(id_http), at(now)).await;
                }
            }
        });
    }
}

/// What an assertion says about the level.
fn asserted_level(decision: &Decision) -> u64 {
    let Decision::Allow(grant) = decision else { panic!("not allowed: {decision:?}") };
    let token = grant.assertion.as_ref().unwrap().bytes().clone();
    let claims = std::str::from_utf8(&token).unwrap().split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["level"].as_u64().unwrap()
}

#[tokio::test]
async fn over_plain_http_applications_are_told_no_higher_level_than_counts_there() {
    let here = Installation::new(&Wish { secured: 3, ..Wish::default() });
    let (id, _) = double(&here, "dwho").await;
    let opened = step_up(&here, &id, MINUTE).await;
    let (id, id_http) = (opened.id.to_hex(), opened.id_http.unwrap().to_hex());
    // Back and forth: neither is answered with what was made for the other.
    for millis in [MINUTE + 1, MINUTE + 2] {
        for (host, path) in [("variables.example.com", "/page"), ("signed.example.com", "/")] {
            let secure = page(path, &id).set("x-forwarded-host", host);
            let plain = plain(path, &id_http).set("x-forwarded-host", host);
            let (secure, plain) =
                (here.decide(&secure, at(millis)).await, here.decide(&plain, at(millis)).await);
            if host.starts_with("signed") {
                assert_eq!((asserted_level(&secure), asserted_level(&plain)), (5, 2));
            } else {
                let says = |decision: &Decision, level: &str| {
                    let is_text = |line: &&String| line.starts_with("auth-groups-text=");
                    exports(decision).iter().find(is_text).is_some_and(|line| line.ends_with(level))
                };
                assert!(says(&secure, "at 5") && says(&plain, "at 2"), "{secure:?} {plain:?}");
            }
        }
    }
}

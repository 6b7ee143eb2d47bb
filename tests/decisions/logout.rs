//! Ending sessions: one, all of a user's, by the user and by the master (SEMANTICS S4, S6, O2, O3).

use vouchsafe::authority::login::Login;
use vouchsafe::authority::logout::{BackchannelLogout, Logout};
use vouchsafe::domain::decision::Reason;
use vouchsafe::session::id::SessionId;

use crate::installation::{Ask, Installation, MASTER, STRANGER, Wish, at};

/// The session cookie with `id`.
fn cookie(id: &str) -> String {
    format!("sid={id}")
}

/// The reason for a page with one cookie, over TLS.
async fn with_cookie(here: &Installation, id: &str, millis: u64) -> Reason {
    here.decide(&Ask::page("/page").cookie(cookie(id)), at(millis)).await.reason()
}

/// The reason for a page with the cookie for plain HTTP.
async fn over_http(here: &Installation, id: &str, millis: u64) -> Reason {
    let ask = Ask::page("/page").set("x-forwarded-proto", "http").cookie(format!("sidhttp={id}"));
    here.decide(&ask, at(millis)).await.reason()
}

async fn double(here: &Installation, user: &str, millis: u64) -> (String, String) {
    let Login::Opened { id, id_http, .. } = here.try_login(user, &[], at(millis)).await else {
        panic!("not logged in")
    };
    (id.to_hex(), id_http.unwrap().to_hex())
}

#[track_caller]
fn deleted(logout: Logout) -> Vec<String> {
    match logout {
        Logout::Done { cookies, .. } => cookies.into_iter().map(|cookie| cookie.0).collect(),
        Logout::Unavailable(reason) => panic!("{reason:?}"),
    }
}

const BY_MASTER: [(&str, &str); 3] =
    [("cn", "alice"), ("control", "opensesame"), ("x-forwarded-for", MASTER)];

#[tokio::test]
async fn a_logout_ends_the_session_and_deletes_every_cookie() {
    for (secured, embedded) in [(2, false), (2, true), (3, false), (3, true)] {
        let here = Installation::new(&Wish { embedded, secured, ..Wish::default() });
        let (id, id_http) = double(&here, "alice", 0).await;
        let cookies = deleted(here.logout("https", &[cookie(&id)], false, at(1)).await);
        for (line, name) in cookies.iter().zip(["sid=;", "sidhttp=;"]) {
            assert!(line.starts_with(name) && line.contains("Max-Age=0"), "{line}");
            assert!(line.contains("Domain=example.com") && line.contains("Path=/"), "{line}");
        }
        assert_eq!(cookies.len(), 2);
        assert_eq!(with_cookie(&here, &id, 2).await, Reason::SessionEnded);
        assert_eq!(over_http(&here, &id_http, 2).await, Reason::SessionEnded);
    }
}

#[tokio::test]
async fn a_logout_over_plain_http_ends_the_session_of_the_secure_cookie_too() {
    // Where LemonLDAP::NG leaves it alive (golden: logout_http_side).
    for secured in [2, 3] {
        let here = Installation::new(&Wish { secured, ..Wish::default() });
        let (id, id_http) = double(&here, "alice", 0).await;
        let presented = [format!("sidhttp={id_http}")];
        // Under TLS the name counts for nothing.
        deleted(here.logout("https", &presented, false, at(1)).await);
        assert_eq!(with_cookie(&here, &id, 1).await, Reason::Session);
        deleted(here.logout("http", &presented, false, at(2)).await);
        assert_eq!(with_cookie(&here, &id, 3).await, Reason::SessionEnded);
        assert_eq!(over_http(&here, &id_http, 3).await, Reason::SessionEnded);
    }
}

#[tokio::test]
async fn in_mode_3_both_cookies_are_one_session_that_idles_and_is_renewed_once() {
    let here = Installation::new(&Wish { secured: 3, ..Wish::default() });
    let before = here.records().await;
    let (id, id_http) = double(&here, "alice", 0).await;
    assert_eq!(here.records().await - before, 2, "the session, and a second key of it");
    let key = SessionId::parse(id.as_bytes()).unwrap().key();
    // Used over one cookie only, it stays alive for the other.
    let minute = 60_000;
    for step in 1..=6 {
        assert_eq!(over_http(&here, &id_http, step * 20 * minute).await, Reason::Session);
        // What the request asked for is done behind its back; here it is waited for.
        here.sessions.touch(key, at(step * 20 * minute)).await;
    }
    assert_eq!(with_cookie(&here, &id, 130 * minute).await, Reason::Session);
    // Without use neither lives.
    let late = over_http(&here, &id_http, 400 * minute).await;
    assert!(matches!(late, Reason::SessionExpired | Reason::SessionUnknown), "{late:?}");
}

#[tokio::test]
async fn an_anonymous_logout_ends_nothing_and_still_deletes_the_cookies() {
    let here = Installation::usual();
    let id = here.login("alice", at(0)).await;
    let junk = [cookie(&"0".repeat(64)), "sid=junk".to_owned()];
    assert_eq!(deleted(here.logout("https", &[], false, at(1)).await).len(), 1);
    assert_eq!(deleted(here.logout("https", &junk, true, at(1)).await).len(), 1);
    assert_eq!(with_cookie(&here, &id, 2).await, Reason::Session);
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_sessions_of_this_user_and_of_nobody_else() {
    for (secured, embedded) in [(2, false), (2, true), (3, false), (3, true)] {
        let here = Installation::new(&Wish { embedded, secured, ..Wish::default() });
        let mut mine = Vec::new();
        for _ in 0..5 {
            mine.push(double(&here, "alice", 0).await);
        }
        let (bob, _) = double(&here, "bob", 0).await;
        let by_fingerprint = Ask::asserted("/page", "alice");
        assert_eq!(here.decide(&by_fingerprint, at(0)).await.reason(), Reason::Session);
        let presented = [cookie(&mine[2].0)];
        deleted(here.logout("https", &presented, true, at(1)).await);
        for (id, id_http) in &mine {
            assert_eq!(with_cookie(&here, id, 2).await, Reason::SessionEnded);
            assert_eq!(over_http(&here, id_http, 2).await, Reason::SessionEnded);
        }
        assert_eq!(with_cookie(&here, &bob, 2).await, Reason::Session);
        let (again, _) = double(&here, "alice", 3).await;
        assert_eq!(with_cookie(&here, &again, 4).await, Reason::Session);
    }
}

#[tokio::test]
async fn the_master_ends_all_sessions_of_the_user_it_names() {
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let (first, second) = (here.login("alice", at(0)).await, here.login("alice", at(0)).await);
        let bob = here.login("bob", at(0)).await;
        let logout = here.backchannel_logout(&BY_MASTER, at(1)).await;
        assert_eq!(logout, BackchannelLogout::Done);
        assert_eq!(with_cookie(&here, &first, 2).await, Reason::SessionEnded);
        assert_eq!(with_cookie(&here, &second, 2).await, Reason::SessionEnded);
        assert_eq!(with_cookie(&here, &bob, 2).await, Reason::Session);
        // The same answer where there was nothing to end.
        assert_eq!(here.backchannel_logout(&BY_MASTER, at(2)).await, BackchannelLogout::Done);
    }
}

#[tokio::test]
async fn a_back_channel_logout_demands_the_full_proof_and_the_user() {
    let here = Installation::usual();
    let id = here.login("alice", at(0)).await;
    let changed = |name: &str, value: Option<&'static str>| {
        let mut headers = BY_MASTER.to_vec();
        headers.retain(|(other, _)| *other != name);
        headers.extend(value.map(|value| match name {
            "cn" => ("cn", value),
            "control" => ("control", value),
            _ => ("x-forwarded-for", value),
        }));
        headers
    };
    for (headers, expected) in [
        (changed("control", None), Reason::ControlMissing),
        (changed("control", Some("wrong")), Reason::ControlMismatch),
        (changed("cn", None), Reason::LoginMissing),
        (changed("cn", Some("")), Reason::LoginMissing),
        (changed("cn", Some("a b")), Reason::MalformedLogin),
        (changed("x-forwarded-for", Some(STRANGER)), Reason::MasterAddress),
    ] {
        let logout = here.backchannel_logout(&headers, at(1)).await;
        assert_eq!(logout, BackchannelLogout::Refused(expected), "{headers:?}");
    }
    let doubled = [&BY_MASTER[..], &[("cn", "bob")]].concat();
    let logout = here.backchannel_logout(&doubled, at(1)).await;
    assert_eq!(logout, BackchannelLogout::Refused(Reason::DuplicateHeader));
    assert_eq!(with_cookie(&here, &id, 2).await, Reason::Session);
}

#[tokio::test]
async fn a_master_ends_no_session_of_another_master() {
    let here = Installation::usual();
    let id = here.login("alice", at(0)).await;
    let other =
        [("cn", "alice"), ("control", "opensesame"), ("x-forwarded-for", "203.0.113.9, 10.0.0.2")];
    assert_eq!(here.backchannel_logout(&other, at(1)).await, BackchannelLogout::Done);
    assert_eq!(with_cookie(&here, &id, 2).await, Reason::Session);
}

#[tokio::test]
async fn after_a_logout_the_old_id_gets_no_new_cookie_from_a_subrequest() {
    let here = Installation::usual();
    let id = here.login("alice", at(0)).await;
    deleted(here.logout("https", &[cookie(&id)], false, at(1)).await);
    let ask = Ask::asserted("/page", "alice").navigation().cookie(cookie(&id));
    let vouchsafe::domain::decision::Decision::Allow(grant) = here.decide(&ask, at(2)).await else {
        panic!("the master still says who it is")
    };
    assert_eq!(grant.cookies, []);
}

#[tokio::test]
async fn a_load_in_flight_revives_no_session_that_is_being_ended() {
    // A71: after a restart the cache is cold, so each of these asks the store.
    let wish = Wish { embedded: true, ..Wish::default() };
    let mut here = Installation::new(&wish);
    for round in 0..20 {
        let id = here.login("alice", at(round)).await;
        here = here.restarted(&wish).await;
        let presented = [cookie(&id)];
        let asks = (0..20).map(|_| with_cookie(&here, &id, round));
        let (seen, logout) =
            tokio::join!(futures(asks), here.logout("https", &presented, false, at(round)));
        deleted(logout);
        assert!(
            seen.iter().all(|r| matches!(r, Reason::Session | Reason::SessionEnded)),
            "{seen:?}"
        );
        assert_eq!(with_cookie(&here, &id, round).await, Reason::SessionEnded, "round {round}");
    }
}

/// Runs all of them at once, interleaved at every await.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, output) in &mut running {
            if output.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        let is_done = running.iter().all(|(_, output)| output.is_some());
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

//! `kill -9` under login load: every login that was answered is still a session, and nobody else's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::support::wait_for;
use super::*;

/// How often the daemon is killed, and how many logins are answered before each time.
const KILLS: usize = 3;
const LOGINS_BEFORE_A_KILL: usize = 200;

/// Logs `user` in at the daemon; `None` if it did not answer.
fn login(daemon: &Daemon, user: &str) -> Option<String> {
    let request = Request::new("POST", PORTAL, "/")
        .headers(&[("CN", user), ("control", "password"), ("Accept", "application/json")])
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("lmAuth=2_Slave");
    let answer = request.try_send(daemon.public).ok()?;
    assert_eq!(answer.status, 200, "{answer}");
    Some(answer.json()["id"].as_str().unwrap().to_owned())
}

/// The user that a check with the cookie of `id` is answered with.
fn user_of(daemon: &Daemon, id: &str) -> Option<String> {
    let check = Request::new("GET", APP, "/auth/nginx").headers(&[
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/page"),
        ("X-Forwarded-Host", APP),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("Cookie", &format!("vouchsafe={id}")),
    ]);
    let answer = check.send(daemon.public);
    (answer.status == 200).then(|| answer.one("auth-user").unwrap_or_default().to_owned())
}

#[test]
fn every_login_that_was_answered_before_a_kill_is_still_that_users_session() {
    let daemon = Daemon::start();
    let answered = Mutex::new(Vec::<(String, String)>::new());
    let (done, next) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let user = format!("user{}", next.fetch_add(1, Ordering::Relaxed));
                    match login(&daemon, &user) {
                        Some(id) => answered.lock().unwrap().push((user, id)),
                        // It is being killed or started: try again without spinning.
                        None => std::thread::yield_now(),
                    }
                }
            });
        }
        for kill in 1..=KILLS {
            let enough =
                || (answered.lock().unwrap().len() >= kill * LOGINS_BEFORE_A_KILL).then_some(());
            wait_for("logins are answered", enough);
            daemon.kill();
            daemon.restart();
        }
        done.store(true, Ordering::Relaxed);
    });
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() >= KILLS * LOGINS_BEFORE_A_KILL);
    for (user, id) in &answered {
        assert_eq!(
            user_of(&daemon, id).as_deref(),
            Some(user.as_str()),
            "of {} logins",
            answered.len()
        );
    }
}

/// A68 through two real nginx: many users on few connections, each answer must carry its own user.
#[test]
fn parallel_users_behind_one_proxy_never_see_each_other() {
    let world = World::start();
    let users: Vec<(String, String)> = (0..40)
        .map(|user| {
            let user = format!("user{user}");
            let id = login(&world.daemon, &user).unwrap();
            (user, id)
        })
        .collect();
    std::thread::scope(|scope| {
        for (_, front) in &world.fronts {
            for share in users.chunks(10) {
                scope.spawn(move || {
                    for _ in 0..25 {
                        for (user, _) in share {
                            let asserted = stranger("GET", "/page")
                                .headers(&[("CN", user.as_str()), ("control", "password")]);
                            assert_eq!(
                                allowed(&asserted, front.address).all("Auth-User"),
                                [user.as_str()]
                            );
                        }
                    }
                });
            }
        }
    });
    for (user, id) in &users {
        assert_eq!(user_of(&world.daemon, id).as_deref(), Some(user.as_str()));
    }
}

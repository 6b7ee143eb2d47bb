//! `kill -9` while sessions step up: what was answered is as it was answered (SEMANTICS F12, S4).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vouchsafe::domain::secret::Secret;
use vouchsafe::domain::time::Timestamp;
use vouchsafe::mfa::node::local::{LocalNode, NewToken};
use vouchsafe::mfa::settings::{LocalSettings, PinPosition, TokenKind};
use vouchsafe::store::Store;
use vouchsafe::store::embedded::EmbeddedStore;

use crate::person::COOKIE;
use crate::support::client::{Answer, Request};
use crate::support::daemon::Daemon;
use crate::support::otp::hotp;
use crate::support::wait_for;
use crate::world::{APP, MASTER, PORTAL, UNREGULATED, about, configured};

/// How often the daemon is killed, and how many step-ups are answered before each time.
const KILLS: usize = 3;
const STEP_UPS_BEFORE_A_KILL: usize = 60;

/// Users, each with a token and a thread.
const USERS: usize = 6;

/// A step-up that was answered.
struct Done {
    user: usize,
    id: String,
    otp: String,
}

fn name(user: usize) -> String {
    format!("user{user}")
}

fn seed(user: usize) -> String {
    crate::support::otp::seed(u8::try_from(user).unwrap() + 1)
}

/// Gives each user a HOTP token, in the files of a daemon that does not run.
fn add_tokens(store: &Path, key: &Path) {
    let settings = LocalSettings {
        users: None,
        default_realm: "local".into(),
        pin: PinPosition::Front,
        challenge_response: Vec::new(),
        max_fail: 10,
        fail_reset: None,
        window: 10,
        time_window: Duration::from_secs(180),
        auto_resync: false,
    };
    let key = Secret::new(std::fs::read(key).unwrap());
    let store = Arc::new(Store::Embedded(EmbeddedStore::open(store).unwrap()));
    let node = LocalNode::new(settings, store, &key);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for user in 0..USERS {
        let mut token = NewToken::new(TokenKind::Hotp);
        token.user = name(user).into();
        token.secret = Some(Secret::new(vec![u8::try_from(user).unwrap() + 1; 20]));
        runtime.block_on(node.add(token, Timestamp::from_millis(1))).unwrap();
    }
}

fn portal(method: &str, target: &str) -> Request {
    let request = Request::new(method, PORTAL, target).header("Accept", "application/json");
    // What a proxy would say.
    request.header("X-Forwarded-For", &MASTER.to_string()).header("X-Forwarded-Proto", "https")
}

fn post(target: &str, body: &str) -> Request {
    portal("POST", target).header("Content-Type", "application/x-www-form-urlencoded").body(body)
}

fn with_cookie(request: Request, id: &str) -> Request {
    request.header("Cookie", &format!("{COOKIE}={id}"))
}

/// A new session of this user; `None` if the daemon did not answer.
fn login(daemon: SocketAddr, user: usize) -> Option<String> {
    let login = post("/", "lmAuth=2_Slave").headers(&about(&name(user)));
    let answer = login.try_send(daemon).ok().filter(|answer| answer.status == 200)?;
    Some(answer.json()["id"].as_str().unwrap().to_owned())
}

/// Has an OTP checked for a session.
fn step_up(daemon: SocketAddr, id: &str, otp: &str) -> Option<Answer> {
    let form = with_cookie(portal("GET", "/mfa"), id).try_send(daemon).ok()?;
    let token = form.json()["token"].as_str()?.to_owned();
    with_cookie(post("/mfa", &format!("token={token}&otp={otp}")), id).try_send(daemon).ok()
}

#[test]
fn an_answered_step_up_survives_a_kill_and_its_otp_stays_used() {
    let mfa = format!("mfa:\n  base: local\n  auth_level: 5\n{UNREGULATED}");
    let daemon = Daemon::start_with(|config| configured(&config, &mfa));
    assert_eq!(daemon.terminate(), Some(0));
    add_tokens(&daemon.path("data/mfa.redb"), &daemon.path("data/mfa.key"));
    daemon.restart();

    let answered = Mutex::new(Vec::<Done>::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for user in 0..USERS {
            let (answered, done, daemon) = (&answered, &done, &daemon);
            scope.spawn(move || {
                let mut counter = 0;
                while !done.load(Ordering::Relaxed) {
                    // It may be being killed or started.
                    let Some(id) = login(daemon.public, user) else {
                        std::thread::yield_now();
                        continue;
                    };
                    let otp = hotp(&seed(user), counter);
                    let Some(answer) = step_up(daemon.public, &id, &otp) else { continue };
                    // What was asked without an answer before may have been the one of this counter.
                    counter += 1;
                    if answer.status == 200 {
                        let id = answer.json()["id"].as_str().unwrap().to_owned();
                        answered.lock().unwrap().push(Done { user, id, otp });
                    } else {
                        assert_eq!(answer.status, 403, "{answer}");
                    }
                }
            });
        }
        for kill in 1..=KILLS {
            let enough =
                || (answered.lock().unwrap().len() >= kill * STEP_UPS_BEFORE_A_KILL).then_some(());
            wait_for("step-ups are answered", enough);
            daemon.kill();
            daemon.restart();
        }
        done.store(true, Ordering::Relaxed);
    });

    let answered = answered.into_inner().unwrap();
    assert!(answered.len() >= KILLS * STEP_UPS_BEFORE_A_KILL);
    for Done { user, id, .. } in &answered {
        let check = Daemon::check_from(&MASTER.to_string(), "GET", "https", APP, "/admin");
        let answer = with_cookie(check, id).send(daemon.public);
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(answer.one("auth-user"), Some(&*name(*user)), "{answer}");
        assert_eq!(answer.one("auth-mail"), Some("5"), "{answer}");
    }
    // The first and the last ones of each user: more failures in a row would lock a token.
    for user in 0..USERS {
        let mine: Vec<_> = answered.iter().filter(|done| done.user == user).collect();
        let id = login(daemon.public, user).unwrap();
        for used in mine.iter().take(2).chain(mine.iter().rev().take(4)) {
            let answer = step_up(daemon.public, &id, &used.otp).unwrap();
            assert_eq!(answer.status, 403, "{} was good twice: {answer}", used.otp);
        }
    }
}

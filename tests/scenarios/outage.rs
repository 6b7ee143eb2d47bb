//! The daemon fails: nothing opens, and clients are told to come again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::support::wait_for;
use super::*;

/// When a request began and ended, and its status.
type Sample = (Instant, Instant, u16);

#[track_caller]
fn assert_closed(world: &World, cookie: &str) {
    world.behind_each(|front| {
        let marker = marker();
        for path in ["/page", "/public/page", "/assets/page"] {
            let target = format!("{path}?{marker}");
            for request in [
                from_master("GET", &target),
                from_master("POST", &target).body("x"),
                stranger("GET", &target).headers(NAVIGATION).header("Cookie", cookie),
            ] {
                let answer = refused(&request, front, 503, "unavailable");
                assert_eq!(answer.one("Content-Type"), Some("application/json"));
                assert_eq!(answer.json()["error"], "unavailable");
                let seconds: u32 = answer.one("Retry-After").unwrap().parse().unwrap();
                assert!((1..=60).contains(&seconds), "{answer}");
            }
        }
        assert!(!world.app.saw(&marker));
    });
}

#[test]
fn a_killed_daemon_closes_everything_and_its_sessions_survive() {
    let world = World::start();
    let front = world.fronts[0].1.address;
    let cookie = format!("vouchsafehttp={}", portal::login(front).id_http);
    let opens = |front| {
        let asked = allowed(&stranger("GET", "/page").header("Cookie", &cookie), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
    };
    world.behind_each(opens);

    world.daemon.kill();
    assert_closed(&world, &cookie);

    world.daemon.restart();
    world.behind_each(opens);
    world.behind_each(|front| drop(allowed(&from_master("GET", "/page"), front)));
}

#[test]
fn a_daemon_that_is_terminated_under_load_fails_requests_only_while_it_is_gone() {
    let world = World::start();
    let samples = Mutex::new(Vec::<Sample>::new());
    let done = AtomicBool::new(false);
    let wait_for_requests = |count: usize| {
        let goal = samples.lock().unwrap().len() + count;
        wait_for("requests are made", || (samples.lock().unwrap().len() >= goal).then_some(()));
    };
    let (went, came) = std::thread::scope(|scope| {
        // Ends the load also when an assertion below fails; else the scope would wait for it forever.
        struct Finish<'a>(&'a AtomicBool);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _finish = Finish(&done);
        for (_, nginx) in &world.fronts {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    let status = from_master("GET", "/page").send(nginx.address).status;
                    samples.lock().unwrap().push((begin, Instant::now(), status));
                }
            });
        }
        wait_for_requests(100);
        let went = Instant::now();
        assert_eq!(world.daemon.terminate(), Some(0), "{}", world.daemon.log());
        world.daemon.restart();
        let came = Instant::now();
        wait_for_requests(100);
        (went, came)
    });

    for (begin, end, status) in samples.into_inner().unwrap() {
        let expected: &[u16] = if end < went || begin > came { &[200] } else { &[200, 503] };
        assert!(expected.contains(&status), "{status}, {:?} after SIGTERM", end - went);
    }
}

#[test]
fn a_check_on_an_open_connection_is_answered_and_then_the_daemon_ends() {
    let daemon = Daemon::start();
    let mut connection = support::client::Connection::open(daemon.public).unwrap();
    for _ in 0..2 {
        connection.send(&Daemon::check("/page").headers(MASTER).bytes()).unwrap();
        assert_eq!(connection.read(true).unwrap().status, 200);
    }
    assert_eq!(daemon.terminate(), Some(0), "{}", daemon.log());
    assert_eq!(connection.read_to_end().unwrap(), b"");
}

//! The daemon hangs, is killed, comes back. These break it for everybody, so they run last, behind all fronts at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::asking::{allowed, from_master, login, marker, never_arrives, refused, stranger};
use crate::cases::logs;
use crate::support::client::{Connection, Request};
use crate::support::wait_for;
use crate::table::{Cell, cells};
use crate::world::{MASTER, World};

/// Longest time after which a client is told that a hanging daemon does not answer.
const PATIENCE: Duration = Duration::from_secs(8);
const PATHS: [&str; 3] = ["/page", "/public/page", "/assets/page"];
const KILLS: usize = 3;
/// In the target of each request that must not arrive.
const UNINVITED: &str = "uninvited";

/// Breaks the daemon and makes the row of this name.
type Outage = fn(&World, &'static str) -> Vec<Cell>;

/// All rows, in order.
pub const OUTAGES: &[(&str, Outage)] = &[
    ("A daemon that hangs lets nobody in, and the client is told within seconds", hangs),
    ("A killed daemon lets nobody in: 503, its class, and when to come again", killed),
    (
        "Killed and restarted under load: nobody gets in without being asked, errors only while it is down",
        restarted,
    ),
    ("After all of that no log holds the master's secret or a session's id", logs::no_secret),
];

fn hangs(world: &World, name: &'static str) -> Vec<Cell> {
    world.daemon.signal("STOP");
    let hanging = cells(world, name, |front| {
        each_path(|path| {
            let begin = Instant::now();
            let marker = marker();
            let request = from_master("GET", &format!("{path}?{marker}"));
            let mut connection = Connection::open_from(front.address, Some(MASTER)).unwrap();
            connection.set_patience(PATIENCE).unwrap();
            connection.send(&request.bytes()).unwrap();
            match connection.read(true) {
                Ok(answer) => assert_eq!(answer.status, front.unavailable(), "{path}: {answer}"),
                Err(error) => assert!(front.is_traefik(), "{error} after {:?}", begin.elapsed()),
            }
            assert!(!world.application.saw(&marker), "{path}");
        });
    });
    world.daemon.signal("CONT");
    for front in &world.fronts {
        wait_for("the daemon answers again", || {
            let answer = from_master("GET", "/page").try_send(front.address);
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        });
    }
    hanging
}

/// Tries all paths side by side: a front may take its time with each.
fn each_path(attempt: impl Fn(&'static str) + Sync) {
    std::thread::scope(|scope| {
        let attempt = &attempt;
        let running = PATHS.map(|path| scope.spawn(move || attempt(path)));
        for tried in running {
            tried.join().unwrap();
        }
    });
}

fn killed(world: &World, name: &'static str) -> Vec<Cell> {
    let sessions: Vec<String> = world
        .fronts
        .iter()
        .map(|front| format!("vouchsafehttp={}", login(front, "dwho").1))
        .collect();
    world.daemon.kill();
    let gone = cells(world, name, |front| {
        each_path(|path| {
            let requests: [fn(&str) -> Request; 2] = [
                |target| from_master("GET", target),
                |target| from_master("POST", target).body("x"),
            ];
            for request in requests {
                let answer = never_arrives(world, front, path, request).unwrap();
                assert_eq!(answer.status, front.unavailable(), "{answer}");
            }
            if !front.is_traefik() {
                let answer = refused(front, &from_master("GET", path), 503, "unavailable");
                let seconds: u32 = answer.one("Retry-After").unwrap().parse().unwrap();
                assert!((1..=60).contains(&seconds), "{answer}");
            }
        });
    });
    world.daemon.restart();
    // A session outlives its daemon, at every front at once.
    let alive = cells(world, name, |front| {
        let at = world.fronts.iter().position(|other| std::ptr::eq(front, other)).unwrap();
        let page = stranger("GET", "/page").header("Cookie", &sessions[at]);
        assert_eq!(allowed(front, &page).all("Auth-User"), ["dwho"]);
    });
    gone.into_iter().zip(alive).map(|(gone, alive)| gone.and(alive)).collect()
}

/// When a request began and ended, and its status; 0 if the connection was cut.
type Sample = (Instant, Instant, u16);

/// What one front's clients saw.
#[derive(Default)]
struct Load {
    samples: Mutex<Vec<Sample>>,
    strangers: Mutex<Vec<u16>>,
}

fn restarted(world: &World, name: &'static str) -> Vec<Cell> {
    let loads: Vec<Load> = world.fronts.iter().map(|_| Load::default()).collect();
    let done = AtomicBool::new(false);
    let outages = std::thread::scope(|scope| {
        /// Ends the load also when an assertion below fails; else the scope would wait for it forever.
        struct Finish<'a>(&'a AtomicBool);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _finish = Finish(&done);
        for (front, load) in world.fronts.iter().zip(&loads) {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    let answer = from_master("GET", "/page").try_send(front.address);
                    let status = answer.map_or(0, |answer| answer.status);
                    load.samples.lock().unwrap().push((begin, Instant::now(), status));
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let request = stranger("GET", &format!("/page?{UNINVITED}"));
                    let status = request.try_send(front.address).map_or(0, |answer| answer.status);
                    load.strangers.lock().unwrap().push(status);
                }
            });
        }
        let progress = |requests: usize| {
            let count = |load: &Load| load.samples.lock().unwrap().len();
            let goals: Vec<usize> = loads.iter().map(|load| count(load) + requests).collect();
            wait_for("requests are made", || {
                loads.iter().zip(&goals).all(|(load, goal)| count(load) >= *goal).then_some(())
            });
        };
        let outage = |_| {
            progress(20);
            let went = Instant::now();
            world.daemon.kill();
            progress(3);
            world.daemon.restart();
            (went, Instant::now())
        };
        let outages: Vec<(Instant, Instant)> = (0..KILLS).map(outage).collect();
        progress(20);
        outages
    });
    cells(world, name, |front| {
        let at = world.fronts.iter().position(|other| std::ptr::eq(front, other)).unwrap();
        let down = |begin: &Instant, end: &Instant| {
            outages.iter().any(|(went, came)| end >= went && begin <= came)
        };
        let samples = loads[at].samples.lock().unwrap();
        for (begin, end, status) in samples.iter() {
            let expected =
                if down(begin, end) { &[200, 0, front.unavailable()][..] } else { &[200] };
            let after = outages.iter().map(|(_, came)| begin.checked_duration_since(*came));
            assert!(
                expected.contains(status),
                "{status}, {:?} after it came back",
                after.collect::<Vec<_>>()
            );
        }
        assert!(samples.iter().any(|(_, _, status)| *status != 200), "nothing was down");
        for status in loads[at].strangers.lock().unwrap().iter() {
            assert!([401, 0, front.unavailable()].contains(status), "{status}");
        }
        assert!(!world.application.saw(UNINVITED), "a stranger got in");
    })
}

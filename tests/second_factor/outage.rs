//! Nodes that are down, or hang (A88, A98): nobody gets in without a factor, and everybody else goes on working.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::person::{COOKIE, Person};
use crate::riding::basic;
use crate::support::client::Request;
use crate::support::daemon::replace;
use crate::support::{free_address, wait_for};
use crate::world::{
    APP, BROWSERS, PORTAL, PROGRAMS, STRANGER, UNREGULATED, World, allowed, good, login, refused,
};

/// The class of a refusal that is our fault, and when to come again.
#[track_caller]
fn assert_fails_closed(world: &World) {
    world.behind_each(|front| {
        let mut dwho = Person::logged_in(front.address, "dwho");
        let form = dwho.sent_to_form("/admin");
        let answer = dwho.send(&form, &good());
        assert_eq!(answer.status, 503, "{answer}");
        assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("unavailable"), "{answer}");
        assert_eq!(answer.all("Set-Cookie"), [""; 0], "{answer}");
        assert!(answer.one("Retry-After").is_some(), "{answer}");
        assert!(answer.one("Content-Type").unwrap().starts_with("text/html"), "{answer}");
        // It is no way out, and none for programs.
        dwho.sent_to_form("/admin");
        let call = dwho.posting(&form.body(&good())).header("Accept", "application/json");
        assert_eq!(call.send(front.address).json()["result"], 0);
        let cookie = format!("{COOKIE}={}", login(world.daemon.public, "dwho"));
        let call =
            |target| Request::new("GET", PROGRAMS, target).header("Cookie", &cookie).from(STRANGER);
        allowed(&call("/page"), front.address);
        for credentials in [("X-OTP", good()), ("Authorization", basic("dwho", &good()))] {
            let call = call("/admin").header(credentials.0, &credentials.1);
            let answer = refused(&call, front.address, 503, "unavailable");
            assert!(answer.one("Retry-After").is_some(), "{answer}");
        }
        allowed(&dwho.visit(APP, "/page"), front.address);
    });
    let metrics = world.metrics();
    assert!(metrics.contains("reason=\"factor_unavailable\""), "{metrics}");
}

#[test]
fn without_any_node_nobody_gets_in() {
    let nowhere = free_address();
    let config = |config: String| {
        let (before, rest) = config.split_once("url: \"http://").unwrap();
        let (_, after) = rest.split_once("\", role").unwrap();
        [before, &format!("url: \"http://{nowhere}"), "\", role", after].concat()
    };
    let world = World::around(&BROWSERS, UNREGULATED, config);
    assert_fails_closed(&world);
}

#[test]
fn with_a_node_that_hangs_nobody_gets_in() {
    let config = |config: String| {
        replace(&config, "timeout: 20s, connect_timeout: 2s", "timeout: 1s, connect_timeout: 500ms")
    };
    let world = World::around(&BROWSERS, UNREGULATED, config);
    world.lab.hold();
    assert_fails_closed(&world);
}

#[test]
fn while_a_node_hangs_everybody_else_goes_on_working() {
    let world = World::start(&["nginx 1.22", "Envoy 1.40 gRPC"]);
    world.behind_each(|front| {
        let rtyler = Person::logged_in(front.address, "rtyler");
        allowed(&rtyler.visit(APP, "/page"), front.address);
        let waiting: Vec<_> = (0..8)
            .map(|user| {
                let person = Person::logged_in(front.address, &format!("user{user}"));
                let form = person.sent_to_form("/admin");
                person.posting(&form.body(&good()))
            })
            .collect();
        world.lab.hold();
        let (asked, answered) = (world.lab.asked().len(), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for post in &waiting {
                scope.spawn(|| {
                    let answer = post.send(front.address);
                    answered.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(answer.status, 302, "{answer}");
                });
            }
            let all = || (world.lab.asked().len() >= asked + waiting.len()).then_some(());
            wait_for("the node is asked about all of them", all);
            for round in 0..50 {
                allowed(&rtyler.visit(APP, &format!("/page?{round}")), front.address);
                allowed(&Request::new("GET", APP, "/public/x").from(STRANGER), front.address);
            }
            // Also who logs in now, and who is asked for a factor.
            let new = Person::logged_in(front.address, "amy");
            allowed(&new.visit(APP, "/page"), front.address);
            new.sent_to_form("/admin");
            assert_eq!(new.visit(PORTAL, "/logout").send(front.address).status, 200);
            assert_eq!(answered.load(Ordering::SeqCst), 0, "the node did not hang");
            world.lab.let_go();
        });
    });
}

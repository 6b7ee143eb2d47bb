//! Redis is gone, slow or full: who is served, who is told to come again, and what operators see.

use std::time::Duration;

use crate::nodes::{Nodes, store_at};
use crate::support::client::Request;
use crate::support::person::{Told, try_check, try_login, try_logout};
use crate::support::redis::Redis;
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_secs(5);

#[track_caller]
fn logged_in(nodes: &Nodes, user: &str) -> crate::support::person::Ticket {
    match try_login(nodes.addresses()[0], user, PATIENCE) {
        Told::Yes(ticket) => ticket,
        told @ (Told::No(_) | Told::Failed(_)) => panic!("{told:?}"),
    }
}

fn readiness(nodes: &Nodes) -> (u16, String) {
    let answer = Request::new("GET", "localhost", "/readyz").send(nodes.daemons[0].admin);
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

fn is_failed<T>(told: &Told<T>) -> bool {
    matches!(told, Told::Failed(why) if why.starts_with("503"))
}

#[test]
fn without_redis_nobody_is_believed_and_everything_comes_back_by_itself() {
    let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let nodes = Nodes::start(1, &store_at(&redis));
    let node = nodes.addresses()[0];
    let ticket = logged_in(&nodes, "dwho");
    assert_eq!(try_check(node, &ticket, PATIENCE), Told::Yes("dwho".to_owned()));
    redis.kill();
    wait_for("nobody is believed", || is_failed(&try_check(node, &ticket, PATIENCE)).then_some(()));
    assert!(is_failed(&try_login(node, "ada", PATIENCE)));
    assert!(is_failed(&try_logout(node, &ticket, PATIENCE)));
    let (status, text) = readiness(&nodes);
    assert_eq!(status, 503);
    assert!(text.contains(&redis.address.to_string()), "{text}");
    // Alive all the same: a restart would help nobody.
    let live = Request::new("GET", "localhost", "/livez").send(nodes.daemons[0].admin);
    assert_eq!(live.status, 200);

    redis.restart();
    wait_for("it is ready again", || (readiness(&nodes).0 == 200).then_some(()));
    // The logout failed, so the session is still there.
    wait_for("the session is good again", || {
        (try_check(node, &ticket, PATIENCE) == Told::Yes("dwho".to_owned())).then_some(())
    });
}

#[test]
fn known_sessions_outlive_an_outage_for_as_long_as_operators_allow() {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start_with(1, &store_at(&redis), "  stale_max: 1m\n");
    let node = nodes.addresses()[0];
    let ticket = logged_in(&nodes, "dwho");
    assert_eq!(try_check(node, &ticket, PATIENCE), Told::Yes("dwho".to_owned()));
    redis.pause();
    for _ in 0..20 {
        assert_eq!(try_check(node, &ticket, PATIENCE), Told::Yes("dwho".to_owned()));
    }
    assert!(is_failed(&try_login(node, "ada", PATIENCE)));
    assert!(is_failed(&try_logout(node, &ticket, PATIENCE)));
    wait_for("it says that it is not ready", || (readiness(&nodes).0 == 503).then_some(()));
    assert_eq!(try_check(node, &ticket, PATIENCE), Told::Yes("dwho".to_owned()));
    let metrics = Request::new("GET", "localhost", "/metrics").send(nodes.daemons[0].admin);
    let metrics = String::from_utf8(metrics.body).unwrap();
    let stale = metrics
        .lines()
        .find_map(|line| line.strip_prefix("vouchsafe_stale_sessions_served_total "));
    assert!(stale.is_some_and(|count| count != "0"), "{metrics}");
    redis.resume();
    wait_for("it is ready again", || (readiness(&nodes).0 == 200).then_some(()));
    assert_eq!(try_logout(node, &ticket, PATIENCE), Told::Yes(()));
    assert!(matches!(try_check(node, &ticket, PATIENCE), Told::No(_)));
}

#[test]
fn a_full_redis_takes_no_login_and_every_logout() {
    let redis = Redis::start(&["--maxmemory-policy", "noeviction"]);
    let nodes = Nodes::start(1, &store_at(&redis));
    let node = nodes.addresses()[0];
    let ticket = logged_in(&nodes, "dwho");
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let told = try_login(node, "ada", PATIENCE);
    assert!(is_failed(&told), "{told:?}");
    assert_eq!(try_check(node, &ticket, PATIENCE), Told::Yes("dwho".to_owned()));
    assert_eq!(try_logout(node, &ticket, PATIENCE), Told::Yes(()));
    assert!(matches!(try_check(node, &ticket, PATIENCE), Told::No(_)));
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(matches!(try_login(node, "ada", PATIENCE), Told::Yes(_)));
}

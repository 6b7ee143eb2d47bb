//! One fault each, under load; afterwards the account must be exact.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, Counts};
use crate::load::Load;
use crate::nodes::{Nodes, store_at, store_in, store_watched};
use crate::support::redis::{Cluster, Redis, Watched};
use crate::support::wait_for;

/// The shipped store.
const EMBEDDED: &str = "{ kind: embedded, path: data/sessions.redb }";

/// How long something stays broken where nothing tells that it is noticed.
const FROZEN: Duration = Duration::from_secs(2);

/// A fault in words, and what becomes of people meanwhile.
pub type Fault = (&'static str, fn() -> Arc<Account>);

/// All of them.
pub const FAULTS: &[Fault] = &[
    ("`kill -9` of the daemon, embedded store", daemon_with_file_killed),
    ("restart of the daemon, embedded store", daemon_with_file_restarted),
    ("`kill -9` of one of three daemons", daemons_killed),
    ("one of three daemons frozen for 2 s", daemon_frozen),
    ("`kill -9` of the Redis primary, Sentinel", primary_killed),
    ("Redis primary frozen, replaced by Sentinel, back again", primary_frozen),
    ("daemons left with the minority: a primary without replica and sentinels", minority),
    ("`kill -9` of a primary, Redis Cluster", cluster_primary_killed),
    ("`kill -9` of all Redis, `appendfsync always`", redis_killed),
    ("all Redis frozen for 2 s", redis_frozen),
    ("Redis slower than a call may take", redis_slow),
    ("Redis full for 2 s", redis_full),
];

/// Nothing that was acknowledged is lost, nothing that ended came back, nobody was taken for somebody else.
#[track_caller]
pub fn is_exact(account: &Account) {
    let counts = account.counts();
    println!("{counts:?}");
    let Counts { lost, resurrected, swapped, .. } = counts;
    assert_eq!((lost, resurrected, swapped), (0, 0, 0), "{counts:?}\n{}", account.complaints());
    assert_eq!(account.complaints(), "");
    assert!(counts.logins > 20 && counts.logouts > 10, "too little happened: {counts:?}");
}

fn daemon_with_file_killed() -> Arc<Account> {
    let nodes = Nodes::start(1, EMBEDDED);
    let load = Load::start(nodes.addresses());
    for _ in 0..4 {
        load.wait_for_success(20);
        nodes.daemons[0].kill();
        nodes.daemons[0].restart();
    }
    load.wait_for_success(20);
    load.settle()
}

fn daemon_with_file_restarted() -> Arc<Account> {
    let nodes = Nodes::start(1, EMBEDDED);
    let load = Load::start(nodes.addresses());
    for _ in 0..3 {
        load.wait_for_success(20);
        assert_eq!(nodes.daemons[0].terminate(), Some(0));
        nodes.daemons[0].restart();
    }
    load.wait_for_success(20);
    load.settle()
}

fn daemons_killed() -> Arc<Account> {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start(3, &store_at(&redis));
    let load = Load::start(nodes.addresses());
    for daemon in &nodes.daemons {
        load.wait_for_success(20);
        daemon.kill();
        load.wait_for_success(5);
        daemon.restart();
    }
    load.wait_for_success(20);
    load.settle()
}

fn daemon_frozen() -> Arc<Account> {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start(3, &store_at(&redis));
    let load = Load::start(nodes.addresses());
    for daemon in &nodes.daemons {
        load.wait_for_success(20);
        daemon.signal("STOP");
        std::thread::sleep(FROZEN); // it is the fault
        daemon.signal("CONT");
    }
    load.wait_for_success(20);
    load.settle()
}

fn primary_killed() -> Arc<Account> {
    let watched = Watched::start();
    let nodes = Nodes::start(3, &store_watched(&watched));
    let load = Load::start(nodes.addresses());
    load.wait_for_success(30);
    watched.servers.primary.kill();
    load.wait_for_success(30);
    load.settle()
}

fn primary_frozen() -> Arc<Account> {
    let watched = Watched::start();
    let nodes = Nodes::start(3, &store_watched(&watched));
    let load = Load::start(nodes.addresses());
    load.wait_for_success(30);
    watched.servers.primary.pause();
    load.wait_for_success(30);
    watched.servers.primary.resume();
    load.wait_for_success(30);
    load.settle()
}

fn minority() -> Arc<Account> {
    let watched = Watched::start();
    let nodes = Nodes::start(3, &store_watched(&watched));
    let load = Load::start(nodes.addresses());
    load.wait_for_success(30);
    // The daemons are with the primary; its replica and the sentinels are on the other side.
    watched.servers.replica.pause();
    watched.sentinels.iter().for_each(Redis::pause);
    // Sentinels that were away for 2 s trust their clocks so little that they do nothing for 30 s.
    std::thread::sleep(Duration::from_millis(1200)); // it is the fault
    let alone = load.account.counts();
    // Now the primary is on the other side, and the rest chooses another.
    watched.servers.primary.pause();
    watched.servers.replica.resume();
    watched.sentinels.iter().for_each(Redis::resume);
    load.wait_for_success(30);
    watched.servers.primary.resume();
    wait_for("the old primary follows the new one", || {
        watched.servers.primary.ask(&["ROLE"]).starts_with("slave").then_some(())
    });
    load.wait_for_success(30);
    assert!(alone.logins_failed > 0, "{alone:?}");
    load.settle()
}

fn cluster_primary_killed() -> Arc<Account> {
    let cluster = Cluster::start();
    let nodes = Nodes::start(3, &store_in(&cluster));
    let load = Load::start(nodes.addresses());
    load.wait_for_success(30);
    cluster.primaries[0].kill();
    wait_for("the replica takes over", || {
        cluster.replicas[0].ask(&["ROLE"]).starts_with("master").then_some(())
    });
    load.wait_for_success(30);
    load.settle()
}

fn redis_killed() -> Arc<Account> {
    let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let nodes = Nodes::start(3, &store_at(&redis));
    let load = Load::start(nodes.addresses());
    for _ in 0..2 {
        load.wait_for_success(20);
        redis.kill();
        redis.restart();
    }
    load.wait_for_success(20);
    load.settle()
}

fn redis_frozen() -> Arc<Account> {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start(3, &store_at(&redis));
    let load = Load::start(nodes.addresses());
    for _ in 0..3 {
        load.wait_for_success(20);
        redis.pause();
        std::thread::sleep(FROZEN); // it is the fault
        redis.resume();
    }
    load.wait_for_success(20);
    load.settle()
}

fn redis_slow() -> Arc<Account> {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start(3, &store_at(&redis));
    let load = Load::start(nodes.addresses());
    load.wait_for_success(20);
    for _ in 0..10 {
        // Longer than a call may take, and shorter.
        for seconds in ["0.3", "0.7"] {
            redis.ask(&["DEBUG", "SLEEP", seconds]);
        }
    }
    load.wait_for_success(20);
    load.settle()
}

fn redis_full() -> Arc<Account> {
    let redis = Redis::start(&["--maxmemory-policy", "noeviction"]);
    let nodes = Nodes::start(3, &store_at(&redis));
    let load = Load::start(nodes.addresses());
    load.wait_for_success(20);
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    std::thread::sleep(FROZEN); // it is the fault
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    load.wait_for_success(20);
    let account = load.settle();
    assert!(account.counts().logins_failed > 0);
    account
}

#[test]
fn a_daemon_with_a_file_is_killed_and_started_again() {
    is_exact(&daemon_with_file_killed());
}

#[test]
fn a_daemon_with_a_file_is_stopped_and_started_again() {
    is_exact(&daemon_with_file_restarted());
}

#[test]
fn daemons_are_killed_one_after_the_other() {
    is_exact(&daemons_killed());
}

#[test]
fn a_daemon_is_frozen_for_a_while() {
    is_exact(&daemon_frozen());
}

#[test]
fn the_primary_is_killed_and_sentinels_choose_another() {
    is_exact(&primary_killed());
}

#[test]
fn the_primary_is_frozen_and_comes_back_when_another_has_taken_over() {
    is_exact(&primary_frozen());
}

#[test]
fn a_primary_alone_acknowledges_nothing_that_the_others_do_not_know() {
    is_exact(&minority());
}

#[test]
fn a_clusters_primary_is_killed_and_its_replica_takes_over() {
    is_exact(&cluster_primary_killed());
}

#[test]
fn all_of_redis_is_killed_and_has_kept_what_it_was_told_to_keep() {
    is_exact(&redis_killed());
}

#[test]
fn redis_is_frozen_again_and_again() {
    is_exact(&redis_frozen());
}

#[test]
fn redis_is_slow() {
    is_exact(&redis_slow());
}

#[test]
fn redis_is_full_for_a_while() {
    is_exact(&redis_full());
}

//! People and programs who meet another node at every step.

use std::sync::Barrier;
use std::time::Duration;

use serde_json::Value;

use crate::nodes::{Nodes, store_at};
use crate::support::daemon::{Daemon, replace};
use crate::support::echo::Echo;
use crate::support::nginx::Nginx;
use crate::support::person::{self, PROOF, Ticket, Told, try_check, try_login, try_logout};
use crate::support::redis::Redis;
use crate::support::{programs, wait_for};

const PATIENCE: Duration = Duration::from_secs(5);

fn three() -> (Redis, Nodes) {
    three_with("")
}

fn three_with(sessions: &str) -> (Redis, Nodes) {
    let redis = Redis::start(&[]);
    let nodes = Nodes::start_with(3, &store_at(&redis), sessions);
    (redis, nodes)
}

#[track_caller]
fn log_in(nodes: &Nodes, at: usize, user: &str) -> Ticket {
    match try_login(nodes.addresses()[at], user, PATIENCE) {
        Told::Yes(ticket) => ticket,
        told @ (Told::No(_) | Told::Failed(_)) => panic!("{told:?}"),
    }
}

#[track_caller]
fn is_let_in(nodes: &Nodes, at: usize, ticket: &Ticket) -> bool {
    match try_check(nodes.addresses()[at], ticket, PATIENCE) {
        Told::Yes(_) => true,
        Told::No(reason) => {
            assert_eq!(reason, "login");
            false
        }
        Told::Failed(why) => panic!("{why}"),
    }
}

#[track_caller]
fn is_refused_soon(nodes: &Nodes, at: usize, ticket: &Ticket) {
    wait_for("the node refuses", || (!is_let_in(nodes, at, ticket)).then_some(()));
}

#[test]
fn a_login_at_one_node_is_good_at_another_until_the_logout_at_the_third() {
    let (_redis, nodes) = three();
    let (dwho, ada) = (log_in(&nodes, 0, "dwho"), log_in(&nodes, 1, "ada"));
    for at in 0..3 {
        let told = try_check(nodes.addresses()[at], &dwho, PATIENCE);
        assert_eq!(told, Told::Yes("dwho".to_owned()));
        assert!(is_let_in(&nodes, at, &ada));
    }
    assert_eq!(try_logout(nodes.addresses()[2], &dwho, PATIENCE), Told::Yes(()));
    assert!(!is_let_in(&nodes, 2, &dwho));
    for at in 0..2 {
        is_refused_soon(&nodes, at, &dwho);
    }
    assert!((0..3).all(|at| is_let_in(&nodes, at, &ada)));
}

#[test]
fn nginx_may_ask_any_of_them() {
    let (_redis, nodes) = three();
    let echo = Echo::start();
    // `server` lines of the shipped file's upstream.
    let servers: Vec<_> = nodes.addresses().iter().map(ToString::to_string).collect();
    let servers = servers.join("; server ");
    let program = programs::nginx_of_debian();
    // TLS ends in front of it, so that the secure cookie counts.
    let nginx = Nginx::start(&program, servers, echo.address, &|name, text| match name {
        "auth.conf" | "example.conf" => replace(&text, "$scheme;", "https;"),
        _ => text,
    });
    let answer = person::login("dwho").send(nginx.address);
    assert_eq!(answer.status, 200, "{answer}");
    let ticket = person::ticket(&answer).unwrap();
    let visit = || person::visit(&ticket).send(nginx.address);
    for _ in 0..30 {
        let answer = visit();
        assert_eq!(answer.status, 200, "{answer}");
    }
    let asked = |daemon: &Daemon| {
        let metrics = crate::support::client::Request::new("GET", "localhost", "/metrics");
        let text = metrics.send(daemon.admin).body;
        String::from_utf8(text).unwrap().contains("dialect=\"nginx\"")
    };
    assert!(nodes.daemons.iter().all(asked), "nginx left one of them out");
    assert_eq!(person::logout(&ticket).send(nginx.address).status, 200);
    wait_for("every node refuses", || (0..9).all(|_| visit().status != 200).then_some(()));
}

#[test]
fn parallel_first_calls_of_one_program_open_one_session() {
    let (_redis, nodes) = three();
    let ready = Barrier::new(12);
    std::thread::scope(|scope| {
        for caller in 0..12 {
            let (ready, nodes) = (&ready, &nodes);
            scope.spawn(move || {
                let call = Daemon::check("/").headers(&[PROOF, ("CN", "robot")]);
                ready.wait();
                let answer = call.send(nodes.addresses()[caller % 3]);
                assert_eq!(answer.status, 200, "{answer}");
            });
        }
    });
    let listed = nodes.run(1, &["session", "list", "--json", "--user", "robot"]).good();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
}

#[test]
fn what_an_operator_ends_at_one_node_has_ended_at_all() {
    let (_redis, nodes) = three();
    let tickets: Vec<_> = (0..3).map(|at| log_in(&nodes, at, "dwho")).collect();
    let ada = log_in(&nodes, 0, "ada");
    for at in 0..3 {
        assert!(tickets.iter().chain([&ada]).all(|ticket| is_let_in(&nodes, at, ticket)));
    }
    let said = nodes.run(2, &["session", "end", "--user", "dwho"]).good();
    assert_eq!(said, "3 sessions have ended\n");
    for at in 0..3 {
        for ticket in &tickets {
            is_refused_soon(&nodes, at, ticket);
        }
        assert!(is_let_in(&nodes, at, &ada));
    }
    nodes.run(0, &["session", "end", "--all"]).good();
    (0..3).for_each(|at| is_refused_soon(&nodes, at, &ada));
}

#[test]
fn who_may_have_one_session_only_has_the_newest_wherever_it_was_opened() {
    let (_redis, nodes) = three_with("  max_per_user: 1\n");
    let first = log_in(&nodes, 0, "dwho");
    assert!(is_let_in(&nodes, 2, &first));
    let second = log_in(&nodes, 1, "dwho");
    for at in 0..3 {
        is_refused_soon(&nodes, at, &first);
        assert!(is_let_in(&nodes, at, &second));
    }
}

#[test]
fn many_logins_of_one_user_at_once_leave_as_many_sessions_as_are_allowed() {
    let (_redis, nodes) = three_with("  max_per_user: 2\n");
    let tickets: Vec<Ticket> = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..9)
            .map(|at| {
                scope.spawn({
                    let nodes = &nodes;
                    move || log_in(nodes, at % 3, "dwho")
                })
            })
            .collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect()
    });
    wait_for("two are left, the same everywhere", || {
        let alive = |at| -> Vec<bool> {
            tickets.iter().map(|ticket| is_let_in(&nodes, at, ticket)).collect()
        };
        let first = alive(0);
        let is_good = first.iter().filter(|alive| **alive).count() == 2;
        (is_good && alive(1) == first && alive(2) == first).then_some(())
    });
}

//! How long another node goes on letting in who has logged out: from the logout's answer to the first refusal.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::support::client::Connection;
use crate::support::person::{Ticket, Told, check, try_check, try_login, try_logout};

/// How long anybody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Times from a logout's answer at the first node until another one refuses, of `samples` logouts and each of the
/// other nodes, in order.
pub fn revocation(nodes: &[SocketAddr], samples: usize) -> Vec<Duration> {
    let [first, others @ ..] = nodes else { return Vec::new() };
    let mut times: Vec<Duration> =
        (0..samples).flat_map(|sample| one(*first, others, &format!("late{sample}"))).collect();
    times.sort_unstable();
    times
}

/// The time that this share of all stays below.
pub fn quantile(times: &[Duration], share: (usize, usize)) -> Duration {
    let at = times.len() * share.0 / share.1;
    times[at.min(times.len() - 1)]
}

fn one(first: SocketAddr, others: &[SocketAddr], user: &str) -> Vec<Duration> {
    let Told::Yes(ticket) = try_login(first, user, PATIENCE) else {
        panic!("{user} cannot log in")
    };
    for node in others {
        assert_eq!(try_check(*node, &ticket, PATIENCE), Told::Yes(user.to_owned()));
    }
    let ready = Barrier::new(others.len() + 1);
    std::thread::scope(|scope| {
        let watchers: Vec<_> =
            others.iter().map(|node| scope.spawn(|| refused_at(*node, &ticket, &ready))).collect();
        ready.wait();
        assert_eq!(try_logout(first, &ticket, PATIENCE), Told::Yes(()));
        let acknowledged = Instant::now();
        let refused = watchers.into_iter().map(|watcher| watcher.join().unwrap());
        refused.map(|at| at.saturating_duration_since(acknowledged)).collect()
    })
}

/// Asks over one connection until it is refused; the moment at which that was asked for.
fn refused_at(node: SocketAddr, ticket: &Ticket, ready: &Barrier) -> Instant {
    let mut connection = Connection::open(node).unwrap();
    let request = check(ticket).bytes();
    ready.wait();
    let end = Instant::now() + crate::support::DEADLINE;
    loop {
        let asked = Instant::now();
        connection.send(&request).unwrap();
        if connection.read(true).unwrap().status == 401 {
            return asked;
        }
        assert!(asked < end, "a logout did not arrive");
    }
}

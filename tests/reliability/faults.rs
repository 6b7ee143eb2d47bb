//! One fault each, under load; afterwards the account must be as docs/reliability.md says.

use crate::account::{Account, Counts};
use crate::load::Load;
use crate::nodes::Nodes;

/// The shipped store.
const EMBEDDED: &str = "{ kind: embedded, path: data/sessions.redb }";

/// Nothing that was acknowledged is lost, nothing that ended came back, nobody was taken for somebody else.
#[track_caller]
fn is_exact(account: &Account) {
    let counts = account.counts();
    println!("{counts:?}");
    let Counts { lost, resurrected, swapped, .. } = counts;
    assert_eq!((lost, resurrected, swapped), (0, 0, 0), "{counts:?}\n{}", account.complaints());
    assert_eq!(account.complaints(), "");
    assert!(counts.logins > 20 && counts.logouts > 10, "too little happened: {counts:?}");
}

#[test]
fn a_daemon_with_a_file_is_killed_and_started_again() {
    let nodes = Nodes::start(1, EMBEDDED);
    let load = Load::start(nodes.addresses());
    for _ in 0..4 {
        load.wait_for_success(20);
        nodes.daemons[0].kill();
        nodes.daemons[0].restart();
    }
    load.wait_for_success(20);
    is_exact(&load.settle());
}

#[test]
fn a_daemon_with_a_file_is_stopped_and_started_again() {
    let nodes = Nodes::start(1, EMBEDDED);
    let load = Load::start(nodes.addresses());
    for _ in 0..3 {
        load.wait_for_success(20);
        assert_eq!(nodes.daemons[0].terminate(), Some(0));
        nodes.daemons[0].restart();
    }
    load.wait_for_success(20);
    is_exact(&load.settle());
}

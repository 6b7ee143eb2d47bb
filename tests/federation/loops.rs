//! Nodes that would ask each other for ever (issue 6, g; SEMANTICS F8).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::asking::{check, checks};
use crate::cast::{PEOPLE, alice_at_hq, furnish_hq, with_own_tokens};
use crate::node::{AFTER, Node, PATIENT, Plan, complaint, url_of};
use crate::support::edumfa::Edumfa;
use crate::support::free_address;

/// Two hops, each with a check of eduMFA's, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_real_parent_that_is_also_the_child_gets_an_answer() {
    let hq = Edumfa::start();
    furnish_hq(&hq);
    let plan = Plan::local(&["bob"]).server("hq", &hq.url(), PATIENT);
    let node = Node::start(&plan.handler(AFTER, "server: hq"));
    hq.forward("us", &node.url(), &json!({}));

    // From either end.
    for (round, to) in [hq.address, node.address, hq.address].into_iter().enumerate() {
        let begin = Instant::now();
        let secret = format!("wrong{round}");
        check(to, "alice", &secret).refused();
        assert!(begin.elapsed() < SOON, "took {:?}", begin.elapsed());
        let asked = checks(&hq);
        let times = asked.iter().filter(|asked| asked.parameter("pass").as_ref() == Some(&secret));
        assert!(times.count() <= 2, "it goes in circles");
    }
    let mut alice = alice_at_hq();
    check(hq.address, "alice", &alice.pass()).by("P-ALICE");
    check(node.address, "alice", &alice.pass()).by("P-ALICE");
}

#[test]
fn two_daemons_that_are_each_others_children_go_on_answering() {
    let addresses = [free_address(), free_address(), free_address()];
    let start = |own: usize, people: &[&str], others: &[usize]| {
        // A wrong secret comes to a node more than once, on different ways.
        let mut plan = Plan::local(people).own("max_fail: 1000");
        for other in others {
            let name = format!("n{other}");
            plan = plan.server(&name, &url_of(addresses[*other]), PATIENT);
            plan = plan.handler(AFTER, &format!("server: {name}"));
        }
        Node::start_at(addresses[own], &plan)
    };
    // Each asks both others.
    let nodes =
        [start(0, &["bob"], &[1, 2]), start(1, &["bob"], &[2, 0]), start(2, PEOPLE, &[0, 1])];
    with_own_tokens(&nodes[2]);
    for node in &nodes {
        let begin = Instant::now();
        check(node.address, "alice", "wrong").refused();
        check(node.address, "nobody", "wrong").refused();
        assert!(begin.elapsed() < SOON, "took {:?}", begin.elapsed());
    }
    let mut alice = alice_at_hq();
    for node in &nodes {
        check(node.address, "alice", &alice.pass()).by("P-ALICE");
    }
}

#[test]
fn a_row_of_daemons_is_as_long_as_it_may_be_and_no_longer() {
    // Each asks the next; the last one has the token. Four hops reach the fifth node, and no sixth.
    for (length, reaches) in [(5, true), (6, false)] {
        let addresses: Vec<_> = (0..length).map(|_| free_address()).collect();
        let start = |at: usize| match addresses.get(at + 1) {
            None => Node::start_at(addresses[at], &Plan::local(PEOPLE)),
            Some(next) => {
                let plan = Plan::local(&["bob"]).server("next", &url_of(*next), PATIENT);
                Node::start_at(addresses[at], &plan.handler(AFTER, "server: next"))
            }
        };
        let nodes: Vec<_> = (0..length).map(start).collect();
        with_own_tokens(&nodes[length - 1]);
        let answer = check(nodes[0].address, "alice", &alice_at_hq().pass());
        assert_eq!(answer.is_accepted(), reaches, "{length}: {}", answer.0);
    }
}

#[test]
fn a_node_that_is_its_own_child_is_a_configuration_error() {
    let own = free_address();
    for url in [url_of(own), format!("{}/", url_of(own))] {
        let plan = Plan::local(PEOPLE).server("me", &url, PATIENT).handler(AFTER, "server: me");
        assert!(complaint(own, &plan).is_some(), "{url}");
    }
    let plan = Plan::local(PEOPLE).server("other", &url_of(free_address()), PATIENT);
    assert_eq!(complaint(own, &plan.handler(AFTER, "server: other")), None);
}

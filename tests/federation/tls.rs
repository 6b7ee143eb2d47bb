//! Questions over TLS (issue 6, point 1): who the child is, and who asks it.

use crate::asking::check;
use crate::cast::{PEOPLE, alice_at_hq, with_own_tokens};
use crate::node::{AFTER, Node, PATIENT, Plan};
use crate::support::certificates::{Authority, Pair};

/// How the child is asked, as the configuration has it.
fn asks(tls: &str) -> String {
    format!("{PATIENT}, tls: {{ {tls} }}")
}

fn shows(pair: &Pair) -> String {
    format!("client_certificate: {}, client_key: {}", pair.cert.display(), pair.key.display())
}

fn trusts(authority: &Authority) -> String {
    format!("ca: {}", authority.cert().display())
}

#[test]
fn a_child_is_asked_only_if_it_is_who_it_should_be_and_answers_only_whom_it_should() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (server, client) = (ours.issue("server"), ours.issue("parent"));
    let foreign = other.issue("parent");
    let open = Node::start(&Plan::local(PEOPLE).tls(&server, None));
    let strict = Node::start(&Plan::local(PEOPLE).tls(&server, Some(&ours.cert())));
    with_own_tokens(&open);
    with_own_tokens(&strict);
    let (mut at_open, mut at_strict) = (alice_at_hq(), alice_at_hq());
    let both = |pair: &Pair| format!("{}, {}", trusts(&ours), shows(pair));
    let table = [
        (false, trusts(&ours), true),
        (false, "verify: false".to_owned(), true),
        (false, trusts(&other), false),
        (false, "verify: true".to_owned(), false),
        (true, both(&client), true),
        (true, trusts(&ours), false),
        (true, both(&foreign), false),
    ];
    for (is_strict, tls, accepts) in table {
        let (child, device) =
            if is_strict { (&strict, &mut at_strict) } else { (&open, &mut at_open) };
        let url = format!("https://{}", child.address);
        let plan = Plan::local(&["bob"]).server("child", &url, &asks(&tls));
        let parent = Node::start(&plan.handler(AFTER, "server: child"));
        let answer = check(parent.address, "alice", &device.pass());
        assert_eq!(answer.is_accepted(), accepts, "{tls}: {}", answer.0);
        assert_eq!(answer.looks_accepted(), accepts, "{tls}: {}", answer.0);
    }
}

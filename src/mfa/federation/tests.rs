//! Walks over real connections, to nodes that answer what a test says.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::domain::identity::SessionKey;
use crate::domain::node::Holder;
use crate::domain::secret::Secret;
use crate::mfa::settings::{
    Base, BreakerSettings, Condition, ForwardSettings, HandlerSettings, Mode, NodeTls, OnError,
    Position, Role, ServerSettings,
};
use crate::store::memory::MemoryStore;
use crate::telemetry::metrics::Metrics;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ME: Holder<'static> = Holder::Session(SessionKey([1; 32]));

/// What a node does with a question.
#[derive(Debug, Clone, PartialEq)]
enum Does {
    Answers(u16, Value),
    SaysHtml,
    HangsUp,
    Hangs,
    /// Nobody listens.
    IsDown,
}

impl Does {
    fn accepts() -> Self {
        let detail = json!({ "message": "matching 1 tokens", "serial": "OATH1", "type": "hotp" });
        Self::Answers(200, json!({ "result": { "status": true, "value": true }, "detail": detail }))
    }

    fn rejects() -> Self {
        let detail = json!({ "message": "wrong otp pin" });
        Self::Answers(
            200,
            json!({ "result": { "status": true, "value": false }, "detail": detail }),
        )
    }

    fn does_not_know() -> Self {
        Self::fails(400, 904)
    }

    fn fails(status: u16, code: i32) -> Self {
        let error = json!({ "code": code, "message": "no" });
        Self::Answers(
            status,
            json!({ "result": { "status": false, "error": error }, "detail": null }),
        )
    }

    fn challenges() -> Self {
        let one = json!({ "serial": "OATH1", "type": "hotp", "message": "please", "client_mode": "interactive",
            "transaction_id": "17" });
        let detail =
            json!({ "message": "please", "multi_challenge": [one], "transaction_id": "17" });
        Self::Answers(
            200,
            json!({ "result": { "status": true, "value": false }, "detail": detail }),
        )
    }

    fn triggers() -> Self {
        let Self::Answers(status, mut answer) = Self::challenges() else { unreachable!() };
        answer["result"]["value"] = json!(1);
        Self::Answers(status, answer)
    }
}

/// A node; `asked` holds the parameters of every question that it got.
struct Node {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Node {
    async fn that(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        if does != Does::IsDown {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, does.clone(), Arc::clone(&asked)));
                }
            });
        }
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }

    fn times(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn serve(mut stream: TcpStream, does: Does, asked: Arc<Mutex<Vec<Value>>>) {
    while let Some(request) = request(&mut stream).await {
        asked.lock().unwrap().push(request);
        let (status, kind, body) = match &does {
            Does::Answers(status, answer) => (*status, "application/json", answer.to_string()),
            Does::SaysHtml => (200, "text/html", "<h1>It works!</h1>".to_owned()),
            Does::HangsUp | Does::IsDown => return,
            Does::Hangs => std::future::pending().await,
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all([head, body].concat().as_bytes()).await.unwrap();
    }
}

/// The parameters of one request.
async fn request(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let query = head.lines().next().unwrap().split(' ').nth(1).unwrap().split_once('?');
                return Some(match query {
                    Some((_, query)) => {
                        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
                    }
                    None => serde_json::from_str(body).unwrap(),
                });
            }
        }
        let read = stream.read_buf(&mut bytes).await.ok()?;
        if read == 0 {
            return None;
        }
    }
}

fn handler(server: usize, position: Position) -> HandlerSettings {
    HandlerSettings {
        name: format!("to-{server}").into(),
        is_active: true,
        events: vec![Event::Check, Event::Trigger],
        position,
        conditions: vec![Condition::ResultValue(false)],
        unknown_matches: false,
        on_error: OnError::Next,
        mode: Mode::Sequence,
        forward: ForwardSettings {
            server,
            client_ip: false,
            realm: None,
            resolver: None,
            authorization: false,
        },
    }
}

/// A federation over `nodes`; the first one is its base.
fn federation(nodes: &[&Node], handlers: Vec<HandlerSettings>) -> Federation {
    federation_with(nodes, handlers, Duration::from_secs(20))
}

/// The same that waits for an answer no longer than this.
fn federation_with(
    nodes: &[&Node],
    handlers: Vec<HandlerSettings>,
    timeout: Duration,
) -> Federation {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = Metrics::new(&[]);
    let names: Vec<Arc<str>> = std::iter::once(LOCAL.into())
        .chain((0..nodes.len()).map(|i| format!("n{i}").into()))
        .collect();
    let measured = Arc::new(metrics.nodes(&names));
    let server = |(place, node): (usize, &&Node)| {
        let settings = ServerSettings {
            name: Arc::clone(&names[place + 1]),
            url: format!("http://{}", node.address).into(),
            role: Role::Child,
            tls: NodeTls::default(),
            connect_timeout: timeout,
            timeout,
            in_flight: NonZeroUsize::new(8).unwrap(),
            breaker: BreakerSettings { failures: 3, pause: Duration::from_secs(30) },
            probe_interval: Duration::from_secs(30),
            api_key: None,
            signature_key: None,
        };
        Server::new(settings, Arc::clone(&measured), place + 1).unwrap()
    };
    let servers = nodes.iter().enumerate().map(server).collect();
    let settings = FederationSettings {
        base: Base::Server(0),
        servers: Vec::new(),
        handlers,
        realms: vec!["hq".into()],
        challenge_validity: Duration::from_secs(120),
    };
    let store = Arc::new(Store::Memory(MemoryStore::new(1 << 20)));
    Federation::new(settings, servers, None, store, measured, "0badcafe")
}

async fn check(federation: &Federation, user: &str) -> Outcome {
    let secret = Secret::new(b"1234567890".to_vec());
    let question =
        Question { user, realm: "hq", secret: Some(&secret), ..Question::new(Event::Check, ME) };
    federation.ask(&question, NOW).await
}

#[track_caller]
fn said(outcome: Outcome) -> Said {
    match outcome {
        Outcome::Answered(said) => said,
        Outcome::Unanswered(failure) => panic!("{failure}: {}", failure.why),
    }
}

fn verdict(outcome: &Outcome) -> Option<Verdict> {
    match outcome {
        Outcome::Answered(said) => Some(said.answer.verdict),
        Outcome::Unanswered(_) => None,
    }
}

#[tokio::test]
async fn an_acceptance_at_pre_spares_the_base() {
    let (base, child) = (Node::that(Does::rejects()).await, Node::that(Does::accepts()).await);
    let federation = federation(&[&base, &child], vec![handler(1, Position::Pre)]);
    let said = said(check(&federation, "alice").await);
    assert_eq!((&*said.node, said.answer.verdict), ("n1", Verdict::Accepted));
    assert_eq!(&*said.answer.origin, format!("http://{}/validate/check", child.address));
    assert_eq!((base.times(), child.times()), (0, 1));
}

#[tokio::test]
async fn a_user_whom_the_base_does_not_know_is_asked_for_at_the_child() {
    let (base, child) =
        (Node::that(Does::does_not_know()).await, Node::that(Does::accepts()).await);
    let federation = federation(&[&base, &child], vec![handler(1, Position::Post)]);
    assert_eq!(said(check(&federation, "conly").await).answer.verdict, Verdict::Accepted);
}

/// Every mix of what three nodes may do: the OTP goes on only after a definite no, or where nobody was asked (F4).
#[tokio::test]
async fn no_node_gets_an_otp_after_one_that_may_have_taken_it() {
    let ways = [
        Does::accepts(),
        Does::rejects(),
        Does::does_not_know(),
        Does::challenges(),
        Does::SaysHtml,
        Does::HangsUp,
        Does::fails(500, -500),
        Does::fails(403, 303),
        Does::IsDown,
    ];
    let goes_on = |does: &Does| {
        *does == Does::rejects() || *does == Does::does_not_know() || *does == Does::IsDown
    };
    for first in &ways {
        for second in &ways {
            let nodes = [
                Node::that(first.clone()).await,
                Node::that(second.clone()).await,
                Node::that(Does::accepts()).await,
            ];
            let nodes: Vec<&Node> = nodes.iter().collect();
            let handlers = vec![handler(1, Position::Post), handler(2, Position::Post)];
            let outcome = check(&federation(&nodes, handlers), "alice").await;
            let reached = |node: usize| match node {
                0 => true,
                1 => goes_on(first),
                _ => goes_on(first) && goes_on(second),
            };
            let ways = [first, second, &Does::accepts()];
            for (node, does) in ways.into_iter().enumerate() {
                let times = usize::from(reached(node) && *does != Does::IsDown);
                assert_eq!(nodes[node].times(), times, "{first:?}, {second:?}: node {node}");
            }
            let last = ways.iter().enumerate().rfind(|(node, _)| reached(*node)).unwrap().1;
            let expected = match last {
                does if **does == Does::accepts() => Some(Verdict::Accepted),
                does if **does == Does::challenges() => Some(Verdict::Challenged),
                // Unless somebody who might have accepted was down.
                does if **does == Does::fails(403, 303) => {
                    (*first != Does::IsDown).then_some(Verdict::Refused)
                }
                _ => None,
            };
            assert_eq!(verdict(&outcome), expected, "{first:?}, {second:?}");
        }
    }
}

#[tokio::test]
async fn a_node_that_is_down_ends_the_walk_where_the_handler_says_so() {
    let nodes = [
        Node::that(Does::rejects()).await,
        Node::that(Does::IsDown).await,
        Node::that(Does::accepts()).await,
    ];
    let handlers = vec![
        HandlerSettings { on_error: OnError::Fail, ..handler(1, Position::Post) },
        handler(2, Position::Post),
    ];
    let nodes: Vec<&Node> = nodes.iter().collect();
    let outcome = check(&federation(&nodes, handlers), "alice").await;
    assert_eq!((verdict(&outcome), nodes[2].times()), (None, 0));
}

#[tokio::test]
async fn a_rejection_counts_for_nothing_while_one_that_might_accept_is_down() {
    let nodes = [Node::that(Does::rejects()).await, Node::that(Does::IsDown).await];
    let nodes: Vec<&Node> = nodes.iter().collect();
    let outcome = check(&federation(&nodes, vec![handler(1, Position::Post)]), "alice").await;
    assert!(matches!(outcome, Outcome::Unanswered(Failure { why: Why::NotSent(_), .. })));
}

#[tokio::test]
async fn one_that_hangs_is_given_up_and_left_alone_after_a_while() {
    let base = Node::that(Does::Hangs).await;
    let federation = federation_with(&[&base], Vec::new(), Duration::from_millis(700));
    for _ in 0..3 {
        let outcome = check(&federation, "alice").await;
        assert!(matches!(
            outcome,
            Outcome::Unanswered(Failure { why: Why::Unknown(Unknown::TimedOut), .. })
        ));
    }
    let outcome = check(&federation, "alice").await;
    let open = Outcome::Unanswered(Failure { node: "n0".into(), why: NotSent::BreakerOpen.into() });
    assert_eq!(format!("{outcome:?}"), format!("{open:?}"));
    assert_eq!(base.times(), 3);
    assert!(federation.servers()[0].seen().is_open);
}

#[tokio::test]
async fn options_of_one_handler_do_not_reach_the_next() {
    let nodes = [
        Node::that(Does::rejects()).await,
        Node::that(Does::rejects()).await,
        Node::that(Does::accepts()).await,
    ];
    let mut first = handler(1, Position::Post);
    (first.forward.realm, first.forward.resolver) = (Some("lab".into()), Some("labusers".into()));
    (first.forward.client_ip, first.forward.authorization) = (true, true);
    let nodes: Vec<&Node> = nodes.iter().collect();
    let federation = federation(&nodes, vec![first, handler(2, Position::Post)]);
    let (secret, authorization) = (Secret::new(b"x".to_vec()), Secret::new(b"token".to_vec()));
    let question = Question {
        user: "alice@hq",
        realm: "hq",
        secret: Some(&secret),
        client: Some("203.0.113.9".parse().unwrap()),
        authorization: Some(&authorization),
        ..Question::new(Event::Check, ME)
    };
    assert_eq!(said(federation.ask(&question, NOW).await).answer.verdict, Verdict::Accepted);
    let sent = |node: &Node| {
        let asked = node.asked().remove(0);
        ["user", "realm", "resolver", "client"]
            .map(|name| asked[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(sent(nodes[0]), ["alice@hq", "hq", "-", "-"]);
    assert_eq!(sent(nodes[1]), ["alice", "lab", "labusers", "203.0.113.9"]);
    assert_eq!(sent(nodes[2]), ["alice@hq", "hq", "-", "-"]);
}

#[tokio::test]
async fn a_realm_is_cut_off_a_name_only_if_it_is_one() {
    let base = Node::that(Does::rejects()).await;
    let child = Node::that(Does::accepts()).await;
    let mut forwards = handler(1, Position::Post);
    forwards.forward.realm = Some("lab".into());
    let federation = federation(&[&base, &child], vec![forwards]);
    for user in ["alice@hq", "alice@old", "HQ\\alice", "alice@example.org"] {
        check(&federation, user).await;
    }
    let users: Vec<_> =
        child.asked().iter().map(|asked| asked["user"].as_str().unwrap().to_owned()).collect();
    assert_eq!(users, ["alice", "alice", "alice", "alice@example.org"]);
}

#[tokio::test]
async fn a_remote_base_is_spared_once_it_is_known_where_a_user_is_at_home() {
    let (base, child) = (Node::that(Does::rejects()).await, Node::that(Does::accepts()).await);
    let federation = federation(&[&base, &child], vec![handler(1, Position::Post)]);
    for _ in 0..50 {
        assert_eq!(said(check(&federation, "alice").await).answer.verdict, Verdict::Accepted);
    }
    assert_eq!((base.times(), child.times()), (1, 50));
    assert_eq!(said(check(&federation, "bob").await).answer.verdict, Verdict::Accepted);
    assert_eq!(base.times(), 2, "homes are of one user");
}

#[tokio::test]
async fn a_question_that_came_through_here_before_is_refused() {
    let base = Node::that(Does::accepts()).await;
    let federation = federation(&[&base], Vec::new());
    for hops in ["0badcafe", "00000001,0badcafe", "00000001,00000002,00000003,00000004"] {
        let question = Question { user: "alice", hops, ..Question::new(Event::Check, ME) };
        let said = said(federation.ask(&question, NOW).await);
        assert_eq!((said.answer.verdict, said.answer.code), (Verdict::NotMine, 904), "{hops}");
    }
    assert_eq!(base.times(), 0);
    check(&federation, "alice").await;
    assert_eq!(base.asked()[0]["vouchsafe_hops"], "0badcafe");
}

#[tokio::test]
async fn a_challenge_is_answered_where_it_was_made_and_by_whom_it_was_made_for() {
    let (base, child) = (Node::that(Does::rejects()).await, Node::that(Does::challenges()).await);
    let federation = federation(&[&base, &child], vec![handler(1, Position::Post)]);
    let challenged = said(check(&federation, "alice").await).answer;
    assert_eq!((challenged.verdict, challenged.transaction.len()), (Verdict::Challenged, 20));
    let secret = Secret::new(b"123456".to_vec());
    let answer = |user: &'static str, holder| {
        let transaction = &*challenged.transaction;
        Question {
            user,
            realm: "hq",
            secret: Some(&secret),
            transaction,
            ..Question::new(Event::Check, holder)
        }
    };
    let asked = (base.times(), child.times());
    for (user, holder) in [
        ("bob", ME),
        ("alice", Holder::Session(SessionKey([2; 32]))),
        ("alice", Holder::Caller("x")),
    ] {
        let question = answer(user, holder);
        assert_eq!(said(federation.ask(&question, NOW).await).answer.verdict, Verdict::Rejected);
    }
    assert_eq!((base.times(), child.times()), asked, "sent nowhere");
    federation.ask(&answer("alice", ME), NOW).await;
    assert_eq!((base.times(), child.times()), (asked.0, asked.1 + 1));
    assert_eq!(child.asked().last().unwrap()["transaction_id"], "17");
}

#[tokio::test]
async fn of_servers_that_race_the_first_one_that_triggers_counts() {
    let nodes = [
        Node::that(Does::rejects_trigger()).await,
        Node::that(Does::Hangs).await,
        Node::that(Does::triggers()).await,
    ];
    let race = |server| HandlerSettings { mode: Mode::Race, ..handler(server, Position::Post) };
    let nodes: Vec<&Node> = nodes.iter().collect();
    let federation = federation(&nodes, vec![race(1), race(2)]);
    let question = Question { user: "alice", ..Question::new(Event::Trigger, ME) };
    let said = said(federation.ask(&question, NOW).await);
    assert_eq!((&*said.node, said.answer.verdict), ("n2", Verdict::Challenged));
}

#[tokio::test]
async fn a_probe_tells_whether_a_node_speaks_the_protocol_and_closes_its_breaker() {
    let (good, bad) = (Node::that(Does::fails(400, 905)).await, Node::that(Does::SaysHtml).await);
    let federation = federation(&[&good, &bad], Vec::new());
    assert!(federation.servers()[0].probe(NOW).await.is_ok());
    let why = federation.servers()[1].probe(NOW).await.unwrap_err();
    assert!(why.contains("none of an MFA node"), "{why}");
    for _ in 0..3 {
        check(&federation, "alice").await;
    }
    assert!(federation.servers()[0].seen().is_open, "905 is no answer to a check");
    federation.servers()[0].probe(NOW).await.unwrap();
    assert!(!federation.servers()[0].seen().is_open);
}

impl Does {
    fn rejects_trigger() -> Self {
        Self::Answers(200, json!({ "result": { "status": true, "value": 0 }, "detail": {} }))
    }
}

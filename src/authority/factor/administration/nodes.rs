//! What operators see of the nodes and handlers, and the question whether a node lives.
//!
//! Must not know: HTTP, what nodes are asked about users.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::authority::factor::Factors;
use crate::authority::factor::administration::conditions;
use crate::domain::time::Timestamp;
use crate::mfa::federation::LOCAL;
use crate::mfa::node::local::Filter;
use crate::mfa::node::server::Server;
use crate::mfa::settings::{Base, HandlerSettings, Mode, OnError, Position, Role};
use crate::session::chain;
use crate::telemetry::metrics::Stopwatch;

/// What was seen of a node. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NodeState {
    /// Its name, which factors carry.
    pub name: String,
    /// Where it is asked; the local node is not asked over a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `local`, `parent` or `child`.
    pub role: String,
    /// Whether it is asked first, unless a handler at `pre` has settled the question.
    pub is_base: bool,
    /// Its breaker: `closed`, or `open` while it is not asked because it failed too often.
    pub state: String,
    /// Questions on their way to it.
    pub in_flight: usize,
    /// When it answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// How long that took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// When it failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What came of asking a node whether it lives.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NodeTest {
    /// Whether it does.
    pub is_good: bool,
    /// Why it is not usable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is seen of it now.
    pub node: NodeState,
}

/// A handler as it was understood.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HandlerState {
    /// Its name.
    pub name: String,
    /// When its turn comes among all handlers, from 1: by `order`, then as in the file.
    pub turn: usize,
    /// Whether it runs at all.
    pub is_active: bool,
    /// What it listens for.
    pub events: Vec<String>,
    /// `pre` or `post`.
    pub position: String,
    /// What must hold, all of it.
    pub conditions: Vec<String>,
    /// Whether a condition about a token that is not known holds: `match` or `no_match`.
    pub when_unknown: String,
    /// The server that is asked.
    pub server: String,
    /// What the question is changed to.
    pub options: Vec<String>,
    /// `sequence` or `race`.
    pub mode: String,
    /// After a server that was provably not asked: `next` or `fail`.
    pub on_error: String,
}

/// There is no such node.
#[derive(Debug, thiserror::Error)]
#[error("there is no node '{name}'; there are: {known}")]
pub struct NoSuchNode {
    name: String,
    known: String,
}

impl Authority {
    /// All nodes, the local one first.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeState> {
        let Some(factors) = &self.factors else { return Vec::new() };
        let federation = factors.federation();
        let local = federation.local().map(|_| local_state(factors));
        let servers = federation.servers().iter().zip(0..);
        local.into_iter().chain(servers.map(|(one, place)| state(factors, one, place))).collect()
    }

    /// Asks a node whether it lives, about nobody.
    ///
    /// # Errors
    /// There is no such node.
    pub async fn test_node(&self, name: &str, now: Timestamp) -> Result<NodeTest, NoSuchNode> {
        let unknown = || {
            let known: Vec<String> = self.nodes().into_iter().map(|node| node.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            NoSuchNode { name: name.to_owned(), known }
        };
        let factors = self.factors.as_ref().ok_or_else(unknown)?;
        let federation = factors.federation();
        if let (LOCAL, Some(local)) = (name, federation.local()) {
            let watch = Stopwatch::start();
            let asked = local.list(Filter::default(), None, 1, now).await;
            let mut node = local_state(factors);
            let error = asked.err().map(|error| chain(&error));
            match &error {
                None => {
                    node.answered = Some(now.as_millis());
                    node.latency_ms = Some(millis(watch.elapsed()));
                }
                Some(error) => {
                    (node.failed, node.error) = (Some(now.as_millis()), Some(error.clone()));
                }
            }
            return Ok(NodeTest { is_good: error.is_none(), error, node });
        }
        let mut servers = federation.servers().iter().zip(0..);
        let server = servers.find(|(server, _)| *server.settings().name == *name);
        let (server, place) = server.ok_or_else(unknown)?;
        let error = server.probe(now).await.err();
        Ok(NodeTest { is_good: error.is_none(), error, node: state(factors, server, place) })
    }

    /// All handlers, in the order in which their turn comes.
    #[must_use]
    pub fn handlers(&self) -> Vec<HandlerState> {
        let Some(factors) = &self.factors else { return Vec::new() };
        let handlers = factors.federation().settings().handlers.iter().zip(1..);
        handlers.map(|(handler, turn)| handler_state(factors, handler, turn)).collect()
    }
}

fn local_state(factors: &Factors) -> NodeState {
    NodeState {
        name: LOCAL.to_owned(),
        role: LOCAL.to_owned(),
        is_base: factors.federation().settings().base == Base::Local,
        state: "closed".to_owned(),
        ..NodeState::default()
    }
}

fn state(factors: &Factors, server: &Server, place: usize) -> NodeState {
    let (settings, seen) = (server.settings(), server.seen());
    let role = match settings.role {
        Role::Parent => "parent",
        Role::Child => "child",
    };
    let (failed, error) = seen.failed.unzip();
    NodeState {
        name: settings.name.to_string(),
        url: Some(settings.url.to_string()),
        role: role.to_owned(),
        is_base: factors.federation().settings().base == Base::Server(place),
        state: if seen.is_open { "open" } else { "closed" }.to_owned(),
        in_flight: seen.in_flight,
        answered: seen.answered.map(|(when, _)| when.as_millis()),
        latency_ms: seen.answered.map(|(_, took)| millis(took)),
        failed: failed.map(Timestamp::as_millis),
        error,
    }
}

/// With as much of it behind the point as anybody reads.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 100_000.0).round() / 100.0
}

fn handler_state(factors: &Factors, handler: &HandlerSettings, turn: usize) -> HandlerState {
    let forward = &handler.forward;
    let server = factors.federation().servers().get(forward.server);
    let named = |name: &str, value: &Option<Box<str>>| {
        value.as_ref().map(|value| format!("{name}: {value}"))
    };
    let switched = |name: &str, is_on: bool| is_on.then(|| format!("{name}: true"));
    let options = [
        switched("client_ip", forward.client_ip),
        named("realm", &forward.realm),
        named("resolver", &forward.resolver),
        switched("forward_authorization", forward.authorization),
    ];
    let position = match handler.position {
        Position::Pre => "pre",
        Position::Post => "post",
    };
    let mode = match handler.mode {
        Mode::Sequence => "sequence",
        Mode::Race => "race",
    };
    let on_error = match handler.on_error {
        OnError::Next => "next",
        OnError::Fail => "fail",
    };
    HandlerState {
        name: handler.name.to_string(),
        turn,
        is_active: handler.is_active,
        events: handler.events.iter().map(|event| event.as_str().to_owned()).collect(),
        position: position.to_owned(),
        conditions: handler.conditions.iter().map(conditions::text).collect(),
        when_unknown: if handler.unknown_matches { "match" } else { "no_match" }.to_owned(),
        server: server.map_or_else(String::new, |server| server.settings().name.to_string()),
        options: options.into_iter().flatten().collect(),
        mode: mode.to_owned(),
        on_error: on_error.to_owned(),
    }
}

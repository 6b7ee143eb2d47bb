//! Both servers for one recording: the parent with its handlers, the child, the child that is none, and nobody.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use vouchsafe::domain::node::Event;
use vouchsafe::domain::time::Timestamp;
use vouchsafe::mfa::federation::{Federation, LOCAL};
use vouchsafe::mfa::node::local::LocalNode;
use vouchsafe::mfa::node::server::Server;
use vouchsafe::mfa::settings::{
    Base, BreakerSettings, Condition, FederationSettings, ForwardSettings, HandlerSettings, Mode,
    NodeTls, OnError, Position, Role, ServerSettings,
};
use vouchsafe::store::Store;
use vouchsafe::telemetry::metrics::Metrics;

use crate::http::{Node, serve, serve_fake};

/// The addresses of the recorded servers, which stand in `origin`.
const RECORDED: [&str; 3] = ["127.0.0.1:19901", "127.0.0.1:19902", "127.0.0.1:19903"];

/// Both servers.
pub struct Scene {
    pub parent: Arc<Node>,
    pub child: Arc<Node>,
    addresses: [SocketAddr; 3],
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What one of them is made of.
pub struct Part {
    pub local: LocalNode,
    pub challenges: Arc<Store>,
}

impl Scene {
    /// The servers as they were set up for the recording called `name`.
    pub async fn of(name: &str, parent: Part, child: Part, now: Timestamp) -> Self {
        let listeners = [listen().await, listen().await, listen().await];
        let addresses = [0, 1, 2].map(|place: usize| listeners[place].local_addr().unwrap());
        let [of_parent, of_child, of_fake] = listeners;
        let node = |part: Part, handlers, own| {
            let federation = federation(part, handlers, own);
            Arc::new(Node { federation, now, asked: std::sync::Mutex::default() })
        };
        let [at_parent, at_child, at_fake] = addresses.map(|address| format!("http://{address}"));
        let parent = node(parent, handlers(name, &at_child, &at_fake), "0000000a");
        let of_its_own = match name {
            "fed_chain_origin" => vec![Handler::to(format!("{at_fake}/ok"))],
            "fed_loop" => vec![Handler::to(at_parent)],
            _ => Vec::new(),
        };
        let child = node(child, of_its_own, "0000000b");
        let tasks = vec![
            tokio::spawn(serve(of_parent, Arc::clone(&parent))),
            tokio::spawn(serve(of_child, Arc::clone(&child))),
            tokio::spawn(serve_fake(of_fake)),
        ];
        Self { parent, child, addresses, tasks }
    }

    /// A text with the addresses of the recorded servers instead of ours.
    pub fn as_recorded(&self, text: &str) -> String {
        let rename = |text: String, (ours, recorded): (&SocketAddr, &str)| {
            text.replace(&ours.to_string(), recorded)
        };
        self.addresses.iter().zip(RECORDED).fold(text.to_owned(), rename)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A handler, and the server that it forwards to.
struct Handler {
    url: String,
    settings: HandlerSettings,
}

impl Handler {
    fn to(url: String) -> Self {
        let forward = ForwardSettings {
            server: 0,
            client_ip: false,
            realm: None,
            resolver: None,
            authorization: false,
        };
        let settings = HandlerSettings {
            name: "fed".into(),
            is_active: true,
            events: vec![Event::Check],
            position: Position::Post,
            conditions: vec![Condition::ResultValue(false)],
            unknown_matches: false,
            on_error: OnError::Next,
            mode: Mode::Sequence,
            forward,
        };
        Self { url, settings }
    }

    fn with(mut self, change: impl FnOnce(&mut HandlerSettings)) -> Self {
        change(&mut self.settings);
        self
    }
}

/// The parent's handlers. Those of `fed_child_*` lead to the child that is none.
fn handlers(name: &str, child: &str, fake: &str) -> Vec<Handler> {
    let to = |url: &str| Handler::to(url.to_owned());
    let to_fake = |mode: &str| Handler::to(format!("{fake}/{mode}"));
    let with = |change: fn(&mut HandlerSettings)| vec![to(child).with(change)];
    match name {
        "fed_child_ok" | "fed_child_ok_headers" => vec![to(child)],
        "fed_child_dns" => vec![to("http://127.0.0.1:9")],
        "fed_two_ordering" => vec![to_fake("json403nodetail"), to_fake("ok")],
        "fed_two_second_ok" | "fed_two_first_unknown_user" => vec![to(child), to_fake("ok")],
        "fed_inactive" => with(|handler| handler.is_active = false),
        "fed_poll_forwarded" => with(|handler| handler.events = vec![Event::Poll]),
        "fed_pre_ignored" => with(|handler| {
            handler.position = Position::Pre;
            handler.conditions = Vec::new();
        }),
        "fed_pre_result_value_false" => with(|handler| handler.position = Position::Pre),
        "fed_opt_resolver_realm" => with(|handler| {
            handler.forward.realm = Some("crealm2".into());
            handler.forward.resolver = Some("cpasswd2".into());
        }),
        "fed_opt_resolver_only" => {
            with(|handler| handler.forward.resolver = Some("cpasswd2".into()))
        }
        _ if name.starts_with("fed_opt_realm") => {
            with(|handler| handler.forward.realm = Some("crealm2".into()))
        }
        _ if name.starts_with("fed_opt_client_ip") => {
            with(|handler| handler.forward.client_ip = true)
        }
        _ if name.starts_with("fed_opt_auth") => {
            with(|handler| handler.forward.authorization = true)
        }
        _ => match name.strip_prefix("fed_child_") {
            Some(mode) => vec![to_fake(mode)],
            None => vec![to(child)],
        },
    }
}

fn federation(part: Part, handlers: Vec<Handler>, own: &str) -> Federation {
    let Part { local, challenges } = part;
    let names: Vec<Arc<str>> = std::iter::once(LOCAL.into())
        .chain((0..handlers.len()).map(|place| format!("server-{place}").into()))
        .collect();
    let metrics = Arc::new(Metrics::new(&[]).nodes(&names));
    let mut servers = Vec::new();
    let mut settings = Vec::new();
    for (place, mut handler) in handlers.into_iter().enumerate() {
        handler.settings.forward.server = place;
        settings.push(handler.settings);
        let server = server(Arc::clone(&names[place + 1]), &handler.url);
        servers.push(Server::new(server, Arc::clone(&metrics), place + 1).unwrap());
    }
    let settings = FederationSettings {
        base: Base::Local,
        servers: Vec::new(),
        handlers: settings,
        realms: vec!["prealm".into()],
        challenge_validity: Duration::from_secs(120),
    };
    Federation::new(settings, servers, Some(local), challenges, metrics, own)
}

fn server(name: Arc<str>, url: &str) -> ServerSettings {
    // Long enough for a busy machine; short for the one child that never answers.
    let timeout = Duration::from_secs(if url.contains("slow75") { 1 } else { 60 });
    ServerSettings {
        name,
        url: url.into(),
        role: Role::Child,
        tls: NodeTls::default(),
        connect_timeout: Duration::from_secs(10),
        timeout,
        in_flight: NonZeroUsize::new(8).unwrap(),
        breaker: BreakerSettings { failures: 5, pause: Duration::from_secs(30) },
        probe_interval: Duration::from_secs(30),
        api_key: None,
        signature_key: None,
    }
}

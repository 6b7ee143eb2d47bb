//! Operators' work on tokens, nodes and sessions: through the daemon while it runs, else on the files themselves (SEMANTICS F12).
//!
//! Both ways end in the same functions of the authority, with their audit lines. Must not know: the command line.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::app::admin_client::{AdminClient, Method};
use crate::app::{factors, open_store};
use crate::authority::factor::Factors;
pub use crate::authority::factor::administration::nodes::{NodeState, NodeTest};
pub use crate::authority::factor::administration::{
    AddedToken, ImportFailure, ImportReport, ListedToken, NewPin, Otps, SecretText, TokenChange,
    TokenFilter, TokenFormat, TokenImport, TokenWish,
};
use crate::authority::refusals::RefusalSettings;
pub use crate::authority::sessions::{
    EndReport, EndWish, ListedFactor, ListedSession, SessionList, SessionQuery, ShownSession,
};
use crate::authority::{Authority, LoginSettings};
use crate::config::Settings;
use crate::domain::limits::IMPORT_BYTES;
use crate::domain::secret::Secret;
use crate::edge::clock::Clock;
use crate::mfa::federation::LOCAL;
pub use crate::mfa::token::enrolment::qr_code;
use crate::session::Sessions;
use crate::session::fingerprint::Fingerprinter;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::telemetry::audit::{Audit, AuditWriter};
use crate::telemetry::metrics::Metrics;

/// Bytes of a file of tokens; a larger one is refused.
pub const FILE_BYTES: usize = IMPORT_BYTES;

/// Many tokens with PINs are hashed in one request.
const DEADLINE: Duration = Duration::from_mins(5);

/// The way to the tokens.
pub enum Administration {
    /// The daemon runs and has them.
    Daemon(AdminClient),
    /// It does not; we have them.
    Here(Box<Here>),
}

/// An authority without listeners and sessions.
pub struct Here {
    authority: Authority,
    clock: Clock,
    audit: AuditWriter,
}

impl Administration {
    /// Finds the way. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// There is none; the message says what to do.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        Self::open_with(settings, Here::with_tokens).await
    }

    /// The same for work on sessions.
    ///
    /// # Errors
    /// As above.
    pub async fn open_for_sessions(settings: Settings) -> anyhow::Result<Self> {
        Self::open_with(settings, Here::with_sessions).await
    }

    /// The same for a question to one node: if it is another than the local one, tokens are left alone.
    ///
    /// # Errors
    /// As above.
    pub async fn open_for(mut settings: Settings, node: &str) -> anyhow::Result<Self> {
        if let Some(mfa) = settings.mfa.as_mut().filter(|_| node != LOCAL) {
            mfa.local = None;
        }
        Self::open(settings).await
    }

    async fn open_with(
        settings: Settings,
        here: impl FnOnce(Settings) -> anyhow::Result<Here>,
    ) -> anyhow::Result<Self> {
        let no_daemon = match AdminClient::new(&settings) {
            Ok(client) if client.is_answered().await => {
                return Ok(Self::Daemon(client.patient(DEADLINE)));
            }
            Ok(client) => format!("nobody answers at {}", client.place()),
            Err(error) => format!("{error:#}"),
        };
        let here = here(settings).with_context(|| {
            format!("no running daemon could be asked ({no_daemon}), and without it")
        })?;
        Ok(Self::Here(Box::new(here)))
    }

    /// A page of tokens.
    ///
    /// # Errors
    /// The message says what went wrong and what to do; so below.
    pub async fn list(&self, filter: &TokenFilter) -> anyhow::Result<Vec<ListedToken>> {
        match self {
            Self::Daemon(client) => {
                let TokenFilter { user, realm, serial, after, limit } = filter;
                let mut path = format!(
                    "/api/v1/tokens?user={}&realm={}&serial={}",
                    encoded(user),
                    encoded(realm),
                    encoded(serial)
                );
                if let Some(after) = after {
                    path.extend(["&after=", &encoded(after)]);
                }
                if let Some(limit) = limit {
                    path.extend(["&limit=", &limit.to_string()]);
                }
                ask(client, Method::GET, &path, None::<&()>).await
            }
            Self::Here(here) => Ok(here.authority.list_tokens(filter, here.clock.now()).await?),
        }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// Nothing was made.
    pub async fn add(&self, wish: &TokenWish) -> anyhow::Result<AddedToken> {
        match self {
            Self::Daemon(client) => ask(client, Method::POST, "/api/v1/tokens", Some(wish)).await,
            Self::Here(here) => Ok(here.authority.add_token(wish, None, here.clock.now()).await?),
        }
    }

    /// Imports tokens.
    ///
    /// # Errors
    /// Nothing was imported, unless the daemon took longer than the time it has: what was is in the list.
    pub async fn import(&self, tokens: Vec<TokenWish>) -> anyhow::Result<ImportReport> {
        let import = TokenImport::Tokens { tokens };
        match self {
            Self::Daemon(client) => {
                ask(client, Method::POST, "/api/v1/tokens/import", Some(&import)).await
            }
            Self::Here(here) => {
                Ok(here.authority.import_tokens(import, None, here.clock.now()).await?)
            }
        }
    }

    /// Removes a token.
    ///
    /// # Errors
    /// It is still there, or never was.
    pub async fn remove(&self, serial: &str) -> anyhow::Result<()> {
        match self {
            Self::Daemon(client) => {
                let path = path_of(serial);
                client.ask(Method::DELETE, &path, Some(&json!({}))).await?;
            }
            Self::Here(here) => {
                here.authority.remove_token(serial, None, here.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// Changes a token.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn change(&self, serial: &str, change: &TokenChange) -> anyhow::Result<()> {
        let client = match self {
            Self::Daemon(client) => client,
            Self::Here(here) => {
                here.authority.change_token(serial, change, None, here.clock.now()).await?;
                return Ok(());
            }
        };
        let path = |action: &str| format!("{}/{action}", path_of(serial));
        let nothing = json!({});
        match change {
            TokenChange::Enable => client.ask(Method::POST, &path("enable"), Some(&nothing)).await,
            TokenChange::Disable => {
                client.ask(Method::POST, &path("disable"), Some(&nothing)).await
            }
            TokenChange::Reset => client.ask(Method::POST, &path("reset"), Some(&nothing)).await,
            TokenChange::Resync(otps) => {
                client.ask(Method::POST, &path("resync"), Some(otps)).await
            }
            TokenChange::Pin(pin) => client.ask(Method::POST, &path("pin"), Some(pin)).await,
        }?;
        Ok(())
    }

    /// All nodes; without the daemon nothing was seen of them.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub async fn nodes(&self) -> anyhow::Result<Vec<NodeState>> {
        match self {
            Self::Daemon(client) => ask(client, Method::GET, "/api/v1/nodes", None::<&()>).await,
            Self::Here(here) => Ok(here.authority.nodes()),
        }
    }

    /// Asks a node whether it lives.
    ///
    /// # Errors
    /// There is no such node, or the daemon does not answer.
    pub async fn test_node(&self, name: &str) -> anyhow::Result<NodeTest> {
        match self {
            Self::Daemon(client) => {
                let path = format!("/api/v1/nodes/{}/test", encoded(name));
                ask(client, Method::POST, &path, Some(&json!({}))).await
            }
            Self::Here(here) => Ok(here.authority.test_node(name, here.clock.now()).await?),
        }
    }

    /// A page of sessions.
    ///
    /// # Errors
    /// The message says what went wrong and what to do; so below.
    pub async fn list_sessions(&self, query: &SessionQuery) -> anyhow::Result<SessionList> {
        match self {
            Self::Daemon(client) => {
                let path = format!("/api/v1/sessions?{}", query_text(query)?);
                ask(client, Method::GET, &path, None::<&()>).await
            }
            Self::Here(here) => Ok(here.authority.list_sessions(query, here.clock.now()).await?),
        }
    }

    /// One session.
    ///
    /// # Errors
    /// There is none.
    pub async fn show_session(&self, key: &str) -> anyhow::Result<ShownSession> {
        match self {
            Self::Daemon(client) => {
                let path = format!("/api/v1/sessions/{}", encoded(key));
                ask(client, Method::GET, &path, None::<&()>).await
            }
            Self::Here(here) => Ok(here.authority.show_session(key, here.clock.now()).await?),
        }
    }

    /// Ends one session.
    ///
    /// # Errors
    /// There is none, or it may live on.
    pub async fn end_session(&self, key: &str) -> anyhow::Result<()> {
        match self {
            Self::Daemon(client) => {
                let path = format!("/api/v1/sessions/{}", encoded(key));
                client.ask(Method::DELETE, &path, Some(&json!({}))).await?;
            }
            Self::Here(here) => {
                here.authority.end_session(key, None, here.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// One step of ending the sessions that fit.
    ///
    /// # Errors
    /// Some that were to end may live on.
    pub async fn end_sessions(&self, wish: &EndWish) -> anyhow::Result<EndReport> {
        match self {
            Self::Daemon(client) => {
                ask(client, Method::POST, "/api/v1/sessions/end", Some(wish)).await
            }
            Self::Here(here) => {
                Ok(here.authority.end_sessions(wish, None, here.clock.now()).await?)
            }
        }
    }

    /// Waits until every audit line is written.
    pub fn close(self) {
        if let Self::Here(here) = self {
            let Here { authority, audit, .. } = *here;
            drop(authority);
            audit.finish();
        }
    }
}

impl Here {
    /// No session is ever opened here, and no challenge made.
    fn with_tokens(mut settings: Settings) -> anyhow::Result<Self> {
        let opened = factors::Opened::new(settings.mfa.take())?;
        let clock = Clock::start(opened.newest);
        let metrics = Arc::new(Metrics::new(&[]));
        let store = Arc::new(Store::Memory(MemoryStore::new(1)));
        let factors = opened.build(&[Secret::new(vec![0; 32])], Arc::clone(&store), &metrics)?;
        Self::new(settings, store, factors, clock, metrics)
    }

    /// No second factor is ever checked here.
    fn with_sessions(settings: Settings) -> anyhow::Result<Self> {
        let (store, newest) = open_store(&settings)?;
        let metrics = Arc::new(Metrics::new(&[]));
        Self::new(settings, Arc::new(store), None, Clock::start(newest), metrics)
    }

    fn new(
        settings: Settings,
        store: Arc<Store>,
        factors: Option<Factors>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        // Nothing is found by fingerprint here, so the key does not matter.
        let fingerprinter = Fingerprinter::new(&Secret::new(vec![0; 32]));
        let (sessions, _touches) =
            Sessions::new(store, settings.sessions, fingerprinter, Arc::clone(&metrics));
        let (audit, writer) = Audit::open(settings.audit.as_deref()).with_context(|| {
            format!("cannot open the audit log {:?}; check `audit.path`", settings.audit)
        })?;
        let shown_variables = settings.shown_variables;
        let refusals = RefusalSettings { shown_variables, loaded: clock.now() };
        let (login, sessions) = (LoginSettings::default(), Arc::new(sessions));
        let authority = Authority::new(settings.policy, login, refusals, sessions, audit, metrics);
        let authority = match factors {
            Some(factors) => authority.with_factors(factors),
            None => authority,
        };
        Ok(Self { authority, clock, audit: writer })
    }
}

fn path_of(serial: &str) -> String {
    format!("/api/v1/tokens/{}", encoded(serial))
}

/// What is asked for, as the part of a URL behind the question mark.
fn query_text(query: &SessionQuery) -> anyhow::Result<String> {
    let mut text = form_urlencoded::Serializer::new(String::new());
    if let serde_json::Value::Object(fields) = serde_json::to_value(query)? {
        for (name, value) in fields {
            text.append_pair(&name, value.as_str().unwrap_or(&value.to_string()));
        }
    }
    Ok(text.finish())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn ask<T: DeserializeOwned>(
    client: &AdminClient,
    method: Method,
    path: &str,
    body: Option<&(impl Serialize + Sync)>,
) -> anyhow::Result<T> {
    let answer = client.ask(method, path, body).await?;
    serde_json::from_value(answer).context("the daemon answers otherwise than this version")
}

//! Wiring: builds every floor from its settings, runs the listeners, stops them in order.
//!
//! Runtimes: actix-web runs its own workers, one thread each; signals, touches and sweeps run on the
//! process's tokio runtime; the store's writer and the audit writer are plain threads.

pub mod admin_client;
pub mod administration;
mod connections;
pub mod factors;
mod grpc;
pub mod hint;
mod http;
pub mod keys;
pub mod policy_tests;
pub mod rehearsal;
mod shared_store;
mod shutdown;
pub mod sockets;
pub mod store;
pub mod storekeeping;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web;
use anyhow::Context as _;
use tokio::task::JoinHandle;

use crate::app::sockets::Place;
use crate::app::store::Stores;
pub use crate::app::store::open_store;
use crate::authority::refusals::RefusalSettings;
use crate::authority::{Authority, LoginSettings};
use crate::config::{AdminSettings, Settings, StoreSettings};
use crate::domain::secret::SecretDigest;
use crate::edge::admin::gate::Gate;
use crate::edge::admin::{self, Admin};
use crate::edge::clock::Clock;
use crate::edge::http::pages::Pages;
use crate::edge::{self, Edge};
use crate::session::Sessions;
use crate::telemetry::audit::{Audit, AuditWriter};
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;

/// How often expired records are freed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// A daemon that is bound and ready to run.
pub struct Daemon {
    public: http::Listener,
    grpc: Option<grpc::Listener>,
    admin: Option<http::Listener>,
    parts: Parts,
}

/// Where a daemon is reached.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Subrequests and the portal.
    pub public: &'a Place,
    /// Envoy's checks over gRPC.
    pub grpc: Option<&'a Place>,
    /// Metrics and health.
    pub admin: Option<&'a Place>,
}

/// What has to be stopped after the listeners.
struct Parts {
    background: Vec<JoinHandle<()>>,
    authority: Arc<Authority>,
    sessions: Arc<Sessions>,
    audit_writer: AuditWriter,
    stopping: Arc<AtomicBool>,
}

impl Daemon {
    /// Opens the store, binds the listeners and starts the background tasks. Must run inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// Something cannot be opened or bound; the message says what and what to do.
    pub fn build(mut settings: Settings) -> anyhow::Result<Self> {
        if matches!(settings.store, StoreSettings::Redis(_)) {
            keys::must_exist(&settings.sessions_keys)?;
        }
        let session_keys = keys::load_all(&settings.sessions_keys)?;
        let fingerprinter = keys::fingerprinter(&session_keys)?;
        let (store, newest) = open_store(&settings)?;
        let store = Arc::new(store);
        let signer = settings.mfa.as_ref().and_then(|mfa| mfa.signing_key.as_deref());
        let signer = signer.map(factors::signer).transpose()?;
        let factors = factors::Opened::new(settings.mfa.take())?;
        let clock = Clock::start(newest.max(factors.newest));
        let names: Vec<Arc<str>> = settings
            .policy
            .applications
            .iter()
            .map(|application| Arc::clone(&application.name))
            .collect();
        let metrics = Arc::new(Metrics::new(&names));
        let stores = Stores {
            sessions: Arc::clone(&store),
            tokens: factors.store(),
            clock,
            metrics: Arc::clone(&metrics),
        };
        let factors = factors.build(&session_keys, Arc::clone(&store), &metrics)?;
        let watched_store = shared_store::watch(&store, &metrics);
        let (audit, audit_writer) = Audit::open(settings.audit.as_deref()).with_context(|| {
            format!("cannot open the audit log {:?}; check `audit.path`", settings.audit)
        })?;
        let (sessions, touches) =
            Sessions::new(store, settings.sessions, fingerprinter, Arc::clone(&metrics));
        let sessions = Arc::new(sessions);
        let refusals =
            RefusalSettings { shown_variables: settings.shown_variables, loaded: clock.now() };
        let login = LoginSettings { choice: settings.portal.choice };
        let authority =
            Authority::new(settings.policy, login, refusals, Arc::clone(&sessions), audit, metrics);
        let authority = Arc::new(match factors {
            Some(factors) => authority.with_factors(factors),
            None => authority,
        });
        let toucher = Arc::clone(&sessions);
        let sweeper = Arc::clone(&sessions);
        let mut background = vec![
            tokio::spawn(async move { toucher.write_touches(touches).await }),
            tokio::spawn(sweep_forever(sweeper, clock)),
        ];
        background.extend(watched_store);
        background.extend(stores.checks());
        background.extend(authority.factors().into_iter().flat_map(|f| factors::probes(f, clock)));
        let stopping = Arc::new(AtomicBool::new(false));
        let pages =
            Pages::new(settings.portal.logo).context("cannot prepare the portal's pages")?;
        let edge = Edge::new(Arc::clone(&authority), clock, settings.portal.url, pages);
        let edge = match signer {
            Some(signer) => edge.signing(signer),
            None => edge,
        };
        let edge = web::Data::new(edge);
        let listen = settings.listen;
        let grpc =
            listen.grpc.map(|listener| grpc::Listener::bind(&listener, &edge)).transpose()?;
        let public = http::Listener::bind(listen.public, move |app| {
            app.app_data(edge.clone()).configure(edge::http::routes);
        })?;
        let gate = if listen.admin.is_some() { gate(&settings.admin)? } else { Gate::default() };
        let admin_state = web::Data::new(Admin {
            gate,
            authority: Arc::clone(&authority),
            storage: Arc::new(stores),
            clock,
            stopping: Arc::clone(&stopping),
        });
        let admin = listen.admin.map(|listener| {
            http::Listener::bind(listener, move |app| {
                app.app_data(admin_state.clone()).configure(admin::routes);
            })
        });
        Ok(Self {
            public,
            grpc,
            admin: admin.transpose()?,
            parts: Parts { background, authority, sessions, audit_writer, stopping },
        })
    }

    /// Where it is reached.
    #[must_use]
    pub fn places(&self) -> Places<'_> {
        Places {
            public: &self.public.place,
            grpc: self.grpc.as_ref().map(grpc::Listener::place),
            admin: self.admin.as_ref().map(|admin| &admin.place),
        }
    }

    /// Runs until SIGTERM, SIGINT or the end of a listener; then stops in order: readiness turns
    /// red, the listeners finish what they have begun, then the store and the audit log are closed.
    ///
    /// # Errors
    /// A listener failed.
    pub async fn run_until_stopped(mut self) -> anyhow::Result<()> {
        let handles: Vec<ServerHandle> = std::iter::once(&self.public)
            .chain(&self.admin)
            .map(|listener| listener.server.handle())
            .collect();
        // Kept to the end: whoever finds the file before knows that we are still here.
        let _files = (self.public.file, self.admin.as_mut().map(|admin| admin.file.take()));
        let admin = async {
            match self.admin {
                Some(admin) => admin.server.await,
                None => std::future::pending().await,
            }
        };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut grpc = self.grpc.map(|grpc| tokio::spawn(grpc.run_until(stopped)));
        let signals =
            tokio::spawn(shutdown::on_signal(Arc::clone(&self.parts.stopping), handles, stop));
        let ended = tokio::select! {
            ended = self.public.server => ended.context("the public listener failed"),
            ended = admin => ended.context("the admin listener failed"),
            error = grpc::failed(grpc.as_mut()) => Err(error.context("the gRPC listener failed")),
        };
        signals.abort();
        // Dropping the way to stop it stops it too.
        grpc::finish(grpc).await;
        self.parts.close().await;
        ended
    }
}

impl Parts {
    /// Waits for nothing but what was promised: queued touches are dropped, answered writes are on
    /// disk already, audit lines are flushed.
    async fn close(self) {
        for task in self.background {
            task.abort();
            // Aborted: its result says only that.
            let _ = task.await;
        }
        drop(self.authority);
        drop(self.sessions);
        let writer = self.audit_writer;
        let flushed = tokio::task::spawn_blocking(move || writer.finish());
        if tokio::time::timeout(Duration::from_secs(5), flushed).await.is_err() {
            tracing::warn!("the audit log was not flushed within 5 s");
        }
        tracing::info!("stopped");
    }
}

/// Starts the log and says in it what the configuration's check warns about.
pub fn start_logging(settings: &Settings) {
    log::install(settings.log);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
}

/// Who may use the API. Without an admin listener no credential is made.
fn gate(settings: &AdminSettings) -> anyhow::Result<Gate> {
    let digest = |source| keys::credential(source).map(|secret| SecretDigest::of(secret.expose()));
    let credentials = settings.credentials.iter().map(digest).collect::<anyhow::Result<_>>()?;
    Ok(Gate { hosts: settings.hosts.clone(), credentials })
}

#[expect(clippy::infinite_loop, reason = "a background task; it ends by being aborted")]
async fn sweep_forever(sessions: Arc<Sessions>, clock: Clock) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        sessions.sweep(clock.now()).await;
    }
}

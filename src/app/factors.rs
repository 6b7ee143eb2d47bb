//! Second factors: builds the federation with its nodes, and asks servers now and then whether they live.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::app::keys;
use crate::authority::factor::Factors;
use crate::authority::factor::settings::FactorSettings;
use crate::config::{LocalPlace, MfaSettings};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::edge::clock::Clock;
use crate::mfa::federation::{Federation, LOCAL};
use crate::mfa::node::local::LocalNode;
use crate::mfa::node::server::Server;
use crate::mfa::settings::FederationSettings;
use crate::protocol::edumfa::signature::Signer;
use crate::store::Store;
use crate::store::embedded::EmbeddedStore;
use crate::telemetry::metrics::Metrics;

/// The local node's state, opened before there is a clock: it may have seen later times than the machine shows.
pub struct Opened {
    settings: Option<MfaSettings>,
    tokens: Option<(Arc<Store>, Secret)>,
    /// The newest time that the tokens' file has seen.
    pub newest: Timestamp,
}

impl Opened {
    /// Opens what `settings` name.
    ///
    /// # Errors
    /// A file cannot be used; the message names it and the remedy.
    pub fn new(settings: Option<MfaSettings>) -> anyhow::Result<Self> {
        let Some(place) = settings.as_ref().and_then(|mfa| mfa.local.as_ref()) else {
            return Ok(Self { settings, tokens: None, newest: Timestamp::default() });
        };
        let LocalPlace { store: path, key, .. } = place;
        let store = EmbeddedStore::open(path)
            .with_context(|| format!("cannot open the store of tokens {}", path.display()))?;
        let newest = store.newest_time();
        let tokens = Some((Arc::new(Store::Embedded(store)), keys::load_or_create(key)?));
        Ok(Self { settings, tokens, newest })
    }

    /// Where tokens are, if there is a local node.
    #[must_use]
    pub fn store(&self) -> Option<Arc<Store>> {
        self.tokens.as_ref().map(|(store, _)| Arc::clone(store))
    }

    /// Builds whatever checks factors; `None` if nothing is to. Challenges lie with the sessions that they belong to.
    ///
    /// # Errors
    /// A server cannot be prepared; the message names it.
    pub fn build(
        self,
        sessions_keys: &[Secret],
        challenges: Arc<Store>,
        metrics: &Metrics,
    ) -> anyhow::Result<Option<Factors>> {
        let Some(mfa) = self.settings else { return Ok(None) };
        let MfaSettings { mut federation, local, api, regulation, .. } = mfa;
        let settings = FactorSettings {
            auth_level: mfa.auth_level,
            accept_without_serial: mfa.accept_without_serial,
            validate: api,
            regulation,
            realms: federation.realms.clone(),
        };
        let local = local.zip(self.tokens);
        let local = local.map(|(place, (store, key))| LocalNode::new(place.settings, store, &key));
        let names = federation.servers.iter().map(|server| Arc::clone(&server.name));
        let names: Vec<Arc<str>> = std::iter::once(LOCAL.into()).chain(names).collect();
        let nodes = Arc::new(metrics.nodes(&names));
        let servers = std::mem::take(&mut federation.servers);
        let servers = servers
            .into_iter()
            .zip(1..)
            .map(|(server, place)| Server::new(server, Arc::clone(&nodes), place))
            .collect::<Result<Vec<_>, _>>()?;
        // While the key is being replaced, nodes have another one in front.
        let mut marks: Vec<String> = sessions_keys.iter().map(own_mark).collect();
        let aliases = marks.split_off(marks.len().min(1));
        let own = marks.pop().unwrap_or_default();
        let federation = Federation::new(federation, servers, local, challenges, nodes, &own)
            .also_called(aliases);
        Ok(Some(Factors::new(Arc::new(federation), settings, Handle::current())))
    }
}

/// Whatever an explanation needs to know of second factors: no node is ever asked.
///
/// # Errors
/// None in practice.
pub fn rehearsed(mfa: MfaSettings, metrics: &Metrics) -> Factors {
    let federation =
        FederationSettings { servers: Vec::new(), handlers: Vec::new(), ..mfa.federation };
    let settings = FactorSettings {
        auth_level: mfa.auth_level,
        accept_without_serial: mfa.accept_without_serial,
        validate: None,
        regulation: mfa.regulation,
        realms: Vec::new(),
    };
    let nodes = Arc::new(metrics.nodes(&[LOCAL.into()]));
    let nowhere = Arc::new(Store::Memory(crate::store::memory::MemoryStore::new(1)));
    let federation = Federation::new(federation, Vec::new(), None, nowhere, nodes, "00000000");
    Factors::new(Arc::new(federation), settings, Handle::current())
}

/// How this installation calls itself in hop markers: the same on all of its nodes, and nothing that helps anybody.
fn own_mark(key: &Secret) -> String {
    let hash = Sha256::new().chain_update("vouchsafe hops\0").chain_update(key.expose()).finalize();
    HEXLOWER.encode(hash.first_chunk::<4>().map_or(&[], |start| start))
}

/// Asks every server now and then whether it lives; the tasks end by being aborted.
#[must_use]
pub fn probes(factors: &Arc<Factors>, clock: Clock) -> Vec<JoinHandle<()>> {
    let places = 0..factors.federation().servers().len();
    places.map(|place| tokio::spawn(probe_forever(Arc::clone(factors), place, clock))).collect()
}

#[expect(clippy::infinite_loop, reason = "a background task; it ends by being aborted")]
async fn probe_forever(factors: Arc<Factors>, place: usize, clock: Clock) {
    let Some(server) = factors.federation().servers().get(place) else { return };
    let mut interval = tokio::time::interval(server.settings().probe_interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        // What came of it is noted there.
        let _ = server.probe(clock.now()).await;
    }
}

/// The key that signs answers to `/validate/*`; a file that does not exist is created.
///
/// # Errors
/// It cannot be read, created or used; the message names it.
pub fn signer(path: &Path) -> anyhow::Result<Signer> {
    let pem = keys::load_or_create_with(path, || Ok(Signer::generate()?.1))?;
    Signer::from_pem(&pem).with_context(|| format!("cannot use the signing key {}", path.display()))
}

//! A daemon that is only rehearsed: a configuration without listeners and files, asked what it would say.
//!
//! What `vouchsafe explain` and policy tests ask. Sessions live in memory, and whoever is to be logged in is:
//! nobody has to know the masters' secrets for that.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::app::factors;
pub use crate::authority::refusals::KeptRefusal;
use crate::authority::refusals::RefusalSettings;
use crate::authority::{Authority, LoginSettings};
use crate::config::Settings;
pub use crate::domain::explanation::{Explanation, Held, KnownIdentity, Stage, Step};
use crate::domain::factor::Factor;
use crate::domain::header::HeaderList;
pub use crate::domain::location::Location;
use crate::domain::network::parse_chain;
use crate::domain::request::Peer;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
pub use crate::edge::asked::Asked;
use crate::edge::clock::Clock;
use crate::policy::slave::SlaveBackend;
use crate::policy::trust::Trust;
use crate::session::Sessions;
use crate::session::fingerprint::Fingerprinter;
use crate::session::settings::Quotas;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::Metrics;

/// What proves a master here, besides what really does.
const CONTENT: &str = "rehearsal";

/// Whom a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Somebody {
    /// The login.
    pub user: String,
    /// The master that asserts it; `None` for the first one.
    pub master: Option<String>,
    /// The variables that the master sends, each with its values.
    pub variables: BTreeMap<String, Vec<String>>,
    /// Who asks has a session, opened before at this level, and the master says nothing about this request.
    pub session_level: Option<u8>,
    /// A second factor was checked for that session so long ago.
    pub factor_age: Option<Duration>,
}

/// When a request is asked about: as RFC 3339 writes it, or now.
///
/// # Errors
/// It is not written so.
pub fn moment(written: Option<&str>) -> anyhow::Result<Timestamp> {
    let Some(written) = written else { return Ok(Clock::start(Timestamp::default()).now()) };
    let moment: jiff::Timestamp = written
        .parse()
        .with_context(|| format!("`{written}` is not a time; write it as 2026-11-22T08:30:00Z"))?;
    let millis = u64::try_from(moment.as_millisecond()).context("that is before 1970")?;
    Ok(Timestamp::from_millis(millis))
}

/// Headers beside those that somebody wrote.
type More = Vec<(String, Vec<u8>)>;

/// A daemon without its surroundings.
pub struct Rehearsal {
    authority: Authority,
    sessions: Arc<Sessions>,
    /// The same once more, to write what a master would.
    trust: Trust,
    slave: SlaveBackend,
}

impl Rehearsal {
    /// Builds one. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(mut settings: Settings, now: Timestamp) -> anyhow::Result<Self> {
        let names = settings.policy.applications.iter().map(|one| Arc::clone(&one.name));
        let metrics = Arc::new(Metrics::new(&names.collect::<Vec<_>>()));
        settings.policy.trust = settings.policy.trust.rehearsed(CONTENT.as_bytes());
        let (trust, slave) = (settings.policy.trust.clone(), settings.policy.slave.clone());
        let most = NonZeroU32::MAX;
        settings.sessions.quotas = Quotas { per_client: most, per_master: most };
        let store = Store::Memory(MemoryStore::new(settings.sessions.max_bytes));
        let fingerprinter = Fingerprinter::new(&Secret::new(vec![0; 32]));
        // Nobody uses a session here, so nothing is ever touched.
        let (sessions, _touches) =
            Sessions::new(store, settings.sessions, fingerprinter, Arc::clone(&metrics));
        let sessions = Arc::new(sessions);
        let (audit, _writer) = Audit::open(None).context("cannot start the audit log")?;
        let login = LoginSettings { choice: settings.portal.choice };
        let refusals = RefusalSettings { shown_variables: Vec::new(), loaded: now };
        let shared = Arc::clone(&sessions);
        let factors = settings.mfa.take().map(|mfa| factors::rehearsed(mfa, &metrics));
        let authority = Authority::new(settings.policy, login, refusals, shared, audit, metrics);
        let authority = match factors {
            Some(factors) => authority.with_factors(factors),
            None => authority,
        };
        Ok(Self { authority, sessions, trust, slave })
    }

    /// What would be decided about `asked`, sent by `somebody` or by nobody that is known.
    ///
    /// # Errors
    /// It cannot be asked so; the message says what to write instead.
    pub async fn explain(
        &self,
        asked: &Asked,
        somebody: Option<&Somebody>,
        now: Timestamp,
    ) -> anyhow::Result<Explanation> {
        let more = match somebody {
            None => More::new(),
            Some(somebody) => {
                let said = self.said_by_master(asked, somebody)?;
                match somebody.session_level {
                    None => said,
                    Some(level) => self.log_in(&said, level, somebody.factor_age, now).await?,
                }
            }
        };
        let parts = asked.parts_with(&more)?;
        let question = parts.question(self.peer());
        Ok(self.authority.explain(&question, now).await)
    }

    /// A proxy, if any is trusted; else an explanation says so.
    fn peer(&self) -> Peer {
        self.trust.trusted_peer().unwrap_or(Peer::Unknown)
    }

    /// The headers of a master that asserts `somebody`.
    fn said_by_master(&self, asked: &Asked, somebody: &Somebody) -> anyhow::Result<More> {
        let mut masters = self.trust.masters().iter();
        let master = match &somebody.master {
            None => masters.next().context("no master is configured; add one to slave.masters")?,
            Some(name) => {
                let names: Vec<&str> = masters.clone().map(|master| &*master.name).collect();
                masters.find(|master| *master.name == **name).with_context(|| {
                    format!("there is no master `{name}`; known are {}", names.join(", "))
                })?
            }
        };
        let mut said = More::new();
        let mut say = |name: &str, value: Vec<u8>| said.push((name.to_owned(), value));
        if master.certificate.is_some() {
            bail!(
                "the master {} must show a certificate; write all of its headers with --header",
                master.name
            );
        }
        let client = asked.client.to_string();
        let chain = match self.trust.address_of(master) {
            Some(address) if master.reports_client => format!("{client}, {address}"),
            Some(address) => address.to_string(),
            None => client,
        };
        say("x-forwarded-for", chain.into_bytes());
        if let Some(control) = &master.control {
            say(control.header.lower(), CONTENT.as_bytes().to_vec());
        }
        say(self.slave.user_header.lower(), somebody.user.clone().into_bytes());
        for (name, values) in &somebody.variables {
            let (header, value) = self.variable(name, values)?;
            // The login may be a variable, too; two headers would be refused.
            if header != self.slave.user_header.lower() {
                say(header, value);
            }
        }
        Ok(said)
    }

    /// The header of a variable, and its value as the master writes it.
    fn variable(&self, name: &str, values: &[String]) -> anyhow::Result<(&str, Vec<u8>)> {
        let variable = self.slave.exported_vars.iter().find(|variable| *variable.name == *name);
        let variable = variable.with_context(|| {
            let known = self.slave.exported_vars.iter().map(|variable| &*variable.name);
            let known: Vec<&str> = known.collect();
            format!("no master sends a variable `{name}`; known are {}", known.join(", "))
        })?;
        let encode = |value: &String| {
            variable.encoding.encode(value).map_err(|reason| {
                anyhow::anyhow!("a value of `{name}` cannot be sent by a master: {reason}")
            })
        };
        let values = values.iter().map(encode).collect::<anyhow::Result<Vec<_>>>()?;
        let separator = variable.separator.as_deref();
        if separator.is_none() && values.len() > 1 {
            bail!("the variable `{name}` is one text and no list; write one value");
        }
        let value = values.join(separator.unwrap_or_default().as_bytes());
        Ok((variable.header.lower(), value))
    }

    /// Opens a session for whom the master's headers assert; its cookies.
    async fn log_in(
        &self,
        said: &More,
        level: u8,
        factor_age: Option<Duration>,
        now: Timestamp,
    ) -> anyhow::Result<More> {
        let headers = said.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let headers = headers.collect::<HeaderList<'_>>();
        let refused = |reason: crate::domain::decision::Reason| {
            anyhow::anyhow!("no session can be opened so: {}", reason.meaning())
        };
        let chain = said.first().map(|(_, chain)| chain.as_slice()).unwrap_or_default();
        let chain = parse_chain(chain).map_err(|_| anyhow::anyhow!("no such client"))?;
        let standing = self.trust.admit(self.peer(), &chain, &headers).map_err(refused)?;
        let Ok(admitted) = standing.admitted else { bail!("the master does not speak from there") };
        let mut asserted = self.slave.read(&admitted, &headers).map_err(refused)?;
        asserted.level = level;
        let mut opened = self.sessions.open_cookie(&asserted, &[], now).await?;
        if let Some(age) = factor_age {
            // The session is in use now, however long ago the factor was checked for it.
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let checked = Timestamp::from_millis(now.as_millis().saturating_sub(age));
            let factor = Factor::new(CONTENT, CONTENT, CONTENT, checked)?;
            let keyed = (opened.key, opened.session);
            opened = self.sessions.step_up(&keyed, &factor, level, now).await?;
        }
        let cookies = opened.cookies.iter().filter_map(|cookie| cookie.0.split(';').next());
        let line = cookies.collect::<Vec<_>>().join("; ");
        Ok(vec![("cookie".to_owned(), line.into_bytes())])
    }
}

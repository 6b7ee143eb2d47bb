//! A server that is asked over HTTP: one request a question, bounded in time, size and number (SEMANTICS F4, F10).
//!
//! What is provably not sent and what came back without a definite answer are told apart, because after the first
//! another node may get the same OTP, and after the second none may. Must not know: which question, why.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Identity, Response, redirect, retry};
use tokio::sync::Semaphore;

use crate::domain::limits::NODE_ANSWER_BYTES;
use crate::domain::node::{Answer, Event, Question};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::breaker::Breaker;
use crate::mfa::settings::{NodeTls, ServerSettings};
use crate::protocol::edumfa::answer::{self, Unreadable};
use crate::protocol::edumfa::question;
use crate::protocol::edumfa::signature::Verifier;
use crate::telemetry::metrics::Stopwatch;
use crate::telemetry::metrics::nodes::{NodeMetrics, NodeOutcome};

/// How long an idle connection is kept: shorter than gunicorn keeps its end, whose closing one would cost a check.
const IDLE: Duration = Duration::from_millis(1500);

/// What became of a question to a server.
#[derive(Debug)]
pub enum Reply {
    /// It answered.
    Answered(Answer),
    /// It was provably not asked: another node may be.
    NotSent(NotSent),
    /// It may have been asked: nobody else may be.
    Unknown(Unknown),
}

/// Why a server was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It failed too often and is left alone for a while.
    #[error("it failed too often and is not asked for a while")]
    BreakerOpen,
    /// Too many questions are on their way to it.
    #[error("too many questions are on their way to it")]
    Busy,
    /// No connection came about.
    #[error("no connection comes about")]
    NoConnection,
    /// Its key cannot stand in a header.
    #[error("its API key cannot stand in a header")]
    UnusableKey,
}

/// Why nothing is known of what a server made of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// It took too long.
    #[error("no answer within its timeout")]
    TimedOut,
    /// The connection ended.
    #[error("the connection broke after the question was sent")]
    Broken,
    /// It sent too much.
    #[error("its answer is larger than {NODE_ANSWER_BYTES} bytes")]
    TooLarge,
    /// It did not sign, or somebody else did.
    #[error("its answer is not signed by its key")]
    Unsigned,
    /// It sent something else than an answer.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// A server cannot be asked as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the server {name} cannot be prepared")]
pub struct Unusable {
    name: Box<str>,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What was seen of a server, for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// When it answered the last time, and how long it took.
    pub answered: Option<(Timestamp, Duration)>,
    /// When it failed the last time, and why.
    pub failed: Option<(Timestamp, String)>,
    /// Whether it is left alone for a while.
    pub is_open: bool,
    /// Questions on their way.
    pub in_flight: usize,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    client: Client,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    seen: Mutex<Seen>,
    verifier: Option<Verifier>,
    metrics: Arc<NodeMetrics>,
    /// Its place in the list of nodes that are measured.
    place: usize,
}

impl Server {
    /// Prepares connections; none is made.
    ///
    /// # Errors
    /// A certificate or key cannot be used: name it to the operator.
    pub fn new(
        settings: ServerSettings,
        metrics: Arc<NodeMetrics>,
        place: usize,
    ) -> Result<Self, Unusable> {
        let unusable = |source| Unusable { name: (*settings.name).into(), source };
        let client = client(&settings).map_err(|error| unusable(error.into()))?;
        let verifier = settings.signature_key.as_deref().map(Verifier::from_pem).transpose();
        let verifier = verifier.map_err(|error| unusable(error.into()))?;
        Ok(Self {
            client,
            verifier,
            places: Semaphore::new(settings.in_flight.get()),
            breaker: Mutex::new(Breaker::new(settings.breaker)),
            seen: Mutex::new(Seen::default()),
            settings,
            metrics,
            place,
        })
    }

    /// What is configured of it.
    #[must_use]
    pub const fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// What was seen of it.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let in_flight =
            self.settings.in_flight.get().saturating_sub(self.places.available_permits());
        Seen { is_open: lock(&self.breaker).is_open(), in_flight, ..lock(&self.seen).clone() }
    }

    /// Where it is asked such a question: what `detail.origin` says of it.
    #[must_use]
    pub fn endpoint(&self, question: &Question<'_>) -> String {
        format!("{}{}", self.settings.url, question::path(question.event, question.attributes))
    }

    /// Asks; `hops` is the marker of the nodes that the question came through, this one included.
    pub async fn ask(&self, question: &Question<'_>, hops: &str, now: Timestamp) -> Reply {
        let watch = Stopwatch::start();
        let Ok(_place) = self.places.try_acquire() else {
            return self.noted(Reply::NotSent(NotSent::Busy), watch, now);
        };
        if !lock(&self.breaker).admits(now) {
            return self.noted(Reply::NotSent(NotSent::BreakerOpen), watch, now);
        }
        let reply = match self.exchange(question, hops).await {
            Ok(answer) => Reply::Answered(answer),
            Err(Failed::NotSent(why)) => Reply::NotSent(why),
            Err(Failed::Unknown(why)) => Reply::Unknown(why),
        };
        self.noted(reply, watch, now)
    }

    /// Asks whether it lives, about nobody: any JSON answer of the protocol will do. A breaker does not keep this
    /// from it; an answer closes it.
    ///
    /// # Errors
    /// Why it is not usable, for operators.
    pub async fn probe(&self, now: Timestamp) -> Result<Duration, String> {
        let watch = Stopwatch::start();
        let asked = self.post("/validate/check", b"{}".to_vec(), None).await;
        let found = match asked {
            Ok((status, body)) if answer::is_protocol(&body) && status < 500 => Ok(watch.elapsed()),
            Ok((status, _)) => Err(format!("its answer (HTTP {status}) is none of an MFA node")),
            Err(Failed::NotSent(why)) => Err(why.to_string()),
            Err(Failed::Unknown(why)) => Err(why.to_string()),
        };
        self.metrics.is_up(self.place, found.is_ok());
        match &found {
            Ok(took) => {
                lock(&self.breaker).succeeded();
                lock(&self.seen).answered = Some((now, *took));
            }
            Err(why) => self.failed(why, now),
        }
        found
    }

    async fn exchange(&self, question: &Question<'_>, hops: &str) -> Result<Answer, Failed> {
        let path = question::path(question.event, question.attributes);
        let (status, body) = match question.event {
            Event::Check | Event::Trigger => {
                let body = question::body(question, hops);
                self.post(path, body.to_vec(), question.authorization).await?
            }
            Event::Poll => {
                let query = question::query(question, hops);
                let request = self.client.get(format!("{}{path}?{query}", self.settings.url));
                self.send(request, question.authorization).await?
            }
        };
        if let Some(verifier) = &self.verifier
            && !verifier.verify(&body)
        {
            return Err(Failed::Unknown(Unknown::Unsigned));
        }
        let read = answer::read(question.event, question.attributes, status, &body);
        read.map_err(|error| Failed::Unknown(error.into()))
    }

    async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        authorization: Option<&Secret>,
    ) -> Result<(u16, Vec<u8>), Failed> {
        let request = self.client.post(format!("{}{path}", self.settings.url));
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        self.send(request, authorization).await
    }

    async fn send(
        &self,
        mut request: reqwest::RequestBuilder,
        authorization: Option<&Secret>,
    ) -> Result<(u16, Vec<u8>), Failed> {
        if let Some(key) = authorization.or(self.settings.api_key.as_ref()) {
            let value = HeaderValue::from_bytes(key.expose());
            let mut value = value.map_err(|_| Failed::NotSent(NotSent::UnusableKey))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| Failed::of(&error))?;
        let status = response.status().as_u16();
        Ok((status, bounded_body(response).await?))
    }

    /// Notes what became of a question, for breaker, metrics and operators.
    fn noted(&self, reply: Reply, watch: Stopwatch, now: Timestamp) -> Reply {
        let took = watch.elapsed();
        let outcome = match &reply {
            Reply::Answered(answer) => {
                lock(&self.breaker).succeeded();
                lock(&self.seen).answered = Some((now, took));
                NodeOutcome::Verdict(answer.verdict)
            }
            // Why it is left alone is worth more to an operator than that it is.
            Reply::NotSent(NotSent::BreakerOpen) => NodeOutcome::NotSent,
            Reply::NotSent(NotSent::Busy) => {
                lock(&self.seen).failed = Some((now, NotSent::Busy.to_string()));
                NodeOutcome::NotSent
            }
            Reply::NotSent(why @ (NotSent::NoConnection | NotSent::UnusableKey)) => {
                self.failed(&why.to_string(), now);
                NodeOutcome::NotSent
            }
            Reply::Unknown(why) => {
                self.failed(&why.to_string(), now);
                NodeOutcome::Unknown
            }
        };
        self.metrics.asked(self.place, outcome, took);
        reply
    }

    fn failed(&self, why: &str, now: Timestamp) {
        lock(&self.seen).failed = Some((now, why.to_owned()));
        let node = &*self.settings.name;
        if lock(&self.breaker).failed(now) {
            let pause = humantime::format_duration(self.settings.breaker.pause);
            tracing::warn!(
                node,
                "an MFA node failed again: {why}; it is not asked for {pause}; see `vouchsafe node test {node}`"
            );
        } else {
            tracing::info!(node, "an MFA node failed: {why}");
        }
    }
}

/// Why there is no answer.
enum Failed {
    NotSent(NotSent),
    Unknown(Unknown),
}

impl Failed {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_connect() || error.is_builder() {
            Self::NotSent(NotSent::NoConnection)
        } else if error.is_timeout() {
            Self::Unknown(Unknown::TimedOut)
        } else {
            Self::Unknown(Unknown::Broken)
        }
    }
}

/// The body, if it is not larger than an answer may be; what is beyond is not read.
async fn bounded_body(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failed::of(&error))? {
        if body.len() + chunk.len() > NODE_ANSWER_BYTES {
            return Err(Failed::Unknown(Unknown::TooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// One that follows no redirect, repeats nothing, asks no proxy and keeps connections.
fn client(settings: &ServerSettings) -> reqwest::Result<Client> {
    let NodeTls { is_unverified, ca, client } = &settings.tls;
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .http1_only()
        .tcp_nodelay(true)
        .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.timeout)
        .pool_idle_timeout(IDLE)
        .tls_danger_accept_invalid_certs(*is_unverified);
    if let Some(ca) = ca {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(ca)?);
    }
    if let Some((certificates, key)) = client {
        let pem = zeroize::Zeroizing::new([certificates, &b"\n"[..], key.expose()].concat());
        builder = builder.identity(Identity::from_pem(&pem)?);
    }
    builder.build()
}

/// Nobody panics while holding one; if somebody did, what is in it is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

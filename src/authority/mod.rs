//! The use cases: decide about a request, log somebody in and out.
//!
//! [`decide`] is where every request of a proxy is decided. Must not know: HTTP, dialects, YAML, the
//! clock (`now` is an argument). Whatever fails here becomes a decision that refuses.

mod assertions;
pub mod decide;
mod demand;
mod derived;
pub mod explain;
mod exports;
pub mod factor;
mod identify;
pub mod login;
pub mod logout;
pub mod loops;
mod losses;
pub mod menu;
#[cfg(test)]
mod outage_tests;
mod portal;
mod portrait;
mod question;
pub mod refusals;
mod report;
pub mod sessions;

use std::sync::Arc;

use bytes::Bytes;

use crate::authority::assertions::AssertionsCache;
use crate::authority::derived::Derivations;
use crate::authority::exports::ExportsCache;
use crate::authority::factor::Factors;
use crate::authority::loops::LoginLoops;
use crate::authority::losses::Losses;
use crate::authority::refusals::{RefusalSettings, Refusals};
use crate::authority::report::FailedRules;
use crate::domain::decision::{CookiesLeft, Decision, Reason};
use crate::domain::encoding::DropReason;
use crate::domain::identity::{Asserted, IdentityView, Owner, SessionKey};
use crate::domain::request::{Dialect, Peer};
use crate::domain::time::Timestamp;
use crate::policy::Policy;
use crate::policy::application::Application;
use crate::session::record::Session;
use crate::session::{Keyed, SessionError, Sessions, chain};
use crate::telemetry::audit::{Audit, AuditLine, Place};
use crate::telemetry::metrics::{Metrics, Stopwatch};

/// What the portal asks before it believes a master.
#[derive(Debug, Clone, Default)]
pub struct LoginSettings {
    /// Values of `lmAuth` that mean the slave backend; `None` ignores `lmAuth` (SEMANTICS P2).
    pub choice: Option<Vec<Box<str>>>,
}

/// Decides, over one policy and one set of sessions.
#[derive(Debug)]
pub struct Authority {
    policy: Policy,
    login: LoginSettings,
    sessions: Arc<Sessions>,
    factors: Option<Arc<Factors>>,
    derivations: Arc<Derivations>,
    exports: ExportsCache,
    losses: Arc<Losses>,
    assertions: AssertionsCache,
    loops: LoginLoops,
    audit: Audit,
    metrics: Arc<Metrics>,
    failed_rules: FailedRules,
    refusals: Refusals,
}

impl Authority {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        policy: Policy,
        login: LoginSettings,
        refusals: RefusalSettings,
        sessions: Arc<Sessions>,
        audit: Audit,
        metrics: Arc<Metrics>,
    ) -> Self {
        let losses = Arc::new(Losses::new(&policy.applications, Arc::clone(&metrics)));
        let derivations = Arc::new(Derivations::new(Arc::clone(&policy.definitions)));
        let exports =
            ExportsCache::new(Arc::clone(&derivations), Arc::clone(&losses), Arc::clone(&metrics));
        let assertions = AssertionsCache::new(Arc::clone(&metrics));
        let loops = LoginLoops::default();
        let failed_rules = FailedRules::default();
        Self {
            policy,
            login,
            sessions,
            factors: None,
            derivations,
            exports,
            losses,
            assertions,
            loops,
            audit,
            metrics,
            failed_rules,
            refusals: Refusals::new(refusals),
        }
    }

    /// The same with second factors, which `factors` checks.
    #[must_use]
    pub fn with_factors(self, factors: Factors) -> Self {
        Self { factors: Some(Arc::new(factors)), ..self }
    }

    /// Who checks second factors, if anybody does.
    #[must_use]
    pub const fn factors(&self) -> Option<&Arc<Factors>> {
        self.factors.as_ref()
    }

    /// Whether the daemon can decide: its store answers.
    ///
    /// # Errors
    /// The cause, for the operator.
    pub async fn ready(&self, now: Timestamp) -> Result<(), String> {
        self.sessions.check(now).await.map_err(|error| chain(&error))
    }

    /// The metrics as Prometheus reads them, with fresh gauges; and their media type.
    pub async fn exposition(&self) -> (Vec<u8>, String) {
        self.sessions.gauge().await;
        self.metrics.exposition()
    }

    /// Counts an answer of `application` whose head is too large for a proxy's default buffer.
    pub fn oversized_answer(&self, application: usize) {
        self.metrics.oversized_answer(application);
    }

    /// Counts, and once an export and reason logs, that the export at `place` of `application` went
    /// without its value, because the dialect cannot say it.
    pub fn export_dropped(&self, application: u32, place: usize, reason: DropReason) {
        if let Some(application) = self.policy.applications.iter().nth(application as usize) {
            self.losses.note(application, place, reason);
        }
    }

    /// Notes that a browser is challenged for `url`, and returns the mark that the way to the portal
    /// is to carry if that happens suspiciously often. `client` only tells clients apart.
    pub fn challenged(&self, client: &[u8], url: &str, now: Timestamp) -> Option<u64> {
        self.loops.challenged(client, url, now)
    }

    /// Counts a decision, once.
    fn count(&self, dialect: Dialect, reason: Reason, watch: Stopwatch) {
        let took = watch.elapsed();
        self.metrics.decided(dialect, reason, took);
        tracing::debug!(
            dialect = dialect.as_str(),
            reason = reason.as_str(),
            duration_us = took.as_micros(),
            "decided"
        );
    }

    /// A place in the audit log, without which no state changes.
    async fn place(&self) -> Result<Place<'_>, Decision> {
        self.audit.reserve().await.map_err(|_| {
            tracing::error!("the audit log takes no lines; logins are refused until it does");
            Decision::Unavailable(Reason::AuditFailed)
        })
    }

    /// The names of every application's exports, in the order in which they are granted.
    #[must_use]
    pub fn export_names(&self) -> Vec<Vec<Arc<str>>> {
        let names = |application: &Application| {
            let headers = application.exports.nobody().headers.iter();
            headers.map(|header| Arc::clone(&header.name)).collect()
        };
        self.policy.applications.iter().map(names).collect()
    }

    /// Whether factors may ride along with requests, for every application, in the same order.
    #[must_use]
    pub fn factors_may_ride(&self) -> Vec<bool> {
        self.policy.applications.iter().map(|application| application.factor_in_request).collect()
    }

    /// The public keys of assertions (SEMANTICS R5), as JSON; an empty set where nothing is signed.
    #[must_use]
    pub fn key_set(&self) -> Bytes {
        match &self.policy.assertions {
            Some(assertions) => assertions.key_set().clone(),
            None => Bytes::from_static(br#"{"keys":[]}"#),
        }
    }

    /// Somebody who may speak for a client, to ask in the name of; `None` if nobody may.
    #[must_use]
    pub fn trusted_peer(&self) -> Option<Peer> {
        self.policy.trust.trusted_peer()
    }

    /// The names of every header that a master sends; none of them may reach an application.
    #[must_use]
    pub fn trust_header_names(&self) -> Vec<String> {
        let headers = self.policy.trust.trust_headers().iter();
        headers.map(|header| header.lower().to_owned()).collect()
    }

    /// What an application may see of a client's cookies.
    #[must_use]
    pub fn cookies_for_application(&self, lines: &[&[u8]]) -> CookiesLeft {
        self.sessions.cookies().without_own(lines)
    }

    /// The name of an application, for messages.
    #[must_use]
    pub fn application_name(&self, application: u32) -> &str {
        self.policy.applications.iter().nth(application as usize).map_or("?", |found| &found.name)
    }

    /// A failure of sessions as a decision; logged here, where it stops being an error.
    fn refused(error: &SessionError) -> Decision {
        match error {
            SessionError::Throttled(_) => Decision::Deny(Reason::Throttled),
            SessionError::TooLarge(_) => Decision::Deny(Reason::OversizedAttribute),
            SessionError::Ended => Decision::Challenge(Reason::SessionEnded),
            SessionError::Expired => Decision::Challenge(Reason::SessionExpired),
            SessionError::NoFactor => Decision::Deny(Reason::FactorTooOld),
            SessionError::Full => Decision::Unavailable(Reason::Full),
            SessionError::Unconfirmed => {
                tracing::error!(
                    "a change of sessions reached one machine of the store only, which may lose it; the client was told that it failed. See docs/reliability.md"
                );
                Decision::Unavailable(Reason::Unconfirmed)
            }
            SessionError::Store(_) | SessionError::NoEntropy(_) => {
                tracing::error!(error = %chain(error), "sessions are unavailable; requests are refused");
                Decision::Unavailable(Reason::StoreFailed)
            }
        }
    }

    /// The audit line of a state change.
    fn change(
        &self,
        event: &'static str,
        asserted: &Asserted<'_>,
        key: SessionKey,
        now: Timestamp,
    ) -> AuditLine {
        let mut line = self.traced(about(event, asserted.owner(), now), asserted);
        line.client = Some(asserted.client);
        line.session = Some(format!("{key:?}"));
        line
    }

    /// The audit line of a cookie session that was opened, perhaps in place of another.
    fn opening(
        &self,
        asserted: &Asserted<'_>,
        key: SessionKey,
        replaced: &[Keyed],
        now: Timestamp,
    ) -> AuditLine {
        match replaced.first() {
            Some((_, previous)) => replacing(self.change("switch", asserted, key, now), previous),
            None => self.change("login", asserted, key, now),
        }
    }

    /// Writes down which sessions ended because the user has opened another. They have ended already, so
    /// without an audit log the login fails, and its session is nobody's.
    async fn audit_displaced(&self, displaced: &[Keyed], now: Timestamp) -> Result<(), Decision> {
        for (key, session) in displaced {
            let place = self.place().await?;
            let mut line = self.traced(about("displaced", session.owner(), now), session);
            line.client = Some(session.client());
            line.session = Some(format!("{key:?}"));
            place.write(line);
        }
        Ok(())
    }

    /// Adds to `line` what `who` is called in logs, if that is not the login.
    fn traced(&self, mut line: AuditLine, who: &dyn IdentityView) -> AuditLine {
        let name = self.derivations.trace_name(&self.derivations.complete(who));
        line.trace_name = name.filter(|name| **name != *who.owner().user).map(Into::into);
        line
    }
}

/// The audit line of something that happens to a user's sessions.
fn about(event: &'static str, owner: Owner<'_>, now: Timestamp) -> AuditLine {
    let mut line = AuditLine::new(event, now);
    line.user = Some(owner.user.to_owned());
    line.master = Some(owner.master.to_owned());
    line.realm = (!owner.realm.is_empty()).then(|| owner.realm.to_owned());
    line
}

/// Adds to `line` whose session was replaced.
fn replacing(mut line: AuditLine, previous: &Session) -> AuditLine {
    line.previous_user = Some(previous.user().to_owned());
    line
}

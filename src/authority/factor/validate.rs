//! Checks for other programs, at `/validate/*`: who may ask, and what of their question is believed (SEMANTICS F9).
//!
//! No session is touched. Must not know: how a question was written, how an answer is.

use std::net::IpAddr;

use crate::authority::Authority;
use crate::authority::factor::settings::{ApiKey, ValidateSettings};
use crate::authority::factor::{Checked, Wanted, WhoAsks};
use crate::domain::decision::Reason;
use crate::domain::node::{Answer, Event, Verdict};
use crate::domain::request::{Dialect, Input, Peer};
use crate::domain::secret::{Secret, SecretDigest};
use crate::domain::time::Timestamp;
use crate::telemetry::metrics::Stopwatch;

/// Who calls.
pub struct Caller<'a> {
    /// Who is connected.
    pub peer: Peer,
    /// Whom that reports; read only if it is a proxy of ours. A portal that proxies publish is open to the world, and
    /// must not make everybody a caller from the proxy's own address.
    pub forwarded_for: Input<'a>,
    /// What it presents in `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// The client that it reports; believed only of those who are said to know.
    pub client: Option<IpAddr>,
}

/// What became of a question of a program.
#[derive(Debug)]
pub enum Validated {
    /// A node said so.
    Answered(Answer),
    /// Nobody was asked, or nobody could tell.
    Refused(Reason),
}

/// A caller that was admitted.
struct Admitted {
    name: String,
    has_key: bool,
    address: Option<IpAddr>,
}

impl ValidateSettings {
    /// Who it is, if it may ask.
    fn admit(&self, caller: &Caller<'_>, address: Option<IpAddr>) -> Option<Admitted> {
        let is_near = address.is_some_and(|address| self.callers.contains(address));
        if !self.callers.is_empty() && !is_near {
            return None;
        }
        let key = caller.authorization.and_then(|presented| self.key(presented));
        if !self.keys.is_empty() && key.is_none() {
            return None;
        }
        let name = match (key, address) {
            (Some(name), _) => format!("key {name}"),
            (None, Some(address)) => format!("address {address}"),
            (None, None) => return None,
        };
        Some(Admitted { name, has_key: key.is_some(), address })
    }

    /// The name of the key that is presented, as it is or behind `Bearer`. All of them are compared.
    fn key(&self, presented: &[u8]) -> Option<&str> {
        let digests = [presented, presented.strip_prefix(b"Bearer ").unwrap_or_default()];
        let digests = digests.map(SecretDigest::of);
        let mut found = None;
        for ApiKey { name, digest: key } in &self.keys {
            if digests.iter().any(|digest| key.matches(digest)) {
                found = Some(&**name);
            }
        }
        found
    }
}

impl Authority {
    /// Whether there is something to ask at `/validate/*`.
    #[must_use]
    pub fn validates(&self) -> bool {
        self.factors.as_ref().is_some_and(|factors| factors.settings().validate.is_some())
    }

    /// Asks the federation for a program. `wanted` is as it was written; who asks and where the client is, is
    /// decided here.
    pub async fn validate(&self, caller: &Caller<'_>, wanted: Wanted, now: Timestamp) -> Validated {
        let watch = Stopwatch::start();
        let validated = self.try_validate(caller, wanted, now).await;
        let reason = match &validated {
            Ok(answer) => reason_of(answer),
            Err(reason) => *reason,
        };
        self.count(Dialect::Validate, reason, watch);
        validated.map_or_else(Validated::Refused, Validated::Answered)
    }

    async fn try_validate(
        &self,
        caller: &Caller<'_>,
        mut wanted: Wanted,
        now: Timestamp,
    ) -> Result<Answer, Reason> {
        let factors = self.factors.as_ref().ok_or(Reason::CallerNotAdmitted)?;
        let settings = factors.settings().validate.as_ref().ok_or(Reason::CallerNotAdmitted)?;
        let chain = self.chain_before(caller.peer, caller.forwarded_for)?;
        let address = self.policy.trust.caller(caller.peer, &chain).map(|(_, address)| address);
        let admitted = settings.admit(caller, address).ok_or(Reason::CallerNotAdmitted)?;
        // It makes telephones ring, so knowing where to ask from is not enough.
        if wanted.event == Event::Trigger && !admitted.has_key {
            return Err(Reason::CallerNotAdmitted);
        }
        let may_override =
            admitted.address.is_some_and(|address| settings.override_client.contains(address));
        let reported = caller.client.filter(|_| may_override);
        wanted.is_behind_caller = reported.is_none();
        wanted.client = reported.or(admitted.address);
        wanted.holder = WhoAsks::Caller(admitted.name);
        wanted.authorization = caller
            .authorization
            .filter(|_| !admitted.has_key)
            .map(|value| Secret::new(value.to_vec()));
        match factors.ask(wanted, now).await {
            Checked::Said(said) => Ok(said.answer),
            Checked::Throttled(_) => Err(Reason::FactorThrottled),
            Checked::Unavailable => Err(Reason::FactorUnavailable),
        }
    }
}

/// The reason that an answer counts as.
fn reason_of(answer: &Answer) -> Reason {
    match answer.verdict {
        Verdict::Accepted => Reason::FactorAccepted,
        Verdict::Challenged => Reason::FactorPending,
        Verdict::Rejected | Verdict::Declined | Verdict::NotMine | Verdict::Refused => {
            Reason::FactorRefused
        }
    }
}

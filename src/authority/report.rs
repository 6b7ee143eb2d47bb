//! Telling the operator why a subrequest was refused; the portal's refusals are in `portal`.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::authority::Authority;
use crate::domain::decision::Reason;
use crate::domain::location::Location;
use crate::domain::request::{AuthRequest, Input, reference};
use crate::domain::target::{PathForms, Target};
use crate::domain::time::Timestamp;
use crate::policy::application::Application;
use crate::policy::expr::Failure;

/// The rules that were seen to fail, by their places: as many as the operator wrote, at most.
#[derive(Debug, Default)]
pub struct FailedRules(Mutex<HashSet<Location>>);

impl FailedRules {
    /// Whether this is the first time that the rule there fails.
    fn is_first(&self, at: Location) -> bool {
        // A panic of another thread leaves a set of places, which cannot be wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(at)
    }
}

impl Authority {
    /// Tells the operator that a rule cannot be asked; once for each, because clients can repeat it.
    pub(super) fn rule_failed(&self, application: &Application, at: Location, failure: Failure) {
        if self.failed_rules.is_first(at) {
            let application = &*application.name;
            tracing::warn!(application, rule = %at, cause = %failure, "a rule cannot be asked; it denies");
        }
    }

    /// The client's address as far as it can be believed; a stranger's word about it cannot.
    pub(super) fn client_for_the_record(&self, request: &AuthRequest<'_>) -> Option<IpAddr> {
        let trust = &self.policy.trust;
        if !trust.is_trusted_proxy(request.peer) {
            return request.peer.address();
        }
        let standing = self
            .chain_of(request)
            .and_then(|chain| trust.admit(request.peer, &chain, request.headers));
        standing.map_or(request.peer.address(), |standing| Some(standing.client))
    }

    /// Method, host and path, never the query.
    pub(super) fn request_for_the_record(request: &AuthRequest<'_>) -> String {
        let text = |input: Input<'_>| {
            let bytes = input.ok().flatten().unwrap_or(b"-");
            let path = bytes.split(|&b| b == b'?').next().unwrap_or_default();
            let shown = path.get(..200).unwrap_or(path);
            String::from_utf8_lossy(shown).escape_debug().to_string()
        };
        let (method, host) = (text(request.method), text(request.host));
        // As rules see it; what has no such form is shown as it came.
        let raw = request.target.ok().flatten().unwrap_or_default();
        let target = Target::parse(raw, PathForms::ALL);
        let target = target.as_ref().map_or(request.target, |target| Ok(Some(target.path())));
        format!("{method} {host}{}", text(target))
    }

    /// Tells the operator why somebody was refused, sampled.
    pub(super) fn report(
        &self,
        request: &AuthRequest<'_>,
        reason: Reason,
        rule: Option<Location>,
        now: Timestamp,
    ) {
        let written = self.audit.denial(now, reason, |line| {
            line.request = Some(Self::request_for_the_record(request));
            line.reference = reference(request.headers).map(str::to_owned);
            line.client = self.client_for_the_record(request);
            line.rule = rule.map(|at| at.to_string());
        });
        if !written {
            self.metrics.audit_dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_fails_is_told_once_and_every_other_one_too() {
        let rules = FailedRules::default();
        let at = |line| Location { line, column: 9 };
        assert_eq!(
            [7, 7, 8, 7, 8].map(|line| rules.is_first(at(line))),
            [true, false, true, false, false]
        );
    }
}

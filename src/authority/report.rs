//! Telling the operator why a subrequest was refused; the portal's refusals are in `portal`.

use std::net::IpAddr;

use crate::authority::Authority;
use crate::domain::decision::Reason;
use crate::domain::location::Location;
use crate::domain::request::{AuthRequest, Input, reference};
use crate::domain::target::{PathForms, Target};
use crate::domain::time::Timestamp;

impl Authority {
    /// The client's address as far as it can be believed; a stranger's word about it cannot.
    fn client_for_the_record(&self, request: &AuthRequest<'_>) -> Option<IpAddr> {
        let trust = &self.policy.trust;
        if !trust.is_trusted_proxy(request.peer) {
            return request.peer.address();
        }
        let standing = self
            .chain_of(request)
            .and_then(|chain| trust.admit(request.peer, &chain, request.headers));
        standing.map_or(request.peer.address(), |standing| Some(standing.client))
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
            line.request = Some(format!("{method} {host}{}", text(target)));
            line.reference = reference(request.headers).map(str::to_owned);
            line.client = self.client_for_the_record(request);
            line.rule = rule.map(|at| at.to_string());
        });
        if !written {
            self.metrics.audit_dropped.inc();
        }
    }
}

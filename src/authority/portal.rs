//! What every use case of the portal begins with: who speaks, and what its cookie is worth.
//!
//! Source: SEMANTICS T1, T3, M3, S5, S6. At the portal only the main cookie counts.

use crate::authority::Authority;
use crate::domain::decision::{Decision, Reason};
use crate::domain::header::HeaderView;
use crate::domain::identity::Asserted;
use crate::domain::network::{Chain, parse_chain};
use crate::domain::request::{Input, Peer, PortalRequest, Scheme};
use crate::domain::time::Timestamp;
use crate::policy::return_url::{ReturnUrl, ReturnUrlError};
use crate::policy::trust::{NotAdmitted, Standing, ambiguous};
use crate::session::cookie::{Half, Presented};
use crate::session::{Keyed, Lookup, SessionError, Visit};

/// What the session cookie of a portal request is worth.
#[derive(Debug)]
pub(super) enum PortalCookie {
    /// One live session.
    Live(Keyed),
    /// There was a cookie, and it opens nothing any more.
    Dead(Reason),
    /// There was none.
    Absent,
}

impl PortalCookie {
    /// The live session, if there is one.
    pub(super) const fn live(&self) -> Option<&Keyed> {
        match self {
            Self::Live(keyed) => Some(keyed),
            Self::Dead(_) | Self::Absent => None,
        }
    }
}

impl Authority {
    /// The live session under the main cookie; two different ones are ended and none is left (S5).
    pub(super) async fn portal_cookie(
        &self,
        request: &PortalRequest<'_>,
        now: Timestamp,
    ) -> Result<PortalCookie, Decision> {
        let refused = |error: SessionError| Self::refused(&error);
        let presented = self.presented_main(request);
        let (mut live, why) = self.presented(&presented, now).await.map_err(refused)?;
        if live.len() > 1 {
            self.sessions.end(&live, now).await.map_err(refused)?;
            return Ok(PortalCookie::Dead(Reason::ConflictingSessions));
        }
        Ok(match live.pop() {
            Some(keyed) => PortalCookie::Live(keyed),
            None if presented.any => PortalCookie::Dead(why),
            None => PortalCookie::Absent,
        })
    }

    /// Every live session among the presented ids, and why the last dead one is dead.
    pub(super) async fn presented(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<(Vec<Keyed>, Reason), SessionError> {
        let (mut live, mut why) = (Vec::new(), Reason::SessionUnknown);
        for id in &presented.ids {
            match self.sessions.find_cookie(id, presented.half, Visit::Use, now).await? {
                (key, Lookup::Live(session)) => live.push((key, session)),
                (_, Lookup::Ended) => why = Reason::SessionEnded,
                (_, Lookup::Expired) => why = Reason::SessionExpired,
                (_, Lookup::Unknown) => {}
            }
        }
        Ok((live, why))
    }

    /// The ids that count here. With a double cookie, an id of the secure one that came over plain HTTP
    /// has leaked and counts for nothing (S6).
    fn presented_main(&self, request: &PortalRequest<'_>) -> Presented {
        let cookies = self.sessions.cookies();
        let mut presented = cookies.read_main(request.cookies);
        if cookies.is_double() && self.portal_scheme(request) == Scheme::Http {
            presented.ids.clear();
        }
        presented
    }

    /// Whether a live session is presented; changes nothing.
    ///
    /// # Errors
    /// The store failed: nothing is known.
    pub async fn ping(&self, request: &PortalRequest<'_>, now: Timestamp) -> Result<bool, Reason> {
        let presented = self.presented_main(request);
        match self.presented(&presented, now).await {
            Ok((live, _)) => Ok(live.len() == 1),
            Err(error) => Err(Self::refused(&error).reason()),
        }
    }

    /// The portal's canonical host.
    #[must_use]
    pub fn portal_host(&self) -> &str {
        &self.policy.return_urls.portal_host
    }

    /// Where a person may be sent afterwards (P3).
    ///
    /// # Errors
    /// The reason why not; send nobody there.
    pub fn way_back(&self, encoded: &str) -> Result<ReturnUrl, Reason> {
        let accepted = self.policy.return_urls.accept(encoded, &self.policy.applications);
        accepted.map_err(|error| match error {
            ReturnUrlError::Malformed => Reason::BadReturnUrl,
            ReturnUrlError::Foreign => Reason::ForeignReturnUrl,
        })
    }

    /// Who speaks, or why a proof is wrong (M1).
    pub(super) fn portal_standing<'a>(
        &'a self,
        request: &PortalRequest<'a>,
    ) -> Result<Standing<'a>, Reason> {
        let chain = self.portal_chain(request)?;
        self.policy
            .trust
            .admit(request.peer, &chain, request.headers)
            .inspect_err(|reason| self.metrics.master_rejected(*reason))
    }

    /// Address, control, certificate, login, pattern: in this order (M3).
    pub(super) fn believed<'a>(
        &'a self,
        standing: &Standing<'a>,
        headers: &'a dyn HeaderView,
    ) -> Result<Asserted<'a>, Reason> {
        let admitted = standing.admitted.map_err(|why| match why {
            NotAdmitted::Address => Reason::MasterAddress,
            NotAdmitted::Control => Reason::ControlMissing,
        });
        let asserted = admitted.and_then(|admitted| self.policy.slave.read(&admitted, headers));
        asserted.inspect_err(|reason| self.metrics.master_rejected(*reason))
    }

    /// The scheme that the person used. A stranger reached the daemon itself, so it is the connection's.
    pub(super) fn portal_scheme(&self, request: &PortalRequest<'_>) -> Scheme {
        if !self.policy.trust.is_trusted_proxy(request.peer) {
            return request.connection;
        }
        match request.scheme {
            Ok(Some(b"http")) => Scheme::Http,
            // As in a subrequest: then the plain-HTTP cookie, the weaker one, is not read.
            Ok(_) | Err(_) => Scheme::Https,
        }
    }

    /// The cookie for plain HTTP, which counts for nothing here but for its own end.
    pub(super) fn presented_over_http(&self, request: &PortalRequest<'_>) -> Option<Presented> {
        let scheme = self.portal_scheme(request);
        let presented = self.sessions.cookies().read(request.cookies, scheme);
        (presented.half == Half::PlainHttp).then_some(presented)
    }

    /// Tells the operator why the portal refused, sampled.
    pub(super) fn report_portal(
        &self,
        request: &PortalRequest<'_>,
        what: &str,
        reason: Reason,
        now: Timestamp,
    ) {
        let written = self.audit.denial(now, reason, |line| {
            line.request = Some(format!("portal {what}"));
            line.reference = Some(request.reference.to_owned());
            let standing = self
                .portal_chain(request)
                .and_then(|chain| self.policy.trust.admit(request.peer, &chain, request.headers));
            line.client = standing.map_or(request.peer.address(), |standing| Some(standing.client));
        });
        if !written {
            self.metrics.audit_dropped.inc();
        }
    }

    /// A stranger is its own caller, whatever it says about others (T1, T3); without an address it is none.
    fn portal_chain(&self, request: &PortalRequest<'_>) -> Result<Chain, Reason> {
        self.chain_before(request.peer, request.forwarded_for)
    }

    /// The addresses that `peer` reports, if it is a proxy of ours; else its own.
    pub(super) fn chain_before(
        &self,
        peer: Peer,
        forwarded_for: Input<'_>,
    ) -> Result<Chain, Reason> {
        if !self.policy.trust.is_trusted_proxy(peer) {
            return Ok(peer.address().into_iter().collect());
        }
        match forwarded_for.map_err(ambiguous)? {
            None => Ok(Chain::new()),
            Some(value) => parse_chain(value).map_err(|_| Reason::MalformedForwardedFor),
        }
    }
}

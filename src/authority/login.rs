//! Login through the slave backend: what the portal does with a master's headers.
//!
//! Source: SEMANTICS M3, P1, P2. Nobody is asked for anything; a master that proves itself is believed.

use std::net::IpAddr;

use crate::authority::{Authority, opening};
use crate::domain::decision::{Decision, Reason, SetCookie};
use crate::domain::header::HeaderView;
use crate::domain::identity::Asserted;
use crate::domain::network::{Chain, parse_chain};
use crate::domain::request::{Dialect, Input};
use crate::domain::time::Timestamp;
use crate::policy::trust::{NotAdmitted, Standing, ambiguous};
use crate::session::id::SessionId;
use crate::session::record::Kind;
use crate::session::{Keyed, Lookup, SessionError};
use crate::telemetry::metrics::Stopwatch;

/// A login as the portal received it.
pub struct LoginRequest<'a> {
    /// The TCP peer, folded.
    pub peer: IpAddr,
    /// Addresses that proxies report; ignored if the peer is not one of ours (T1).
    pub forwarded_for: Input<'a>,
    /// Its headers, the master's among them.
    pub headers: &'a dyn HeaderView,
    /// Its Cookie headers.
    pub cookies: &'a [&'a [u8]],
    /// The backend that was chosen, body before query.
    pub lm_auth: Option<&'a str>,
}

/// What became of a login.
#[derive(Debug)]
pub enum Login {
    /// A session was opened.
    Opened {
        /// Its id.
        id: SessionId,
        /// The id of its plain-HTTP half, with a double cookie.
        id_http: Option<SessionId>,
        /// The cookies to set.
        cookies: Vec<SetCookie>,
    },
    /// The cookie's session is good; nothing was opened.
    AlreadyAuthenticated,
    /// Refused.
    Refused {
        /// Why.
        reason: Reason,
        /// Whether a live session was presented all the same.
        has_session: bool,
    },
    /// We failed.
    Unavailable(Reason),
}

impl Login {
    /// The one reason of this outcome.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Opened { .. } | Self::AlreadyAuthenticated => Reason::Session,
            Self::Refused { reason, .. } | Self::Unavailable(reason) => *reason,
        }
    }
}

impl Authority {
    /// Logs in whom the master asserts.
    pub async fn login(&self, request: &LoginRequest<'_>, now: Timestamp) -> Login {
        let watch = Stopwatch::start();
        let login = self.try_login(request, now).await.unwrap_or_else(|refusal| match refusal {
            Decision::Unavailable(reason) => Login::Unavailable(reason),
            Decision::Allow(_) | Decision::Challenge(_) | Decision::Deny(_) => {
                Login::Refused { reason: refusal.reason(), has_session: false }
            }
        });
        if let Login::Refused { reason, .. } | Login::Unavailable(reason) = &login {
            let written = self.audit.denial(now, *reason, |line| {
                line.request = Some("portal login".to_owned());
                let standing = self.portal_chain(request).and_then(|chain| {
                    self.policy.trust.admit(request.peer, &chain, request.headers)
                });
                line.client = Some(standing.map_or(request.peer, |standing| standing.client));
            });
            if !written {
                self.metrics.audit_dropped.inc();
            }
        }
        self.count(Dialect::Portal, login.reason(), watch);
        login
    }

    async fn try_login(
        &self,
        request: &LoginRequest<'_>,
        now: Timestamp,
    ) -> Result<Login, Decision> {
        let live = self.portal_session(request.cookies, now).await?;
        let refused = |reason| Ok(Login::Refused { reason, has_session: live.is_some() });
        let standing = self.portal_standing(request);
        if live.is_none() && !self.is_chosen(request.lm_auth) {
            return refused(Reason::ChoiceMissing);
        }
        let asserted = match standing.and_then(|standing| self.believed(&standing, request.headers))
        {
            Ok(asserted) => asserted,
            Err(reason) if live.is_some() && is_no_identity(reason) => {
                return Ok(Login::AlreadyAuthenticated);
            }
            Err(reason) => return refused(reason),
        };
        match live {
            Some(keyed) if keyed.1.is_same_user(&asserted) => {
                self.renewed(keyed, &asserted, now).await?;
                Ok(Login::AlreadyAuthenticated)
            }
            Some(_) if !self.is_chosen(request.lm_auth) => {
                Ok(Login::Refused { reason: Reason::ChoiceMissing, has_session: true })
            }
            previous => self.open_at_portal(&asserted, previous.as_slice(), now).await,
        }
    }

    async fn open_at_portal(
        &self,
        asserted: &Asserted<'_>,
        replaced: &[Keyed],
        now: Timestamp,
    ) -> Result<Login, Decision> {
        let place = self.place().await?;
        let opened = self
            .sessions
            .open_cookie(asserted, replaced, now)
            .await
            .map_err(|error| Self::refused(&error))?;
        place.write(opening(asserted, opened.key, replaced, now));
        Ok(Login::Opened { id: opened.id, id_http: opened.id_http, cookies: opened.cookies })
    }

    /// Who speaks, or why a proof is wrong (M1).
    fn portal_standing<'a>(&'a self, request: &LoginRequest<'a>) -> Result<Standing<'a>, Reason> {
        let chain = self.portal_chain(request)?;
        self.policy
            .trust
            .admit(request.peer, &chain, request.headers)
            .inspect_err(|reason| self.metrics.master_rejected(*reason))
    }

    /// Address, control, certificate, login, pattern: in this order (M3).
    fn believed<'a>(
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

    /// A stranger is its own caller, whatever it says about others (T1, T3).
    fn portal_chain(&self, request: &LoginRequest<'_>) -> Result<Chain, Reason> {
        if !self.policy.trust.is_trusted_proxy(request.peer) {
            return Ok(Chain::from_slice(&[request.peer]));
        }
        match request.forwarded_for.map_err(ambiguous)? {
            None => Ok(Chain::new()),
            Some(value) => parse_chain(value).map_err(|_| Reason::MalformedForwardedFor),
        }
    }

    fn is_chosen(&self, lm_auth: Option<&str>) -> bool {
        match (&self.login.choice, lm_auth) {
            (None, _) => true,
            (Some(choices), Some(chosen)) => choices.iter().any(|choice| &**choice == chosen),
            (Some(_), None) => false,
        }
    }

    /// The live session under the main cookie; two different ones are ended and none is left (S5).
    async fn portal_session(
        &self,
        cookies: &[&[u8]],
        now: Timestamp,
    ) -> Result<Option<Keyed>, Decision> {
        let refused = |error: SessionError| Self::refused(&error);
        let mut live: Vec<Keyed> = Vec::new();
        for id in &self.sessions.cookies().read_main(cookies).ids {
            if let (key, Lookup::Live(session)) =
                self.sessions.find_cookie(id, Kind::Cookie, now).await.map_err(refused)?
            {
                live.push((key, session));
            }
        }
        if live.len() > 1 {
            self.sessions.end(&live, now).await.map_err(refused)?;
            live.clear();
        }
        Ok(live.pop())
    }
}

/// Reasons that leave a good cookie good: nothing was asserted. A wrong proof is not among them (M1).
const fn is_no_identity(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ChoiceMissing
            | Reason::MasterAddress
            | Reason::ControlMissing
            | Reason::LoginMissing
    )
}

//! Login through the slave backend: what the portal does with a master's headers.
//!
//! Source: SEMANTICS M3, P1-P4. Nobody is asked for anything; a master that proves itself is believed.

use crate::authority::Authority;
use crate::authority::loops::{LoopCause, cause_of};
use crate::authority::portal::PortalCookie;
use crate::domain::decision::{Decision, Reason, SetCookie};
use crate::domain::explanation::Happening;
use crate::domain::identity::{Asserted, Owner};
use crate::domain::request::{Dialect, PortalRequest, Scheme};
use crate::domain::time::Timestamp;
use crate::policy::return_url::ReturnUrl;
use crate::session::Keyed;
use crate::session::id::SessionId;
use crate::session::record::Session;
use crate::telemetry::metrics::Stopwatch;

/// A login as the portal received it.
pub struct LoginRequest<'a> {
    /// Who asks.
    pub portal: PortalRequest<'a>,
    /// The backend that was chosen, body before query.
    pub lm_auth: Option<&'a str>,
    /// Where to go afterwards, encoded as it came.
    pub return_url: Option<&'a str>,
    /// Whether a page of another site sent a form, or wants to show the answer as a part of itself (P4).
    pub is_cross_site: bool,
    /// Whether the answer can send the client on; a program is only told.
    pub redirects: bool,
    /// The mark that a suspicious challenge left in the URL.
    pub loop_mark: Option<u64>,
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
        /// Who has arrived where.
        arrival: Arrival,
    },
    /// The cookie's session is good; nothing was opened.
    AlreadyAuthenticated(Arrival),
    /// The browser would go round once more; nothing was opened.
    Loop {
        /// Why, probably.
        cause: LoopCause,
        /// Where it would have gone.
        back: ReturnUrl,
    },
    /// Refused.
    Refused {
        /// Why.
        reason: Reason,
        /// Whether a live session was presented all the same.
        has_session: bool,
        /// The deletion of a cookie that opens nothing any more.
        cookies: Vec<SetCookie>,
    },
    /// We failed.
    Unavailable(Reason),
}

/// A person that is logged in, and where that person wanted to go.
#[derive(Debug)]
pub struct Arrival {
    /// The session.
    pub session: Session,
    /// The page to go back to, if there was one.
    pub back: Option<ReturnUrl>,
}

impl Login {
    /// The one reason of this outcome.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Opened { .. } | Self::AlreadyAuthenticated(_) => Reason::Session,
            Self::Loop { .. } => Reason::LoginLoop,
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
                let reason = refusal.reason();
                Login::Refused { reason, has_session: false, cookies: Vec::new() }
            }
        });
        match &login {
            Login::Refused { reason, .. } | Login::Unavailable(reason) => {
                self.report_portal(&request.portal, "login", *reason, now);
            }
            Login::Loop { .. } => {
                self.metrics.login_loops.inc();
                self.report_portal(&request.portal, "login", Reason::LoginLoop, now);
            }
            Login::Opened { .. } | Login::AlreadyAuthenticated(_) => {}
        }
        self.count(Dialect::Portal, login.reason(), watch);
        login
    }

    async fn try_login(
        &self,
        request: &LoginRequest<'_>,
        now: Timestamp,
    ) -> Result<Login, Decision> {
        let cookie = self.portal_cookie(&request.portal, now).await?;
        let refused = |reason| {
            let is_dead = matches!(cookie, PortalCookie::Dead(_));
            let cookies = is_dead.then(|| self.sessions.cookies().delete_main());
            let has_session = cookie.live().is_some();
            Ok(Login::Refused { reason, has_session, cookies: cookies.into_iter().collect() })
        };
        if request.is_cross_site {
            return refused(Reason::CrossSite);
        }
        let back = match request.return_url.map(|url| self.way_back(url)).transpose() {
            Ok(back) => back,
            Err(reason) => return refused(reason),
        };
        match (self.who(request, &cookie), &cookie) {
            (Err(reason), PortalCookie::Live(keyed)) if is_no_identity(reason) => {
                Ok(self.arrived(request, &keyed.1, back, now))
            }
            (Err(reason), PortalCookie::Dead(why)) if is_no_identity(reason) => refused(*why),
            (Err(reason), _) => refused(reason),
            (Ok(asserted), PortalCookie::Live(keyed)) if keyed.1.is_same_user(&asserted) => {
                let (_, session) =
                    self.renewed(keyed.clone(), &asserted, now, &mut Happening).await?;
                Ok(self.arrived(request, &session, back, now))
            }
            (Ok(_), _) if !self.is_chosen(request.lm_auth) => refused(Reason::ChoiceMissing),
            (Ok(asserted), _) => {
                if let Some(circle) = self.circle(request, asserted.owner(), back.as_ref(), now) {
                    return Ok(circle);
                }
                self.open_at_portal(&asserted, cookie.live(), back, now).await
            }
        }
    }

    /// Whom the master asserts, if it was chosen; a live cookie needs no choice.
    fn who<'a>(
        &'a self,
        request: &LoginRequest<'a>,
        cookie: &PortalCookie,
    ) -> Result<Asserted<'a>, Reason> {
        // First, so that a wrong proof is counted whatever was chosen.
        let standing = self.portal_standing(&request.portal);
        if cookie.live().is_none() && !self.is_chosen(request.lm_auth) {
            return Err(Reason::ChoiceMissing);
        }
        standing.and_then(|standing| self.believed(&standing, request.portal.headers))
    }

    async fn open_at_portal(
        &self,
        asserted: &Asserted<'_>,
        replaced: Option<&Keyed>,
        back: Option<ReturnUrl>,
        now: Timestamp,
    ) -> Result<Login, Decision> {
        let replaced = replaced.map_or(&[][..], std::slice::from_ref);
        let place = self.place().await?;
        let opened = self
            .sessions
            .open_cookie(asserted, replaced, now)
            .await
            .map_err(|error| Self::refused(&error))?;
        place.write(self.opening(asserted, opened.key, replaced, now));
        self.audit_displaced(&opened.displaced, now).await?;
        Ok(Login::Opened {
            id: opened.id,
            id_http: opened.id_http,
            cookies: opened.cookies,
            arrival: Arrival { session: opened.session, back },
        })
    }

    fn arrived(
        &self,
        request: &LoginRequest<'_>,
        session: &Session,
        back: Option<ReturnUrl>,
        now: Timestamp,
    ) -> Login {
        self.circle(request, session.owner(), back.as_ref(), now).unwrap_or_else(|| {
            Login::AlreadyAuthenticated(Arrival { session: session.clone(), back })
        })
    }

    /// The loop, if sending `owner` back would be one more round of it.
    fn circle(
        &self,
        request: &LoginRequest<'_>,
        owner: Owner<'_>,
        back: Option<&ReturnUrl>,
        now: Timestamp,
    ) -> Option<Login> {
        let back = back.filter(|_| request.redirects)?;
        if self.loops.may_send_back(owner, back.as_str(), request.loop_mark, now) {
            return None;
        }
        let is_https = self.portal_scheme(&request.portal) == Scheme::Https;
        let cause = cause_of(self.sessions.cookies(), back, self.portal_host(), is_https);
        Some(Login::Loop { cause, back: back.clone() })
    }

    fn is_chosen(&self, lm_auth: Option<&str>) -> bool {
        match (&self.login.choice, lm_auth) {
            (None, _) => true,
            (Some(choices), Some(chosen)) => choices.iter().any(|choice| &**choice == chosen),
            (Some(_), None) => false,
        }
    }

    /// The accepted values of `lmAuth`, for the choice page.
    #[must_use]
    pub fn choices(&self) -> &[Box<str>] {
        self.login.choice.as_deref().unwrap_or_default()
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

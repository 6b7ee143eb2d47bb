//! Logout: of one session, of all of a user's, and by the master behind the user's back.
//!
//! Source: SEMANTICS P1, P4, S6, O2, O3. Nobody is told that a session ended before that is durable.

use crate::authority::{Authority, about};
use crate::domain::decision::{Decision, Reason, SetCookie};
use crate::domain::identity::{Owner, SessionKey};
use crate::domain::request::{Dialect, PortalRequest};
use crate::domain::time::Timestamp;
use crate::policy::return_url::ReturnUrl;
use crate::session::Keyed;
use crate::telemetry::metrics::Stopwatch;

/// A logout as the portal received it.
pub struct LogoutRequest<'a> {
    /// Who asks.
    pub portal: PortalRequest<'a>,
    /// Whether all sessions of the user are to end.
    pub everywhere: bool,
    /// Where to go afterwards, encoded as it came.
    pub return_url: Option<&'a str>,
}

/// What became of a logout.
#[derive(Debug)]
pub enum Logout {
    /// Whatever was presented is no session any more.
    Done {
        /// The cookies to delete.
        cookies: Vec<SetCookie>,
        /// The page to go to, if it is one of ours.
        back: Option<ReturnUrl>,
        /// Whether a page was named that is not.
        return_refused: bool,
    },
    /// We failed, and the session may live on.
    Unavailable(Reason),
}

/// What became of a master's logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackchannelLogout {
    /// The user has no session of this master any more; whether there was one is not told.
    Done,
    /// The master was not believed.
    Refused(Reason),
    /// We failed, and sessions may live on.
    Unavailable(Reason),
}

impl Authority {
    /// Ends what the cookies open: the session, its other half, and all of its user's if so wished.
    pub async fn logout(&self, request: &LogoutRequest<'_>, now: Timestamp) -> Logout {
        let watch = Stopwatch::start();
        let ended = self.end_presented(request, now).await;
        let reason = ended.as_ref().map_or_else(Decision::reason, |()| Reason::LoggedOut);
        self.count(Dialect::Portal, reason, watch);
        if ended.is_err() {
            self.report_portal(&request.portal, "logout", reason, now);
            return Logout::Unavailable(reason);
        }
        let back = request.return_url.map(|url| self.way_back(url));
        Logout::Done {
            cookies: self.sessions.cookies().delete_all(),
            return_refused: matches!(back, Some(Err(_))),
            back: back.and_then(Result::ok),
        }
    }

    async fn end_presented(
        &self,
        request: &LogoutRequest<'_>,
        now: Timestamp,
    ) -> Result<(), Decision> {
        let refused = |error| Self::refused(&error);
        let main = self.sessions.cookies().read_main(request.portal.cookies);
        let (mut live, _) = self.presented(&main, now).await.map_err(refused)?;
        for id in &main.ids {
            live.extend(self.sessions.successor(id, now).await.map_err(refused)?);
        }
        // Over plain HTTP the browser has only the other half, and means the same session.
        if let Some(http) = self.presented_over_http(&request.portal) {
            live.extend(self.presented(&http, now).await.map_err(refused)?.0);
        }
        let mut ended: Vec<SessionKey> = Vec::new();
        for keyed in &live {
            let is_ended = |key| ended.contains(&key);
            if is_ended(keyed.0) || keyed.1.partner().is_some_and(is_ended) {
                continue;
            }
            self.end_one(keyed, request.everywhere, now).await?;
            ended.push(keyed.0);
        }
        Ok(())
    }

    async fn end_one(
        &self,
        keyed: &Keyed,
        everywhere: bool,
        now: Timestamp,
    ) -> Result<(), Decision> {
        let refused = |error| Self::refused(&error);
        let (key, session) = keyed;
        let place = self.place().await?;
        let mut line = self.traced(about("logout", session.owner(), now), session);
        if everywhere {
            let ended = self.sessions.end_all(session.owner(), now).await.map_err(refused)?;
            line.sessions = Some(ended);
        } else {
            self.sessions.end(std::slice::from_ref(keyed), now).await.map_err(refused)?;
        }
        line.client = Some(session.client());
        line.session = Some(format!("{key:?}"));
        place.write(line);
        Ok(())
    }

    /// Ends every session of the user that a master names, once that master has proved itself (O3).
    pub async fn backchannel_logout(
        &self,
        request: &PortalRequest<'_>,
        now: Timestamp,
    ) -> BackchannelLogout {
        let watch = Stopwatch::start();
        let standing = self.portal_standing(request);
        let believed = standing.and_then(|standing| self.believed(&standing, request.headers));
        let outcome = match believed {
            Err(reason) => BackchannelLogout::Refused(reason),
            Ok(asserted) => match self.end_everything(asserted.owner(), now).await {
                Ok(()) => BackchannelLogout::Done,
                Err(refusal) => BackchannelLogout::Unavailable(refusal.reason()),
            },
        };
        let reason = match outcome {
            BackchannelLogout::Done => Reason::LoggedOut,
            BackchannelLogout::Refused(reason) | BackchannelLogout::Unavailable(reason) => {
                self.report_portal(request, "back-channel logout", reason, now);
                reason
            }
        };
        self.count(Dialect::Portal, reason, watch);
        outcome
    }

    async fn end_everything(&self, owner: Owner<'_>, now: Timestamp) -> Result<(), Decision> {
        let place = self.place().await?;
        let ended =
            self.sessions.end_all(owner, now).await.map_err(|error| Self::refused(&error))?;
        let mut line = about("backchannel_logout", owner, now);
        line.sessions = Some(ended);
        place.write(line);
        Ok(())
    }
}

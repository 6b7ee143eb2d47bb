//! A person at the portal has a second factor checked, and the session goes on under a new id (SEMANTICS F1, F6, S3).
//!
//! Nothing but the secret and our own id of a challenge is read from the form (F9): whose factor it is, the session
//! tells. Must not know: forms, pages.

use std::net::IpAddr;
use std::time::Duration;

use crate::authority::factor::{Checked, Factors, Wanted, WhoAsks};
use crate::authority::portal::PortalCookie;
use crate::authority::{Authority, about};
use crate::domain::decision::{Decision, Reason, SetCookie};
use crate::domain::factor::Factor;
use crate::domain::identity::SessionKey;
use crate::domain::limits::FACTOR_SECRET_BYTES;
use crate::domain::node::{Event, Verdict};
use crate::domain::request::{Dialect, PortalRequest};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::federation::Said;
use crate::policy::return_url::ReturnUrl;
use crate::session::id::SessionId;
use crate::session::record::Session;
use crate::session::{Keyed, Opened};
use crate::telemetry::audit::AuditLine;
use crate::telemetry::metrics::Stopwatch;

/// How a challenge is answered that is not typed.
const POLLED: &str = "poll";

/// A step-up as the portal received it.
pub struct StepUpRequest<'a> {
    /// Who asks.
    pub portal: PortalRequest<'a>,
    /// What is wanted.
    pub wish: Wish<'a>,
    /// Where to go afterwards, encoded as it came.
    pub return_url: Option<&'a str>,
    /// Whether a page of another site sent a form (P4).
    pub is_cross_site: bool,
}

/// What is wanted.
pub enum Wish<'a> {
    /// To see the form.
    Form,
    /// To have this checked.
    Check {
        /// What was typed.
        secret: Secret,
        /// Our id of the challenge that it answers; empty if none.
        transaction: &'a str,
        /// What the form carried.
        token: &'a str,
    },
    /// To know whether the challenge of this id was answered elsewhere.
    Poll(&'a str),
}

/// What became of a step-up.
#[derive(Debug)]
pub enum StepUp {
    /// Nobody is logged in.
    LoginFirst(Reason),
    /// The form is to be shown.
    Asked(Form),
    /// A challenge has to be answered first.
    Challenged(Form, ChallengeToAnswer),
    /// The challenge is not answered yet.
    Pending(Form, ChallengeToAnswer),
    /// The session has the factor.
    Done {
        /// The new id.
        id: SessionId,
        /// The id of its plain-HTTP half, with a double cookie.
        id_http: Option<SessionId>,
        /// The cookies to set.
        cookies: Vec<SetCookie>,
        /// The page to go back to, if there was one.
        back: Option<ReturnUrl>,
    },
    /// It was not accepted.
    Refused {
        /// Why.
        reason: Reason,
        /// When another try may be worth it, if not at once.
        retry_after: Option<Duration>,
        /// The form for another try, if there is a session.
        form: Option<Form>,
    },
    /// We failed.
    Unavailable(Reason),
}

/// What a form is made of.
#[derive(Debug, Clone)]
pub struct Form {
    /// What it carries, so that no other page can send it.
    pub token: String,
    /// Whose factor is asked for.
    pub user: String,
}

/// A challenge, as a person has to be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeToAnswer {
    /// Our id of it.
    pub transaction: String,
    /// The node's words, unverified.
    pub message: String,
    /// Whether it is, or can be, answered on another device.
    pub is_polled: bool,
}

impl StepUp {
    /// The one reason of this outcome.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Asked(_) => Reason::LevelTooLow,
            Self::Challenged(..) | Self::Pending(..) => Reason::FactorPending,
            Self::Done { .. } => Reason::FactorAccepted,
            Self::LoginFirst(reason) | Self::Refused { reason, .. } | Self::Unavailable(reason) => {
                *reason
            }
        }
    }
}

impl ChallengeToAnswer {
    fn of(said: &Said) -> Self {
        let answer = &said.answer;
        let is_polled = answer.challenges.iter().any(|challenge| *challenge.client_mode == *POLLED);
        Self {
            transaction: answer.transaction.to_string(),
            message: answer.message.to_string(),
            is_polled,
        }
    }

    fn polled(transaction: &str) -> Self {
        let transaction = transaction.to_owned();
        Self { transaction, message: String::new(), is_polled: true }
    }
}

impl Authority {
    /// Whether second factors can be checked at all.
    #[must_use]
    pub const fn checks_factors(&self) -> bool {
        self.factors.is_some()
    }

    /// Checks a factor and raises the session, or says what is missing.
    pub async fn step_up(&self, request: StepUpRequest<'_>, now: Timestamp) -> StepUp {
        let watch = Stopwatch::start();
        let StepUpRequest { portal, wish, return_url, is_cross_site } = request;
        let outcome = self.try_step_up(&portal, wish, return_url, is_cross_site, now).await;
        let outcome = outcome.unwrap_or_else(|refusal| match refusal {
            Decision::Unavailable(reason) => StepUp::Unavailable(reason),
            Decision::Challenge(reason) => StepUp::LoginFirst(reason),
            Decision::Allow(_) | Decision::Deny(_) => {
                StepUp::Refused { reason: refusal.reason(), retry_after: None, form: None }
            }
        });
        if let StepUp::Refused { reason, .. } | StepUp::Unavailable(reason) = &outcome {
            self.report_portal(&portal, "second factor", *reason, now);
        }
        self.count(Dialect::Portal, outcome.reason(), watch);
        outcome
    }

    async fn try_step_up(
        &self,
        portal: &PortalRequest<'_>,
        wish: Wish<'_>,
        return_url: Option<&str>,
        is_cross_site: bool,
        now: Timestamp,
    ) -> Result<StepUp, Decision> {
        let factors = self.factors.as_ref().ok_or(Decision::Deny(Reason::LevelTooLow))?;
        let keyed = match self.portal_cookie(portal, now).await? {
            PortalCookie::Live(keyed) => keyed,
            PortalCookie::Dead(why) => return Err(Decision::Challenge(why)),
            PortalCookie::Absent => return Err(Decision::Challenge(Reason::LoginRequired)),
        };
        let back = return_url.map(|url| self.way_back(url)).transpose().map_err(Decision::Deny)?;
        let token = self.sessions.form_token(keyed.0);
        let form = Form { token, user: keyed.1.user().to_owned() };
        let refused =
            |reason| StepUp::Refused { reason, retry_after: None, form: Some(form.clone()) };
        if is_cross_site {
            return Ok(refused(Reason::CrossSite));
        }
        let client = self.portal_standing(portal).map_or(keyed.1.client(), |found| found.client);
        let mut wanted = wanted(&keyed, client);
        match wish {
            Wish::Form => return Ok(StepUp::Asked(form)),
            Wish::Check { token, .. } if !self.sessions.is_form_token(keyed.0, token) => {
                return Ok(refused(Reason::CrossSite));
            }
            Wish::Check { secret, .. } if secret.expose().len() > FACTOR_SECRET_BYTES => {
                return Ok(refused(Reason::FactorRefused));
            }
            Wish::Check { secret, transaction, .. } => {
                wanted.secret = Some(secret);
                transaction.clone_into(&mut wanted.transaction);
            }
            Wish::Poll(transaction) => {
                wanted.event = Event::Poll;
                transaction.clone_into(&mut wanted.transaction);
                if let Some(outcome) = pending(factors, wanted, &form, now).await {
                    return Ok(outcome);
                }
                // Answered elsewhere: what is left is to fetch the factor, with nothing typed.
                wanted = self::wanted(&keyed, client);
                wanted.secret = Some(Secret::new(Vec::new()));
                transaction.clone_into(&mut wanted.transaction);
            }
        }
        match factors.ask(wanted, now).await {
            Checked::Unavailable => Ok(StepUp::Unavailable(Reason::FactorUnavailable)),
            Checked::Throttled(pause) => Ok(throttled(pause, form)),
            Checked::Said(said) => self.settle(factors, &keyed, &said, form, back, now).await,
        }
    }

    /// What a node's answer means for the session.
    async fn settle(
        &self,
        factors: &Factors,
        keyed: &Keyed,
        said: &Said,
        form: Form,
        back: Option<ReturnUrl>,
        now: Timestamp,
    ) -> Result<StepUp, Decision> {
        if said.answer.verdict == Verdict::Challenged {
            return Ok(StepUp::Challenged(form, ChallengeToAnswer::of(said)));
        }
        let Some(factor) = factors.factor_of(said, now) else {
            let reason = if said.answer.verdict == Verdict::Accepted {
                Reason::FactorWithoutToken
            } else {
                Reason::FactorRefused
            };
            return Ok(StepUp::Refused { reason, retry_after: None, form: Some(form) });
        };
        let opened = self.raise(keyed, &factor, factors.settings().auth_level, now).await?;
        Ok(StepUp::Done { id: opened.id, id_http: opened.id_http, cookies: opened.cookies, back })
    }

    /// The session with the factor, under a new id.
    pub(super) async fn raise(
        &self,
        keyed: &Keyed,
        factor: &Factor<'_>,
        level: u8,
        now: Timestamp,
    ) -> Result<Opened, Decision> {
        let place = self.place().await?;
        let opened = Box::pin(self.sessions.step_up(keyed, factor, level, now)).await;
        let opened = opened.map_err(|error| Self::refused(&error))?;
        place.write(self.factor_line(&keyed.1, opened.key, factor, now));
        Ok(opened)
    }

    /// The audit line of a factor that counts from now on, under `key`.
    pub(super) fn factor_line(
        &self,
        session: &Session,
        key: SessionKey,
        factor: &Factor<'_>,
        now: Timestamp,
    ) -> AuditLine {
        let mut line = self.traced(about("factor", session.owner(), now), session);
        line.client = Some(session.client());
        line.session = Some(format!("{key:?}"));
        line.node = Some(factor.node().to_owned());
        line.token = Some(factor.serial().to_owned());
        line
    }
}

/// What a poll says other than that the challenge was answered.
async fn pending(
    factors: &std::sync::Arc<Factors>,
    wanted: Wanted,
    form: &Form,
    now: Timestamp,
) -> Option<StepUp> {
    let challenge = ChallengeToAnswer::polled(&wanted.transaction);
    match factors.ask(wanted, now).await {
        Checked::Unavailable => Some(StepUp::Unavailable(Reason::FactorUnavailable)),
        Checked::Throttled(pause) => Some(throttled(pause, form.clone())),
        Checked::Said(said) => match said.answer.verdict {
            Verdict::Accepted => None,
            Verdict::Declined => Some(StepUp::Refused {
                reason: Reason::FactorRefused,
                retry_after: None,
                form: Some(form.clone()),
            }),
            Verdict::Challenged | Verdict::Rejected | Verdict::NotMine | Verdict::Refused => {
                Some(StepUp::Pending(form.clone(), challenge))
            }
        },
    }
}

fn throttled(pause: Duration, form: Form) -> StepUp {
    StepUp::Refused { reason: Reason::FactorThrottled, retry_after: Some(pause), form: Some(form) }
}

/// A question about whose session it is.
fn wanted((key, session): &Keyed, client: IpAddr) -> Wanted {
    let owner = session.owner();
    let mut wanted = Wanted::new(Event::Check, owner.user, owner.realm, WhoAsks::Session(*key));
    wanted.client = Some(client);
    wanted
}

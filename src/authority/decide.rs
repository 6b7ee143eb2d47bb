//! One request, one decision. Every subrequest of every proxy passes through [`Authority::decide`].
//!
//! The order is part of the security: who asks, about what, in whose name, and only then what the
//! rules say. A cached decision takes no lock across an await, does no IO and allocates nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::authority::Authority;
use crate::authority::identify::{Cookie, Somebody};
use crate::authority::portrait::AtLevel;
use crate::authority::question::Question;
use crate::domain::decision::{Decision, Grant, Reason, SetCookie};
use crate::domain::explanation::{Happening, Recorder, Stage};
use crate::domain::location::Location;
use crate::domain::request::AuthRequest;
use crate::domain::time::Timestamp;
use crate::policy::application::Application;
use crate::policy::assertion::Assertions;
use crate::policy::rule::clause::Who;
use crate::policy::rule::{Effect, Outcome, Requirement, Verdict};
use crate::session::Keyed;
use crate::telemetry::metrics::Stopwatch;

/// An answer, and where the rule stands that gave it.
pub(super) type Answer = (Decision, Option<Location>);

impl Authority {
    /// Decides about `request`.
    pub async fn decide(&self, request: &AuthRequest<'_>, now: Timestamp) -> Decision {
        let watch = Stopwatch::start();
        let (decision, rule) = self.walk(request, now, &mut Happening).await;
        if matches!(decision, Decision::Deny(_) | Decision::Unavailable(_)) {
            self.report(request, decision.reason(), rule, now);
        }
        if !matches!(decision, Decision::Allow(_)) {
            Box::pin(self.keep_refusal(request, &decision, rule, now)).await;
        }
        self.count(request.dialect, decision.reason(), watch);
        decision
    }

    /// All steps, for real or for an explanation.
    pub(super) async fn walk<R: Recorder>(
        &self,
        request: &AuthRequest<'_>,
        now: Timestamp,
        recorder: &mut R,
    ) -> Answer {
        match self.question(request, recorder) {
            Ok(question) => self.answer(request, &question, now, recorder).await,
            Err(reason) => (Decision::Deny(reason), None),
        }
    }

    /// Steps 4 to 7: the rule, the session, the exports.
    async fn answer<R: Recorder>(
        &self,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        now: Timestamp,
        recorder: &mut R,
    ) -> Answer {
        if question.application.in_maintenance {
            return (Decision::Unavailable(Reason::Maintenance), None);
        }
        let rules = &question.application.rules;
        let first_look = {
            let facts = question.facts(Who::Unasked, now);
            rules.outcome(&question.target, &facts, recorder)
        };
        let demands_level = request.demands.level > 0;
        // A skip for which nobody has to be asked is decided before any session (R1).
        if let Outcome::Matched(Verdict { effect: Effect::Skip, at }) = first_look
            && !demands_level
        {
            return (nobody(question, Reason::Skipped), Some(at));
        }
        let cookie = match self.cookie(request, question.scheme, now, recorder).await {
            Ok(cookie) => cookie,
            Err(error) => return (Self::refused(&error), None),
        };
        let outcome = self.second_look(question, &cookie, first_look, now, recorder);
        let (effect, at) = match outcome {
            Outcome::Matched(Verdict { effect, at }) => (effect, at),
            Outcome::Failed { at, failure } => {
                recorder.note_at(Stage::Rules, Some(at), || format!("the rule fails: {failure}"));
                if R::HAPPENS {
                    self.rule_failed(question.application, at, failure);
                }
                return (refuse(&cookie, question, Reason::RuleFailed), Some(at));
            }
            Outcome::Unmatched | Outcome::Undecided => {
                return (refuse(&cookie, question, Reason::NoRuleMatched), None);
            }
        };
        // Where the proxy demands a level, what is free for anybody is not (T7).
        let effect = match effect {
            Effect::Skip | Effect::Unprotect if demands_level => {
                recorder.note(Stage::Requirement, || {
                    "the proxy demands a level here, so it is not free for anybody".to_owned()
                });
                Effect::Allow(Requirement::default())
            }
            other @ (Effect::Allow(_)
            | Effect::Deny
            | Effect::Skip
            | Effect::Unprotect
            | Effect::Logout
            | Effect::Maintenance) => other,
        };
        (self.effect(effect, request, question, cookie, now, recorder).await, Some(at))
    }

    /// What the rules say now that the cookie has been looked up. Nothing is opened for it.
    fn second_look<R: Recorder>(
        &self,
        question: &Question<'_>,
        cookie: &Cookie,
        first_look: Outcome,
        now: Timestamp,
        recorder: &mut R,
    ) -> Outcome {
        let session = match cookie {
            Cookie::Live((_, session)) => Some(session),
            Cookie::None(_) | Cookie::Conflict(_) => None,
        };
        let asserted = question.asserted.as_ref();
        let somebody = Somebody { asserted, session, cap: self.level_cap(question.scheme) };
        let is_somebody = asserted.is_some() || session.is_some();
        let completed = self.derivations.complete(&somebody);
        if is_somebody && !R::HAPPENS {
            recorder.identity(&completed, &self.derivations.names());
        }
        match first_look {
            Outcome::Undecided => {
                let who = if is_somebody { Who::Somebody(&completed) } else { Who::Nobody };
                let facts = question.facts(who, now);
                question.application.rules.outcome(&question.target, &facts, recorder)
            }
            Outcome::Matched(_) | Outcome::Unmatched | Outcome::Failed { .. } => first_look,
        }
    }

    /// Does what the rule that matched says.
    async fn effect<R: Recorder>(
        &self,
        effect: Effect,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        cookie: Cookie,
        now: Timestamp,
        recorder: &mut R,
    ) -> Decision {
        match effect {
            Effect::Deny => refuse(&cookie, question, Reason::RuleDenied),
            Effect::Skip => nobody(question, Reason::Skipped),
            Effect::Logout => Decision::Challenge(Reason::LogoutByRule),
            Effect::Maintenance => Decision::Unavailable(Reason::Maintenance),
            Effect::Unprotect => {
                match self.identify(request, question, cookie, now, recorder).await {
                    Ok(found) => self.grant(question, found, Reason::Unprotected, now, recorder),
                    // For anybody, so also for somebody for whom there is no room for a session.
                    Err(
                        Decision::Challenge(_)
                        | Decision::Deny(Reason::Throttled)
                        | Decision::Unavailable(Reason::Full),
                    ) => nobody(question, Reason::Unprotected),
                    Err(refusal) => refusal,
                }
            }
            Effect::Allow(requirement) if requirement.master && question.asserted.is_none() => {
                Decision::Challenge(Reason::MasterRequired)
            }
            Effect::Allow(requirement) => {
                let level = requirement.level.max(request.demands.level);
                let requirement = Requirement { level, ..requirement };
                let found = match self.identify(request, question, cookie, now, recorder).await {
                    Ok(found) => found,
                    Err(refusal) => return refusal,
                };
                match self.met_for(requirement, &found.0.1, question.scheme, now, recorder) {
                    Ok(met_for) => {
                        let granted = self.grant(question, found, Reason::Session, now, recorder);
                        reused_within(granted, met_for)
                    }
                    // What it is worth, only the store can tell; a factor would not help (O2).
                    Err(_) if found.0.1.is_stale() => Decision::Unavailable(Reason::StoreFailed),
                    Err(reason) if self.could_meet(requirement, question.scheme) => {
                        if !R::HAPPENS {
                            recorder.note(Stage::Requirement, || {
                                "a second factor can meet that".to_owned()
                            });
                            return Decision::Challenge(reason);
                        }
                        let ride = self.ride(request, question, &found, requirement, now);
                        match Box::pin(ride).await {
                            None => Decision::Challenge(reason),
                            Some(Err(refusal)) => refusal,
                            // It is for whoever presents the factor, and looked at each time.
                            Some(Ok(raised)) => reused_within(
                                self.grant(question, raised, Reason::Session, now, recorder),
                                Duration::ZERO,
                            ),
                        }
                    }
                    Err(reason) => Decision::Deny(reason),
                }
            }
        }
    }

    fn grant<R: Recorder>(
        &self,
        question: &Question<'_>,
        ((key, session), cookies): (Keyed, Vec<SetCookie>),
        reason: Reason,
        now: Timestamp,
        recorder: &mut R,
    ) -> Decision {
        let Application { id, reuse, .. } = *question.application;
        let level = session.level().min(self.level_cap(question.scheme));
        let at_level = AtLevel { session: &session, level };
        let exports = if R::HAPPENS {
            self.exports.of(key, at_level, question.application)
        } else {
            self.rendered_for_notes(question.application, at_level, recorder)
        };
        let life = self.sessions.life_left(&session, now);
        let signed = match self.asserting(question) {
            Some(by) if R::HAPPENS => {
                match self.assertions.of(by, (key, at_level), &question.host, life, now) {
                    Ok(signed) => Some(signed),
                    Err(error) => {
                        tracing::error!(%error, "requests are refused");
                        return Decision::Unavailable(Reason::AssertionFailed);
                    }
                }
            }
            Some(_) => {
                recorder.note(Stage::Exports, || "with a signed assertion".to_owned());
                None
            }
            None => None,
        };
        // A cookie is for one browser, and no answer outlives its session (S8), nor its token: there an
        // application must have time left to look at it.
        let good_for = signed.as_ref().map_or(life, |(_, expires)| expires.since(now) / 2);
        // Nor is one given again that rests on what the store said before it failed.
        let is_for_all = cookies.is_empty() && !session.is_stale();
        let reuse = if is_for_all { reuse.min(life).min(good_for) } else { Duration::ZERO };
        let assertion = signed.map(|(token, _)| token);
        Decision::Allow(Grant { reason, application: id.0, exports, assertion, cookies, reuse })
    }

    /// Who signs an assertion for this question, if anybody. Where the operator's word chose the application,
    /// the client chose the host: a token for the host of another application would be worth something there.
    fn asserting(&self, question: &Question<'_>) -> Option<&Assertions> {
        let Application { id, assertion, .. } = *question.application;
        let is_own = || self.policy.applications.find(&question.host).is_some_and(|a| a.id == id);
        self.policy.assertions.as_ref().filter(|_| assertion && is_own())
    }
}

/// An answer is given again only while what the rule demands is met.
fn reused_within(decision: Decision, met_for: Duration) -> Decision {
    match decision {
        Decision::Allow(grant) => {
            Decision::Allow(Grant { reuse: grant.reuse.min(met_for), ..grant })
        }
        other @ (Decision::Challenge(_) | Decision::Deny(_) | Decision::Unavailable(_)) => other,
    }
}

/// Everybody may pass; the exports say that it is nobody.
fn nobody(question: &Question<'_>, reason: Reason) -> Decision {
    let exports = Arc::clone(question.application.exports.nobody());
    Decision::Allow(Grant {
        reason,
        application: question.application.id.0,
        exports,
        assertion: None,
        cookies: Vec::new(),
        reuse: question.application.reuse,
    })
}

/// Somebody is told no; nobody is sent to log in first.
fn refuse(cookie: &Cookie, question: &Question<'_>, reason: Reason) -> Decision {
    match (cookie, &question.asserted) {
        (Cookie::None(why), None) => Decision::Challenge(*why),
        _ => Decision::Deny(reason),
    }
}

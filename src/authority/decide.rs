//! One request, one decision. Every subrequest of every proxy passes through [`Authority::decide`].
//!
//! The order is part of the security: who asks, about what, in whose name, and only then what the
//! rules say. A cached decision takes no lock across an await, does no IO and allocates nothing.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::authority::Authority;
use crate::authority::identify::{Cookie, Somebody};
use crate::domain::decision::{Decision, Grant, Reason, SetCookie};
use crate::domain::header::HeaderView;
use crate::domain::host;
use crate::domain::identity::Asserted;
use crate::domain::limits::METHOD_BYTES;
use crate::domain::location::Location;
use crate::domain::network::{Chain, parse_chain};
use crate::domain::request::{Addresses, AuthRequest, Input, Peer, Scheme};
use crate::domain::target::{Target, TargetError};
use crate::domain::time::Timestamp;
use crate::policy::application::Application;
use crate::policy::assertion::Assertions;
use crate::policy::rule::clause::{Facts, Who};
use crate::policy::rule::{Effect, Outcome, Requirement, Verdict};
use crate::policy::trust::{Standing, ambiguous};
use crate::session::Keyed;
use crate::telemetry::metrics::Stopwatch;

/// The question, after everything about it that can be wrong was found to be right.
pub struct Question<'a> {
    /// The method.
    pub method: &'a str,
    /// The canonical host.
    host: Cow<'a, str>,
    target: Target<'a>,
    scheme: Scheme,
    client: IpAddr,
    /// The admitted master's word.
    pub asserted: Option<Asserted<'a>>,
    application: &'a Application,
}

impl Question<'_> {
    /// What rules look at, `who` being asked.
    fn facts<'f>(&'f self, who: Who<'f>, now: Timestamp) -> Facts<'f> {
        Facts {
            method: self.method,
            host: &self.host,
            scheme: self.scheme,
            query: self.target.query(),
            client: self.client,
            now,
            who,
        }
    }
}

/// An answer, and where the rule stands that gave it.
type Answer = (Decision, Option<Location>);

impl Authority {
    /// Decides about `request`.
    pub async fn decide(&self, request: &AuthRequest<'_>, now: Timestamp) -> Decision {
        let watch = Stopwatch::start();
        let (decision, rule) = match self.question(request) {
            Ok(question) => self.answer(request, &question, now).await,
            Err(reason) => (Decision::Deny(reason), None),
        };
        if matches!(decision, Decision::Deny(_) | Decision::Unavailable(_)) {
            self.report(request, decision.reason(), rule, now);
        }
        self.count(request.dialect, decision.reason(), watch);
        decision
    }

    /// Steps 1 to 3: the peer, the addresses, the master, the application, the target.
    fn question<'a>(&'a self, request: &AuthRequest<'a>) -> Result<Question<'a>, Reason> {
        let trust = &self.policy.trust;
        if !trust.is_trusted_proxy(request.peer) {
            return Err(Reason::UntrustedPeer);
        }
        let standing = trust
            .admit(request.peer, &self.chain_of(request)?, request.headers)
            .inspect_err(|reason| self.metrics.master_rejected(*reason))?;
        if request.reserved_header {
            return Err(Reason::ReservedHeader);
        }
        let method = token(required(request.method)?)?;
        let scheme = scheme(request.scheme)?;
        let host = host::canonical(required(request.host)?).map_err(|_| Reason::MalformedHost)?;
        let applications = &self.policy.applications;
        let application = match request.demands.application {
            Some(name) => applications.named(name).ok_or(Reason::UnknownApplication)?,
            None => applications.find(&host).ok_or(Reason::UnknownHost)?,
        };
        // After the application, because it says which spellings it reads (R2).
        let target = Target::parse(required(request.target)?, application.path_forms);
        let target = target.map_err(|error| match error {
            TargetError::Malformed => Reason::MalformedTarget,
            TargetError::Ambiguous => Reason::AmbiguousPath,
        })?;
        let asserted = self.asserted(&standing, request.headers)?;
        let client = standing.client;
        Ok(Question { method, host, target, scheme, client, asserted, application })
    }

    /// What the admitted master says; on a subrequest a missing login is no identity (M1).
    pub(super) fn asserted<'a>(
        &'a self,
        standing: &Standing<'a>,
        headers: &'a dyn HeaderView,
    ) -> Result<Option<Asserted<'a>>, Reason> {
        let Ok(admitted) = &standing.admitted else { return Ok(None) };
        match self.policy.slave.read(admitted, headers) {
            Ok(asserted) => Ok(Some(asserted)),
            Err(Reason::LoginMissing) => Ok(None),
            Err(reason) => {
                self.metrics.master_rejected(reason);
                Err(reason)
            }
        }
    }

    /// Steps 4 to 7: the rule, the session, the exports.
    async fn answer(
        &self,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Answer {
        if question.application.in_maintenance {
            return (Decision::Unavailable(Reason::Maintenance), None);
        }
        let rules = &question.application.rules;
        let first_look = rules.outcome(&question.target, &question.facts(Who::Unasked, now));
        let demands_level = request.demands.level > 0;
        // A skip for which nobody has to be asked is decided before any session (R1).
        if let Outcome::Matched(Verdict { effect: Effect::Skip, at }) = first_look
            && !demands_level
        {
            return (nobody(question, Reason::Skipped), Some(at));
        }
        let cookie = match self.cookie(request, question.scheme, now).await {
            Ok(cookie) => cookie,
            Err(error) => return (Self::refused(&error), None),
        };
        let outcome = match first_look {
            Outcome::Undecided => self.second_look(question, &cookie, now),
            Outcome::Matched(_) | Outcome::Unmatched | Outcome::Failed { .. } => first_look,
        };
        let (effect, at) = match outcome {
            Outcome::Matched(Verdict { effect, at }) => (effect, at),
            Outcome::Failed { at, failure } => {
                self.rule_failed(question.application, at, failure);
                return (refuse(&cookie, question, Reason::RuleFailed), Some(at));
            }
            Outcome::Unmatched | Outcome::Undecided => {
                return (refuse(&cookie, question, Reason::NoRuleMatched), None);
            }
        };
        // Where the proxy demands a level, what is free for anybody is not (T7).
        let effect = match effect {
            Effect::Skip | Effect::Unprotect if demands_level => {
                Effect::Allow(Requirement::default())
            }
            other @ (Effect::Allow(_)
            | Effect::Deny
            | Effect::Skip
            | Effect::Unprotect
            | Effect::Logout
            | Effect::Maintenance) => other,
        };
        (self.effect(effect, request, question, cookie, now).await, Some(at))
    }

    /// What the rules say now that the cookie has been looked up. Nothing is opened for it.
    fn second_look(&self, question: &Question<'_>, cookie: &Cookie, now: Timestamp) -> Outcome {
        let session = match cookie {
            Cookie::Live((_, session)) => Some(session),
            Cookie::None(_) | Cookie::Conflict(_) => None,
        };
        let asserted = question.asserted.as_ref();
        let somebody = Somebody { asserted, session, cap: self.level_cap(question.scheme) };
        let is_somebody = asserted.is_some() || session.is_some();
        let who = if is_somebody { Who::Somebody(&somebody) } else { Who::Nobody };
        question.application.rules.outcome(&question.target, &question.facts(who, now))
    }

    /// The highest level that counts: a cookie that can be read on the wire is never worth more than
    /// the slave backend's own (S6).
    fn level_cap(&self, scheme: Scheme) -> u8 {
        if scheme == Scheme::Http && self.sessions.cookies().is_double() {
            self.policy.slave.auth_level
        } else {
            u8::MAX
        }
    }

    /// Does what the rule that matched says.
    async fn effect(
        &self,
        effect: Effect,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        cookie: Cookie,
        now: Timestamp,
    ) -> Decision {
        match effect {
            Effect::Deny => refuse(&cookie, question, Reason::RuleDenied),
            Effect::Skip => nobody(question, Reason::Skipped),
            Effect::Logout => Decision::Challenge(Reason::LogoutByRule),
            Effect::Maintenance => Decision::Unavailable(Reason::Maintenance),
            Effect::Unprotect => match self.identify(request, question, cookie, now).await {
                Ok(found) => self.grant(question, found, Reason::Unprotected, now),
                // For anybody, so also for somebody for whom there is no room for a session.
                Err(
                    Decision::Challenge(_)
                    | Decision::Deny(Reason::Throttled)
                    | Decision::Unavailable(Reason::Full),
                ) => nobody(question, Reason::Unprotected),
                Err(refusal) => refusal,
            },
            Effect::Allow(requirement) if requirement.master && question.asserted.is_none() => {
                Decision::Challenge(Reason::MasterRequired)
            }
            Effect::Allow(requirement) => {
                let demanded = requirement.level.max(request.demands.level);
                match self.identify(request, question, cookie, now).await {
                    Ok((keyed, _))
                        if keyed.1.level().min(self.level_cap(question.scheme)) < demanded =>
                    {
                        Decision::Deny(Reason::LevelTooLow)
                    }
                    Ok(found) => self.grant(question, found, Reason::Session, now),
                    Err(refusal) => refusal,
                }
            }
        }
    }

    fn grant(
        &self,
        question: &Question<'_>,
        ((key, session), cookies): (Keyed, Vec<SetCookie>),
        reason: Reason,
        now: Timestamp,
    ) -> Decision {
        let Application { id, reuse, .. } = *question.application;
        let exports = self.exports.of(key, &session, question.application);
        let life = self.sessions.life_left(&session, now);
        let signed = match self.asserting(question) {
            None => None,
            Some(by) => match self.assertions.of(by, (key, &session), &question.host, life, now) {
                Ok(signed) => Some(signed),
                Err(error) => {
                    tracing::error!(%error, "requests are refused");
                    return Decision::Unavailable(Reason::AssertionFailed);
                }
            },
        };
        // A cookie is for one browser, and no answer outlives its session (S8), nor its token: there an
        // application must have time left to look at it.
        let good_for = signed.as_ref().map_or(life, |(_, expires)| expires.since(now) / 2);
        let reuse = if cookies.is_empty() { reuse.min(life).min(good_for) } else { Duration::ZERO };
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

    /// The addresses that the dialect may read (T2).
    pub(super) fn chain_of(&self, request: &AuthRequest<'_>) -> Result<Chain, Reason> {
        let parse = |value| parse_chain(value).map_err(|_| Reason::MalformedForwardedFor);
        match request.addresses {
            Addresses::Forwarded(forwarded) => {
                parse(forwarded.map_err(ambiguous)?.ok_or(Reason::NoClientAddress)?)
            }
            Addresses::Source { address, forwarded } => {
                let address = address.ok_or(Reason::NoClientAddress)?;
                let mut chain = match forwarded.map_err(ambiguous)? {
                    Some(forwarded)
                        if self.policy.trust.is_trusted_proxy(Peer::Address(address)) =>
                    {
                        parse(forwarded)?
                    }
                    _ => Chain::new(),
                };
                chain.push(address);
                Ok(chain)
            }
        }
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

fn required(input: Input<'_>) -> Result<&[u8], Reason> {
    input.map_err(ambiguous)?.ok_or(Reason::MissingInput)
}

fn token(method: &[u8]) -> Result<&str, Reason> {
    let good = (1..=METHOD_BYTES).contains(&method.len())
        && method.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !good {
        return Err(Reason::MalformedMethod);
    }
    std::str::from_utf8(method).map_err(|_| Reason::MalformedMethod)
}

/// Nothing reported counts as TLS: then the plain-HTTP cookie, the weaker one, is not read.
fn scheme(input: Input<'_>) -> Result<Scheme, Reason> {
    match input.map_err(ambiguous)? {
        None | Some(b"https") => Ok(Scheme::Https),
        Some(b"http") => Ok(Scheme::Http),
        Some(_) => Err(Reason::MalformedScheme),
    }
}

//! One request, one decision. Every subrequest of every proxy passes through [`Authority::decide`].
//!
//! The order is part of the security: who asks, about what, in whose name, and only then what the
//! rules say. A cached decision takes no lock across an await, does no IO and allocates nothing.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::authority::{Authority, change, opening, replacing};
use crate::domain::decision::{Decision, Grant, Reason, SetCookie};
use crate::domain::header::HeaderView;
use crate::domain::host;
use crate::domain::identity::Asserted;
use crate::domain::limits::METHOD_BYTES;
use crate::domain::location::Location;
use crate::domain::network::{Chain, parse_chain};
use crate::domain::request::{Addresses, AuthRequest, Input, Peer, Purpose, Scheme};
use crate::domain::target::{Target, TargetError};
use crate::domain::time::Timestamp;
use crate::policy::application::Application;
use crate::policy::rule::{Effect, Requirement};
use crate::policy::trust::{Standing, ambiguous};
use crate::session::{Keyed, Lookup, SessionError};
use crate::telemetry::metrics::Stopwatch;

/// The question, after everything about it that can be wrong was found to be right.
struct Question<'a> {
    method: &'a str,
    target: Target<'a>,
    scheme: Scheme,
    asserted: Option<Asserted<'a>>,
    application: &'a Application,
}

/// What the session cookie of a request is worth.
enum Cookie {
    /// One live session.
    Live(Keyed),
    /// No session, and why a challenge would be given.
    None(Reason),
    /// Two different live sessions.
    Conflict(SmallVec<[Keyed; 1]>),
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
        Ok(Question { method, target, scheme, asserted, application })
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
        let rule = question.application.rules.verdict(question.method, &question.target);
        let at = rule.map(|rule| rule.at);
        let demands_level = request.demands.level > 0;
        // Today's clauses need no identity, so a skip can be decided before any session (R1).
        if let Some(Effect::Skip) = rule.map(|rule| rule.effect)
            && !demands_level
        {
            return (nobody(question, Reason::Skipped), at);
        }
        let cookie = match self.cookie(request, question.scheme, now).await {
            Ok(cookie) => cookie,
            Err(error) => return (Self::refused(&error), None),
        };
        // Where the proxy demands a level, what is free for anybody is not (T7).
        let effect = rule.map(|rule| match rule.effect {
            Effect::Skip | Effect::Unprotect if demands_level => {
                Effect::Allow(Requirement::default())
            }
            effect @ (Effect::Allow(_) | Effect::Deny | Effect::Skip | Effect::Unprotect) => effect,
        });
        let decision = match effect {
            None => refuse(&cookie, question, Reason::NoRuleMatched),
            Some(Effect::Deny) => refuse(&cookie, question, Reason::RuleDenied),
            Some(Effect::Skip) => nobody(question, Reason::Skipped),
            Some(Effect::Unprotect) => match self.identify(request, question, cookie, now).await {
                Ok(found) => self.grant(question, found, Reason::Unprotected, now),
                // For anybody, so also for somebody for whom there is no room for a session.
                Err(
                    Decision::Challenge(_)
                    | Decision::Deny(Reason::Throttled)
                    | Decision::Unavailable(Reason::Full),
                ) => nobody(question, Reason::Unprotected),
                Err(refusal) => refusal,
            },
            Some(Effect::Allow(requirement))
                if requirement.master && question.asserted.is_none() =>
            {
                Decision::Challenge(Reason::MasterRequired)
            }
            Some(Effect::Allow(_)) => match self.identify(request, question, cookie, now).await {
                Ok((keyed, _)) if keyed.1.level() < request.demands.level => {
                    Decision::Deny(Reason::LevelTooLow)
                }
                Ok(found) => self.grant(question, found, Reason::Session, now),
                Err(refusal) => refusal,
            },
        };
        (decision, at)
    }

    /// Tries the values under the cookie's name (S5).
    async fn cookie(
        &self,
        request: &AuthRequest<'_>,
        scheme: Scheme,
        now: Timestamp,
    ) -> Result<Cookie, SessionError> {
        let presented = self.sessions.cookies().read(request.cookies, scheme);
        let mut live: SmallVec<[Keyed; 1]> = SmallVec::new();
        let mut why = if presented.any { Reason::SessionUnknown } else { Reason::LoginRequired };
        for id in &presented.ids {
            match self.sessions.find_cookie(id, presented.half, now).await? {
                (key, Lookup::Live(session)) => live.push((key, session)),
                (_, Lookup::Ended) => why = Reason::SessionEnded,
                // An ended id among them stays what counts: it must get no new cookie (S4).
                (_, Lookup::Expired) if why != Reason::SessionEnded => why = Reason::SessionExpired,
                (_, Lookup::Expired | Lookup::Unknown) => {}
            }
        }
        Ok(match (live.len(), live.pop()) {
            (_, None) => Cookie::None(why),
            (1, Some(keyed)) => Cookie::Live(keyed),
            (_, Some(keyed)) => {
                live.push(keyed);
                Cookie::Conflict(live)
            }
        })
    }

    /// The session that this request is decided with: the cookie's, the asserted identity's, or a
    /// new one (S1, S2, S4). What is rare is boxed, so that the usual future stays small.
    async fn identify(
        &self,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        cookie: Cookie,
        now: Timestamp,
    ) -> Result<(Keyed, Vec<SetCookie>), Decision> {
        let refused = |error| Self::refused(&error);
        match (cookie, &question.asserted) {
            (Cookie::Conflict(sessions), _) => {
                Box::pin(self.sessions.end(&sessions, now)).await.map_err(refused)?;
                Err(Decision::Challenge(Reason::ConflictingSessions))
            }
            (Cookie::Live(keyed), None) => Ok((keyed, Vec::new())),
            (Cookie::None(why), None) => Err(Decision::Challenge(why)),
            (Cookie::Live(keyed), Some(asserted)) if keyed.1.is_same_user(asserted) => {
                Ok((self.renewed(keyed, asserted, now).await?, Vec::new()))
            }
            (Cookie::Live(previous), Some(asserted)) => {
                Box::pin(self.switch(request, question, &previous, asserted, now)).await
            }
            // An ended id gets no new cookie: a parallel logout must not be undone (S4).
            (Cookie::None(Reason::SessionEnded), Some(asserted)) => {
                self.by_fingerprint(asserted, now).await
            }
            (Cookie::None(_), Some(asserted)) => {
                match Purpose::of(question.method, request.headers) {
                    Purpose::Navigation => Box::pin(self.open(asserted, &[], now)).await,
                    Purpose::Call => self.by_fingerprint(asserted, now).await,
                }
            }
        }
    }

    /// Another user came under a live cookie: the old session ends, whatever follows.
    async fn switch(
        &self,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        previous: &Keyed,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<(Keyed, Vec<SetCookie>), Decision> {
        match Purpose::of(question.method, request.headers) {
            Purpose::Navigation => self.open(asserted, std::slice::from_ref(previous), now).await,
            Purpose::Call => {
                let place = self.place().await?;
                self.sessions
                    .end(std::slice::from_ref(previous), now)
                    .await
                    .map_err(|error| Self::refused(&error))?;
                place.write(replacing(change("switch", asserted, previous.0, now), &previous.1));
                self.by_fingerprint(asserted, now).await
            }
        }
    }

    /// Opens a cookie session on a navigation. A used-up quota costs the cookie, not the access.
    async fn open(
        &self,
        asserted: &Asserted<'_>,
        replaced: &[Keyed],
        now: Timestamp,
    ) -> Result<(Keyed, Vec<SetCookie>), Decision> {
        let place = self.place().await?;
        match self.sessions.open_cookie(asserted, replaced, now).await {
            Ok(opened) => {
                place.write(opening(asserted, opened.key, replaced, now));
                Ok(((opened.key, opened.session), opened.cookies))
            }
            Err(SessionError::Throttled(_)) => self.by_fingerprint(asserted, now).await,
            Err(error) => Err(Self::refused(&error)),
        }
    }

    async fn by_fingerprint(
        &self,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<(Keyed, Vec<SetCookie>), Decision> {
        let keyed = self
            .sessions
            .by_fingerprint(asserted, now)
            .await
            .map_err(|error| Self::refused(&error))?;
        Ok((self.renewed(keyed, asserted, now).await?, Vec::new()))
    }

    /// The same session with the attributes that the master sends now (S1).
    pub(super) async fn renewed(
        &self,
        keyed: Keyed,
        asserted: &Asserted<'_>,
        now: Timestamp,
    ) -> Result<Keyed, Decision> {
        if keyed.1.has_attributes_of(asserted) {
            return Ok(keyed);
        }
        match Box::pin(self.sessions.refresh(&keyed, asserted, now)).await {
            Ok(Lookup::Live(session)) => Ok((keyed.0, session)),
            Ok(Lookup::Ended) => Err(Decision::Challenge(Reason::SessionEnded)),
            Ok(Lookup::Expired) => Err(Decision::Challenge(Reason::SessionExpired)),
            Ok(Lookup::Unknown) => Err(Decision::Challenge(Reason::SessionUnknown)),
            Err(error) => Err(Self::refused(&error)),
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
        // A cookie is for one browser, and no answer outlives its session (S8).
        let reuse = if cookies.is_empty() {
            reuse.min(self.sessions.life_left(&session, now))
        } else {
            Duration::ZERO
        };
        Decision::Allow(Grant { reason, application: id.0, exports, cookies, reuse })
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

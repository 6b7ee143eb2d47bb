//! A factor that rides along with a request: `X-OTP`, or Basic credentials of the user that is established anyway
//! (SEMANTICS F11, S3). Neither ever logs in.
//!
//! A check may take longer than a proxy waits, and proxies ask again. So it runs by itself, and its verdict is there
//! for whoever comes back with the same credentials from the same client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moka::ops::compute::Op;
use moka::sync::Cache;
use smallvec::SmallVec;
use tokio::sync::{Semaphore, watch};
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::authority::factor::{Checked, Factors, Wanted, WhoAsks};
use crate::authority::question::Question;
use crate::domain::decision::{Decision, Reason, SetCookie};
use crate::domain::factor::Factor;
use crate::domain::header::HeaderView;
use crate::domain::identity::SessionKey;
use crate::domain::limits::FACTOR_SECRET_BYTES;
use crate::domain::node::{Event, Verdict};
use crate::domain::request::AuthRequest;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::policy::rule::Requirement;
use crate::policy::trust::ambiguous;
use crate::session::fingerprint::PossibleKeys;
use crate::session::record::Kind;
use crate::session::{Keyed, Sessions};

/// How long a request waits for the verdict: shorter than the shipped proxies wait for a check.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How long a verdict is there for whoever comes back.
const RECORDED: Duration = Duration::from_secs(30);
/// In place of the number of requests that wait: the verdict was told.
const TOLD: u32 = u32::MAX;
/// Verdicts that are kept.
const VERDICTS: u64 = 10_000;
/// Checks that run by themselves at a time; of more none is begun.
const CHECKS: usize = 256;

/// What rides along.
enum Rider<'a> {
    /// `X-OTP`.
    Otp(&'a [u8]),
    /// Basic, and the whole value of `Authorization`.
    Basic { user: Zeroizing<String>, secret: Secret, whole: &'a [u8] },
}

/// Checks that run by themselves, and their verdicts.
#[derive(Debug)]
pub struct Rides {
    verdicts: Cache<[u8; 32], Arc<Ride>>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Ride {
    begun: Timestamp,
    /// Requests that have waited for it, or [`TOLD`].
    waiting: AtomicU32,
    verdict: watch::Receiver<Option<Ridden>>,
}

/// What came of it.
#[derive(Debug, Clone)]
enum Ridden {
    Accepted { node: Arc<str>, token_type: Box<str>, serial: Box<str>, at: Timestamp },
    Refused(Reason),
}

impl Default for Rides {
    fn default() -> Self {
        let verdicts = Cache::builder().max_capacity(VERDICTS).time_to_live(RECORDED * 2).build();
        Self { verdicts, places: Arc::new(Semaphore::new(CHECKS)) }
    }
}

impl Ride {
    /// One more request waits; returns its number, or `None` if the verdict was told.
    fn join(&self) -> Option<u32> {
        let more = |before: u32| before.checked_add(1).filter(|number| *number != TOLD);
        let before = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(before.saturating_add(1))
    }

    /// Whether the request of this number is the one that is told. What is good for one call goes to the newest: a
    /// proxy that asks again has given up its older ones, and they must not use up what came of it.
    fn tell(&self, number: u32, for_one_call: bool) -> bool {
        if for_one_call {
            let told =
                self.waiting.compare_exchange(number, TOLD, Ordering::Relaxed, Ordering::Relaxed);
            return told.is_ok();
        }
        self.waiting.store(TOLD, Ordering::Relaxed);
        true
    }
}

impl Ridden {
    fn factor(&self) -> Result<Factor<'_>, Reason> {
        match self {
            Self::Accepted { node, token_type, serial, at } => {
                Factor::new(node, token_type, serial, *at).map_err(|_| Reason::FactorWithoutToken)
            }
            Self::Refused(reason) => Err(*reason),
        }
    }
}

impl<'a> Rider<'a> {
    /// What the headers carry, if anything.
    fn of(headers: &'a dyn HeaderView) -> Result<Option<Self>, Reason> {
        if let Some(otp) = headers.unique("x-otp").map_err(ambiguous)? {
            return Ok((!otp.is_empty()).then_some(Self::Otp(otp)));
        }
        let Some(whole) = headers.unique("authorization").map_err(ambiguous)? else {
            return Ok(None);
        };
        let Some((scheme, encoded)) = whole.split_at_checked(6) else { return Ok(None) };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return Ok(None);
        }
        let Ok(decoded) = STANDARD.decode(encoded.trim_ascii()) else { return Ok(None) };
        let decoded = Zeroizing::new(decoded);
        let Ok(text) = std::str::from_utf8(&decoded) else { return Ok(None) };
        Ok(text.split_once(':').map(|(user, secret)| Self::Basic {
            user: Zeroizing::new(user.to_owned()),
            secret: Secret::new(secret.as_bytes().to_vec()),
            whole,
        }))
    }

    /// What tells one from another.
    const fn credentials(&self) -> &'a [u8] {
        match self {
            Self::Otp(otp) => otp,
            Self::Basic { whole, .. } => whole,
        }
    }

    const fn use_of(&self) -> &'static str {
        match self {
            Self::Otp(_) => "x-otp",
            Self::Basic { .. } => "basic",
        }
    }

    fn secret(&self) -> Secret {
        match self {
            Self::Otp(otp) => Secret::new(otp.to_vec()),
            Self::Basic { secret, .. } => Secret::new(secret.expose().to_vec()),
        }
    }
}

/// The session that a request is decided with, and the cookies that it brings.
type Found = (Keyed, Vec<SetCookie>);

impl Authority {
    /// The session with the factor that rides along, checked if it was not yet; `None` if none does.
    pub(in crate::authority) async fn ride(
        &self,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        found: &Found,
        demanded: Requirement,
        now: Timestamp,
    ) -> Option<Result<Found, Decision>> {
        let factors = self.factors.as_ref()?;
        if !question.application.factor_in_request {
            return None;
        }
        let rider = match Rider::of(request.headers) {
            Ok(rider) => rider?,
            Err(reason) => return Some(Err(Decision::Deny(reason))),
        };
        Some(self.ridden(factors, rider, question, found, demanded, now).await)
    }

    async fn ridden(
        &self,
        factors: &Arc<Factors>,
        rider: Rider<'_>,
        question: &Question<'_>,
        found: &Found,
        demanded: Requirement,
        now: Timestamp,
    ) -> Result<Found, Decision> {
        let ((_, session), _) = found;
        let owner = session.owner();
        if let Rider::Basic { user, .. } = &rider
            && **user != *owner.user
        {
            return Err(Decision::Deny(Reason::FactorUserMismatch));
        }
        let keys = |use_of| {
            self.sessions.credential_keys(use_of, owner, question.client, rider.credentials())
        };
        if matches!(rider, Rider::Basic { .. })
            && let Some(kept) = self.kept(&keys("kept"), found, now).await?
            && self.is_met(demanded, &kept, question, now)
        {
            return Ok(kept);
        }
        let secret = rider.secret();
        if secret.expose().len() > FACTOR_SECRET_BYTES {
            return Err(Decision::Deny(Reason::FactorRefused));
        }
        let mut wanted =
            Wanted::new(Event::Check, owner.user, owner.realm, WhoAsks::Session(found.0.0));
        (wanted.secret, wanted.client) = (Some(secret), Some(question.client));
        let for_one_call = matches!(rider, Rider::Otp(_));
        let key_of_ride = keys(rider.use_of()).first;
        let verdict = factors.rides.verdict(factors, key_of_ride, for_one_call, wanted, now).await;
        let ridden = verdict.map_err(refusal)?;
        let factor = ridden.factor().map_err(refusal)?;
        let level = factors.settings().auth_level;
        let worth = Sessions::with_factor(session, &factor, level);
        let worth = worth.map_err(|error| Self::refused(&error))?;
        // Before anything is written: an id must not change in an answer that cannot tell.
        let key = keys("kept").first;
        let as_if = ((key, worth), found.1.clone());
        if !self.is_met(demanded, &as_if, question, now) {
            return Err(Decision::Deny(Reason::FactorTooOld));
        }
        if let (Rider::Otp(_), Kind::Cookie) = (&rider, session.kind()) {
            let opened = self.raise(&found.0, &factor, level, now).await?;
            return Ok(((opened.key, opened.session), opened.cookies));
        }
        let place = self.place().await?;
        if matches!(rider, Rider::Basic { .. }) {
            let kept = self.sessions.keep_factor(key, session, &factor, level, now);
            Box::pin(kept).await.map_err(|error| Self::refused(&error))?;
        }
        place.write(self.factor_line(session, key, &factor, now));
        Ok(as_if)
    }

    /// The session with the factor that is kept for these credentials.
    async fn kept(
        &self,
        keys: &PossibleKeys,
        found: &Found,
        now: Timestamp,
    ) -> Result<Option<Found>, Decision> {
        let refused = |error| Self::refused(&error);
        let kept = self.sessions.kept_factor(keys, now).await.map_err(refused)?;
        let Some((key, kept)) = kept else { return Ok(None) };
        let factors: SmallVec<[Factor<'_>; 8]> = kept.factors().collect();
        let Some(newest) = factors.last() else { return Ok(None) };
        // Its identity is as fresh as the session's.
        let session = Sessions::with_factor(&found.0.1, newest, kept.level()).map_err(refused)?;
        Ok(Some(((key, session), found.1.clone())))
    }

    fn is_met(
        &self,
        demanded: Requirement,
        found: &Found,
        question: &Question<'_>,
        now: Timestamp,
    ) -> bool {
        let nothing = &mut crate::domain::explanation::Happening;
        self.met_for(demanded, &found.0.1, question.scheme, now, nothing).is_ok()
    }
}

impl Rides {
    /// The verdict for this key, waited for; the check is begun if it was not yet.
    async fn verdict(
        &self,
        factors: &Arc<Factors>,
        key: SessionKey,
        for_one_call: bool,
        wanted: Wanted,
        now: Timestamp,
    ) -> Result<Ridden, Reason> {
        let (mut wanted, mut number) = (Some(wanted), None);
        let result = self.verdicts.entry(key.0).and_compute_with(|entry| {
            let ride = entry.map(moka::Entry::into_value);
            let ride = ride.filter(|ride| now.since(ride.begun) < RECORDED);
            number = ride.and_then(|ride| ride.join());
            if number.is_some() {
                return Op::Nop;
            }
            let ride = wanted.take().and_then(|wanted| self.begin(factors, wanted, now));
            ride.map_or(Op::Remove, |ride| {
                number = ride.join();
                Op::Put(Arc::new(ride))
            })
        });
        let (Some(entry), Some(number)) = (result.into_entry(), number) else {
            return Err(Reason::FactorUnavailable);
        };
        let ride = entry.into_value();
        let mut verdict = ride.verdict.clone();
        let told = tokio::time::timeout(PATIENCE, verdict.wait_for(Option::is_some)).await;
        let told = told.map_err(|_| Reason::FactorPending)?;
        let ridden = told.ok().and_then(|told| told.clone()).ok_or(Reason::FactorUnavailable)?;
        if ride.tell(number, for_one_call) { Ok(ridden) } else { Err(Reason::FactorPending) }
    }

    /// Begins a check; `None` if too many run.
    fn begin(&self, factors: &Arc<Factors>, wanted: Wanted, now: Timestamp) -> Option<Ride> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (tell, verdict) = watch::channel(None);
        let factors_there = Arc::clone(factors);
        factors.runtime.spawn(async move {
            let checked = factors_there.ask(wanted, now).await;
            // Whoever waited may be gone.
            let _ = tell.send(Some(ridden_of(&factors_there, &checked, now)));
            drop(place);
        });
        Some(Ride { begun: now, waiting: AtomicU32::new(0), verdict })
    }
}

fn ridden_of(factors: &Factors, checked: &Checked, now: Timestamp) -> Ridden {
    let said = match checked {
        Checked::Said(said) => said,
        Checked::Throttled(_) => return Ridden::Refused(Reason::FactorThrottled),
        Checked::Unavailable => return Ridden::Refused(Reason::FactorUnavailable),
    };
    match (factors.factor_of(said, now), said.answer.verdict) {
        (Some(factor), _) => Ridden::Accepted {
            node: Arc::clone(&said.node),
            token_type: factor.token_type().into(),
            serial: factor.serial().into(),
            at: now,
        },
        (None, Verdict::Accepted) => Ridden::Refused(Reason::FactorWithoutToken),
        // A challenge cannot be answered on the way; whoever wants that goes to the portal.
        (None, _) => Ridden::Refused(Reason::FactorRefused),
    }
}

/// A reason as a decision: what waits is no denial yet.
const fn refusal(reason: Reason) -> Decision {
    if matches!(reason, Reason::FactorPending) {
        Decision::Challenge(reason)
    } else if matches!(reason, Reason::FactorUnavailable) {
        Decision::Unavailable(reason)
    } else {
        Decision::Deny(reason)
    }
}

//! The latest refusals with their reasons, for whoever is quoted a request id (SEMANTICS R6).
//!
//! A refusal is walked a second time with notes, so a request that is let through costs nothing. What is kept
//! holds names of headers and never their values; of variables only those that the operator lets be shown.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::authority::decide::Answer;
use crate::authority::explain::explanation;
use crate::domain::decision::{Decision, Reason};
use crate::domain::explanation::{Explanation, Notes, Recorder, Stage, Step};
use crate::domain::limits::{
    REFUSAL_STEPS, REFUSALS_KEPT, REFUSALS_PER_CLIENT, REFUSALS_PER_SECOND,
};
use crate::domain::location::Location;
use crate::domain::network::site;
use crate::domain::request::{AuthRequest, reference};
use crate::domain::time::Timestamp;

/// Longest name of a header that is kept, in characters.
const NAME_CHARS: usize = 64;

/// What may be told about refusals.
#[derive(Debug, Clone, Default)]
pub struct RefusalSettings {
    /// Variables whose values may be shown.
    pub shown_variables: Vec<Box<str>>,
    /// When the policy was loaded.
    pub loaded: Timestamp,
}

/// One refusal.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeptRefusal {
    /// When, in milliseconds since the epoch.
    pub time_ms: u64,
    /// The proxy's request id, if it sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Method, host and canonical path; never the query.
    pub request: String,
    /// The client's address as far as it can be believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// How the proxy asked.
    pub dialect: Cow<'static, str>,
    /// Names of the headers that came.
    pub header_names: Vec<String>,
    /// When the policy was loaded that decided, in milliseconds since the epoch.
    pub policy_loaded_ms: u64,
    /// What was decided, and why.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// The latest refusals.
#[derive(Debug)]
pub struct Refusals {
    settings: RefusalSettings,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Apart, so that challenges, which anybody can have as many of as they like, push out no denial.
    denials: VecDeque<KeptRefusal>,
    challenges: VecDeque<KeptRefusal>,
    /// The current second, and how many of it were kept, in all and by client.
    second: u64,
    of_second: usize,
    by_client: HashMap<Option<IpAddr>, usize>,
}

impl Refusals {
    /// Keeps nothing yet.
    #[must_use]
    pub fn new(settings: RefusalSettings) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// What they were made with.
    pub const fn settings(&self) -> &RefusalSettings {
        &self.settings
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic of another thread leaves a list that is complete or lacks its last entry.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in this second's sample, if one is left for `client`.
    fn may_keep(&self, client: Option<IpAddr>, now: Timestamp) -> bool {
        let mut kept = self.lock();
        if kept.second != now.as_seconds() {
            kept.second = now.as_seconds();
            kept.of_second = 0;
            kept.by_client.clear();
        }
        if kept.of_second >= REFUSALS_PER_SECOND {
            return false;
        }
        let of_client = kept.by_client.entry(client.map(site)).or_default();
        if *of_client >= REFUSALS_PER_CLIENT {
            return false;
        }
        *of_client += 1;
        kept.of_second += 1;
        true
    }

    fn keep(&self, refusal: KeptRefusal) {
        let mut kept = self.lock();
        let is_challenge = refusal.explanation.decision == "challenge";
        let list = if is_challenge { &mut kept.challenges } else { &mut kept.denials };
        if list.len() >= REFUSALS_KEPT {
            list.pop_front();
        }
        list.push_back(refusal);
    }
}

impl Authority {
    /// The latest refusal that the proxy knows by this request id.
    #[must_use]
    pub fn refusal(&self, request_id: &str) -> Option<KeptRefusal> {
        let kept = self.refusals.lock();
        let has_id = |kept: &&KeptRefusal| kept.request_id.as_deref() == Some(request_id);
        let all = kept.denials.iter().chain(&kept.challenges).filter(has_id);
        all.max_by_key(|refusal| refusal.time_ms).cloned()
    }

    /// All that are kept, the latest first, without their steps.
    #[must_use]
    pub fn refusals(&self) -> Vec<KeptRefusal> {
        let kept = self.refusals.lock();
        let without_steps = |refusal: &KeptRefusal| {
            let mut refusal = refusal.clone();
            refusal.explanation.steps.clear();
            refusal
        };
        let mut all: Vec<KeptRefusal> =
            kept.denials.iter().chain(&kept.challenges).map(without_steps).collect();
        all.sort_by_key(|refusal| std::cmp::Reverse(refusal.time_ms));
        all
    }

    /// Walks a refused request again with notes, and keeps them, unless there were too many of late.
    pub(super) async fn keep_refusal(
        &self,
        request: &AuthRequest<'_>,
        refused: &Decision,
        rule: Option<Location>,
        now: Timestamp,
    ) {
        let client = self.client_for_the_record(request);
        if !self.refusals.may_keep(client, now) {
            return;
        }
        let mut notes = Notes::default();
        if is_failure_of_ours(refused.reason()) {
            notes.note(Stage::Session, || "this daemon failed; its log names the cause".to_owned());
        } else {
            let again = self.walk(request, now, &mut notes).await;
            if again.0.reason() != refused.reason() {
                notes.note(Stage::Session, || {
                    let reason = again.0.reason().as_str();
                    format!("this refusal changed the session: asked again it is {reason}")
                });
            }
        }
        let answer: Answer = (refused.clone(), rule);
        let mut explanation = explanation(&answer, notes);
        let shown = &self.refusals.settings.shown_variables;
        if let Some(identity) = &mut explanation.identity {
            identity.variables.retain(|variable| shown.iter().any(|name| **name == *variable.name));
        }
        shorten(&mut explanation.steps);
        let names = request.headers.names().into_iter();
        self.refusals.keep(KeptRefusal {
            time_ms: now.as_millis(),
            request_id: reference(request.headers).map(str::to_owned),
            request: Self::request_for_the_record(request),
            client,
            dialect: request.dialect.as_str().into(),
            header_names: names.map(|name| name.chars().take(NAME_CHARS).collect()).collect(),
            policy_loaded_ms: self.refusals.settings.loaded.as_millis(),
            explanation,
        });
    }
}

/// Whether another walk would tell no more.
const fn is_failure_of_ours(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::StoreFailed
            | Reason::Unconfirmed
            | Reason::Full
            | Reason::AuditFailed
            | Reason::AssertionFailed
            | Reason::Throttled
    )
}

/// Leaves out what stands in the middle of too many steps.
fn shorten(steps: &mut Vec<Step>) {
    let Some(too_many) = steps.len().checked_sub(REFUSAL_STEPS).filter(|count| *count > 0) else {
        return;
    };
    let half = REFUSAL_STEPS / 2;
    let left_out = Step {
        stage: Stage::Rules,
        said: format!("{too_many} steps more; `vouchsafe explain` shows all"),
        at: None,
        clauses: Vec::new(),
    };
    steps.splice(half..half + too_many, [left_out]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(number: u64, decision: &'static str) -> KeptRefusal {
        let reason = Reason::RuleDenied;
        KeptRefusal {
            time_ms: number,
            request_id: Some(number.to_string()),
            request: String::new(),
            client: None,
            dialect: "nginx".into(),
            header_names: Vec::new(),
            policy_loaded_ms: 0,
            explanation: Explanation {
                decision: decision.into(),
                reason: reason.as_str().into(),
                meaning: reason.meaning().into(),
                class: reason.class().as_str().into(),
                rule: None,
                application: None,
                identity: None,
                steps: Vec::new(),
                headers: Vec::new(),
            },
        }
    }

    #[test]
    fn the_oldest_is_forgotten_and_challenges_push_out_no_denial() {
        let refusals = Refusals::new(RefusalSettings::default());
        refusals.keep(refusal(0, "deny"));
        (1..=2 * REFUSALS_KEPT as u64).for_each(|n| refusals.keep(refusal(n, "challenge")));
        let kept = refusals.lock();
        assert_eq!((kept.denials.len(), kept.challenges.len()), (1, REFUSALS_KEPT));
        assert_eq!(kept.challenges.front().unwrap().time_ms, REFUSALS_KEPT as u64 + 1);
    }

    #[test]
    fn a_second_has_few_places_and_a_client_fewer() {
        let refusals = Refusals::new(RefusalSettings::default());
        let at = |second: u64| Timestamp::from_millis(second * 1000);
        let client = |n: u32| Some(IpAddr::V4(n.into()));
        let kept = |second, from: u32, to: u32| {
            let tries = (from..to).flat_map(|n| [n; 10]);
            tries.filter(|n| refusals.may_keep(client(*n), at(second))).count()
        };
        assert_eq!(kept(1, 0, 1), REFUSALS_PER_CLIENT);
        assert_eq!(kept(1, 1, 1000), REFUSALS_PER_SECOND - REFUSALS_PER_CLIENT);
        assert_eq!(kept(2, 0, 1), REFUSALS_PER_CLIENT);
    }

    #[test]
    fn of_too_many_steps_the_first_and_the_last_stay() {
        let step = |n: usize| Step {
            stage: Stage::Rules,
            said: n.to_string(),
            at: None,
            clauses: Vec::new(),
        };
        let mut steps: Vec<Step> = (0..1000).map(step).collect();
        shorten(&mut steps);
        assert_eq!(steps.len(), REFUSAL_STEPS + 1);
        assert_eq!((&*steps[0].said, &*steps[REFUSAL_STEPS].said), ("0", "999"));
        let mut few: Vec<Step> = (0..REFUSAL_STEPS).map(step).collect();
        shorten(&mut few);
        assert_eq!(few.len(), REFUSAL_STEPS);
    }
}

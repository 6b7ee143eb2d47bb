//! Rules: the first one whose clauses all hold decides; no match denies (SEMANTICS R1).
//!
//! Must not know: where an identity comes from. Until it has been looked up, a rule that asks for one is
//! neither matched nor passed over; the walk stops there and says so.

pub mod clause;
pub mod hours;
mod index;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::domain::explanation::{Recorder, Stage};
use crate::domain::location::Location;
use crate::domain::target::Target;
use crate::policy::expr::Failure;
use crate::policy::rule::clause::{Clauses, Facts, Truth};
use crate::policy::rule::index::{Next, RuleIndex};

/// What a rule asks for before it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requirement {
    /// A master must assert the identity on each request; a cookie alone is not enough.
    pub master: bool,
    /// The least level that the session must have.
    pub level: u8,
    /// How long ago a second factor may have been checked for the session at most.
    pub factor_max_age: Option<Duration>,
}

impl Requirement {
    /// What both ask for.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let level = if self.level > other.level { self.level } else { other.level };
        let factor_max_age = match (self.factor_max_age, other.factor_max_age) {
            (Some(mine), Some(theirs)) if mine.as_nanos() > theirs.as_nanos() => Some(theirs),
            (Some(age), _) | (None, Some(age)) => Some(age),
            (None, None) => None,
        };
        Self { master: self.master || other.master, level, factor_max_age }
    }

    const fn is_none(self) -> bool {
        !self.master && self.level == 0 && self.factor_max_age.is_none()
    }
}

/// What happens to a request that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Allow a session that meets the requirement.
    Allow(Requirement),
    /// Refuse every session.
    Deny,
    /// Allow anybody without looking a session up; no identity is sent.
    Skip,
    /// Allow anybody; a session's exports are sent if there is one.
    Unprotect,
    /// Send everybody to the portal's logout.
    Logout,
    /// Refuse everybody for now.
    Maintenance,
}

impl Effect {
    /// Of two effects the one with the higher number is the stricter (R2).
    const fn strictness(self) -> u8 {
        match self {
            Self::Skip => 0,
            Self::Unprotect => 1,
            Self::Allow(requirement) if requirement.is_none() => 2,
            Self::Allow(_) => 3,
            Self::Logout => 4,
            Self::Maintenance => 5,
            Self::Deny => 6,
        }
    }
}

/// What the rules say about a request, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What happens.
    pub effect: Effect,
    /// Where the rule stands that has this effect.
    pub at: Location,
}

impl Verdict {
    /// The stricter of two that are about the same request; of equals this one.
    const fn or_stricter(self, other: Self) -> Self {
        let stricter =
            if other.effect.strictness() > self.effect.strictness() { other } else { self };
        match (self.effect, other.effect) {
            (Effect::Allow(mine), Effect::Allow(theirs)) => {
                Self { effect: Effect::Allow(mine.and(theirs)), at: stricter.at }
            }
            _ => stricter,
        }
    }
}

/// What the rules say with what is known so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A rule matches, whoever it may be.
    Matched(Verdict),
    /// No rule does; that denies.
    Unmatched,
    /// It depends on who it is, which is not known yet.
    Undecided,
    /// A rule cannot be asked; that denies, whatever stands below it (R4).
    Failed {
        /// Where the rule stands.
        at: Location,
        /// Why.
        failure: Failure,
    },
}

impl Outcome {
    /// What counts of two forms of one path: the stricter.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Undecided, _) | (_, Self::Undecided) => Self::Undecided,
            // As strict as a denial, and it tells more.
            (failed @ Self::Failed { .. }, _) | (_, failed @ Self::Failed { .. }) => failed,
            (Self::Matched(mine), Self::Matched(theirs)) => Self::Matched(mine.or_stricter(theirs)),
            // Without a match it is denied anyway; a rule that denies it too tells more.
            (Self::Matched(verdict), Self::Unmatched)
            | (Self::Unmatched, Self::Matched(verdict))
                if verdict.effect == Effect::Deny =>
            {
                Self::Matched(verdict)
            }
            (Self::Matched(_) | Self::Unmatched, Self::Unmatched)
            | (Self::Unmatched, Self::Matched(_)) => Self::Unmatched,
        }
    }
}

/// One rule and where the operator wrote it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// When it applies.
    pub clauses: Clauses,
    /// What it does.
    pub effect: Effect,
    /// Its place in `config.yaml`.
    pub at: Location,
}

/// The rules of one application, in order.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    list: Box<[Rule]>,
    index: RuleIndex,
}

impl Rules {
    /// Takes the rules in the order in which they are asked.
    #[must_use]
    pub fn new(list: Box<[Rule]>) -> Self {
        let clauses = list.iter().map(|rule| &rule.clauses);
        let index = RuleIndex::new(
            clauses.map(|clauses| (&*clauses.paths, clauses.ask_no_more_than_the_path())),
        );
        Self { list, index }
    }

    /// The rules in their order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.list.iter()
    }

    /// What the rules say about a request for `target`: of all that its path may be read as, the
    /// strictest (R2).
    pub fn outcome(
        &self,
        target: &Target<'_>,
        facts: &Facts<'_>,
        recorder: &mut impl Recorder,
    ) -> Outcome {
        let is_one = target.forms().nth(1).is_none();
        let mut forms = target.forms().map(|form| {
            if !is_one {
                recorder.note(Stage::Rules, || {
                    format!("the path may be read as {}", String::from_utf8_lossy(form))
                });
            }
            self.walk(form, facts, recorder)
        });
        let kept = forms.next().unwrap_or(Outcome::Unmatched);
        forms.fold(kept, Outcome::and)
    }

    fn walk<R: Recorder>(&self, path: &[u8], facts: &Facts<'_>, recorder: &mut R) -> Outcome {
        let mut from = 0;
        loop {
            let (at, is_certain) = match self.next(from, path, recorder) {
                Next::Matches(at) => (at, true),
                Next::MayMatch(at) => (at, false),
                Next::None => return Outcome::Unmatched,
            };
            let Some(rule) = self.list.get(at) else { return Outcome::Unmatched };
            let truth =
                if is_certain { Truth::Yes } else { rule.clauses.hold(path, facts, recorder) };
            recorder.rule(rule.at, truth.into());
            match truth {
                Truth::Yes => {
                    return Outcome::Matched(Verdict { effect: rule.effect, at: rule.at });
                }
                Truth::No => {}
                Truth::Unknown => return Outcome::Undecided,
                Truth::Failed(failure) => return Outcome::Failed { at: rule.at, failure },
            }
            from = at + 1;
        }
    }

    /// The next rule. Whoever takes notes wants to hear of every rule and clause, so asks them all.
    fn next<R: Recorder>(&self, from: usize, path: &[u8], _: &R) -> Next {
        if R::HAPPENS { self.index.next(from, path) } else { Next::MayMatch(from) }
    }
}

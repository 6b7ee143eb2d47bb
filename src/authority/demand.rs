//! What a rule demands of a session: its level, and how long ago a second factor was checked for it.
//!
//! Must not know: the question, and who asks it.

use std::time::Duration;

use crate::authority::Authority;
use crate::authority::factor::Factors;
use crate::domain::decision::Reason;
use crate::domain::explanation::{Recorder, Stage};
use crate::domain::request::Scheme;
use crate::domain::time::Timestamp;
use crate::policy::rule::Requirement;
use crate::session::record::Session;

impl Authority {
    /// For how long `session` meets what is demanded of level and factor, or why it does not.
    pub(super) fn met_for<R: Recorder>(
        &self,
        requirement: Requirement,
        session: &Session,
        scheme: Scheme,
        now: Timestamp,
        recorder: &mut R,
    ) -> Result<Duration, Reason> {
        let (demanded, level) = (requirement.level, session.level().min(self.level_cap(scheme)));
        recorder.note(Stage::Requirement, || {
            format!("level {demanded} is demanded, and {level} is there")
        });
        if level < demanded {
            return Err(Reason::LevelTooLow);
        }
        let Some(most) = requirement.factor_max_age else { return Ok(Duration::MAX) };
        let age = if self.is_exposed(scheme) { None } else { session.factor_age(now) };
        recorder.note(Stage::Requirement, || {
            let seconds = most.as_secs_f64();
            match age {
                Some(age) => format!(
                    "a second factor of the last {seconds} s is demanded, and the newest one was checked {} s ago",
                    age.as_secs_f64()
                ),
                None if self.is_exposed(scheme) => format!(
                    "a second factor of the last {seconds} s is demanded, and none counts over plain HTTP"
                ),
                None => format!("a second factor of the last {seconds} s is demanded, and none was checked"),
            }
        });
        age.and_then(|age| most.checked_sub(age)).ok_or(Reason::FactorTooOld)
    }

    /// Whether a second factor could meet what is demanded; if not, whoever is sent to have one checked would come
    /// back in vain.
    pub(super) fn could_meet(&self, demanded: Requirement, scheme: Scheme) -> bool {
        let suffices = |factors: &Factors| demanded.level <= factors.settings().auth_level;
        self.factors.as_deref().is_some_and(suffices) && !self.is_exposed(scheme)
    }

    /// The highest level that counts: a cookie that can be read on the wire is never worth more than
    /// the slave backend's own (S6).
    pub(super) fn level_cap(&self, scheme: Scheme) -> u8 {
        if self.is_exposed(scheme) { self.policy.slave.auth_level } else { u8::MAX }
    }

    /// Whether the cookie of a request can be read on the wire while there is one that cannot: no factor
    /// counts then (S6).
    fn is_exposed(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Http && self.sessions.cookies().is_double()
    }
}

//! Why: the walk of a decision with notes taken, and nothing done (SEMANTICS R6).
//!
//! Must not know: who may ask; that is the edge's. No note holds a secret: what is compared with one is told
//! to match or not, a session has its short form, and a query is never shown.

use std::sync::Arc;

use crate::authority::Authority;
use crate::authority::decide::Answer;
use crate::authority::portrait::{AtLevel, Portrait};
use crate::domain::decision::{Decision, ExportedHeader, ExportedHeaders};
use crate::domain::explanation::{Explanation, Notes, Recorder, ShownHeader, Stage};
use crate::domain::request::AuthRequest;
use crate::domain::time::Timestamp;
use crate::policy::application::Application;

impl Authority {
    /// What [`Authority::decide`] would say about `request` now, and why. Nothing is opened, touched, ended
    /// or counted. What depends on how often something happened (quotas) is not foreseen.
    pub async fn explain(&self, request: &AuthRequest<'_>, now: Timestamp) -> Explanation {
        let mut notes = Notes::default();
        let answer = self.walk(request, now, &mut notes).await;
        explanation(&answer, notes)
    }
}

/// What a walk and its notes amount to.
pub(super) fn explanation((decision, rule): &Answer, notes: Notes) -> Explanation {
    let reason = decision.reason();
    let (word, headers) = match decision {
        Decision::Allow(grant) => ("allow", grant.exports.headers.iter().map(shown).collect()),
        Decision::Challenge(_) => ("challenge", Vec::new()),
        Decision::Deny(_) => ("deny", Vec::new()),
        Decision::Unavailable(_) => ("unavailable", Vec::new()),
    };
    Explanation {
        decision: word.into(),
        reason: reason.as_str().into(),
        meaning: reason.meaning().into(),
        class: reason.class().as_str().into(),
        rule: *rule,
        application: notes.application,
        identity: notes.identity,
        steps: notes.steps,
        headers,
    }
}

fn shown(header: &ExportedHeader) -> ShownHeader {
    let value = String::from_utf8_lossy(&header.value).into_owned();
    ShownHeader { name: header.name.to_string(), value }
}

impl Authority {
    /// The exports of `session`, with a note for each that goes without its value; they are kept nowhere.
    pub(super) fn rendered_for_notes(
        &self,
        application: &Application,
        session: AtLevel<'_>,
        recorder: &mut impl Recorder,
    ) -> Arc<ExportedHeaders> {
        // What definitions make of an identity is no state: looking at it changes nothing.
        let identity = self.derivations.complete(session.session);
        let portrait = Portrait { session, identity };
        let rendered = application.exports.render(&portrait);
        for (place, reason) in &rendered.dropped {
            if let Some(export) = application.exports.at(*place) {
                recorder.note(Stage::Exports, || {
                    format!("the value of {} is not sent: {reason}", export.header)
                });
            }
        }
        Arc::new(ExportedHeaders { headers: rendered.headers, subject: None })
    }
}

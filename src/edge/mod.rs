//! The edge: bytes of proxies and people in, decisions out.
//!
//! Must not know: how a decision is made, where sessions live, what a rule is. One file a dialect says what
//! is asked and how each decision is said; what the dialects say alike is in `refusal` and `removal`.

pub mod admin;
pub mod asked;
pub mod clock;
pub mod grpc;
pub mod http;
mod refusal;
mod removal;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::authority::Authority;
use crate::domain::decision::Grant;
use crate::domain::limits::ANSWER_HEAD_BYTES;
use crate::edge::clock::Clock;
use crate::edge::http::ExportNames;
use crate::edge::http::pages::Pages;
use crate::edge::removal::Removals;
use crate::protocol::edumfa::signature::Signer;

/// What every handler needs, made once.
#[derive(Debug)]
pub struct Edge {
    /// Who decides.
    pub authority: Arc<Authority>,
    /// When.
    pub clock: Clock,
    /// The portal's URL, with a trailing slash.
    pub portal_url: Box<str>,
    /// What people see.
    pub pages: Pages,
    /// What Envoy takes off a request before it goes on to an application.
    removals: Removals,
    /// Signs answers to `/validate/*`, where that is wanted.
    pub signer: Option<Signer>,
    /// Names of every application's exports, parsed once.
    export_names: ExportNames,
    /// Applications whose too large answers were already warned about.
    warned: Box<[AtomicBool]>,
}

impl Edge {
    /// Prepares what can be prepared before the first request.
    #[must_use]
    pub fn new(
        authority: Arc<Authority>,
        clock: Clock,
        portal_url: Box<str>,
        pages: Pages,
    ) -> Self {
        let names = authority.export_names();
        let riding = authority.factors_may_ride();
        let removals = Removals::new(&authority.trust_header_names(), &names, &riding);
        let export_names = ExportNames::new(&names);
        let warned = names.iter().map(|_| AtomicBool::new(false)).collect();
        let signer = None;
        Self { authority, clock, portal_url, pages, removals, signer, export_names, warned }
    }

    /// The same that signs what it answers to `/validate/*`.
    #[must_use]
    pub fn signing(self, signer: Signer) -> Self {
        Self { signer: Some(signer), ..self }
    }

    /// Counts, and once an application logs, an answer whose head does not fit nginx's default buffer.
    fn watch_size(&self, grant: &Grant, bytes: usize) {
        if bytes <= ANSWER_HEAD_BYTES {
            return;
        }
        self.authority.oversized_answer(grant.application as usize);
        let warned = self.warned.get(grant.application as usize);
        if warned.is_some_and(|warned| !warned.swap(true, Ordering::Relaxed)) {
            tracing::warn!(
                application = self.authority.application_name(grant.application),
                bytes,
                "an answer's head exceeds 4 KiB, nginx's default buffer; keep proxy_buffer_size 16k or export less"
            );
        }
    }
}

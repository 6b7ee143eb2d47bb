//! Exports that go without their value: counted each time, and told once an export and reason.
//!
//! What a value holds is up to users, so a line for each would be theirs to write. Must not know:
//! the values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::domain::encoding::DropReason;
use crate::policy::application::{Application, Applications};
use crate::telemetry::metrics::Metrics;

/// A bit a reason.
type Told = AtomicU8;

const _: () = assert!(DropReason::ALL.len() <= 8, "a bit for each reason");

/// Which losses the log knows already, by application and export.
#[derive(Debug)]
pub struct Losses {
    told: Box<[Box<[Told]>]>,
    metrics: Arc<Metrics>,
}

impl Losses {
    pub fn new(applications: &Applications, metrics: Arc<Metrics>) -> Self {
        let of = |application: &Application| {
            application.exports.nobody().headers.iter().map(|_| Told::new(0)).collect()
        };
        Self { told: applications.iter().map(of).collect(), metrics }
    }

    /// The export at `place` of `application` goes without its value.
    pub fn note(&self, application: &Application, place: usize, reason: DropReason) {
        let index = application.id.0 as usize;
        self.metrics.export_dropped(index, reason);
        let told = self.told.get(index).and_then(|exports| exports.get(place));
        let bit = 1 << reason as u8;
        let is_news = told.is_some_and(|told| told.fetch_or(bit, Ordering::Relaxed) & bit == 0);
        if let (true, Some(export)) = (is_news, application.exports.at(place)) {
            tracing::warn!(
                application = &*application.name,
                export = &*export.header,
                variable = export.source.name(),
                reason = reason.as_str(),
                "a variable's value is not sent to an application: {reason}; further ones are only counted"
            );
        }
    }
}

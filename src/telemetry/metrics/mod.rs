//! Every metric, declared once; `docs/metrics.md` is generated from these declarations.
//!
//! The only module that names the prometheus crate. Labels come from closed enums and configured
//! names only, and the handles of hot paths are arrays by discriminant: no label is hashed there.

pub mod files;
pub mod nodes;
pub mod shared_store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use crate::domain::decision::{Class, Reason};
use crate::domain::encoding::DropReason;
use crate::domain::request::Dialect;
use crate::telemetry::metrics::files::FileMetrics;

/// Upper bounds of decision times: a cached decision is near the first, a stored one in the middle.
const DECISION_SECONDS: &[f64] = &[
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0,
];
/// Upper bounds of store times: a group commit waits for the disk.
const STORE_SECONDS: &[f64] =
    &[1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0];

/// What a store was asked, label of its latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StoreOperation {
    /// Read one record.
    Get,
    /// Write a batch.
    Apply,
    /// Free expired records.
    Sweep,
}

impl StoreOperation {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Get, "get"), (Self::Apply, "apply"), (Self::Sweep, "sweep")];
}

/// What kind of session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SessionKind {
    /// With a cookie.
    Cookie,
    /// Found again by the asserted identity.
    Fingerprint,
}

/// Measures how long something takes; the only use of a clock on this floor.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "measures a span for a metric; decides nothing")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Handles of every metric.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    decisions: Vec<Vec<IntCounter>>,
    decision_seconds: Vec<Histogram>,
    master_rejections: Vec<IntCounter>,
    store_seconds: Vec<Histogram>,
    store_errors: Vec<IntCounter>,
    opened: [IntCounter; 2],
    files: FileMetrics,
    exports_dropped: Vec<Vec<IntCounter>>,
    oversized_answers: Vec<IntCounter>,
    /// Sessions and tombstones in the store.
    pub sessions: IntGauge,
    /// Sessions that were ended or replaced.
    pub sessions_ended: IntCounter,
    /// Sessions that were ended because their user had too many.
    pub sessions_displaced: IntCounter,
    /// Sessions that were served although the store could not be asked.
    pub stale_served: IntCounter,
    /// Lookups that the cache answered.
    pub cache_hits: IntCounter,
    /// Lookups that had to ask the store.
    pub cache_misses: IntCounter,
    /// Sessions that left the cache for want of room.
    pub cache_evictions: IntCounter,
    /// Bytes that cached sessions take, estimated.
    pub cache_bytes: IntGauge,
    /// Sessions in the cache.
    pub cache_entries: IntGauge,
    /// Exports answered from the cache.
    pub exports_hits: IntCounter,
    /// Exports rendered.
    pub exports_misses: IntCounter,
    /// Assertions signed.
    pub assertions_signed: IntCounter,
    /// Browsers that were shown why they go round in circles.
    pub login_loops: IntCounter,
    /// Audit lines about denials that were not written.
    pub audit_dropped: IntCounter,
}

struct Builder(Registry);

impl Builder {
    /// Names are literals and distinct, which the test below shows; a clash would only lose a metric.
    fn register<C: Collector + Clone + 'static>(
        &self,
        collector: Result<C, prometheus::Error>,
    ) -> C {
        #[expect(
            clippy::expect_used,
            reason = "names and buckets are literals; a unit test registers them all"
        )]
        let collector = collector.expect("metric is declared correctly");
        let registered = self.0.register(Box::new(collector.clone()));
        debug_assert!(registered.is_ok(), "{registered:?}");
        collector
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn histograms(&self, name: &str, help: &str, label: &str, buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, &[label]))
    }
}

impl Metrics {
    /// Declares every metric; `applications` are the configured names, in order of their ids.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a declaration a metric: a table, not a procedure")]
    pub fn new(applications: &[Arc<str>]) -> Self {
        let build = Builder(Registry::new());
        let info = build.register(IntGaugeVec::new(
            Opts::new("vouchsafe_build_info", "Always 1; the label tells the version that runs."),
            &["version"],
        ));
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let decisions = build.counters(
            "vouchsafe_decisions_total",
            "Decisions by the dialect that asked and by their exact reason.",
            &["dialect", "reason"],
        );
        let decision_seconds = build.histograms(
            "vouchsafe_decision_duration_seconds",
            "Time from reading a question to having its answer.",
            "dialect",
            DECISION_SECONDS,
        );
        let rejections = build.counters(
            "vouchsafe_master_rejections_total",
            "Requests from a master's address that were not believed, by reason.",
            &["reason"],
        );
        let store_seconds = build.histograms(
            "vouchsafe_store_duration_seconds",
            "Time that the session store took, by operation.",
            "operation",
            STORE_SECONDS,
        );
        let store_errors = build.counters(
            "vouchsafe_store_errors_total",
            "Store operations that failed, by operation.",
            &["operation"],
        );
        let opened = build.counters(
            "vouchsafe_sessions_opened_total",
            "Sessions opened, by kind.",
            &["kind"],
        );
        let dropped = build.counters(
            "vouchsafe_exports_dropped_total",
            "Exports without a value because theirs must not or cannot be sent, by application and reason: \
             counted when a session's are rendered, `not_utf8` with each answer over gRPC.",
            &["application", "reason"],
        );
        let oversized = build.counters(
            "vouchsafe_oversized_answers_total",
            "Answers whose head exceeds 4 KiB, by application; nginx needs a larger proxy_buffer_size for them.",
            &["application"],
        );
        let by_application = |counters: &IntCounterVec| {
            applications.iter().map(|name| counters.with_label_values(&[&**name])).collect()
        };
        let by_operation = StoreOperation::ALL.map(|(_, name)| name);
        Self {
            decisions: Dialect::ALL
                .iter()
                .map(|dialect| {
                    let of = |reason: &Reason| {
                        decisions.with_label_values(&[dialect.as_str(), reason.as_str()])
                    };
                    Reason::ALL.iter().map(of).collect()
                })
                .collect(),
            decision_seconds: Dialect::ALL
                .iter()
                .map(|dialect| decision_seconds.with_label_values(&[dialect.as_str()]))
                .collect(),
            master_rejections: Reason::ALL
                .iter()
                .map(|reason| {
                    // Not of the class: addresses and headers that cannot be told apart.
                    let label = if reason.class() == Class::MasterRefused {
                        reason.as_str()
                    } else {
                        "malformed"
                    };
                    rejections.with_label_values(&[label])
                })
                .collect(),
            store_seconds: by_operation
                .iter()
                .map(|name| store_seconds.with_label_values(&[*name]))
                .collect(),
            store_errors: by_operation
                .iter()
                .map(|name| store_errors.with_label_values(&[*name]))
                .collect(),
            files: FileMetrics::new(&build),
            opened: ["cookie", "fingerprint"].map(|kind| opened.with_label_values(&[kind])),
            exports_dropped: applications
                .iter()
                .map(|name| {
                    let of = |reason: &DropReason| {
                        dropped.with_label_values(&[&**name, reason.as_str()])
                    };
                    DropReason::ALL.iter().map(of).collect()
                })
                .collect(),
            oversized_answers: by_application(&oversized),
            sessions: build
                .gauge("vouchsafe_sessions", "Records in the session store, tombstones included."),
            sessions_ended: build.counter(
                "vouchsafe_sessions_ended_total",
                "Sessions that were logged out or replaced.",
            ),
            sessions_displaced: build.counter(
                "vouchsafe_sessions_displaced_total",
                "Sessions that ended because their user opened more than `sessions.max_per_user`.",
            ),
            stale_served: build.counter(
                "vouchsafe_stale_sessions_served_total",
                "Sessions served as they were known, while the store could not be asked (`sessions.stale_max`).",
            ),
            cache_hits: build.counter(
                "vouchsafe_session_cache_hits_total",
                "Session lookups answered from memory.",
            ),
            cache_misses: build.counter(
                "vouchsafe_session_cache_misses_total",
                "Session lookups that asked the store.",
            ),
            cache_evictions: build.counter(
                "vouchsafe_session_cache_evictions_total",
                "Sessions that left the memory for want of room.",
            ),
            cache_bytes: build.gauge(
                "vouchsafe_session_cache_bytes",
                "Estimated bytes of the sessions in memory.",
            ),
            cache_entries: build.gauge("vouchsafe_session_cache_entries", "Sessions in memory."),
            exports_hits: build.counter(
                "vouchsafe_exports_cache_hits_total",
                "Exports answered as rendered before.",
            ),
            exports_misses: build
                .counter("vouchsafe_exports_cache_misses_total", "Exports rendered anew."),
            assertions_signed: build.counter(
                "vouchsafe_assertions_signed_total",
                "Identity assertions signed; all others were given out again.",
            ),
            login_loops: build.counter(
                "vouchsafe_login_loops_total",
                "Browsers that came back from the portal again and again without the cookie, and were told why.",
            ),
            audit_dropped: build.counter(
                "vouchsafe_audit_dropped_total",
                "Audit lines about denials that were left out by sampling or a full queue.",
            ),
            registry: build.0,
        }
    }

    /// Counts one decision and its time.
    pub fn decided(&self, dialect: Dialect, reason: Reason, took: Duration) {
        if let Some(counter) =
            self.decisions.get(dialect as usize).and_then(|reasons| reasons.get(reason as usize))
        {
            counter.inc();
        }
        if let Some(histogram) = self.decision_seconds.get(dialect as usize) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Counts a master that was not believed.
    pub fn master_rejected(&self, reason: Reason) {
        if let Some(counter) = self.master_rejections.get(reason as usize) {
            counter.inc();
        }
    }

    /// Counts a session that was opened.
    pub fn opened(&self, kind: SessionKind) {
        if let Some(counter) = self.opened.get(kind as usize) {
            counter.inc();
        }
    }

    /// Observes a store operation.
    pub fn stored(&self, operation: StoreOperation, took: Duration, failed: bool) {
        if let Some(histogram) = self.store_seconds.get(operation as usize) {
            histogram.observe(took.as_secs_f64());
        }
        if failed && let Some(counter) = self.store_errors.get(operation as usize) {
            counter.inc();
        }
    }

    /// Counts an export of the application at `index` that is sent without its value.
    pub fn export_dropped(&self, index: usize, reason: DropReason) {
        let counters = self.exports_dropped.get(index);
        if let Some(counter) = counters.and_then(|counters| counters.get(reason as usize)) {
            counter.inc();
        }
    }

    /// Counts an answer of the application at `index` that is too large.
    pub fn oversized_answer(&self, index: usize) {
        if let Some(counter) = self.oversized_answers.get(index) {
            counter.inc();
        }
    }

    /// The exposition in Prometheus' text format 0.0.4, and its media type.
    #[must_use]
    pub fn exposition(&self) -> (Vec<u8>, String) {
        let encoder = TextEncoder::new();
        let mut text = Vec::new();
        if let Err(error) = encoder.encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        (text, encoder.format_type().to_owned())
    }

    /// Name, type, labels and meaning of every metric, sorted by name; the documentation's source.
    #[must_use]
    pub fn table(&self) -> Vec<[String; 4]> {
        let row = |family: &prometheus::proto::MetricFamily| {
            let labels = family.get_metric().first().map_or_else(String::new, |metric| {
                metric
                    .get_label()
                    .iter()
                    .map(prometheus::proto::LabelPair::name)
                    .collect::<Vec<_>>()
                    .join(", ")
            });
            let kind = format!("{:?}", family.get_field_type()).to_lowercase();
            [family.name().to_owned(), kind, labels, family.help().to_owned()]
        };
        self.registry.gather().iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_dialect_has_a_counter_from_the_start() {
        let metrics = Metrics::new(&["wiki".into()]);
        metrics.decided(Dialect::Nginx, Reason::Session, Duration::from_micros(12));
        let text = String::from_utf8(metrics.exposition().0).unwrap();
        for reason in Reason::ALL {
            assert!(text.contains(&format!("reason=\"{}\"", reason.as_str())), "{reason:?}");
        }
        assert!(text.contains("vouchsafe_decisions_total{dialect=\"nginx\",reason=\"session\"} 1"));
        assert!(text.contains(
            "vouchsafe_decision_duration_seconds_bucket{dialect=\"nginx\",le=\"0.000025\"} 1"
        ));
        assert!(text.contains("vouchsafe_oversized_answers_total{application=\"wiki\"} 0"));
        metrics.export_dropped(0, DropReason::Separator);
        let text = String::from_utf8(metrics.exposition().0).unwrap();
        for reason in DropReason::ALL {
            let count = u8::from(*reason == DropReason::Separator);
            let labels = format!("application=\"wiki\",reason=\"{}\"", reason.as_str());
            assert!(text.contains(&format!("vouchsafe_exports_dropped_total{{{labels}}} {count}")));
        }
    }
}

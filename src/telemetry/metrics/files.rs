//! The metrics of embedded stores: of sessions and of tokens, each a file.

use prometheus::{IntCounter, IntGauge};

use crate::telemetry::metrics::{Builder, Metrics};

/// Which file, label of its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StoreFile {
    /// That of sessions.
    Sessions,
    /// That of the local node's tokens.
    Tokens,
}

impl StoreFile {
    const ALL: [&'static str; 2] = ["sessions", "tokens"];

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
        }
    }
}

/// What was counted of a file since the start, and how large it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileCounts {
    /// Bytes.
    pub bytes: u64,
    /// Records that were found damaged.
    pub records_damaged: u64,
    /// Damaged files that were set aside.
    pub files_aside: u64,
    /// How often it was opened again.
    pub reopened: u64,
    /// Whether every record has its checksum.
    pub is_checked: bool,
}

/// The handles of both.
#[derive(Debug)]
pub(super) struct FileMetrics([OneFile; 2]);

#[derive(Debug)]
struct OneFile {
    bytes: IntGauge,
    is_checked: IntGauge,
    records_damaged: IntCounter,
    files_aside: IntCounter,
    reopened: IntCounter,
}

impl FileMetrics {
    pub(super) fn new(build: &Builder) -> Self {
        let bytes = build.gauges(
            "vouchsafe_store_file_bytes",
            "Bytes of an embedded store's file, by what it holds.",
            "store",
        );
        let checked = build.gauges(
            "vouchsafe_store_file_checked",
            "1 if every record of the file has its checksum; 0 for a while after an older version has written to it.",
            "store",
        );
        let damaged = build.counters(
            "vouchsafe_store_damaged_records_total",
            "Records that were not what had been written: set aside, and unknown from then on.",
            &["store"],
        );
        let aside = build.counters(
            "vouchsafe_store_files_set_aside_total",
            "Damaged files that were moved aside; what could be read of them was kept.",
            &["store"],
        );
        let reopened = build.counters(
            "vouchsafe_store_reopened_total",
            "Times that a file was opened again after it could not be read or written.",
            &["store"],
        );
        Self(StoreFile::ALL.map(|name| OneFile {
            bytes: bytes.with_label_values(&[name]),
            is_checked: checked.with_label_values(&[name]),
            records_damaged: damaged.with_label_values(&[name]),
            files_aside: aside.with_label_values(&[name]),
            reopened: reopened.with_label_values(&[name]),
        }))
    }
}

impl Metrics {
    /// Brings the metrics of a file up to date.
    pub fn file(&self, file: StoreFile, counts: FileCounts) {
        let Some(metrics) = self.files.0.get(file as usize) else { return };
        metrics.bytes.set(i64::try_from(counts.bytes).unwrap_or(i64::MAX));
        metrics.is_checked.set(i64::from(counts.is_checked));
        for (counter, count) in [
            (&metrics.records_damaged, counts.records_damaged),
            (&metrics.files_aside, counts.files_aside),
            (&metrics.reopened, counts.reopened),
        ] {
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }
}

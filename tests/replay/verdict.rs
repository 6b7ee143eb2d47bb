//! What should have come, and what came instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::differences::{CONFIGURATION, DIFFERENCES, Difference};
use crate::later::LATER;
use crate::outcome::Outcome;
use crate::recordings::Recording;

/// What Vouchsafe must answer to one recording, and why.
pub struct Expected<'a> {
    recording: &'a Recording,
    wanted: Outcome,
    /// By aspect, the row that wants something else than what was recorded.
    rows: BTreeMap<&'static str, &'static Difference>,
    /// Aspects that wait for a later feature.
    waiting: Vec<&'static str>,
}

/// One aspect of one answer that is not as it must be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mismatch {
    recording: String,
    aspect: String,
    why: String,
    wanted: String,
    got: String,
}

impl<'a> Expected<'a> {
    /// What LemonLDAP::NG answers, with the table of differences laid over it.
    pub fn of(recording: &'a Recording) -> Self {
        let about = DIFFERENCES.iter().filter(|row| row.is_about(&recording.name));
        let mut pins: Vec<_> =
            about.flat_map(|row| row.aspects().map(move |pin| (pin, row))).collect();
        let mut wanted = recording.expected.clone();
        // A configuration that is refused answers nothing at all.
        if pins.iter().any(|((aspect, _), _)| *aspect == CONFIGURATION) {
            wanted = Outcome::default();
            pins.retain(|((aspect, _), _)| *aspect == CONFIGURATION);
        }
        for ((aspect, value), _) in &pins {
            wanted.set(aspect, *value);
        }
        let rows = pins.into_iter().map(|((aspect, _), row)| (aspect, row)).collect();
        let waiting = LATER.iter().filter(|row| row.is_about(&recording.name));
        let waiting = waiting.flat_map(|row| row.aspects.iter().copied()).collect();
        Self { recording, wanted, rows, waiting }
    }

    /// Every aspect in which `got` is not what it must be.
    pub fn mismatches(&self, got: &Outcome) -> Vec<Mismatch> {
        let waiting = self.waiting.iter().copied();
        let aspects: BTreeSet<&str> =
            self.wanted.aspects().chain(got.aspects()).chain(waiting).collect();
        let judged = aspects.into_iter().filter_map(|aspect| {
            let (wanted, why) = self.judge(aspect, got.get(aspect))?;
            Some(Mismatch::of(self.recording, aspect, wanted, why, got))
        });
        judged.collect()
    }

    /// The rules by which `got` is not LemonLDAP::NG's answer.
    pub fn rules(&self, got: &Outcome) -> BTreeSet<&'static str> {
        let rows = self.rows.iter();
        let broken = rows.filter(|(aspect, _)| self.recording.differs(aspect, got.get(aspect)));
        broken.map(|(_, row)| row.rule).collect()
    }

    /// What would be right instead of `got`, and why.
    fn judge(&self, aspect: &str, got: &str) -> Option<(&str, String)> {
        let (reference, wanted) = (self.recording.expected.get(aspect), self.wanted.get(aspect));
        if self.waiting.contains(&aspect) {
            let why = "it works now: take it out of later.rs".to_owned();
            return (got == reference).then_some(("something else", why));
        }
        let why = match self.rows.get(aspect) {
            _ if got == wanted => return None,
            None => "as LemonLDAP::NG answers".to_owned(),
            Some(row) if got == reference => format!("not as LemonLDAP::NG answers: {row}"),
            Some(row) => format!("not {reference}, which LemonLDAP::NG answers: {row}"),
        };
        Some((wanted, why))
    }
}

impl Mismatch {
    fn of(recording: &Recording, aspect: &str, wanted: &str, why: String, got: &Outcome) -> Self {
        Self {
            recording: format!("{}: {}", recording.name, recording.notes),
            aspect: aspect.to_owned(),
            why,
            wanted: wanted.to_owned(),
            got: got.get(aspect).to_owned(),
        }
    }
}

/// Every aspect in which LemonLDAP::NG answers `recording` otherwise than it was recorded.
pub fn changes(recording: &Recording, live: &Outcome) -> Vec<Mismatch> {
    let aspects: BTreeSet<&str> = recording.expected.aspects().chain(live.aspects()).collect();
    let changed = aspects.into_iter().filter(|aspect| recording.differs(aspect, live.get(aspect)));
    let why = || "as it was recorded".to_owned();
    changed
        .map(|aspect| Mismatch::of(recording, aspect, recording.expected.get(aspect), why(), live))
        .collect()
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aspect, why, wanted, got, .. } = self;
        write!(f, "  {aspect}\n    expected {wanted}, {why}\n    got      {got}")
    }
}

/// All mismatches, by recording.
pub fn table_of(mismatches: &[Mismatch]) -> String {
    let mut lines = Vec::new();
    for group in mismatches.chunk_by(|one, next| one.recording == next.recording) {
        lines.push(group[0].recording.clone());
        lines.extend(group.iter().map(ToString::to_string));
    }
    lines.join("\n")
}

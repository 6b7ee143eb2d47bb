//! The real LemonLDAP::NG and Vouchsafe, asked the same: every recording is sent to both.
//!
//! - LemonLDAP::NG answers as it was recorded, so the recordings tell what it does.
//! - Vouchsafe's answer differs from LemonLDAP::NG's exactly where the table of differences says.
//!
//! `tests/peers/run` runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;

use crate::differences::matches;
use crate::elsewhere::{ELSEWHERE, Elsewhere};
use crate::installed::Installed as _;
use crate::later::LATER;
use crate::outcome::Outcome;
use crate::peer::{self, Peer};
use crate::recordings::{self, Recording};
use crate::support::echo::Echo;
use crate::verdict::{Expected, Mismatch, changes, table_of};
use crate::world::World;
use crate::{by_configuration, for_each};

/// What the recordings without another version in their names are of.
const RECORDED: &str = "2.16.";
/// Configurations that are compared at a time.
const AT_A_TIME: usize = 2;

/// What came of it.
#[derive(Default)]
struct Findings {
    /// Where LemonLDAP::NG answers otherwise than it was recorded.
    changes: BTreeSet<Mismatch>,
    /// Where Vouchsafe answers neither as LemonLDAP::NG nor as the table says.
    mismatches: BTreeSet<Mismatch>,
    /// How many recordings both answer alike.
    alike: usize,
    /// How many they answer differently, by the rules that demand it.
    otherwise: BTreeMap<String, usize>,
    /// How many LemonLDAP::NG does not answer as recorded because they need something else.
    elsewhere: BTreeMap<&'static str, usize>,
    /// Recordings that do not need it after all.
    stale: Vec<String>,
}

impl Findings {
    fn add(&mut self, recording: &Recording, peer: Outcome, vouchsafe: &Outcome) {
        let changes = changes(recording, &peer);
        if let Some(row) = Elsewhere::about(&recording.name) {
            *self.elsewhere.entry(row.needs).or_default() += 1;
            if changes.is_empty() {
                self.stale.push(format!("{} does not need {row}", recording.name));
            }
            return;
        }
        self.changes.extend(changes);
        let live = Recording { expected: peer, ..recording.clone() };
        let expected = Expected::of(&live);
        self.mismatches.extend(expected.mismatches(vouchsafe));
        let rules: Vec<&str> = expected.rules(vouchsafe).into_iter().collect();
        if rules.is_empty() {
            self.alike += 1;
        } else {
            *self.otherwise.entry(rules.join(" ")).or_default() += 1;
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |counts: Vec<&usize>| counts.into_iter().sum::<usize>();
        writeln!(f, "{:4} answered alike", self.alike)?;
        let otherwise = sum(self.otherwise.values().collect());
        writeln!(f, "{otherwise:4} answered otherwise, by the rules")?;
        for (rules, count) in &self.otherwise {
            writeln!(f, "     {count:4} {rules}")?;
        }
        let elsewhere = sum(self.elsewhere.values().collect());
        writeln!(
            f,
            "{elsewhere:4} not compared, because this LemonLDAP::NG answers otherwise; they need"
        )?;
        for (needs, count) in &self.elsewhere {
            writeln!(f, "     {count:4} {needs}")?;
        }
        LATER.iter().try_for_each(|waiting| writeln!(f, "not compared yet: {waiting}"))
    }
}

#[test]
#[ignore = "installs and starts LemonLDAP::NG; tests/peers/run runs it"]
fn the_real_program_answers_as_it_was_recorded_and_vouchsafe_as_the_table_says() {
    let version = peer::install();
    assert!(version.starts_with(RECORDED), "the recordings are not of {version}; use Debian 12");
    let recordings = recordings::all();
    let app = Echo::start();
    let groups = by_configuration(&recordings);
    let asked = groups.iter().flatten().filter(|recording| !recording.is_asked_by_forward());
    let (count, configurations) = (asked.count(), groups.len());
    let findings = Mutex::new(Findings::default());
    for_each(groups, AT_A_TIME, |group| {
        let (peer, world) = (Peer::start(group[0], &app), World::start(group[0], &app));
        // It would need a server of its own, which speaks HTTP.
        let asked = group.iter().filter(|recording| !recording.is_asked_by_forward());
        for recording in asked {
            let (live, vouchsafe) = (peer.answer(recording), world.answer(recording));
            findings.lock().unwrap().add(recording, live, &vouchsafe);
        }
    });
    let findings = findings.into_inner().unwrap();
    println!(
        "side by side with LemonLDAP::NG {version}: {count} recordings, {configurations} configurations"
    );
    println!("{findings}");
    let Findings { changes, mismatches, stale, .. } = findings;
    assert!(
        changes.is_empty() && mismatches.is_empty() && stale.is_empty(),
        "LemonLDAP::NG answers {} aspects otherwise than it was recorded\n{}\n\
         Vouchsafe answers {} aspects neither as LemonLDAP::NG nor as the table says\n{}\n\
         {} recordings have to be taken out of elsewhere.rs\n{}",
        changes.len(),
        table_of(&Vec::from_iter(changes)),
        mismatches.len(),
        table_of(&Vec::from_iter(mismatches)),
        stale.len(),
        stale.join("\n"),
    );
}

#[test]
fn whatever_was_recorded_elsewhere_was_recorded() {
    let recordings = recordings::all();
    for row in ELSEWHERE {
        for pattern in row.recordings {
            let is_recorded = recordings.iter().any(|one| matches(pattern, &one.name));
            assert!(is_recorded, "{row}: there is no {pattern}");
        }
    }
}

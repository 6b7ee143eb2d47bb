//! What LemonLDAP::NG answered, asked again: each recording of `tests/fixtures/llng` is sent to the real daemon
//! behind a real nginx, and the answer is what was recorded or what the table of differences says.
//!
//! - `recordings`: what was sent and what came back, as files
//! - `configuration`: a recording's configuration as config.yaml says it
//! - `world`: a daemon and an nginx for one configuration
//! - `front`: that nginx
//! - `asking`: a recording's request as bytes, with live session ids
//! - `outcome`: an answer as what is compared of it
//! - `differences`: where Vouchsafe answers otherwise on purpose, with the rule that demands it
//! - `later`: what waits for a feature that this version does not have
//! - `verdict`: what should have come, and what came
//! - `side_by_side`: the same with the real LemonLDAP::NG beside it, on demand
//! - `peer`: that LemonLDAP::NG; `installed`: what it and `world` have in common
//! - `elsewhere`: recordings of a LemonLDAP::NG that is not the one beside it
//!
//! `REPLAY_ONLY='slave_*,ip_*' cargo test --test replay` replays only some.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time, and REPLAY_ONLY is their switch"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses more of it")]
mod support;

mod asking;
mod configuration;
mod differences;
mod elsewhere;
mod front;
mod installed;
mod later;
mod outcome;
mod peer;
mod recordings;
mod side_by_side;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::differences::{DIFFERENCES, matches};
use crate::later::LATER;
use crate::recordings::Recording;
use crate::support::echo::Echo;
use crate::verdict::{Expected, Mismatch, table_of};
use crate::world::World;

/// As many recordings as there are. One that is lost is not missed by anybody else.
const RECORDINGS: usize = 418;
/// Configurations that are replayed at a time; they mostly wait for programs to start.
const AT_A_TIME: usize = 4;

/// The recordings by configuration: each needs a daemon of its own.
fn by_configuration(recordings: &[Recording]) -> Vec<Vec<&Recording>> {
    let mut groups = BTreeMap::<String, Vec<&Recording>>::new();
    for recording in recordings.iter().filter(|recording| is_wanted(&recording.name)) {
        groups.entry(recording.installation()).or_default().push(recording);
    }
    groups.into_values().collect()
}

fn is_wanted(name: &str) -> bool {
    std::env::var("REPLAY_ONLY")
        .map_or(true, |only| only.split(',').any(|pattern| matches(pattern, name)))
}

/// Does `work` with every group, with `at_a_time` of them at a time.
fn for_each(groups: Vec<Vec<&Recording>>, at_a_time: usize, work: impl Fn(&[&Recording]) + Sync) {
    let queue = Mutex::new(groups);
    let next = || queue.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(group) = next() {
                    work(&group);
                }
            });
        }
    });
}

/// Replays recordings that share a configuration.
fn replay(group: &[&Recording], app: &Echo) -> Vec<Mismatch> {
    let world = World::start(group[0], app);
    let judge =
        |recording: &&Recording| Expected::of(recording).mismatches(&world.answer(recording));
    group.iter().flat_map(judge).collect()
}

#[test]
fn every_recording_is_answered_as_it_was_or_as_the_table_of_differences_says() {
    let recordings = recordings::all();
    let app = Echo::start();
    let found = Mutex::new(Vec::new());
    for_each(by_configuration(&recordings), AT_A_TIME, |group| {
        let mismatches = replay(group, &app);
        found.lock().unwrap().extend(mismatches);
    });
    for waiting in LATER {
        println!("not compared yet: {waiting}");
    }
    let mut found = found.into_inner().unwrap();
    found.sort();
    assert!(
        found.is_empty(),
        "{} aspects are not as they must be\n{}",
        found.len(),
        table_of(&found)
    );
}

#[test]
fn no_recording_is_lost() {
    let names: Vec<String> = recordings::all().into_iter().map(|one| one.name).collect();
    assert_eq!(names.len(), RECORDINGS);
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), RECORDINGS, "two recordings have one name");
}

#[test]
fn every_difference_names_a_rule_that_exists() {
    let rules = include_str!("../../docs/semantics.md");
    for difference in DIFFERENCES {
        let line = format!("\n- {} ", difference.rule);
        assert!(rules.contains(&line), "docs/semantics.md has no rule {}", difference.rule);
    }
}

#[test]
fn every_difference_still_differs() {
    let recordings = recordings::all();
    for difference in DIFFERENCES {
        for pattern in difference.recordings {
            let differs = |recording: &&Recording| {
                matches(pattern, &recording.name)
                    && difference.aspects().any(|(aspect, value)| recording.differs(aspect, value))
            };
            assert!(recordings.iter().any(|r| differs(&r)), "{difference}: stale for {pattern}");
        }
        for (aspect, value) in difference.aspects() {
            let differs = |recording: &&Recording| {
                difference.is_about(&recording.name) && recording.differs(aspect, value)
            };
            assert!(recordings.iter().any(|r| differs(&r)), "{difference}: stale in {aspect}");
        }
    }
}

#[test]
fn no_two_differences_speak_about_the_same() {
    for recording in recordings::all() {
        let mut said = BTreeMap::new();
        for difference in DIFFERENCES.iter().filter(|row| row.is_about(&recording.name)) {
            for (aspect, _) in difference.aspects() {
                let other = said.insert(aspect, difference.rule);
                let name = &recording.name;
                assert!(other.is_none(), "{name}: {aspect} by {other:?} and {}", difference.rule);
            }
        }
    }
}

#[test]
fn whatever_waits_for_a_feature_was_recorded() {
    let recordings = recordings::all();
    for waiting in LATER {
        let is_recorded = recordings.iter().any(|recording| waiting.is_about(&recording.name));
        assert!(is_recorded, "{waiting}: there is no such recording");
    }
}

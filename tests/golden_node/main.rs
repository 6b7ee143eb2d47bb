//! What eduMFA answered, asked again: each recording of `tests/fixtures/edumfa/golden` is put to our node and our
//! federation, without any eduMFA, and the answer is what was recorded or what the table of differences says.
//!
//! - `recordings`: what was asked and what came back, in the order in which it was recorded
//! - `world`: the users and tokens of both servers, and what happened to them between recordings
//! - `scene`: both servers for one recording, as nodes of ours, and a child that misbehaves
//! - `http`: that they can be asked over HTTP
//! - `fake`: that child
//! - `aspects`: an answer as what is compared of it
//! - `differences`: where Vouchsafe answers otherwise on purpose, with the rule that demands it
//! - `elsewhere`: recordings that are about something else than a node's answer

mod aspects;
mod differences;
mod elsewhere;
mod fake;
mod http;
mod recordings;
mod scene;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use crate::aspects::Aspects;
use crate::differences::{DIFFERENCES, Difference, matches};
use crate::elsewhere::ELSEWHERE;
use crate::recordings::Recording;
use crate::world::World;

/// As many recordings as there are in these groups. One that is lost is not missed by anybody else.
const RECORDINGS: usize = 206;

/// What has to be answered: the recorded aspects, but for those about which a row of the table speaks.
fn expected(recording: &Recording) -> Aspects {
    let mut expected = recording.aspects();
    for difference in DIFFERENCES.iter().filter(|row| row.is_about(&recording.name)) {
        for &(aspect, recorded, ours) in difference.instead {
            if recording.aspects().get(aspect) == recorded {
                expected.set(aspect, ours);
            }
        }
    }
    expected
}

fn replayed() -> Vec<Recording> {
    let mut recordings = recordings::all();
    recordings.retain(|recording| !ELSEWHERE.iter().any(|row| row.is_about(&recording.name)));
    recordings
}

#[tokio::test]
async fn every_recording_is_answered_as_it_was_or_as_the_table_of_differences_says() {
    let mut world = World::new().await;
    let (mut equal, mut by_rule, mut wrong) = (0, BTreeMap::<&str, usize>::new(), Vec::new());
    for recording in replayed() {
        let answered = world.answer(&recording).await;
        let expected = expected(&recording);
        wrong.extend(
            expected
                .compare(&answered)
                .into_iter()
                .map(|line| format!("{}: {line}", recording.name)),
        );
        if expected == recording.aspects() {
            equal += 1;
        } else {
            for rule in rules_about(&recording) {
                *by_rule.entry(rule).or_default() += 1;
            }
        }
    }
    let differing = replayed().len() - equal;
    println!(
        "{equal} recordings are answered as they were, {differing} otherwise by rule: {by_rule:?}"
    );
    for row in ELSEWHERE {
        println!("not asked here: {row}");
    }
    assert!(
        wrong.is_empty(),
        "{} aspects are not as they must be\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn rules_about(recording: &Recording) -> BTreeSet<&'static str> {
    let rows = DIFFERENCES.iter().filter(|row| differs(row, recording));
    rows.map(|row| row.rule).collect()
}

fn differs(row: &Difference, recording: &Recording) -> bool {
    let recorded = recording.aspects();
    row.is_about(&recording.name)
        && row.instead.iter().any(|&(aspect, from, to)| recorded.get(aspect) == from && from != to)
}

#[test]
fn no_recording_is_lost() {
    assert_eq!(recordings::all().len(), RECORDINGS);
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
    let recordings = replayed();
    for row in DIFFERENCES {
        for pattern in row.recordings {
            let is_needed = |one: &&Recording| matches(pattern, &one.name) && differs(row, one);
            assert!(recordings.iter().any(|one| is_needed(&one)), "{row}: stale for {pattern}");
        }
        for &(aspect, from, to) in row.instead {
            let is_needed = |one: &&Recording| {
                row.is_about(&one.name) && one.aspects().get(aspect) == from && from != to
            };
            assert!(recordings.iter().any(|one| is_needed(&one)), "{row}: stale in {aspect}");
        }
    }
}

#[test]
fn no_two_differences_speak_about_the_same() {
    for recording in replayed() {
        let recorded = recording.aspects();
        let mut said = BTreeMap::new();
        for row in DIFFERENCES.iter().filter(|row| row.is_about(&recording.name)) {
            for &(aspect, from, _) in row.instead {
                if recorded.get(aspect) == from {
                    let other = said.insert(aspect, row.rule);
                    assert!(other.is_none(), "{}: {aspect} by {other:?} and {row}", recording.name);
                }
            }
        }
    }
}

#[test]
fn whatever_is_asked_elsewhere_was_recorded() {
    let recordings = recordings::all();
    for row in ELSEWHERE {
        for pattern in row.recordings {
            let is_recorded = recordings.iter().any(|one| matches(pattern, &one.name));
            assert!(is_recorded, "{row}: there is no recording {pattern}");
        }
    }
}

//! `vouchsafe check`: says everything that is wrong with a configuration, and changes nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::app::policy_tests::{self, Outcome, PolicyTest};
use crate::app::rehearsal::{Rehearsal, moment};
use crate::cli::explanation_text::{text_of, visible};
use crate::cli::{EXIT_CONFIG, settings};
use crate::config::{self, Settings};

pub fn run(path: Option<&Path>, tests: Option<&PathBuf>) -> ExitCode {
    let settings = match settings(path) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    for warning in &settings.warnings {
        eprintln!("{warning}");
    }
    println!(
        "the configuration is good: {} applications, {} masters, {} warnings",
        settings.policy.applications.iter().count(),
        settings.policy.trust.masters().len(),
        settings.warnings.len()
    );
    let Some(file) = tests else { return ExitCode::SUCCESS };
    let tests = match config::policy_tests::load(file) {
        Ok(tests) => tests,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match try_all(settings, file, &tests) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all tests and tells about those that fail; how many did.
fn try_all(settings: Settings, file: &Path, tests: &[PolicyTest]) -> anyhow::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(async {
        let rehearsal = Rehearsal::new(settings, moment(None)?)?;
        let mut failed = 0;
        for test in tests {
            let outcome = policy_tests::run(&rehearsal, test).await;
            if let Some(text) = failure_text(&outcome) {
                failed += 1;
                let place = format!("{}:{}", file.display(), test.at.line);
                println!("\nFAILED {}\n  at {place}\n{text}", visible(&test.name));
            }
        }
        let passed = tests.len() - failed;
        println!("{} policy tests: {passed} passed, {failed} failed", tests.len());
        Ok(failed)
    })
}

fn failure_text(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Passed => None,
        Outcome::Impossible(error) => Some(format!("  {}\n", visible(&format!("{error:#}")))),
        Outcome::Failed(differences, explanation) => {
            let mut text = String::new();
            for difference in differences {
                text.extend(["  ", visible(difference).as_str(), "\n"]);
            }
            for line in text_of(explanation).lines() {
                text.extend(["    | ", line, "\n"]);
            }
            Some(text)
        }
    }
}

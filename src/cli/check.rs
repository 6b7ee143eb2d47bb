//! `vouchsafe check`: says everything that is wrong with a configuration, and changes nothing.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::{EXIT_CONFIG, settings};

pub fn run(path: Option<&Path>) -> ExitCode {
    match settings(path) {
        Ok(settings) => {
            for warning in &settings.warnings {
                eprintln!("{warning}");
            }
            println!(
                "the configuration is good: {} applications, {} masters, {} warnings",
                settings.policy.applications.iter().count(),
                settings.policy.trust.masters().len(),
                settings.warnings.len()
            );
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            eprint!("{diagnostics}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

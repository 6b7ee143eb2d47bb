//! `vouchsafe schema`: prints the JSON schema that editors check `config.yaml` with.

use std::process::ExitCode;

use crate::config;

pub fn run() -> ExitCode {
    println!("{:#}", config::schema());
    ExitCode::SUCCESS
}

//! The daemon and its commands.

use std::process::ExitCode;

use clap::Parser as _;
use vouchsafe::cli::{Arguments, run};

fn main() -> ExitCode {
    run(&Arguments::parse())
}

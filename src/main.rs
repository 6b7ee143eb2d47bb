//! The daemon and its commands.

use std::process::ExitCode;

use clap::Parser as _;
use vouchsafe::cli::{Arguments, run};

fn main() -> ExitCode {
    // tonic takes the process's provider. Named here, so that a second one which some crate brings can make
    // no difference. It fails only if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    run(&Arguments::parse())
}

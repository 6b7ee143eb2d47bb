//! `vouchsafe serve`: runs the daemon until it is told to stop.

use std::path::Path;
use std::process::ExitCode;

use crate::app::hint::Hint;
use crate::app::{self, Daemon, Places};
use crate::cli::{EXIT_CONFIG, settings};

pub fn run(path: Option<&Path>) -> ExitCode {
    let settings = match settings(path) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    app::start_logging(&settings);
    let hint = Hint::of(&settings);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ran = runtime.block_on(async {
        let daemon = Daemon::build(settings)?;
        announce(daemon.places(), hint.as_ref());
        daemon.run_until_stopped().await
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says where it listens and how to see it work.
fn announce(Places { public, grpc, admin }: Places<'_>, hint: Option<&Hint>) {
    println!("vouchsafe {} listens on {public} (proxies and portal)", env!("CARGO_PKG_VERSION"));
    if let Some(grpc) = grpc {
        println!("Envoy's checks over gRPC on {grpc}");
    }
    if let Some(admin) = admin {
        println!("metrics and health on {admin}: /metrics, /livez, /readyz");
    }
    if let Some(hint) = hint {
        println!("log in as the example's master would:\n  {}", hint.curl(public));
    }
}

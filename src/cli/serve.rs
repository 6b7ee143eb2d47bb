//! `vouchsafe serve`: runs the daemon until it is told to stop.

use std::path::Path;
use std::process::ExitCode;

use crate::app::{self, Addresses, Daemon};
use crate::cli::{EXIT_CONFIG, settings};

pub fn run(path: Option<&Path>) -> ExitCode {
    let settings = match settings(path) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            eprint!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    app::start_logging(&settings);
    let hint = settings.portal.url.clone();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ran = runtime.block_on(async {
        let daemon = Daemon::build(settings)?;
        announce(daemon.addresses(), &hint);
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
fn announce(addresses: Addresses, portal: &str) {
    let Addresses { public, admin } = addresses;
    let host = portal.split('/').nth(2).unwrap_or("auth.example.com");
    println!(
        "vouchsafe {} listens on http://{public} (proxies and portal)",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(admin) = admin {
        println!("metrics and health on http://{admin}/metrics, /livez, /readyz");
    }
    println!("log in as the shipped configuration's master would:");
    println!(
        "  curl http://{public}/ -H 'Host: {host}' -H 'CN: dwho' -H 'control: password' \
         -H 'Accept: application/json' -d lmAuth=2_Slave"
    );
}

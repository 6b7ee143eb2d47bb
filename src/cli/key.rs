//! `vouchsafe key new`: makes a key.

use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::app::keys;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Signs identity assertions (Ed25519), for `assertion.keys`.
    Assertion,
    /// Makes fingerprints and form tokens, for `sessions.key`.
    Sessions,
    /// Encrypts the session store, for `sessions.encryption_key`.
    Encryption,
}

pub fn create(file: &Path, purpose: Purpose) -> ExitCode {
    let made = match purpose {
        Purpose::Assertion => keys::create_signing_key(file),
        Purpose::Sessions | Purpose::Encryption => {
            keys::create_random_key(file).map(|id| id.to_string())
        }
    };
    match made {
        Ok(id) => {
            let (kind, place) = match purpose {
                Purpose::Assertion => (
                    "an Ed25519 key",
                    "list it in `assertion.keys` of the configuration: the first one there signs",
                ),
                Purpose::Sessions => (
                    "a key of 32 random bytes",
                    "name it in `sessions.key` of the configuration, on all nodes; to replace one, see docs/keys.md",
                ),
                Purpose::Encryption => (
                    "a key of 32 random bytes",
                    "name it in `sessions.encryption_key` of the configuration, on all nodes: the first one there encrypts",
                ),
            };
            println!("{} is {kind} with the id {id}\n{place}", file.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

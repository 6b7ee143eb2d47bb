//! `vouchsafe key new`: makes a key that signs assertions.

use std::path::Path;
use std::process::ExitCode;

use crate::app::keys;

pub fn create(file: &Path) -> ExitCode {
    match keys::create_signing_key(file) {
        Ok(id) => {
            let file = file.display();
            println!(
                "{file} is an Ed25519 key with the id {id}\n\
                 list it in `assertion.keys` of the configuration: the first one there signs"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

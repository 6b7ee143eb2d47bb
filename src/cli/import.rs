//! `vouchsafe import`: translates the configuration of another program.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::EXIT_CONFIG;
use crate::import::llng;

/// More than any importer reads.
const FILE_BYTES: u64 = 1 << 26;

/// `vouchsafe import llng FILE`: exit code 0 with the translation, 2 if there is none.
pub fn llng(file: &Path) -> ExitCode {
    let imported = read(file).and_then(|bytes| Ok(llng::import(&bytes)?));
    match imported {
        Ok(import) => {
            if let Err(error) = std::io::stdout().write_all(import.config.as_bytes()) {
                eprintln!("error: cannot write the translation: {error}; is the disk full?");
                return ExitCode::FAILURE;
            }
            eprint!("{}", import.report);
            eprintln!(
                "\n{} is translated. Check trusted_proxies and every rule that denies instead, then `vouchsafe check`.",
                file.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            for line in format!("{error:#}").lines() {
                eprintln!("error: {line}");
            }
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shown = file.display();
    let opened = std::fs::File::open(file)
        .with_context(|| format!("cannot open {shown}; check the name"))?;
    opened
        .take(FILE_BYTES)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {shown}; give a file"))?;
    Ok(bytes)
}

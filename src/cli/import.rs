//! `vouchsafe import`: translates the configuration of another program.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::EXIT_CONFIG;
use crate::import::report::Report;
use crate::import::{edumfa, llng};

/// More than any importer reads.
const FILE_BYTES: u64 = 1 << 26;

/// `vouchsafe import llng FILE`: exit code 0 with the translation, 2 if there is none.
pub fn llng(file: &Path) -> ExitCode {
    match read(file).and_then(|bytes| Ok(llng::import(&bytes)?)) {
        Ok(import) => {
            let next = format!(
                "{} is translated. Check trusted_proxies and every rule that denies instead, then `vouchsafe check`.",
                file.display()
            );
            tell(&import.config, None, &import.report, &next)
        }
        Err(error) => refuse(&error),
    }
}

/// `vouchsafe import edumfa FILE...`: exit code 0 with the translation, 2 if there is none.
pub fn edumfa(files: &[PathBuf], output: Option<&Path>) -> ExitCode {
    match read_all(files) {
        Ok(import) => {
            let next = "The federation is translated. Put it into config.yaml, check every handler that is switched off, \
                        then `vouchsafe check`.";
            tell(&import.config, output, &import.report, next)
        }
        Err(error) => refuse(&error),
    }
}

fn read_all(files: &[PathBuf]) -> anyhow::Result<edumfa::Import> {
    let mut read_files = Vec::new();
    for file in files {
        read_files.push((file.display().to_string(), read(file)?));
    }
    let files: Vec<(&str, &[u8])> =
        read_files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    Ok(edumfa::import(&files)?)
}

/// Writes a translation, then says what there is to know and to do.
fn tell(config: &str, output: Option<&Path>, report: &Report, next: &str) -> ExitCode {
    if let Err(error) = write(config, output) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    eprint!("{report}");
    eprintln!("\n{next}");
    ExitCode::SUCCESS
}

fn write(config: &str, output: Option<&Path>) -> anyhow::Result<()> {
    let Some(output) = output else {
        return std::io::stdout()
            .write_all(config.as_bytes())
            .context("cannot write the translation; is the disk full?");
    };
    let shown = output.display();
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(output).with_context(|| {
            format!("cannot create {shown}; it must not exist, and its folder must")
        })?;
    file.write_all(config.as_bytes())
        .with_context(|| format!("cannot write {shown}; is the disk full?"))
}

fn refuse(error: &anyhow::Error) -> ExitCode {
    for line in format!("{error:#}").lines() {
        eprintln!("error: {line}");
    }
    ExitCode::from(EXIT_CONFIG)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shown = file.display();
    let opened =
        File::open(file).with_context(|| format!("cannot open {shown}; check the name"))?;
    opened
        .take(FILE_BYTES)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {shown}; give a file"))?;
    Ok(bytes)
}

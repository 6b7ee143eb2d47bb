//! `vouchsafe store`: what the session store is, copies of it, and moving it; through the daemon while it runs.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::app::storekeeping::{CompactionState, StoreState, Storekeeping, Tell, migrate};
use crate::cli::token::answered;
use crate::cli::{EXIT_CONFIG, settings};
use crate::config::{self, Settings};

/// Lines about progress where there is no terminal, at most.
const STEPS: u64 = 10;

/// What is to be done with the store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Say what the store is, and how it is.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copy an embedded store, running or not, into a file that can be put in its place.
    Backup {
        /// The file to create; one that exists is never replaced.
        file: PathBuf,
    },
    /// Make the file of an embedded store as small as what is in it, while the daemon goes on.
    Compact,
    /// Copy all sessions from one store into another, empty one, while no daemon uses either.
    Migrate {
        /// The configuration with the store to copy from.
        #[arg(long, value_name = "CONFIG")]
        from: PathBuf,
        /// The configuration with the store to copy to.
        #[arg(long, value_name = "CONFIG")]
        to: PathBuf,
    },
}

/// Runs a command of `vouchsafe store`.
pub fn run(path: Option<&Path>, command: &StoreCommand) -> ExitCode {
    if let StoreCommand::Migrate { from, to } = command {
        return match (config::load(from), config::load(to)) {
            (Ok(from), Ok(to)) => answered(moved(from, to)),
            (from, to) => {
                for diagnostics in [from.err(), to.err()].into_iter().flatten() {
                    eprintln!("{diagnostics}");
                }
                ExitCode::from(EXIT_CONFIG)
            }
        };
    }
    match settings(path) {
        Ok(settings) => answered(work(settings, command)),
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

async fn work(settings: Settings, command: &StoreCommand) -> anyhow::Result<ExitCode> {
    let store = Storekeeping::open(&settings).await?;
    match command {
        StoreCommand::Status { json } => {
            let state = store.state().await?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&state)?);
            } else {
                print!("{}", text(&state));
            }
        }
        StoreCommand::Backup { file } => {
            let progress = Progress::new("copied");
            let bytes = store.back_up(file, progress.tell()).await?;
            progress.finish();
            println!("{} is a copy of the store ({})", file.display(), HumanBytes(bytes));
        }
        StoreCommand::Compact => {
            let progress = Progress::new("records copied");
            let (before, after) = store.compact(progress.tell()).await?;
            progress.finish();
            println!(
                "the store's file had {} and has {} now",
                HumanBytes(before),
                HumanBytes(after)
            );
        }
        // Has two configurations of its own.
        StoreCommand::Migrate { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn moved(from: Settings, to: Settings) -> anyhow::Result<ExitCode> {
    let progress = Progress::new("records copied");
    let copied = migrate(&from, &to, progress.tell()).await?;
    progress.finish();
    println!("{copied} records were copied; start the daemon with the new configuration");
    Ok(ExitCode::SUCCESS)
}

fn text(state: &StoreState) -> String {
    let mut lines = vec![
        ("kind", state.kind.clone()),
        ("records", state.records.to_string()),
        ("encrypted", yes_or_no(state.encrypted)),
    ];
    if state.records_unopened > 0 {
        lines.push((
            "not opened",
            format!("{} reads found a record that no key opens", state.records_unopened),
        ));
    }
    if let Some(file) = &state.file {
        lines.push(("file", file.path.clone()));
        lines.push(("size", HumanBytes(file.bytes).to_string()));
        lines.push((
            "checksums",
            if file.checked { "complete".to_owned() } else { "being added".to_owned() },
        ));
        lines.push((
            "damaged",
            format!(
                "{} records aside, {} found since the start, {} files moved aside since the start",
                file.records_aside, file.records_damaged, file.files_aside
            ),
        ));
        lines.push(("opened again", format!("{} times since the start", file.reopened)));
        lines.push(("compaction", compaction(&file.compaction)));
    }
    if let Some(channel) = &state.channel {
        let heard = if channel.confirmed {
            "all of them"
        } else {
            "not now: sessions are asked for each time"
        };
        lines.push(("hears changes", heard.to_owned()));
    }
    lines.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<14}{value}");
        text
    })
}

fn compaction(state: &CompactionState) -> String {
    match state {
        CompactionState::Never => "none since the start".to_owned(),
        CompactionState::Running { done, total } => format!("{done} of {total} records copied"),
        CompactionState::Done { before, after } => {
            format!("from {} to {}", HumanBytes(*before), HumanBytes(*after))
        }
        CompactionState::Failed { error } => format!("failed: {error}"),
    }
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes".to_owned() } else { "no".to_owned() }
}

/// How far something is: a bar on a terminal, else a line now and then; on standard error, so that standard output has
/// the result alone.
struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let template =
                format!("[{{bar:40}}] {{percent}} % ({{pos}}/{{len}} {what}) {{eta}} left");
            // The template is ours; without it there is indicatif's own.
            ProgressStyle::with_template(&template)
                .map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
        });
        Self { bar, what }
    }

    fn tell(&self) -> Tell {
        let (bar, what) = (self.bar.clone(), self.what);
        let mut told = 0;
        Box::new(move |done, total| {
            if let Some(bar) = &bar {
                bar.set_length(total);
                bar.set_position(done);
                return;
            }
            let step = done.saturating_mul(STEPS).checked_div(total).unwrap_or(0);
            if step > told {
                told = step;
                eprintln!("{done} of {total} {what}");
            }
        })
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::storekeeping::{ChannelState, StoreFileState};

    #[test]
    fn a_file_is_described_line_by_line() {
        let file = StoreFileState {
            path: "data/sessions.redb".to_owned(),
            bytes: 3 << 20,
            checked: true,
            records_aside: 1,
            records_damaged: 2,
            files_aside: 0,
            reopened: 0,
            compaction: CompactionState::Done { before: 9 << 20, after: 3 << 20 },
        };
        let state = StoreState {
            kind: "embedded".to_owned(),
            records: 7,
            encrypted: true,
            records_unopened: 0,
            file: Some(file),
            channel: None,
        };
        insta::assert_snapshot!(text(&state), @r"
        kind          embedded
        records       7
        encrypted     yes
        file          data/sessions.redb
        size          3.00 MiB
        checksums     complete
        damaged       1 records aside, 2 found since the start, 0 files moved aside since the start
        opened again  0 times since the start
        compaction    from 9.00 MiB to 3.00 MiB
        ");
    }

    #[test]
    fn a_shared_store_says_whether_it_hears() {
        let channel = Some(ChannelState { confirmed: false, heard: 0 });
        let state = StoreState {
            kind: "redis".to_owned(),
            records: 7,
            encrypted: false,
            records_unopened: 3,
            file: None,
            channel,
        };
        insta::assert_snapshot!(text(&state), @r"
        kind          redis
        records       7
        encrypted     no
        not opened    3 reads found a record that no key opens
        hears changes not now: sessions are asked for each time
        ");
    }
}

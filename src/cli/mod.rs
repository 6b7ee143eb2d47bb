//! The command line: one file a command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands answer on the terminal")]

mod check;
mod explain;
mod explanation_text;
mod import;
mod key;
mod node;
mod schema;
mod serve;
mod session;
mod store;
mod token;
mod token_text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::explain::ExplainArguments;
use crate::cli::key::Purpose;
use crate::cli::node::NodeCommand;
use crate::cli::session::SessionCommand;
use crate::cli::store::StoreCommand;
use crate::cli::token::TokenCommand;
use crate::config::{self, Diagnostics, Settings};

/// Auth subrequest daemon: vouches for the identities of a trusted master SSO.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration file. Without this option and without a file of that name, the shipped
    /// defaults are used.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (the default).
    Serve,
    /// Check the configuration: exit code 0 if it can be used, 2 with every error if not.
    Check {
        /// Also try the requests of this file; exit code 1 if one of them is decided otherwise than it expects.
        #[arg(long, value_name = "FILE")]
        tests: Option<PathBuf>,
    },
    /// Say why a request is decided as it is: one made up here, or one that the daemon refused.
    Explain(Box<ExplainArguments>),
    /// Make keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Translate another program's configuration; config.yaml goes to standard output, what to know about it to
    /// standard error.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Work on the tokens of the local node, through the daemon if it runs.
    #[command(subcommand)]
    Token(TokenCommand),
    /// See who is logged in, and end sessions, through the daemon if it runs.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Look at the session store, copy it, make it smaller or move it, through the daemon if it runs.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Look at MFA nodes.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Print the JSON schema of the configuration.
    Schema,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key, readable by its owner only.
    New {
        /// What it is for.
        #[arg(long = "for", value_enum, default_value = "assertion")]
        purpose: Purpose,
        /// The file to create; one that exists is never replaced.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// LemonLDAP::NG with its slave backend.
    Llng {
        /// Its configuration, `lmConf-N.json`.
        file: PathBuf,
    },
    /// Servers and event handlers of eduMFA or privacyIDEA, as the section `mfa`.
    Edumfa {
        /// What `edumfa-manage config exporter` prints, or the answers to `GET /edumfaserver/` and `GET /event/`.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where the section goes instead of standard output; a file that exists is never replaced.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// The file that is used where no option names one.
const DEFAULT_FILE: &str = "config.yaml";

/// Reads the configuration that the arguments name, or the shipped defaults where there is no file.
fn settings(path: Option<&Path>) -> Result<Settings, Diagnostics> {
    let default = Path::new(DEFAULT_FILE);
    match path {
        Some(path) => config::load(path),
        None if default.exists() => config::load(default),
        None => {
            eprintln!("no {DEFAULT_FILE} here: running with the shipped defaults");
            config::parse_shipped()
        }
    }
}

/// Exit code for a configuration that cannot be used.
const EXIT_CONFIG: u8 = 2;

/// Runs the command that `arguments` name; everything it has to say has been said when it returns.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let config = arguments.config.as_deref();
    match &arguments.command {
        None | Some(Command::Serve) => serve::run(config),
        Some(Command::Check { tests }) => check::run(config, tests.as_ref()),
        Some(Command::Explain(arguments)) => explain::run(config, arguments),
        Some(Command::Key(KeyCommand::New { purpose, file })) => key::create(file, *purpose),
        Some(Command::Import(ImportCommand::Llng { file })) => import::llng(file),
        Some(Command::Token(command)) => token::run(config, command),
        Some(Command::Import(ImportCommand::Edumfa { files, output })) => {
            import::edumfa(files, output.as_deref())
        }
        Some(Command::Session(command)) => session::run(config, command),
        Some(Command::Store(command)) => store::run(config, command),
        Some(Command::Node(command)) => node::run(config, command),
        Some(Command::Schema) => schema::run(),
    }
}

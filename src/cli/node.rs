//! `vouchsafe node`: which MFA nodes there are, and whether one lives.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use crate::app::administration::{Administration, NodeState, NodeTest};
use crate::cli::explanation_text::visible;
use crate::cli::token_text::{aligned, moment_text};
use crate::cli::{EXIT_CONFIG, settings, token};

/// What is to be done with nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List all nodes, with what the running daemon has seen of them.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask a node whether it lives, about nobody; exit code 1 if it does not.
    Test {
        /// Its name in `mfa.servers`, or `local`.
        name: String,
    },
}

pub fn run(path: Option<&Path>, command: &NodeCommand) -> ExitCode {
    let settings = match settings(path) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    token::answered(async {
        match command {
            NodeCommand::List { json } => {
                let administration = Administration::open(settings).await?;
                let nodes = administration.nodes().await;
                administration.close();
                let nodes = nodes?;
                if *json {
                    println!("{:#}", serde_json::to_value(&nodes)?);
                } else {
                    print!("{}", table(&nodes));
                }
                Ok(ExitCode::SUCCESS)
            }
            NodeCommand::Test { name } => {
                let administration = Administration::open_for(settings, name).await?;
                let tested = administration.test_node(name).await;
                administration.close();
                let tested = tested?;
                print!("{}", text(&tested));
                Ok(if tested.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        }
    })
}

fn text(tested: &NodeTest) -> String {
    let node = &tested.node;
    let place = node.url.as_ref().map_or_else(String::new, |url| format!(" at {url}"));
    let name = format!("the node {} ({}){place}", node.name, node.role);
    let became = match &tested.error {
        None => format!("{name} answers, in {}", latency(node)),
        Some(error) => format!("{name} is not usable: {error}"),
    };
    let state = format!("breaker: {}, questions on their way: {}", node.state, node.in_flight);
    let last = match (&tested.error, last_error(node)) {
        (None, Some(last)) => format!("last error: {last}\n"),
        _ => String::new(),
    };
    visible(&format!("{became}\n{state}\n{last}"))
}

fn last_error(node: &NodeState) -> Option<String> {
    let error = node.error.as_deref().unwrap_or_default();
    node.failed.map(|failed| format!("{}, {error}", moment_text(failed)))
}

fn latency(node: &NodeState) -> String {
    node.latency_ms.map_or_else(|| "-".to_owned(), |took| format!("{took} ms"))
}

fn table(nodes: &[NodeState]) -> String {
    let heads = ["NAME", "ROLE", "BASE", "BREAKER", "ASKED", "ANSWERED", "IN", "LAST ERROR", "URL"];
    let row = |node: &NodeState| {
        let answered = node.answered.map_or_else(|| "never".to_owned(), moment_text);
        [
            node.name.clone(),
            node.role.clone(),
            if node.is_base { "yes" } else { "no" }.to_owned(),
            node.state.clone(),
            node.in_flight.to_string(),
            answered,
            latency(node),
            last_error(node).unwrap_or_else(|| "-".to_owned()),
            node.url.clone().unwrap_or_else(|| "-".to_owned()),
        ]
        .map(|cell| visible(&cell))
    };
    aligned(heads, &nodes.iter().map(row).collect::<Vec<_>>())
}

//! `vouchsafe explain`: why a request is decided as it is.

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use crate::app::admin_client::{AdminClient, Method};
use crate::app::rehearsal::{Asked, Explanation, KeptRefusal, Rehearsal, Somebody, moment};
use crate::cli::explanation_text::{refusal_list, text_of, text_of_refusal};
use crate::cli::{EXIT_CONFIG, settings};
use crate::config::{Settings, units};

/// What is to be explained.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The host of a request to explain.
    #[arg(long)]
    host: Option<String>,
    /// Its path, with its query.
    #[arg(long, default_value = "/")]
    path: String,
    /// Its method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// `https` or `http`.
    #[arg(long, default_value = "https")]
    scheme: String,
    /// The address of whoever sends it, as the proxies report it.
    #[arg(long, default_value = "127.0.0.1")]
    client: IpAddr,
    /// A header of it, as `Name: value`; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Sent by this user, as the master asserts it; nobody has to know the master's secret for that.
    #[arg(long, conflicts_with = "live")]
    user: Option<String>,
    /// The master that asserts the user; the first one of the configuration if not given.
    #[arg(long, requires = "user")]
    master: Option<String>,
    /// A variable of the user, as `name=value`; may be repeated for several values.
    #[arg(long = "variable", value_name = "NAME=VALUE", requires = "user")]
    variables: Vec<String>,
    /// The user has a session of this level, and the master says nothing about the request.
    #[arg(long, value_name = "LEVEL", requires = "user")]
    session: Option<u8>,
    /// A second factor was checked for that session so long ago, as `5m`.
    #[arg(long, value_name = "AGE", requires = "session", value_parser = units::duration)]
    factor_age: Option<Duration>,
    /// When it is sent, as `2026-11-22T08:30:00Z`; now if not given.
    #[arg(long, value_name = "TIME", conflicts_with = "live")]
    at: Option<String>,
    /// Ask the running daemon, which knows the sessions behind cookies.
    #[arg(long)]
    live: bool,
    /// Show why the running daemon refused the request with this id (X-Request-Id).
    #[arg(long, value_name = "ID", conflicts_with_all = ["host", "recent"])]
    request: Option<String>,
    /// List the latest refusals of the running daemon.
    #[arg(long, conflicts_with = "host")]
    recent: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(path: Option<&Path>, arguments: &ExplainArguments) -> ExitCode {
    let settings = match settings(path) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let said = runtime.context("cannot start the runtime").and_then(|runtime| {
        runtime.block_on(async {
            match (&arguments.request, arguments.recent) {
                (Some(id), _) => refused(&settings, id, arguments.json).await,
                (None, true) => recent(&settings, arguments.json).await,
                (None, false) => explained(settings, arguments).await,
            }
        })
    });
    match said {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn explained(settings: Settings, arguments: &ExplainArguments) -> anyhow::Result<String> {
    let host = arguments.host.clone();
    let host = host.context("nothing to explain; add --host, or --request with a request id")?;
    let asked = Asked {
        method: arguments.method.clone(),
        scheme: arguments.scheme.clone(),
        host,
        path: arguments.path.clone(),
        client: arguments.client,
        headers: arguments.headers.clone(),
    };
    let explanation: Explanation = if arguments.live {
        let client = AdminClient::new(&settings)?;
        let answer = client.ask(Method::POST, "/api/v1/explain", Some(&asked)).await?;
        serde_json::from_value(answer).context("the daemon answers otherwise than this version")?
    } else {
        let now = moment(arguments.at.as_deref())?;
        let somebody = somebody(arguments)?;
        Rehearsal::new(settings, now)?.explain(&asked, somebody.as_ref(), now).await?
    };
    shown(arguments.json, &explanation, text_of)
}

fn somebody(arguments: &ExplainArguments) -> anyhow::Result<Option<Somebody>> {
    let Some(user) = &arguments.user else { return Ok(None) };
    let mut somebody = Somebody {
        user: user.clone(),
        master: arguments.master.clone(),
        session_level: arguments.session,
        factor_age: arguments.factor_age,
        ..Somebody::default()
    };
    for written in &arguments.variables {
        let Some((name, value)) = written.split_once('=') else {
            bail!("`{written}` is not a variable; write it as name=value");
        };
        somebody.variables.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    Ok(Some(somebody))
}

async fn refused(settings: &Settings, id: &str, json: bool) -> anyhow::Result<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.is_empty() || !id.chars().all(is_plain) {
        bail!("`{id}` is not a request id; use what the client was shown or the proxy's log has");
    }
    let client = AdminClient::new(settings)?;
    let path = format!("/api/v1/explain?request={id}");
    let answer = client.ask(Method::GET, &path, None::<&()>).await?;
    let refusal: KeptRefusal =
        serde_json::from_value(answer).context("the daemon answers otherwise than this version")?;
    shown(json, &refusal, text_of_refusal)
}

async fn recent(settings: &Settings, json: bool) -> anyhow::Result<String> {
    let client = AdminClient::new(settings)?;
    let answer = client.ask(Method::GET, "/api/v1/explain", None::<&()>).await?;
    let refusals: Vec<KeptRefusal> =
        serde_json::from_value(answer).context("the daemon answers otherwise than this version")?;
    shown(json, &refusals, |refusals| refusal_list(refusals))
}

fn shown<T: Serialize>(
    json: bool,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<String> {
    if json { Ok(format!("{:#}\n", serde_json::to_value(value)?)) } else { Ok(text(value)) }
}

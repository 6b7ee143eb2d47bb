//! `vouchsafe session`: who is logged in, and the end of it; through the daemon while it runs.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::administration::{
    Administration, EndWish, ListedFactor, ListedSession, SessionQuery, ShownSession,
};
use crate::cli::explanation_text::visible;
use crate::cli::token::answered;
use crate::cli::token_text::{aligned, moment_text};
use crate::cli::{EXIT_CONFIG, settings};

/// Digits of a key in full.
const KEY_DIGITS: usize = 64;

/// Digits of a key that tables and the audit log show.
const SHORT_KEY_DIGITS: usize = 12;

/// How often all sessions are looked for that are to end; the last time finds none.
const ROUNDS: usize = 5;

/// What is to be done with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List sessions.
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one session, its variables and factors, as JSON. Values of variables that `log.variables` does not
    /// name are not shown.
    Show {
        /// Its key, or as much of its beginning as tells it from all others.
        key: String,
    },
    /// End sessions, on all nodes: those of these keys, or all that fit.
    End {
        /// Keys, or as much of their beginnings as tells them from all others.
        #[arg(conflicts_with_all = ["user", "realm", "master", "client", "level", "all"])]
        keys: Vec<String>,
        #[command(flatten)]
        which: Which,
        /// Everybody's.
        #[arg(long, conflicts_with_all = ["user", "realm", "master", "client", "level"])]
        all: bool,
    },
}

/// Which sessions are meant.
#[derive(Debug, Args)]
pub struct Which {
    /// Only those of this user.
    #[arg(long, default_value = "")]
    user: String,
    /// Only those of this realm.
    #[arg(long)]
    realm: Option<String>,
    /// Only those that this master asserted.
    #[arg(long, default_value = "")]
    master: String,
    /// Only those that this client opened: an address.
    #[arg(long, default_value = "")]
    client: String,
    /// Only those of at least this level.
    #[arg(long)]
    level: Option<u8>,
}

impl Which {
    fn query(&self) -> SessionQuery {
        SessionQuery {
            user: self.user.clone(),
            realm: self.realm.clone(),
            master: self.master.clone(),
            client: self.client.clone(),
            level: self.level,
            ..SessionQuery::default()
        }
    }
}

pub fn run(path: Option<&Path>, command: &SessionCommand) -> ExitCode {
    let settings = match settings(path) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    answered(async {
        let administration = Administration::open_for_sessions(settings).await?;
        let done = done(command, &administration).await;
        administration.close();
        done.map(|()| ExitCode::SUCCESS)
    })
}

async fn done(command: &SessionCommand, administration: &Administration) -> anyhow::Result<()> {
    match command {
        SessionCommand::List { which, limit, json } => {
            let (mut sessions, more) = found(administration, which.query(), *limit).await?;
            sessions.sort_by(|a, b| {
                (&a.realm, &a.user, a.created).cmp(&(&b.realm, &b.user, b.created))
            });
            if *json {
                println!("{:#}", serde_json::to_value(&sessions)?);
            } else {
                print!("{}", table(&sessions));
            }
            if more {
                eprintln!(
                    "there are more sessions than these {limit}; name a larger --limit to see them"
                );
            }
        }
        SessionCommand::Show { key } => {
            let key = whole_key(administration, key).await?;
            let shown: ShownSession = administration.show_session(&key).await?;
            println!("{:#}", serde_json::to_value(&shown)?);
        }
        SessionCommand::End { keys, which, all } => {
            let query = which.query();
            if !keys.is_empty() {
                for key in keys {
                    let key = whole_key(administration, key).await?;
                    administration.end_session(&key).await?;
                    println!("the session {key} has ended");
                }
            } else if *all || query != SessionQuery::default() {
                let ended = end(administration, query, *all).await?;
                println!("{ended} sessions have ended");
            } else {
                bail!(
                    "say which sessions are to end: keys, --user, --client, --master, --realm, --level, or --all"
                );
            }
        }
    }
    Ok(())
}

/// Up to `limit` sessions that fit, and whether there are more.
async fn found(
    administration: &Administration,
    mut query: SessionQuery,
    limit: usize,
) -> anyhow::Result<(Vec<ListedSession>, bool)> {
    let progress = spinner("sessions found");
    let mut sessions = Vec::new();
    loop {
        let left = limit.saturating_sub(sessions.len());
        query.limit = Some(left.min(1000));
        let page = administration.list_sessions(&query).await?;
        sessions.extend(page.sessions);
        progress.set_position(sessions.len() as u64);
        let is_enough = sessions.len() >= limit;
        query.after = page.next;
        if query.after.is_none() || is_enough {
            let more = query.after.is_some() || sessions.len() > limit;
            sessions.truncate(limit);
            progress.finish_and_clear();
            return Ok((sessions, more));
        }
    }
}

/// Ends what fits, until a look at everything finds none: who steps up meanwhile goes on under a new key.
async fn end(
    administration: &Administration,
    query: SessionQuery,
    all: bool,
) -> anyhow::Result<u64> {
    let progress = spinner("sessions seen");
    let mut total = 0;
    let mut before = None;
    for _ in 0..ROUNDS {
        let mut wish = EndWish { sessions: query.clone(), all, before };
        let mut ended = 0;
        loop {
            let report = administration.end_sessions(&wish).await?;
            ended += report.ended;
            progress.inc(report.seen);
            progress.set_message(format!("{} ended", total + ended));
            before = Some(report.before);
            (wish.sessions.after, wish.before) = (report.next, before);
            if wish.sessions.after.is_none() {
                break;
            }
        }
        total += ended;
        if ended == 0 {
            progress.finish_and_clear();
            return Ok(total);
        }
    }
    progress.finish_and_clear();
    bail!("{total} sessions have ended, but others kept going on under new keys; run this again");
}

/// The key that begins like this, if there is one only.
async fn whole_key(administration: &Administration, key: &str) -> anyhow::Result<String> {
    if key.len() >= KEY_DIGITS {
        return Ok(key.to_owned());
    }
    let query = SessionQuery { key: key.to_owned(), ..SessionQuery::default() };
    let (sessions, _) = found(administration, query, 2).await?;
    match sessions.as_slice() {
        [session] => Ok(session.key.clone()),
        [] => {
            bail!("there is no session whose key begins with '{}', or it has ended", visible(key))
        }
        _ => bail!("several sessions' keys begin with '{}'; write more of it", visible(key)),
    }
}

/// Says on a terminal how far it is; nothing elsewhere.
fn spinner(what: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let progress = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {{pos}} {what} {{msg}}"))
    {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(200));
    progress
}

const HEADS: [&str; 10] =
    ["KEY", "KIND", "USER", "REALM", "MASTER", "CLIENT", "LEVEL", "OPENED", "LAST USE", "FACTORS"];

fn table(sessions: &[ListedSession]) -> String {
    let rows: Vec<_> = sessions.iter().map(row).collect();
    aligned(HEADS, &rows)
}

fn row(session: &ListedSession) -> [String; 10] {
    let factor =
        |factor: &ListedFactor| format!("{} at {}", visible(&factor.serial), visible(&factor.node));
    [
        session.key.chars().take(SHORT_KEY_DIGITS).collect(),
        visible(&session.kind),
        visible(&session.user),
        visible(&session.realm),
        visible(&session.master),
        session.client.to_string(),
        session.level.to_string(),
        moment_text(session.created),
        moment_text(session.last_use),
        session.factors.iter().map(factor).collect::<Vec<_>>().join(", "),
    ]
}

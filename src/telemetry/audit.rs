//! Audit lines: who logged in, out, or became somebody else; and a sample of who was refused.
//!
//! Lines go through a bounded queue to one writer thread, so a slow disk never slows a decision. A
//! login waits for its place in the queue and fails closed without one; a denial is dropped and
//! counted instead (SEMANTICS D7).

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;

use crate::domain::decision::Reason;
use crate::domain::time::Timestamp;

/// Lines that may wait for the disk.
const QUEUE_LINES: usize = 4096;
/// How long a login waits for a place in the queue.
const QUEUE_DEADLINE: Duration = Duration::from_millis(500);
/// Denials that are written in one second; the rest is counted.
const DENIALS_PER_SECOND: u64 = 10;

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct AuditLine {
    /// Milliseconds since the epoch.
    pub time_ms: u64,
    /// What happened: `login`, `logout`, `switch`, `displaced`, `factor`, `denial`, `session_end`, `token_add` and its like.
    pub event: &'static str,
    /// The exact reason of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The user, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What `trace_name` calls the user, if that is another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_name: Option<String>,
    /// The user that a switch replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_user: Option<String>,
    /// The master that asserted the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The realm, if not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// The client's address, or the asking peer's if the client is not known; a unix socket's has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The session's short form; no cookie can be made from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The MFA node that accepted a second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The serial of the token, in the node's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What was asked about: method, host and path, never the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// How many sessions ended, where it may be more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// What the person was shown to quote: the proxy's request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The place of the rule in `config.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl AuditLine {
    /// A line with nothing but a time and an event.
    #[must_use]
    pub const fn new(event: &'static str, now: Timestamp) -> Self {
        Self {
            time_ms: now.as_millis(),
            event,
            reason: None,
            user: None,
            trace_name: None,
            previous_user: None,
            master: None,
            realm: None,
            client: None,
            session: None,
            node: None,
            token: None,
            request: None,
            sessions: None,
            reference: None,
            rule: None,
        }
    }
}

/// The queue is full and stayed so: what was to be audited must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct AuditFailed;

/// The way to the writer.
#[derive(Debug)]
pub struct Audit {
    queue: mpsc::Sender<AuditLine>,
    /// Second of the current sample in the upper bits, lines in it in the lower 16.
    sample: AtomicU64,
}

/// A place in the queue; dropping it unused leaves no line.
#[derive(Debug)]
pub struct Place<'a>(mpsc::Permit<'a, AuditLine>);

impl Place<'_> {
    /// Writes the line of the change that has happened.
    pub fn write(self, line: AuditLine) {
        self.0.send(line);
    }
}

/// The writer thread; joined at shutdown so that no line is lost.
#[derive(Debug)]
pub struct AuditWriter(std::thread::JoinHandle<()>);

impl Audit {
    /// Opens the audit file (created 0600), or the log if there is none, and starts the writer.
    ///
    /// # Errors
    /// The file cannot be opened or the thread not started: refuse to start.
    pub fn open(path: Option<&Path>) -> std::io::Result<(Self, AuditWriter)> {
        let mut file = path.map(open_private).transpose()?.map(BufWriter::new);
        let (queue, mut lines) = mpsc::channel::<AuditLine>(QUEUE_LINES);
        let writer = std::thread::Builder::new().name("audit".into()).spawn(move || {
            while let Some(line) = lines.blocking_recv() {
                let idle = lines.is_empty();
                if let Err(error) = write_line(file.as_mut(), &line, idle) {
                    tracing::error!(%error, "audit line could not be written; closing the audit log");
                    // Dropping the receiver makes every login fail closed, as it must.
                    return;
                }
            }
        })?;
        Ok((Self { queue, sample: AtomicU64::new(0) }, AuditWriter(writer)))
    }

    /// Reserves the place of a line about a state change that is about to happen.
    ///
    /// # Errors
    /// No place within half a second, or the writer is gone: do not let the change happen.
    pub async fn reserve(&self) -> Result<Place<'_>, AuditFailed> {
        match tokio::time::timeout(QUEUE_DEADLINE, self.queue.reserve()).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            Ok(Err(_)) | Err(_) => Err(AuditFailed),
        }
    }

    /// Queues a line about a denial if this second's sample has room; `make` is called only then.
    /// Returns whether the line was queued.
    pub fn denial(
        &self,
        now: Timestamp,
        reason: Reason,
        make: impl FnOnce(&mut AuditLine),
    ) -> bool {
        if !self.sampled(now.as_seconds()) {
            return false;
        }
        let mut line = AuditLine::new("denial", now);
        line.reason = Some(reason.as_str());
        make(&mut line);
        self.queue.try_send(line).is_ok()
    }

    fn sampled(&self, second: u64) -> bool {
        let taken = self.sample.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sample| {
            let (current, lines) = (sample >> 16, sample & 0xffff);
            match (current == second, lines < DENIALS_PER_SECOND) {
                (true, true) => Some(sample + 1),
                (true, false) => None,
                (false, _) => Some(second << 16 | 1),
            }
        });
        taken.is_ok()
    }
}

#[cfg(test)]
impl Audit {
    /// A log whose writer has stopped.
    #[must_use]
    pub fn broken() -> Self {
        Self { queue: mpsc::channel(1).0, sample: AtomicU64::new(0) }
    }
}

impl AuditWriter {
    /// Waits until every queued line is written. Drop the [`Audit`] first.
    pub fn finish(self) {
        // A writer that panicked has nothing left to wait for.
        let _ = self.0.join();
    }
}

fn open_private(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_line(
    file: Option<&mut BufWriter<File>>,
    line: &AuditLine,
    flush: bool,
) -> std::io::Result<()> {
    let Some(file) = file else {
        log_line(line);
        return Ok(());
    };
    let json = serde_json::to_string(line).map_err(std::io::Error::other)?;
    writeln!(file, "{json}")?;
    if flush { file.flush() } else { Ok(()) }
}

/// The line as a log event; fields that it does not have are left out.
fn log_line(line: &AuditLine) {
    tracing::info!(
        target: "vouchsafe::audit",
        event = line.event,
        reason = line.reason,
        user = line.user.as_deref(),
        trace_name = line.trace_name.as_deref(),
        previous_user = line.previous_user.as_deref(),
        master = line.master.as_deref(),
        realm = line.realm.as_deref(),
        client = line.client.map(tracing::field::display),
        session = line.session.as_deref(),
        node = line.node.as_deref(),
        token = line.token.as_deref(),
        request = line.request.as_deref(),
        sessions = line.sessions,
        reference = line.reference.as_deref(),
        rule = line.rule.as_deref(),
        "{} {}",
        line.event,
        line.reason.or(line.user.as_deref()).or(line.token.as_deref()).unwrap_or_default(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_json_objects_in_order_and_none_is_lost_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (audit, writer) = Audit::open(Some(&path)).unwrap();
        for at in 0..50 {
            let mut line = AuditLine::new("login", Timestamp::from_millis(at));
            line.user = Some("dwho\n{}\"".into());
            audit.reserve().await.unwrap().write(line);
        }
        drop(audit);
        writer.finish();
        let text = std::fs::read_to_string(&path).unwrap();
        let times: Vec<u64> = text
            .lines()
            .map(|l| {
                serde_json::from_str::<serde_json::Value>(l).unwrap()["time_ms"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(times, (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn denials_are_sampled_by_the_second() {
        let (audit, _writer) = Audit::open(None).unwrap();
        let count = |second: u64| {
            let now = Timestamp::from_millis(second * 1000);
            (0..100).filter(|_| audit.denial(now, Reason::RuleDenied, |_| {})).count() as u64
        };
        assert_eq!(count(7), DENIALS_PER_SECOND);
        assert_eq!(count(7), 0);
        assert_eq!(count(8), DENIALS_PER_SECOND);
    }

    #[tokio::test]
    async fn without_a_writer_a_state_change_fails_closed() {
        let audit = Audit::broken();
        assert_eq!(audit.reserve().await.map(drop), Err(AuditFailed));
    }
}

//! Careful writes: carried out by the primary, then waited for until replicas have them.
//!
//! `WAIT` blocks its connection, so it has one of its own, and whatever comes meanwhile waits together: one `WAIT`
//! for all of them. Must not know: what is written.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::store::redis::connection::Connection;
use crate::store::redis::fault::Fault;
use crate::store::redis::script::has_written;

/// How many writes wait together at most.
const GROUP: usize = 128;

/// How many writes may wait for the next group; more wait in front of the door.
const QUEUE: usize = 1024;

/// What a primary answered, and how many replicas had it in time.
pub(super) type Kept = (Value, u64);

/// A write on its way.
struct Job {
    command: Cmd,
    replicas: u16,
    reply: oneshot::Sender<Result<Kept, Fault>>,
}

/// The lane of one primary; it ends with this.
#[derive(Debug)]
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
    task: AbortHandle,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lane {
    /// A lane over `connection`, on which replicas have `wait` to answer.
    pub(super) fn start(connection: Connection, wait: Duration) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        Self { jobs, task: tokio::spawn(run(connection, queue, wait)).abort_handle() }
    }

    /// Has `command` carried out and waits for so many replicas. Whoever stops waiting before it was sent takes it
    /// back.
    pub(super) async fn write(&self, command: Cmd, replicas: u16) -> Result<Kept, Fault> {
        let (reply, answer) = oneshot::channel();
        let gone = || Fault::Broken(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        self.jobs.send(Job { command, replicas, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn run(connection: Connection, mut queue: mpsc::Receiver<Job>, wait: Duration) {
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        group.retain(|job| !job.reply.is_closed());
        let mut commands = redis::pipe();
        commands.ignore_errors();
        let mut waiting = Vec::with_capacity(group.len());
        for Job { command, replicas, reply } in group.drain(..) {
            commands.add_command(command);
            waiting.push((replicas, reply));
        }
        if !waiting.is_empty() {
            write(&connection, &commands, waiting, wait).await;
        }
    }
}

/// Has a group carried out, and answers all of it.
async fn write(
    connection: &Connection,
    commands: &Pipeline,
    waiting: Vec<(u16, oneshot::Sender<Result<Kept, Fault>>)>,
    wait: u64,
) {
    // Who does not wait any more needs no answer: that is what is ignored here whenever one is sent.
    let answers: RedisResult<Vec<RedisResult<Value>>> =
        commands.query_async(&mut connection.commands.clone()).await;
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => {
            for (_, reply) in waiting {
                let _ = reply.send(Err(error.clone().into()));
            }
            return;
        }
    };
    let mut written = Vec::with_capacity(waiting.len());
    for ((replicas, reply), answer) in waiting.into_iter().zip(answers) {
        match answer {
            Ok(value) if has_written(&value) => written.push((replicas, reply, value)),
            // Nothing was written that a replica could have.
            Ok(value) => drop(reply.send(Ok((value, u64::MAX)))),
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }
    let Some(replicas) = written.iter().map(|(replicas, ..)| *replicas).max() else { return };
    let mut question = redis::cmd("WAIT");
    question.arg(replicas).arg(wait);
    // It fails where the primary is deposed meanwhile: then nobody knows of any replica.
    let had = question.query_async::<u64>(&mut connection.commands.clone()).await.unwrap_or(0);
    for (_, reply, value) in written {
        let _ = reply.send(Ok((value, had)));
    }
}

//! Records in Redis or Valkey: one server, one that sentinels watch, or a cluster; shared by many nodes.
//!
//! Every change is a script, so it happens whole and only if its conditions hold, however many nodes try. Careful
//! writes are acknowledged when replicas have them. What is live is decided by `now` and the record alone: the clocks
//! of the servers only free memory. Must not know: what a record means, which clock `now` comes from.

mod beat;
mod connection;
mod core;
mod endings;
mod fault;
mod finder;
mod hearing;
mod keeper;
mod lane;
mod link;
mod names;
mod pages;
mod script;
pub mod settings;
mod value;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::redis::{Cmd, Value};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::domain::time::Timestamp;
use crate::store::invalidation::Channel;
pub use crate::store::redis::core::Now;
use crate::store::redis::core::{Core, Followed, Table, Tallies};
use crate::store::redis::endings::Endings;
use crate::store::redis::fault::{Failure, Fault};
use crate::store::redis::hearing::Hearing;
use crate::store::redis::keeper::Keeper;
use crate::store::redis::link::Link;
use crate::store::redis::names::Names;
use crate::store::redis::script::{Scripts, stored};
use crate::store::redis::settings::{Invalidation, Place, RedisSettings, Servers};
use crate::store::{
    Applied, Assurance, Index, Key, Partition, Record, StoreError, Write, partition_of,
    refuse_oversized,
};

/// How often a call follows a partition that moves from one server of a cluster to another.
const MOVES: usize = 4;

/// Records in Redis. Dropping it closes the connections.
#[derive(Debug)]
pub struct RedisStore {
    core: Arc<Core>,
    channel: Arc<Channel>,
    tables: watch::Receiver<Arc<Table>>,
    keeper: AbortHandle,
}

/// What is seen of the servers, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Primaries that are connected.
    pub primaries: u64,
    /// Whether changes by other nodes are heard of.
    pub is_heard: bool,
    /// How often a primary was connected to.
    pub connections: u64,
    /// How often hearing was lost.
    pub losses: u64,
    /// Endings that were written again on a primary that may have missed them.
    pub replayed: u64,
}

/// The writes of a batch that one script applies, and their places in the batch.
struct Part<'a> {
    partition: Partition,
    writes: Vec<&'a Write>,
    places: Vec<usize>,
}

/// What a server said.
struct Answer {
    value: Value,
    /// Whether as many replicas have heard of it as were to.
    is_confirmed: bool,
    place: Place,
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl RedisStore {
    /// Begins to connect and returns at once: the servers need not be there yet. `now` is the clock that changes are
    /// heard by. Must run inside a tokio runtime, which the connections live in.
    #[must_use]
    pub fn open(settings: RedisSettings, now: Now) -> Self {
        let names = Names::new(settings.prefix.clone());
        let publishes = settings.invalidation == Invalidation::PubSub;
        let channel = Arc::new(Channel::unconfirmed(settings.heartbeat.lease()));
        let core = Arc::new(Core {
            scripts: Scripts::new(names.clone(), publishes.then(|| names.changes())),
            hearing: Arc::new(Hearing::new(Arc::clone(&channel), names.clone())),
            endings: Endings::default(),
            tallies: Tallies::default(),
            followed: Followed::default(),
            names,
            settings,
            now,
        });
        let (sender, tables) = watch::channel(Arc::default());
        let keeper = tokio::spawn(Keeper::new(Arc::clone(&core), sender).keep()).abort_handle();
        Self { core, channel, tables, keeper }
    }

    /// How changes by others are heard of.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// What is seen of the servers, for operators.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let table = self.tables.borrow();
        let is_here = |link: &&Arc<Link>| !link.pulse.is_gone();
        Seen {
            primaries: table.links.iter().filter(is_here).count() as u64,
            is_heard: self.channel.epoch().is_confirmed(),
            connections: self.core.tallies.connections.load(Ordering::Relaxed),
            losses: self.core.hearing.losses(),
            replayed: self.core.tallies.replayed.load(Ordering::Relaxed),
        }
    }

    /// The live record under `key`, if any.
    ///
    /// # Errors
    /// `Unavailable`: nothing is known about it. `Corrupt`: what is there is no record.
    pub async fn get(&self, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let mut command = ::redis::cmd("GET");
        command.arg(self.core.names.record(&key));
        let [partition, ..] = key;
        let answer = self.call(partition, &command, None, now).await?;
        let stored = stored(&answer.value).map_err(|fault| self.failed(fault, &answer.place))?;
        Ok(stored.map(|(record, _)| record).filter(|record| record.expires > now))
    }

    /// The keys of the live records of this index, in no order, as they are at one moment.
    ///
    /// # Errors
    /// As [`RedisStore::get`].
    pub async fn members(&self, index: Index, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        let command = self.core.scripts.members(index, now);
        let answer = self.call(partition_of(index), &command, None, now).await?;
        Scripts::found(answer.value).map_err(|fault| self.failed(fault, &answer.place))
    }

    /// Applies all writes or none; in a cluster, all those of one partition or none, in the order of the batch.
    ///
    /// # Errors
    /// `Unavailable`: nobody can say whether it was written. `Unconfirmed`: it was, and may be lost. `Full`: it was
    /// not, as there is no memory left.
    pub async fn apply(
        &self,
        batch: Vec<Write>,
        assurance: Assurance,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        refuse_oversized(&batch)?;
        let parts = self.parts(&batch)?;
        let remembering =
            (assurance == Assurance::Ending).then(|| self.core.endings.remember(&batch, now));
        let timeout = self.core.settings.timeout;
        let applying = self.apply_parts(&parts, batch.len(), assurance, now);
        let applied = match tokio::time::timeout(timeout, applying).await {
            Ok(applied) => applied,
            Err(_) => Err(Failure::Long(timeout).into()),
        };
        if let Some(remembering) = remembering {
            match &applied {
                Ok(Applied::Done(_)) => self.core.endings.kept(remembering),
                Ok(Applied::Conflict { .. }) => self.core.endings.forget(remembering),
                // Perhaps it was written, and perhaps it is lost: it is written again.
                Err(_) => {}
            }
        }
        applied
    }

    async fn apply_parts(
        &self,
        parts: &[Part<'_>],
        writes: usize,
        assurance: Assurance,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let mut revisions = vec![0; writes];
        let mut is_confirmed = true;
        for part in parts {
            let (applied, is_part_confirmed) = self.apply_part(part, assurance, now).await?;
            is_confirmed &= is_part_confirmed;
            match applied {
                Applied::Done(done) => {
                    for (&place, revision) in part.places.iter().zip(done) {
                        if let Some(written) = revisions.get_mut(place) {
                            *written = revision;
                        }
                    }
                }
                Applied::Conflict { index, current } => {
                    let index = part.places.get(index).copied().unwrap_or(index);
                    return Ok(Applied::Conflict { index, current });
                }
            }
        }
        if is_confirmed { Ok(Applied::Done(revisions)) } else { Err(StoreError::Unconfirmed) }
    }

    /// What one script each can apply.
    fn parts<'a>(&self, batch: &'a [Write]) -> Result<Vec<Part<'a>>, StoreError> {
        let in_cluster = matches!(self.core.settings.servers, Servers::Cluster(_));
        let mut parts: Vec<Part<'a>> = Vec::new();
        for (place, write) in batch.iter().enumerate() {
            let [partition, ..] = write.key;
            let index = write.index.filter(|_| write.value.is_some()).map(partition_of);
            if let Some(index) = index.filter(|&index| in_cluster && index != partition) {
                return Err(Failure::ForeignIndex { record: partition, index }.into());
            }
            match parts.iter_mut().find(|part| !in_cluster || part.partition == partition) {
                Some(part) => {
                    part.writes.push(write);
                    part.places.push(place);
                }
                None => {
                    parts.push(Part { partition, writes: vec![write], places: vec![place] });
                }
            }
        }
        Ok(parts)
    }

    async fn apply_part(
        &self,
        part: &Part<'_>,
        assurance: Assurance,
        now: Timestamp,
    ) -> Result<(Applied, bool), StoreError> {
        let ends = assurance == Assurance::Ending;
        let command = self.core.scripts.apply(&part.writes, ends, now);
        let answer = self.call(part.partition, &command, Some(assurance), now).await?;
        let applied = Scripts::applied(answer.value);
        let applied = applied.map_err(|fault| self.failed(fault, &answer.place))?;
        Ok((applied, answer.is_confirmed))
    }

    /// Has the server of a partition carry out a command, within the deadline, wherever the partition is; a write, as
    /// carefully as it has to be.
    async fn call(
        &self,
        partition: Partition,
        command: &Cmd,
        write: Option<Assurance>,
        now: Timestamp,
    ) -> Result<Answer, StoreError> {
        let mut asked = None;
        let following = self.follow(partition, command, write, now, &mut asked);
        match tokio::time::timeout(self.core.settings.timeout, following).await {
            Ok(answer) => answer,
            Err(_) => match asked {
                Some(place) => {
                    self.core.hearing.look();
                    Err(self.failed(Fault::Late, &place))
                }
                None => Err(down(&self.tables.borrow())),
            },
        }
    }

    async fn follow(
        &self,
        partition: Partition,
        command: &Cmd,
        write: Option<Assurance>,
        now: Timestamp,
        asked: &mut Option<Place>,
    ) -> Result<Answer, StoreError> {
        let mut tables = self.tables.clone();
        for _ in 0..MOVES {
            let table = self.table(&mut tables).await;
            let link = Arc::clone(table.link(partition).ok_or_else(|| down(&table))?);
            *asked = Some(link.place.clone());
            let replicas = match write {
                None | Some(Assurance::Renewable) => 0,
                Some(Assurance::Confirmed | Assurance::Ending) => link.replicas(now),
            };
            match carry_out(&link, command, replicas, false).await {
                Ok((value, is_confirmed)) => {
                    return Ok(Answer { value, is_confirmed, place: link.place.clone() });
                }
                Err(Fault::Ask(target)) => {
                    let place = target.as_ref().unwrap_or(&link.place);
                    let target = table.links.iter().find(|link| link.place == *place);
                    let target = target.ok_or_else(|| self.failed(Fault::Answer, place))?;
                    let answer = carry_out(target, command, replicas, true).await;
                    let (value, is_confirmed) = answer.map_err(|f| self.failed(f, place))?;
                    return Ok(Answer { value, is_confirmed, place: place.clone() });
                }
                // The task that watches was told; it says when it has looked.
                Err(Fault::Moved) => {
                    if tables.changed().await.is_err() {
                        break;
                    }
                }
                Err(fault) => return Err(self.failed(fault, &link.place)),
            }
        }
        Err(Failure::Wandering(partition).into())
    }

    fn failed(&self, fault: Fault, place: &Place) -> StoreError {
        fault.at(place, self.core.settings.timeout)
    }

    /// Who has what; waits for the first look at the servers, which begins with the process.
    async fn table(&self, tables: &mut watch::Receiver<Arc<Table>>) -> Arc<Table> {
        match tables.wait_for(|table| table.why.is_some()).await {
            Ok(table) => Arc::clone(&table),
            Err(_) => Arc::default(),
        }
    }
}

fn down(table: &Table) -> StoreError {
    let why = table.why.clone().filter(|why| !why.is_empty());
    Failure::Down(why.unwrap_or_else(|| "the connection to Redis is being made anew".into())).into()
}

/// Has a server carry out a command, and know the scripts first if it does not; says whether so many replicas had it
/// in time.
async fn carry_out(
    link: &Link,
    command: &Cmd,
    replicas: u16,
    asking: bool,
) -> Result<(Value, bool), Fault> {
    match attempt(link, command, replicas, asking).await {
        Err(Fault::NoScript) => {
            link.load().await?;
            attempt(link, command, replicas, asking).await
        }
        answer => answer,
    }
}

async fn attempt(
    link: &Link,
    command: &Cmd,
    replicas: u16,
    asking: bool,
) -> Result<(Value, bool), Fault> {
    match (asking, replicas) {
        // On the way from one server to another it is not waited for.
        (true, _) => Ok((link.ask_asking(command).await?, replicas == 0)),
        (false, 0) => Ok((link.ask(command).await?, true)),
        (false, _) => {
            let (value, had) = link.write(command.clone(), replicas).await?;
            Ok((value, had >= replicas.into()))
        }
    }
}

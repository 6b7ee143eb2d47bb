//! Keeps the connections: one task that watches the primaries, finds new ones, and says whether changes are heard of.
//!
//! Callers never connect: while a primary is gone they fail at once, so that nobody storms it when it comes back.
//! The order on a new connection: changes are heard of, what was ended lately is written again, then callers may use
//! it, then copies may be believed. Must not know: what records mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::domain::time::Timestamp;
use crate::store::redis::beat::{Share, View};
use crate::store::redis::core::{Core, Table};
use crate::store::redis::finder::Finder;
use crate::store::redis::link::{Link, Lost};
use crate::store::redis::names::PARTITIONS;
use crate::store::redis::settings::{Place, Servers};
use crate::store::{Partition, Write};

/// How long it is waited before the next attempt, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How many endings are written again in one script.
const REPLAYED: usize = 256;

/// Who answered for a partition the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Served {
    Nobody,
    /// A server that may be any: it does not say who it is.
    Somebody,
    Run(Box<str>),
}

/// The task's memory.
pub(super) struct Keeper {
    core: Arc<Core>,
    tables: watch::Sender<Arc<Table>>,
    finder: Finder,
    links: Vec<(Arc<Link>, Vec<Partition>)>,
    served: Vec<Served>,
    pause: Duration,
    /// What the log says is wrong.
    said: BTreeMap<Option<Place>, String>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // However it ended: nobody watches any more.
        self.core.hearing.lose();
    }
}

impl Keeper {
    pub(super) fn new(core: Arc<Core>, tables: watch::Sender<Arc<Table>>) -> Self {
        Self {
            core,
            tables,
            finder: Finder::default(),
            links: Vec::new(),
            served: vec![Served::Nobody; PARTITIONS],
            pause: PAUSES.0,
            said: BTreeMap::new(),
        }
    }

    /// Watches until it is aborted.
    #[expect(clippy::infinite_loop, reason = "a background task; it ends by being aborted")]
    pub(super) async fn keep(mut self) {
        loop {
            let is_well = self.round().await;
            let every = self.core.settings.heartbeat.every;
            let pause = if is_well {
                self.pause = PAUSES.0;
                every
            } else {
                let pause = jittered(self.pause);
                self.pause = (self.pause * 2).min(PAUSES.1);
                // Those that are connected are to be watched no less often.
                if self.links.is_empty() { pause } else { pause.min(every) }
            };
            // Whoever is in trouble may have the next round begin; nobody can make them follow each other faster than
            // the servers answer.
            let _ = tokio::time::timeout(pause, self.core.hearing.asked_to_look()).await;
        }
    }

    /// Looks at all primaries once; says whether all is well.
    async fn round(&mut self) -> bool {
        let at = (self.core.now)();
        let mut trouble: BTreeMap<Option<Place>, String> = BTreeMap::new();
        let connected = self.links.len();
        let views = self.beat().await;
        let is_well = connected > 0 && connected == self.links.len();
        match self.finder.find(&self.core, views, is_well, at).await {
            Ok(shares) => {
                if self.reconcile(shares, at, &mut trouble).await {
                    self.look_again(&mut trouble).await;
                }
            }
            Err(error) => {
                trouble.insert(None, chain(&error));
                self.links.drain(..).for_each(|(link, _)| self.core.hearing.lost(&link.pulse));
            }
        }
        let why = trouble.values().map(String::as_str).collect::<Vec<_>>().join("; ");
        let table = Arc::new(Table::new(&self.links, &why));
        let is_whole = table.is_whole();
        self.tables.send_replace(table);
        let pulses = self.links.iter().map(|(link, _)| &*link.pulse);
        let confirmed = is_whole && self.core.hearing.confirm(pulses, at);
        if confirmed {
            self.core.endings.prune(at);
        } else {
            self.core.hearing.lose();
        }
        self.say(trouble);
        confirmed
    }

    /// Asks everybody how they are, and parts with those that are not well.
    async fn beat(&mut self) -> Vec<View> {
        let beats = join_all(self.links.iter().map(|(link, _)| async {
            // What a call has found out already need not be asked.
            if link.pulse.is_gone() {
                Err(Lost::Broken(link.place.clone()))
            } else {
                link.beat().await
            }
        }))
        .await;
        let mut views = Vec::new();
        let links = std::mem::take(&mut self.links);
        for ((link, partitions), beat) in links.into_iter().zip(beats) {
            match beat {
                Ok(view) => {
                    views.extend(view);
                    self.links.push((link, partitions));
                }
                Err(error) => {
                    self.core.hearing.lost(&link.pulse);
                    let (place, error) = (&link.place, chain(&error));
                    tracing::warn!(%place, error, "parted from Redis at {place}: {error}");
                }
            }
        }
        views
    }

    /// Asks once more who the primaries are, after connecting: that may have taken as long as a failover, and the
    /// one that was left behind takes connections like any other.
    async fn look_again(&mut self, trouble: &mut BTreeMap<Option<Place>, String>) {
        let now = (self.core.now)();
        let why = match self.finder.find(&self.core, Vec::new(), false, now).await {
            Ok(shares) => {
                let is_one = |link: &Link| shares.iter().any(|share| share.place == link.place);
                if self.links.iter().all(|(link, _)| is_one(link)) {
                    return;
                }
                "another primary was chosen meanwhile".to_owned()
            }
            Err(error) => chain(&error),
        };
        trouble.insert(None, why);
        self.links.drain(..).for_each(|(link, _)| self.core.hearing.lost(&link.pulse));
    }

    /// Has exactly these primaries connected, as far as they can be; says whether any is new.
    async fn reconcile(
        &mut self,
        shares: Vec<Share>,
        now: Timestamp,
        trouble: &mut BTreeMap<Option<Place>, String>,
    ) -> bool {
        let mut old = std::mem::take(&mut self.links);
        let mut missing = Vec::new();
        for share in shares {
            match old.iter().position(|(link, _)| link.place == share.place) {
                Some(place) => self.links.push((old.swap_remove(place).0, share.partitions)),
                None => missing.push(share),
            }
        }
        for (link, _) in &old {
            self.core.hearing.lost(&link.pulse);
        }
        let is_new = !missing.is_empty();
        if is_new {
            // Other primaries than before: until all of them are heard, some changes are not.
            self.core.hearing.lose();
        }
        let opening = missing.into_iter().map(|share| self.open(share, now));
        for (share, opened) in join_all(opening).await {
            match opened {
                Ok(link) => {
                    trouble.remove(&Some(share.place));
                    self.links.push((Arc::new(link), share.partitions));
                }
                Err(error) => {
                    trouble.insert(Some(share.place), chain(&error));
                }
            }
        }
        for (link, partitions) in &self.links {
            let run = link.introduction.run.clone();
            let served = run.map_or(Served::Somebody, Served::Run);
            for &partition in partitions {
                if let Some(place) = self.served.get_mut(usize::from(partition)) {
                    place.clone_from(&served);
                }
            }
        }
        is_new
    }

    async fn open(&self, share: Share, now: Timestamp) -> (Share, Result<Link, Lost>) {
        let link = match Link::open(&share.place, &self.core).await {
            Ok(link) => link,
            Err(error) => return (share, Err(error)),
        };
        let opened = self.replay(&link, &share.partitions, now).await;
        let opened = opened.map(|replayed| {
            let place = &link.place;
            self.core.tallies.connections.fetch_add(1, Ordering::Relaxed);
            self.core.tallies.replayed.fetch_add(replayed as u64, Ordering::Relaxed);
            tracing::info!(%place, "connected to Redis at {place}");
            if replayed > 0 {
                tracing::warn!(%place, replayed, "{replayed} endings of the last minute were written again at {place}, which may not have had them");
            }
            if let Some(policy) = &link.introduction.eviction {
                tracing::warn!(%place, policy, "Redis at {place} evicts live sessions when it is full; set `maxmemory-policy noeviction` there");
            }
            link
        });
        (share, opened)
    }

    /// Writes again what was ended lately, if it may not have arrived there; says how many writes those were.
    async fn replay(
        &self,
        link: &Link,
        partitions: &[Partition],
        now: Timestamp,
    ) -> Result<usize, Lost> {
        let is_same = |partition: &Partition| {
            let served = self.served.get(usize::from(*partition));
            matches!((served, &link.introduction.run), (Some(Served::Run(before)), Some(run)) if before == run)
        };
        let all = !partitions.iter().all(is_same);
        let mut writes = self.core.endings.again(all, now);
        let partition = |write: &Write| {
            let [partition, ..] = write.key;
            partition
        };
        writes.retain(|write| partitions.contains(&partition(write)));
        // In a cluster, a script may touch one partition only; the order within each is kept.
        let in_cluster = matches!(self.core.settings.servers, Servers::Cluster(_));
        if in_cluster {
            writes.sort_by_key(partition);
        }
        let refused = |fault| Lost::Replay(link.place.clone(), format!("{fault:?}").into());
        for group in writes.chunk_by(|a, b| !in_cluster || partition(a) == partition(b)) {
            for some in group.chunks(REPLAYED) {
                let some: Vec<_> = some.iter().collect();
                let command = self.core.scripts.apply(&some, true, now);
                let asking = link.ask(&command);
                let deadline = self.core.settings.timeout;
                let late = |_| Lost::Late(link.place.clone(), deadline);
                tokio::time::timeout(deadline, asking).await.map_err(late)?.map_err(refused)?;
            }
        }
        Ok(writes.len())
    }

    /// Says in the log what is wrong and was not before.
    fn say(&mut self, trouble: BTreeMap<Option<Place>, String>) {
        for (place, why) in &trouble {
            if self.said.get(place) != Some(why) {
                tracing::warn!(error = %why, "the session store is not wholly reachable: {why}");
            }
        }
        self.said = trouble;
    }
}

/// Between half of `pause` and all of it, so that nodes do not come in step.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without randomness they come in step, which is no reason to stop.
    let _ = getrandom::fill(&mut random);
    let [byte] = random;
    pause / 2 + pause * u32::from(byte) / 510
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

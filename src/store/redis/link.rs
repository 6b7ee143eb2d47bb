//! The connections to one primary: for quick calls, for careful writes, and to hear of changes.
//!
//! They live and die together: whoever finds one of them broken has all of them made anew. Must not know: which
//! other servers there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, Value};

use crate::domain::time::Timestamp;
use crate::store::redis::beat::{self, Role, View, field};
use crate::store::redis::connection::{ConnectError, Connection, Greeting};
use crate::store::redis::core::Core;
use crate::store::redis::fault::{Fault, Said};
use crate::store::redis::hearing::Pulse;
use crate::store::redis::lane::{Kept, Lane};
use crate::store::redis::settings::{Invalidation, Place, Replicas, Servers};

/// How long a replica is counted on after it was seen.
const REPLICA_SEEN: Duration = Duration::from_secs(60);

/// Why a server is not one to speak with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("Redis at {0} did not answer within {1:?}")]
    Late(Place, Duration),
    #[error("the connection to Redis at {0} broke")]
    Broken(Place),
    #[error("Redis at {0} does not take what has to be said first")]
    Refused(Place, #[source] Said),
    #[error("Redis at {0} is a replica of {1}; name the primary, or use `sentinel` or `urls`")]
    Replica(Place, String),
    #[error("{0} is no Redis server that holds data; is it a sentinel?")]
    Other(Place),
    #[error(
        "Redis at {0} says that its cluster is down: parts of it are missing, or it is apart from most of it"
    )]
    Apart(Place),
    #[error("what was ended lately could not be written again at {0}: {1}")]
    Replay(Place, Box<str>),
    #[error("Redis at {0} is no server of a cluster; use `url` for a single one")]
    NoCluster(Place),
}

/// What a server said of itself.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    /// A name that it has until it is restarted; `None` if it does not tell us.
    pub(super) run: Option<Box<str>>,
    /// Why it may throw our records away, if it does.
    pub(super) eviction: Option<Box<str>>,
}

/// A primary that is connected.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) place: Place,
    pub(super) pulse: Arc<Pulse>,
    pub(super) introduction: Introduction,
    quick: Connection,
    ear: Connection,
    lane: Lane,
    /// When a replica was seen for the last time, in milliseconds; 0 for never.
    replica_seen: Arc<AtomicU64>,
    core: Arc<Core>,
}

impl Link {
    /// Connects to the primary at `place`, so that its changes are heard of before anything is read.
    pub(super) async fn open(place: &Place, core: &Arc<Core>) -> Result<Self, Lost> {
        let settings = &core.settings;
        let deadline = settings.timeout.max(settings.heartbeat.deadline);
        let greeting = Greeting { account: &settings.account, database: settings.database };
        let pulse = Arc::new(Pulse::default());
        let pushes = core.hearing.pushes(&pulse);
        let ear = Connection::open(place, settings, &greeting, deadline, Some(pushes)).await?;
        let silent = None::<fn(redis::PushInfo) -> Result<(), std::convert::Infallible>>;
        let quick = Connection::open(place, settings, &greeting, deadline, silent).await?;
        let careful = Connection::open(place, settings, &greeting, deadline, silent).await?;
        let lane = Lane::start(careful, settings.timeout * 2 / 5);
        let mut link = Self {
            place: place.clone(),
            pulse,
            introduction: Introduction::default(),
            quick,
            ear,
            lane,
            replica_seen: core.followed.last(place),
            core: Arc::clone(core),
        };
        let late = |_| Lost::Late(place.clone(), deadline);
        tokio::time::timeout(deadline, link.introduce()).await.map_err(late)??;
        Ok(link)
    }

    async fn introduce(&mut self) -> Result<(), Lost> {
        let refused = |error| Lost::Refused(self.place.clone(), Said(error));
        self.beat().await?;
        let core = &self.core;
        let mut ear = self.ear.commands.clone();
        match core.settings.invalidation {
            Invalidation::Tracking => {
                let mut track = redis::cmd("CLIENT");
                track.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX");
                track.arg(core.names.records());
                track.exec_async(&mut ear).await.map_err(refused)?;
            }
            Invalidation::PubSub => {
                ear.subscribe(core.names.changes()).await.map_err(refused)?;
            }
        }
        self.load().await.map_err(refused)?;
        let mut quick = self.quick.commands.clone();
        // It may be forbidden: then every connection may be one to another server.
        let info: RedisResult<Value> = redis::cmd("INFO").query_async(&mut quick).await;
        if let Some(info) = info.as_ref().ok().and_then(beat::text) {
            let limited = field(info, "maxmemory").is_some_and(|bytes| bytes != "0");
            let policy = field(info, "maxmemory_policy").filter(|policy| *policy != "noeviction");
            self.introduction = Introduction {
                run: field(info, "run_id").map(Into::into),
                eviction: policy.filter(|_| limited).map(Into::into),
            };
        }
        Ok(())
    }

    /// Asks how it is; what was pushed before the answer has been passed on when this returns.
    pub(super) async fn beat(&self) -> Result<Option<View>, Lost> {
        let (place, settings) = (&self.place, &self.core.settings);
        let in_cluster = matches!(settings.servers, Servers::Cluster(_));
        let mut commands = redis::pipe();
        commands.cmd("ROLE");
        if in_cluster {
            commands.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
        }
        let mut ear = self.ear.commands.clone();
        let asking = commands.query_async::<Vec<Value>>(&mut ear);
        let late = |_| Lost::Late(place.clone(), settings.heartbeat.deadline);
        let answers = tokio::time::timeout(settings.heartbeat.deadline, asking).await;
        let answers = answers.map_err(late)?.map_err(|error| match Fault::from(error) {
            Fault::Broken(_) => Lost::Broken(place.clone()),
            Fault::Refused(error) | Fault::Deposed(error) => {
                Lost::Refused(place.clone(), Said(error))
            }
            Fault::Full
            | Fault::NoScript
            | Fault::Moved
            | Fault::Ask(_)
            | Fault::Late
            | Fault::Answer
            | Fault::Damaged(_)
            | Fault::DamagedRecord(_) => Lost::Other(place.clone()),
        })?;
        match answers.first().map(beat::role) {
            Some(Role::Primary { has_replica }) => {
                if has_replica {
                    let now = (self.core.now)();
                    self.replica_seen.store(now.as_millis(), Ordering::Relaxed);
                }
            }
            Some(Role::Replica { of }) => return Err(Lost::Replica(place.clone(), of)),
            Some(Role::Other) | None => return Err(Lost::Other(place.clone())),
        }
        match (in_cluster, answers.get(1), answers.get(2)) {
            (false, ..) => Ok(None),
            (true, Some(info), Some(slots)) => match beat::view(info, slots, place) {
                Some(view) if view.is_good => Ok(Some(view)),
                Some(_) => Err(Lost::Apart(place.clone())),
                None => Err(Lost::NoCluster(place.clone())),
            },
            (true, ..) => Err(Lost::NoCluster(place.clone())),
        }
    }

    /// On how many replicas a careful write is to be.
    pub(super) fn replicas(&self, now: Timestamp) -> u16 {
        match self.core.settings.replicas {
            Replicas::Exactly(replicas) => replicas,
            Replicas::Auto => {
                let seen = self.replica_seen.load(Ordering::Relaxed);
                let lately = now.since(Timestamp::from_millis(seen)) <= REPLICA_SEEN;
                u16::from(seen != 0 && lately)
            }
        }
    }

    /// Has a command carried out.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Fault> {
        let mut quick = self.quick.commands.clone();
        command.query_async(&mut quick).await.map_err(|error| self.examined(error.into()))
    }

    /// As [`Link::ask`], for a partition that it is just being given.
    pub(super) async fn ask_asking(&self, command: &Cmd) -> Result<Value, Fault> {
        let mut commands = redis::pipe();
        commands.cmd("ASKING").ignore().add_command(command.clone());
        let answers = self.ask_all(&commands).await?;
        answers.into_iter().next().ok_or(Fault::Answer)
    }

    /// Has commands carried out; none of them may fail.
    pub(super) async fn ask_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Fault> {
        let mut quick = self.quick.commands.clone();
        commands.query_async(&mut quick).await.map_err(|error| self.examined(error.into()))
    }

    /// Has a write carried out, and waits for so many replicas; says how many had it in time.
    pub(super) async fn write(&self, command: Cmd, replicas: u16) -> Result<Kept, Fault> {
        self.lane.write(command, replicas).await.map_err(|fault| self.examined(fault))
    }

    /// Has it know the scripts.
    pub(super) async fn load(&self) -> RedisResult<()> {
        self.core.scripts.load().exec_async(&mut self.quick.commands.clone()).await
    }

    fn examined(&self, fault: Fault) -> Fault {
        match &fault {
            Fault::Broken(_) | Fault::Deposed(_) => self.core.hearing.lost(&self.pulse),
            Fault::Moved | Fault::Late => self.core.hearing.look(),
            Fault::Full
            | Fault::NoScript
            | Fault::Ask(_)
            | Fault::Refused(_)
            | Fault::Answer
            | Fault::Damaged(_)
            | Fault::DamagedRecord(_) => {}
        }
        fault
    }
}

//! Finds the primaries: one that is named, one that most sentinels name, or all those of a cluster.
//!
//! Whoever is apart from most of the others is not believed: beyond the cut another primary may take the writes, and
//! a logout there would not be known here. Must not know: what is asked of primaries.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;

use crate::domain::time::Timestamp;
use crate::store::Partition;
use crate::store::redis::beat::{self, Share, View};
use crate::store::redis::connection::{ConnectError, Connection, Greeting};
use crate::store::redis::core::Core;
use crate::store::redis::fault::Said;
use crate::store::redis::settings::{Account, Place, SentinelSettings, Servers};

/// How long what they said holds good while they are not reached: less than a failover takes them.
const GRACE: Duration = Duration::from_secs(2);

/// Why nobody knows who is to be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotFound {
    #[error(
        "of {of} sentinels {answered} answered, so nobody can say which server is the primary; start them, or check `sessions.store.urls`"
    )]
    Sentinels {
        answered: usize,
        of: usize,
        #[source]
        why: Option<ConnectError>,
    },
    #[error("most sentinels know no primary called '{0}'; check `sessions.store.sentinel.master`")]
    Unknown(Box<str>),
    #[error("the sentinels do not agree on a primary; waiting until they do")]
    Disagreement,
    #[error(
        "the sentinels have just made {0} the primary; waiting until all nodes have left the old one"
    )]
    JustChosen(Place),
    #[error("none of the cluster's servers can tell about it; are they running, and a cluster?")]
    Cluster(#[source] Option<ConnectError>),
}

/// What one sentinel said.
enum Word {
    Named(Place),
    Unknown,
    Silent(Option<ConnectError>),
}

/// Remembers whom it asked.
#[derive(Debug, Default)]
pub(super) struct Finder {
    sentinels: HashMap<Place, Connection>,
    /// What most sentinels said, and when.
    said: Option<(Place, Timestamp)>,
    /// What they say instead, and since when.
    chosen: Option<(Place, Timestamp)>,
    /// Every server of the cluster that was ever heard of.
    known: BTreeSet<Place>,
}

fn whole(place: Place) -> Vec<Share> {
    vec![Share { place, partitions: (0..=Partition::MAX).collect() }]
}

impl Finder {
    /// Who has which partition; `views` are what the connected servers of a cluster said just now, `is_well`
    /// says that nobody was lost.
    pub(super) async fn find(
        &mut self,
        core: &Core,
        views: Vec<View>,
        is_well: bool,
        now: Timestamp,
    ) -> Result<Vec<Share>, NotFound> {
        match &core.settings.servers {
            Servers::One(place) => Ok(whole(place.clone())),
            Servers::Sentinel(settings) => match self.ask_sentinels(core, settings).await {
                Ok(place) => self.accept(core, place, now).map(whole),
                Err(error) => match &self.said {
                    Some((place, at)) if is_well && now.since(*at) < GRACE => {
                        Ok(whole(place.clone()))
                    }
                    _ => Err(error),
                },
            },
            Servers::Cluster(seeds) => {
                let newest = views.into_iter().max_by_key(|view| view.epoch);
                let view = match newest {
                    Some(view) => view,
                    None => self.ask_cluster(core, seeds).await?,
                };
                self.known.extend(view.shares.iter().map(|share| share.place.clone()));
                Ok(view.shares)
            }
        }
    }

    /// Believes what most sentinels say; another primary than before only when every node has had time to hear of
    /// it: what is written there would be unknown to whoever still reads from the old one.
    fn accept(&mut self, core: &Core, place: Place, now: Timestamp) -> Result<Place, NotFound> {
        if self.said.as_ref().is_some_and(|(before, _)| *before != place) {
            let since = match &self.chosen {
                Some((chosen, since)) if *chosen == place => *since,
                Some(_) | None => now,
            };
            self.chosen = Some((place.clone(), since));
            if now.since(since) < core.settings.heartbeat.round() {
                return Err(NotFound::JustChosen(place));
            }
        }
        self.chosen = None;
        self.said = Some((place.clone(), now));
        Ok(place)
    }

    async fn ask_sentinels(
        &mut self,
        core: &Core,
        settings: &SentinelSettings,
    ) -> Result<Place, NotFound> {
        let asking = settings.places.iter().map(|place| {
            let connection = self.sentinels.remove(place);
            ask_sentinel(core, settings, place, connection)
        });
        let words = join_all(asking).await;
        let mut votes: HashMap<Place, usize> = HashMap::new();
        let (mut answered, mut unknown, mut why) = (0, 0, None);
        for (place, (word, connection)) in settings.places.iter().zip(words) {
            self.sentinels.extend(connection.map(|connection| (place.clone(), connection)));
            match word {
                Word::Named(place) => {
                    answered += 1;
                    *votes.entry(place).or_default() += 1;
                }
                Word::Unknown => {
                    answered += 1;
                    unknown += 1;
                }
                Word::Silent(error) => why = error.or(why),
            }
        }
        let of = settings.places.len();
        let most = |votes: usize| votes * 2 > of;
        if let Some((place, _)) = votes.into_iter().find(|(_, votes)| most(*votes)) {
            return Ok(place);
        }
        Err(if most(unknown) {
            NotFound::Unknown(settings.primary.clone())
        } else if most(answered) {
            NotFound::Disagreement
        } else {
            NotFound::Sentinels { answered, of, why }
        })
    }

    async fn ask_cluster(&self, core: &Core, seeds: &[Place]) -> Result<View, NotFound> {
        let places: BTreeSet<&Place> = seeds.iter().chain(&self.known).collect();
        let answers = join_all(places.into_iter().map(|place| ask_server(core, place))).await;
        let (mut newest, mut why) = (None::<View>, None);
        for answer in answers {
            match answer {
                Ok(Some(view)) if view.is_good => {
                    if newest.as_ref().is_none_or(|newest| newest.epoch < view.epoch) {
                        newest = Some(view);
                    }
                }
                Ok(_) => {}
                Err(error) => why = Some(error),
            }
        }
        newest.ok_or(NotFound::Cluster(why))
    }
}

async fn ask_sentinel(
    core: &Core,
    settings: &SentinelSettings,
    place: &Place,
    connection: Option<Connection>,
) -> (Word, Option<Connection>) {
    let connection = match connection {
        Some(connection) => connection,
        None => match open(core, place, &settings.account, 0).await {
            Ok(connection) => connection,
            Err(error) => return (Word::Silent(Some(error)), None),
        },
    };
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(&*settings.primary);
    let mut commands = connection.commands.clone();
    let asking = question.query_async::<Value>(&mut commands);
    match tokio::time::timeout(core.settings.heartbeat.deadline, asking).await {
        Ok(Ok(answer)) => match beat::named(&answer) {
            Some(place) => (Word::Named(place), Some(connection)),
            None => (Word::Unknown, Some(connection)),
        },
        Ok(Err(error)) => {
            (Word::Silent(Some(ConnectError::Refused(place.clone(), Said(error)))), None)
        }
        Err(_) => {
            let late = ConnectError::Late(place.clone(), core.settings.heartbeat.deadline);
            (Word::Silent(Some(late)), None)
        }
    }
}

async fn ask_server(core: &Core, place: &Place) -> Result<Option<View>, ConnectError> {
    let connection = open(core, place, &core.settings.account, 0).await?;
    let mut commands = redis::pipe();
    commands.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
    let mut connected = connection.commands.clone();
    let asking = commands.query_async::<(Value, Value)>(&mut connected);
    let late = |_| ConnectError::Late(place.clone(), core.settings.heartbeat.deadline);
    let answers = tokio::time::timeout(core.settings.heartbeat.deadline, asking).await;
    let answers = answers.map_err(late)?;
    let (info, slots) =
        answers.map_err(|error| ConnectError::Refused(place.clone(), Said(error)))?;
    Ok(beat::view(&info, &slots, place))
}

async fn open(
    core: &Core,
    place: &Place,
    account: &Account,
    database: u32,
) -> Result<Connection, ConnectError> {
    let silent = None::<fn(redis::PushInfo) -> Result<(), std::convert::Infallible>>;
    let greeting = Greeting { account, database };
    Connection::open(place, &core.settings, &greeting, core.settings.heartbeat.deadline, silent)
        .await
}

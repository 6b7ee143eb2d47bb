//! What all parts of one store share.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::time::Timestamp;
use crate::store::Partition;
use crate::store::redis::endings::Endings;
use crate::store::redis::hearing::Hearing;
use crate::store::redis::link::Link;
use crate::store::redis::names::{Names, PARTITIONS};
use crate::store::redis::script::Scripts;
use crate::store::redis::settings::{Place, RedisSettings};

/// The clock, which this floor has not.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What all parts of one store share.
pub(super) struct Core {
    pub(super) settings: RedisSettings,
    pub(super) names: Names,
    pub(super) scripts: Scripts,
    pub(super) hearing: Arc<Hearing>,
    pub(super) endings: Endings,
    pub(super) tallies: Tallies,
    pub(super) followed: Followed,
    pub(super) now: Now,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) connections: AtomicU64,
    pub(super) replayed: AtomicU64,
}

/// When each server was seen for the last time with a replica that has what it has, in milliseconds.
///
/// It outlives connections: a primary that was left behind by its replica takes connections like any other, and
/// must not be taken for one that never had a replica.
#[derive(Debug, Default)]
pub(super) struct Followed(Mutex<HashMap<Place, Arc<AtomicU64>>>);

impl Followed {
    /// That moment of one server; 0 for never.
    pub(super) fn last(&self, place: &Place) -> Arc<AtomicU64> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(place.clone()).or_default())
    }
}

/// Which primary has which partition. It does not change; another one takes its place.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// As many as there are partitions, or none at all.
    of: Vec<Option<Arc<Link>>>,
    pub(super) links: Vec<Arc<Link>>,
    /// Why some are missing; `None` as long as nobody has looked.
    pub(super) why: Option<Arc<str>>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Table {
    /// A table of these primaries, each with its partitions.
    pub(super) fn new(shares: &[(Arc<Link>, Vec<Partition>)], why: &str) -> Self {
        let mut of = vec![None; PARTITIONS];
        for (link, partitions) in shares {
            for &partition in partitions {
                if let Some(place) = of.get_mut(usize::from(partition)) {
                    *place = Some(Arc::clone(link));
                }
            }
        }
        let links = shares.iter().map(|(link, _)| Arc::clone(link)).collect();
        Self { of, links, why: Some(why.into()) }
    }

    /// Who has this partition, if it can be asked.
    pub(super) fn link(&self, partition: Partition) -> Option<&Arc<Link>> {
        let link = self.of.get(usize::from(partition))?.as_ref()?;
        (!link.pulse.is_gone()).then_some(link)
    }

    /// Whether every partition has somebody.
    pub(super) fn is_whole(&self) -> bool {
        self.of.len() == PARTITIONS && self.of.iter().all(Option::is_some)
    }
}

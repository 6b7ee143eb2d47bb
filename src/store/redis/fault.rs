//! What can go wrong with a server, sorted by what is to be done about it.
//!
//! Texts name the place and the remedy, never a secret.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of answers are alike here")]

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;
use crate::store::redis::settings::Place;
use crate::store::redis::value::Damaged;

/// What a server, or the way to it, made of a call.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no memory left.
    Full,
    /// It was restarted, or somebody removed the scripts: load them and ask again.
    NoScript,
    /// Another server has this partition for good.
    Moved,
    /// Another server is being given this partition: it has what is asked for.
    Ask(Option<Place>),
    /// It is not the one to ask: find out who is.
    Deposed(RedisError),
    /// The connection is gone.
    Broken(RedisError),
    /// It took too long.
    Late,
    /// It refused.
    Refused(RedisError),
    /// It sent what nobody asked for.
    Answer,
    /// What it has is no record.
    Damaged(Damaged),
    /// What a script found is no record.
    DamagedRecord(String),
}

/// What the crate says, once: its errors name their own text as their cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Said(pub(super) RedisError);

/// A call to Redis that failed, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(
        "Redis at {0} did not answer within {1:?}; see whether it is overloaded, or raise `sessions.store.timeout`"
    )]
    Late(Place, Duration),
    #[error("the connection to Redis at {0} broke")]
    Broken(Place, #[source] Said),
    #[error("Redis at {0} refused")]
    Refused(Place, #[source] Said),
    #[error(
        "Redis at {0} answered something that nobody asked for; is it Redis 6.2 or Valkey, or later?"
    )]
    Answer(Place),
    #[error("Redis at {0} holds a damaged record; find out who else writes there")]
    Damaged(Place, #[source] Damaged),
    #[error(
        "Redis at {0} holds a damaged record, {1}; delete it, and find out who else writes there"
    )]
    DamagedRecord(Place, String),
    #[error("not all of a batch was written within {0:?}")]
    Long(Duration),
    #[error("{0}")]
    Down(std::sync::Arc<str>),
    #[error("the partition {0:02x} wanders from one server of the cluster to another")]
    Wandering(u8),
    #[error(
        "a record of the partition {record:02x} has an index of the partition {index:02x}, which a cluster cannot keep together"
    )]
    ForeignIndex { record: u8, index: u8 },
}

impl From<Damaged> for Fault {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        let target = || error.redirect_node().and_then(|(address, _)| place(address));
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            ErrorKind::Server(ServerErrorKind::Moved) => Self::Moved,
            ErrorKind::Server(ServerErrorKind::Ask) => Self::Ask(target()),
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown,
            ) => Self::Deposed(error),
            ErrorKind::Io | ErrorKind::Parse => Self::Broken(error),
            _ => match (error.code(), error.detail()) {
                (Some("OOM"), _) => Self::Full,
                (Some("DAMAGED"), name) => Self::DamagedRecord(name.unwrap_or_default().to_owned()),
                // Before Redis 7 a script's error is wrapped in another one.
                (_, Some(text)) if text.contains("-OOM ") => Self::Full,
                (_, Some(text)) if text.contains("-READONLY ") => Self::Deposed(error),
                _ => Self::Refused(error),
            },
        }
    }
}

impl Fault {
    /// What a caller has to do about it.
    pub(super) fn at(self, place: &Place, timeout: Duration) -> StoreError {
        let place = place.clone();
        let failure = match self {
            Self::Full => return StoreError::Full,
            Self::Damaged(damaged) => {
                return StoreError::Corrupt(Box::new(Failure::Damaged(place, damaged)));
            }
            Self::DamagedRecord(name) => {
                return StoreError::Corrupt(Box::new(Failure::DamagedRecord(place, name)));
            }
            Self::Late => Failure::Late(place, timeout),
            Self::Broken(error) => Failure::Broken(place, Said(error)),
            Self::Deposed(error) | Self::Refused(error) => Failure::Refused(place, Said(error)),
            Self::NoScript | Self::Moved | Self::Ask(_) | Self::Answer => Failure::Answer(place),
        };
        failure.into()
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(Box::new(failure))
    }
}

/// A place as a cluster's servers name each other; none if it has no host, which means the one that was asked.
pub(super) fn place(address: &str) -> Option<Place> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().ok()?;
    (!host.is_empty()).then(|| Place { host: host.into(), port })
}

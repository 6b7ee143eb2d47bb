//! The scripts that Redis runs for us, each as one: nobody sees the half of what they do.
//!
//! Must not know: connections, which server runs them.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of answers are alike here")]

use std::collections::HashMap;
use std::time::Duration;

use data_encoding::HEXLOWER;
use redis::{Cmd, Value};
use sha1::{Digest as _, Sha1};

use crate::domain::time::Timestamp;
use crate::store::redis::fault::Fault;
use crate::store::redis::names::{Names, unhex};
use crate::store::redis::value::{self, EXACT};
use crate::store::{Applied, Expect, Index, Key, Record, Write};

/// How much longer than it lives Redis keeps a record: what is live is decided by `now`, which another
/// machine's clock may not cut short. (`apply.lua` keeps indexes as much longer.)
const TOLERANCE: Duration = Duration::from_secs(60);

/// A script, and under which name Redis knows it.
#[derive(Debug)]
struct Script {
    text: &'static str,
    name: String,
}

/// The scripts, and what they need to know of names.
#[derive(Debug)]
pub(super) struct Scripts {
    apply: Script,
    members: Script,
    names: Names,
    /// Where changes are published; empty for nowhere.
    channel: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, name: HEXLOWER.encode(&Sha1::digest(text.as_bytes())) }
    }

    fn call(&self, keys: usize) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.name).arg(keys);
        command
    }
}

impl Scripts {
    pub(super) fn new(names: Names, channel: Option<String>) -> Self {
        Self {
            apply: Script::new(include_str!("apply.lua")),
            members: Script::new(include_str!("members.lua")),
            names,
            channel: channel.unwrap_or_default(),
        }
    }

    /// What makes a server know them.
    pub(super) fn load(&self) -> redis::Pipeline {
        let mut commands = redis::pipe();
        for script in [&self.apply, &self.members] {
            commands.cmd("SCRIPT").arg("LOAD").arg(script.text).ignore();
        }
        commands
    }

    /// Applies `batch`, or says why not.
    pub(super) fn apply(&self, batch: &[&Write], ending: bool, now: Timestamp) -> Cmd {
        let mut indexes: Vec<Index> = Vec::new();
        let mut places: HashMap<Index, usize> = HashMap::new();
        for index in batch.iter().filter(|write| write.value.is_some()).filter_map(|w| w.index) {
            places.entry(index).or_insert_with(|| {
                indexes.push(index);
                batch.len() + indexes.len()
            });
        }
        let mut command = self.apply.call(batch.len() + indexes.len());
        for write in batch {
            command.arg(self.names.record(&write.key));
        }
        for index in indexes {
            command.arg(self.names.index(index));
        }
        command.arg(batch.len()).arg(millis(now)).arg(u8::from(ending));
        command.arg(self.names.indexes()).arg(&self.channel);
        for write in batch {
            let (condition, revision) = match write.expect {
                Expect::Any => ("any", 0),
                Expect::Absent => ("absent", 0),
                Expect::Revision(revision) => ("revision", revision),
            };
            command.arg(condition).arg(revision);
            let Some(bytes) = &write.value else {
                command.arg("").arg("").arg(0).arg(0).arg(0);
                continue;
            };
            let place = write.index.and_then(|index| places.get(&index)).copied();
            command
                .arg(&value::head(write.expires))
                .arg([&value::group(write.index), &**bytes].concat());
            command.arg(millis(write.expires.plus(TOLERANCE)));
            command.arg(place.unwrap_or(0)).arg(millis(write.expires));
        }
        command
    }

    /// The answer to [`Scripts::apply`].
    pub(super) fn applied(answer: Value) -> Result<Applied, Fault> {
        let Value::Array(parts) = answer else { return Err(Fault::Answer) };
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Value::Int(1)), Some(Value::Array(revisions)), None) => {
                let revision = |value| match value {
                    Value::Int(revision) => u64::try_from(revision).map_err(|_| Fault::Answer),
                    _ => Err(Fault::Answer),
                };
                let revisions = revisions.into_iter().map(revision).collect::<Result<_, _>>()?;
                Ok(Applied::Done(revisions))
            }
            (Some(Value::Int(0)), Some(Value::Int(number)), current) => {
                let number = usize::try_from(number).map_err(|_| Fault::Answer)?;
                let index = number.checked_sub(1).ok_or(Fault::Answer)?;
                let current = stored(&current.unwrap_or(Value::Nil))?;
                Ok(Applied::Conflict { index, current: current.map(|(record, _)| record) })
            }
            _ => Err(Fault::Answer),
        }
    }

    /// The keys of the live records of `index`.
    pub(super) fn members(&self, index: Index, now: Timestamp) -> Cmd {
        let mut command = self.members.call(1);
        command.arg(self.names.index(index)).arg(millis(now)).arg(self.names.records());
        command.arg(value::group(Some(index)));
        command
    }

    /// The answer to [`Scripts::members`].
    pub(super) fn found(answer: Value) -> Result<Vec<Key>, Fault> {
        let Value::Array(members) = answer else { return Err(Fault::Answer) };
        let key = |member| match member {
            Value::BulkString(digits) => unhex(&digits).ok_or(Fault::Answer),
            _ => Err(Fault::Answer),
        };
        members.into_iter().map(key).collect()
    }
}

/// Whether the answer to [`Scripts::apply`] says that something was written.
pub(super) fn has_written(answer: &Value) -> bool {
    matches!(answer, Value::Array(parts) if parts.first() == Some(&Value::Int(1)))
}

/// What lies under a name: a record and its index, or nothing.
pub(super) fn stored(answer: &Value) -> Result<Option<(Record, Option<Index>)>, Fault> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(value) => Ok(Some(value::decode(value)?)),
        _ => Err(Fault::Answer),
    }
}

/// A moment as scripts can count it.
fn millis(moment: Timestamp) -> u64 {
    moment.as_millis().min(EXACT)
}

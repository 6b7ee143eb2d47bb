//! What servers say of themselves and of each other, read out of their answers.
//!
//! Pure. Must not know: connections.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of answers are alike here")]

use redis::Value;

use crate::store::Partition;
use crate::store::redis::names::slot;
use crate::store::redis::settings::Place;

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// A primary, and whether a replica has ever acknowledged anything. (One that has just come does not for a second.)
    Primary { has_replica: bool },
    /// The replica of another.
    Replica { of: String },
    /// Something else, or nothing that we understand.
    Other,
}

/// What has to be served by one server, and which one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) place: Place,
    pub(super) partitions: Vec<Partition>,
}

/// How a server of a cluster sees the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// It is with most of the others, and nothing is missing.
    pub(super) is_good: bool,
    /// Grows with every change of the cluster.
    pub(super) epoch: u64,
    pub(super) shares: Vec<Share>,
}

/// The answer to `ROLE`.
pub(super) fn role(answer: &Value) -> Role {
    let Value::Array(parts) = answer else { return Role::Other };
    match (parts.first().and_then(text), parts.get(1), parts.get(2)) {
        (Some("master"), _, Some(Value::Array(replicas))) => {
            Role::Primary { has_replica: replicas.iter().any(has_acknowledged) }
        }
        (Some("slave"), Some(host), Some(Value::Int(port))) => {
            Role::Replica { of: format!("{}:{port}", text(host).unwrap_or("?")) }
        }
        _ => Role::Other,
    }
}

fn has_acknowledged(replica: &Value) -> bool {
    let Value::Array(parts) = replica else { return false };
    parts.get(2).and_then(text).is_some_and(|offset| offset != "0")
}

/// The answers to `CLUSTER INFO` and `CLUSTER SLOTS` of the server at `asked`.
pub(super) fn view(info: &Value, slots: &Value, asked: &Place) -> Option<View> {
    let info = text(info)?;
    let is_good = field(info, "cluster_state") == Some("ok");
    let epoch = field(info, "cluster_current_epoch")?.parse().ok()?;
    let Value::Array(rows) = slots else { return None };
    let mut shares: Vec<Share> = Vec::new();
    for row in rows {
        let (from, to, place) = range(row, asked)?;
        let partitions = (0..=Partition::MAX).filter(|&p| (from..=to).contains(&slot(p)));
        match shares.iter_mut().find(|share| share.place == place) {
            Some(share) => share.partitions.extend(partitions),
            None => shares.push(Share { place, partitions: partitions.collect() }),
        }
    }
    Some(View { is_good, epoch, shares })
}

fn range(row: &Value, asked: &Place) -> Option<(u16, u16, Place)> {
    let Value::Array(parts) = row else { return None };
    let [Value::Int(from), Value::Int(to), Value::Array(primary), ..] = parts.as_slice() else {
        return None;
    };
    let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
    // None, or none that is known, means the one that was asked.
    let host = match text(host) {
        None | Some("" | "?") => asked.host.clone(),
        Some(host) => host.into(),
    };
    let port = u16::try_from(*port).ok()?;
    Some((u16::try_from(*from).ok()?, u16::try_from(*to).ok()?, Place { host, port }))
}

/// The answer to `SENTINEL GET-MASTER-ADDR-BY-NAME`.
pub(super) fn named(answer: &Value) -> Option<Place> {
    let Value::Array(parts) = answer else { return None };
    let [host, port] = parts.as_slice() else { return None };
    Some(Place { host: text(host)?.into(), port: text(port)?.parse().ok()? })
}

/// A line of `INFO` or `CLUSTER INFO`.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

/// A text in one of the forms that texts come in.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn asked() -> Place {
        Place { host: "asked".into(), port: 1 }
    }

    fn row(from: i64, to: i64, host: Value) -> Value {
        let replica = Value::Array(vec![bulk("replica"), Value::Int(9), bulk("id")]);
        let primary = Value::Array(vec![host, Value::Int(7), bulk("id")]);
        Value::Array(vec![Value::Int(from), Value::Int(to), primary, replica])
    }

    #[test]
    fn a_server_is_what_it_says() {
        let replica = |at| Value::Array(vec![bulk("10.0.0.2"), bulk("6379"), bulk(at)]);
        let primary = |replicas| {
            role(&Value::Array(vec![bulk("master"), Value::Int(1), Value::Array(replicas)]))
        };
        assert_eq!(primary(vec![]), Role::Primary { has_replica: false });
        assert_eq!(primary(vec![replica("0")]), Role::Primary { has_replica: false });
        assert_eq!(primary(vec![replica("0"), replica("7")]), Role::Primary { has_replica: true });
        let of = Value::Array(vec![
            bulk("slave"),
            bulk("10.0.0.1"),
            Value::Int(6379),
            bulk("connected"),
            Value::Int(1),
        ]);
        assert_eq!(role(&of), Role::Replica { of: "10.0.0.1:6379".to_owned() });
        let sentinel = Value::Array(vec![bulk("sentinel"), Value::Array(vec![])]);
        for other in [sentinel, Value::Nil, bulk("master"), Value::Array(vec![])] {
            assert_eq!(role(&other), Role::Other);
        }
    }

    #[test]
    fn every_partition_of_a_cluster_has_the_server_of_its_slot() {
        let info = bulk("cluster_state:ok\r\ncluster_current_epoch:6\r\n");
        let slots = Value::Array(vec![
            row(0, 5460, bulk("a")),
            row(5461, 10_922, bulk("b")),
            row(10_923, 16_000, Value::Nil),
            row(16_001, 16_383, bulk("a")),
        ]);
        let view = view(&info, &slots, &asked()).unwrap();
        assert!(view.is_good && view.epoch == 6);
        let places: Vec<_> = view.shares.iter().map(|share| &*share.place.host).collect();
        assert_eq!(places, ["a", "b", "asked"]);
        let all: usize = view.shares.iter().map(|share| share.partitions.len()).sum();
        assert_eq!(all, 256);
        assert!(view.shares[1].partitions.iter().all(|&p| (5461..=10_922).contains(&slot(p))));
    }

    #[test]
    fn what_is_no_view_is_none() {
        let info = bulk("cluster_state:ok\r\ncluster_current_epoch:6\r\n");
        let bad = |info: &Value, slots: Value| view(info, &slots, &asked()).is_none();
        assert!(bad(&Value::Nil, Value::Array(vec![])));
        assert!(bad(&bulk("cluster_state:ok"), Value::Array(vec![])));
        assert!(bad(&info, Value::Nil));
        assert!(bad(&info, Value::Array(vec![Value::Nil])));
        assert!(bad(&info, Value::Array(vec![row(0, 1 << 20, bulk("a"))])));
        let failing = bulk("cluster_state:fail\r\ncluster_current_epoch:6\r\n");
        assert!(!view(&failing, &Value::Array(vec![]), &asked()).unwrap().is_good);
    }

    #[test]
    fn a_sentinel_names_a_place_or_nobody() {
        let answer = Value::Array(vec![bulk("10.0.0.1"), bulk("6379")]);
        assert_eq!(named(&answer), Some(Place { host: "10.0.0.1".into(), port: 6379 }));
        for nobody in [Value::Nil, Value::Array(vec![]), Value::Array(vec![bulk("a"), bulk("b")])] {
            assert_eq!(named(&nobody), None);
        }
    }
}

//! What the engine for Redis promises alone, and the servers that the suite runs on.
//!
//! - `standalone`: one server: full, slow, gone, confused
//! - `replicas`: careful writes
//! - `invalidation`: changes by others are heard of, or nobody says so
//! - `failover`: another primary, chosen by sentinels or by a cluster
//! - `access`: users, passwords, certificates

mod access;
mod failover;
mod invalidation;
mod replicas;
mod standalone;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vouchsafe::domain::time::Timestamp;
use vouchsafe::store::redis::settings::{
    Account, Heartbeat, Invalidation, Place, RedisSettings, Replicas, SentinelSettings, Servers,
};
use vouchsafe::store::redis::{Now, RedisStore};
use vouchsafe::store::{Applied, Assurance, Expect, Key, StoreError, Write};

use crate::support::DEADLINE;
use crate::support::redis::{Cluster, Redis, Watched};

/// A minute, and longer than any test takes.
const LIFE: Duration = Duration::from_secs(600);

/// The present, as the daemon's clock would say it.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

fn clock() -> Now {
    Arc::new(now)
}

fn place(address: SocketAddr) -> Place {
    Place { host: address.ip().to_string().into(), port: address.port() }
}

/// Settings with a prefix that no other test has.
fn settings(servers: Servers) -> RedisSettings {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    RedisSettings {
        servers,
        account: Account::default(),
        database: 0,
        prefix: format!("test-{}.{number}", std::process::id()).into(),
        // Generous, because the machine is shared.
        timeout: Duration::from_secs(5),
        replicas: Replicas::Auto,
        invalidation: Invalidation::Tracking,
        tls: None,
        heartbeat: Heartbeat { every: Duration::from_millis(50), deadline: Duration::from_secs(2) },
    }
}

/// The same with times that are short enough for tests of what happens when they are over.
fn impatient(settings: RedisSettings) -> RedisSettings {
    let heartbeat =
        Heartbeat { every: Duration::from_millis(50), deadline: Duration::from_millis(500) };
    RedisSettings { timeout: Duration::from_millis(1500), heartbeat, ..settings }
}

fn of(server: &Redis) -> RedisSettings {
    settings(Servers::One(place(server.address)))
}

fn of_watched(watched: &Watched) -> RedisSettings {
    settings(Servers::Sentinel(SentinelSettings {
        places: watched.sentinels.iter().map(|sentinel| place(sentinel.address)).collect(),
        primary: Watched::NAME.into(),
        account: Account::default(),
    }))
}

fn of_cluster(cluster: &Cluster) -> RedisSettings {
    settings(Servers::Cluster(cluster.servers().take(2).map(|s| place(s.address)).collect()))
}

fn open(settings: &RedisSettings) -> RedisStore {
    RedisStore::open(settings.clone(), clock())
}

/// A fresh store on every kind of server, and how to call it.
pub fn engines() -> Vec<(&'static str, RedisStore)> {
    static ONE: LazyLock<Redis> = LazyLock::new(|| Redis::start(&[]));
    static SECURED: LazyLock<(Redis, RedisSettings)> = LazyLock::new(access::secured);
    static WATCHED: LazyLock<Watched> = LazyLock::new(Watched::start);
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
    let (_, secured) = &*SECURED;
    let prefix = settings(secured.servers.clone()).prefix;
    let secured = RedisSettings { prefix, ..secured.clone() };
    vec![
        ("redis", open(&of(&ONE))),
        ("redis over TLS as a user", open(&secured)),
        ("redis with sentinels", open(&of_watched(&WATCHED))),
        ("redis cluster", open(&of_cluster(&CLUSTER))),
    ]
}

/// Asks until the answer is `Some`; panics with `what` after a long while.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ready: impl FnMut() -> F) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = ready().await {
            return value;
        }
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await; // the interval of the poll, not a guess
    }
}

/// Waits until changes are heard of.
async fn confirmed(store: &RedisStore) {
    until("the channel is confirmed", async || {
        store.channel().epoch().is_confirmed().then_some(())
    })
    .await;
}

/// A key of this partition.
fn key(partition: u8, number: u8) -> Key {
    let mut key = [number; 32];
    key[0] = partition;
    key
}

fn put(key: Key, value: &str) -> Write {
    let value = Some(value.as_bytes().into());
    Write { key, expect: Expect::Any, value, expires: now().plus(LIFE), index: None }
}

/// Writes `value`, and says its revision.
async fn write(
    store: &RedisStore,
    key: Key,
    value: &str,
    assurance: Assurance,
) -> Result<u64, StoreError> {
    match store.apply(vec![put(key, value)], assurance, now()).await? {
        Applied::Done(revisions) => Ok(revisions[0]),
        Applied::Conflict { .. } => panic!("an unconditional write finds no conflict"),
    }
}

/// What lies under `key`.
async fn read(store: &RedisStore, key: Key) -> Result<Option<String>, StoreError> {
    let record = store.get(key, now()).await?;
    Ok(record.map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()))
}

/// An error and its causes in one line.
fn chain(error: &StoreError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

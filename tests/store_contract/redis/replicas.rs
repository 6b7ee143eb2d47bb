//! Careful writes: on a replica before they are answered, or known not to be.

use super::*;
use crate::support::redis::Replicated;

/// A store that has seen the replica.
async fn replicated(servers: &Replicated) -> RedisStore {
    let store = open(&impatient(of(&servers.primary)));
    confirmed(&store).await;
    store
}

#[tokio::test]
async fn a_careful_write_is_unconfirmed_while_the_only_replica_is_stopped() {
    let servers = Replicated::start();
    let store = replicated(&servers).await;
    for assurance in [Assurance::Renewable, Assurance::Confirmed, Assurance::Ending] {
        write(&store, key(1, 1), "x", assurance).await.unwrap();
    }
    servers.replica.pause();
    for (number, assurance) in [(2, Assurance::Confirmed), (3, Assurance::Ending)] {
        let written = write(&store, key(1, number), "x", assurance).await;
        assert!(matches!(written, Err(StoreError::Unconfirmed)), "{written:?}");
        assert_eq!(read(&store, key(1, number)).await.unwrap().as_deref(), Some("x"));
    }
    write(&store, key(1, 4), "x", Assurance::Renewable).await.unwrap();
    servers.replica.resume();
    until("the replica is back", async || {
        write(&store, key(1, 5), "x", Assurance::Confirmed).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_primary_that_its_replica_left_is_no_primary_without_replicas_on_the_next_connection() {
    let servers = Replicated::start();
    let store = replicated(&servers).await;
    write(&store, key(1, 1), "x", Assurance::Confirmed).await.unwrap();
    servers.replica.kill();
    let epoch = store.channel().epoch();
    servers.primary.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    until("the channel is another one", async || (store.channel().epoch() != epoch).then_some(()))
        .await;
    confirmed(&store).await;
    let written = write(&store, key(1, 2), "x", Assurance::Confirmed).await;
    assert!(matches!(written, Err(StoreError::Unconfirmed)), "{written:?}");
}

#[tokio::test]
async fn a_conflict_waits_for_nobody() {
    let servers = Replicated::start();
    let store = replicated(&servers).await;
    write(&store, key(1, 1), "x", Assurance::Confirmed).await.unwrap();
    servers.replica.pause();
    let absent = Write { expect: Expect::Absent, ..put(key(1, 1), "y") };
    let applied = store.apply(vec![absent], Assurance::Confirmed, now()).await.unwrap();
    assert!(matches!(applied, Applied::Conflict { index: 0, current: Some(_) }), "{applied:?}");
    servers.replica.resume();
}

#[tokio::test]
async fn reads_and_quick_writes_do_not_wait_behind_careful_ones() {
    let servers = Replicated::start();
    let store = replicated(&servers).await;
    servers.replica.pause();
    let careful = async {
        let write = |number| write(&store, key(1, number), "x", Assurance::Confirmed);
        tokio::join!(write(1), write(2), write(3))
    };
    let quick = async {
        let began = Instant::now();
        for _ in 0..20 {
            read(&store, key(1, 9)).await.unwrap();
            write(&store, key(1, 8), "x", Assurance::Renewable).await.unwrap();
        }
        began.elapsed()
    };
    let began = Instant::now();
    let ((a, b, c), quick) = tokio::join!(careful, quick);
    for written in [a, b, c] {
        assert!(matches!(written, Err(StoreError::Unconfirmed)), "{written:?}");
    }
    assert!(quick < began.elapsed(), "{quick:?} of {:?}", began.elapsed());
    servers.replica.resume();
}

#[tokio::test]
async fn as_many_replicas_are_waited_for_as_are_configured() {
    let server = Redis::start(&[]);
    let with = |replicas| open(&RedisSettings { replicas, ..impatient(of(&server)) });
    write(&with(Replicas::Auto), key(1, 1), "x", Assurance::Confirmed).await.unwrap();
    write(&with(Replicas::Exactly(0)), key(1, 1), "x", Assurance::Confirmed).await.unwrap();
    let written = write(&with(Replicas::Exactly(1)), key(1, 1), "x", Assurance::Confirmed).await;
    assert!(matches!(written, Err(StoreError::Unconfirmed)), "{written:?}");
}

//! Another primary, chosen by sentinels or by a cluster: who is asked, and what was ended stays so.

use super::*;

/// Ends the session under `key`, as a logout does.
async fn end(store: &RedisStore, key: Key) -> Result<u64, StoreError> {
    write(store, key, "ended", Assurance::Ending).await
}

#[tokio::test]
async fn when_sentinels_choose_another_primary_it_is_asked_and_what_was_ended_stays_ended() {
    let watched = Watched::start();
    let store = open(&impatient(of_watched(&watched)));
    confirmed(&store).await;
    for number in 1..=3 {
        write(&store, key(1, number), "session", Assurance::Confirmed).await.unwrap();
    }
    let before = store.channel().epoch();
    end(&store, key(1, 1)).await.unwrap();
    // The replica misses the second logout, of which the user is told that it failed.
    watched.servers.replica.pause();
    let unconfirmed = end(&store, key(1, 2)).await;
    assert!(matches!(unconfirmed, Err(StoreError::Unconfirmed)), "{unconfirmed:?}");
    watched.servers.primary.kill();
    watched.servers.replica.resume();
    let found =
        until("the new primary is asked", async || read(&store, key(1, 3)).await.ok()).await;
    assert_eq!(found.as_deref(), Some("session"));
    for number in [1, 2] {
        let found = read(&store, key(1, number)).await.unwrap();
        assert_eq!(found.as_deref(), Some("ended"), "{number}");
    }
    confirmed(&store).await;
    assert_ne!(store.channel().epoch(), before);
    write(&store, key(1, 4), "session", Assurance::Confirmed).await.unwrap();
}

#[tokio::test]
async fn a_primary_that_was_only_stopped_is_asked_no_more() {
    let watched = Watched::start();
    let store = open(&impatient(of_watched(&watched)));
    confirmed(&store).await;
    write(&store, key(1, 1), "session", Assurance::Confirmed).await.unwrap();
    watched.servers.primary.pause();
    let replica = &watched.servers.replica;
    until("the replica is the primary", async || {
        replica.ask(&["ROLE"]).contains("master").then_some(())
    })
    .await;
    until("it is asked", async || end(&store, key(1, 1)).await.ok()).await;
    // It thinks for a while that it still is what it was, and has the session.
    watched.servers.primary.resume();
    for _ in 0..50 {
        assert_ne!(read(&store, key(1, 1)).await.ok().flatten().as_deref(), Some("session"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_primary_that_most_sentinels_are_cut_off_from_is_not_believed() {
    let watched = Watched::start();
    let store = open(&impatient(of_watched(&watched)));
    confirmed(&store).await;
    watched.sentinels[0].pause();
    write(&store, key(1, 1), "x", Assurance::Confirmed).await.unwrap();
    watched.sentinels[1].kill();
    let error =
        until("nobody says who is the primary", async || read(&store, key(1, 1)).await.err());
    let text = chain(&error.await);
    assert!(text.contains("of 3 sentinels 1 answered"), "{text}");
    assert!(!store.channel().epoch().is_confirmed());
    watched.sentinels[0].resume();
    until("most say so again", async || read(&store, key(1, 1)).await.ok()).await;
}

#[tokio::test]
async fn an_unknown_name_is_named() {
    let watched = Watched::start();
    let mut settings = impatient(of_watched(&watched));
    let Servers::Sentinel(sentinel) = &mut settings.servers else { panic!() };
    sentinel.primary = "another".into();
    let text = chain(&read(&open(&settings), key(1, 1)).await.unwrap_err());
    assert!(text.contains("no primary called 'another'"), "{text}");
}

#[tokio::test]
async fn when_a_cluster_chooses_another_primary_it_is_asked_and_what_was_ended_stays_ended() {
    let cluster = Cluster::start();
    let store = open(&impatient(of_cluster(&cluster)));
    confirmed(&store).await;
    // Partition 7f lies on the first primary, 00 and ff on the third one.
    for partition in [0x7F, 0x00, 0xFF] {
        for number in 1..=2 {
            let key = key(partition, number);
            write(&store, key, "session", Assurance::Confirmed).await.unwrap();
        }
    }
    let before = store.channel().epoch();
    cluster.replicas[0].pause();
    let unconfirmed = end(&store, key(0x7F, 1)).await;
    assert!(matches!(unconfirmed, Err(StoreError::Unconfirmed)), "{unconfirmed:?}");
    cluster.primaries[0].kill();
    cluster.replicas[0].resume();
    until("the channel is lost", async || (!store.channel().epoch().is_confirmed()).then_some(()))
        .await;
    let found = until("the new primary is asked", async || read(&store, key(0x7F, 2)).await.ok());
    assert_eq!(found.await.as_deref(), Some("session"));
    assert_eq!(read(&store, key(0x7F, 1)).await.unwrap().as_deref(), Some("ended"));
    confirmed(&store).await;
    assert_ne!(store.channel().epoch(), before);
    for partition in [0x7F, 0x00, 0xFF] {
        write(&store, key(partition, 3), "session", Assurance::Confirmed).await.unwrap();
    }
}

#[tokio::test]
async fn a_partition_that_moves_is_followed() {
    let cluster = Cluster::start();
    let store = open(&of_cluster(&cluster));
    confirmed(&store).await;
    write(&store, key(0x7F, 1), "session", Assurance::Confirmed).await.unwrap();
    let (from, to) = (&cluster.primaries[0], &cluster.primaries[1]);
    let slot = "4194";
    let (old, new) = (from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"]));
    to.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &old]);
    from.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &new]);
    assert_eq!(read(&store, key(0x7F, 1)).await.unwrap().as_deref(), Some("session"));
    let names = from.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "10"]);
    let port = to.address.port().to_string();
    for name in names.lines() {
        assert_eq!(from.ask(&["MIGRATE", "127.0.0.1", &port, name, "0", "1000"]), "OK");
    }
    // What is there now is asked for there.
    assert_eq!(read(&store, key(0x7F, 1)).await.unwrap().as_deref(), Some("session"));
    assert_eq!(write(&store, key(0x7F, 1), "touched", Assurance::Renewable).await.unwrap(), 2);
    for server in [to, from] {
        server.ask(&["CLUSTER", "SETSLOT", slot, "NODE", &new]);
    }
    assert_eq!(read(&store, key(0x7F, 1)).await.unwrap().as_deref(), Some("touched"));
    assert_eq!(write(&store, key(0x7F, 1), "again", Assurance::Confirmed).await.unwrap(), 3);
}

#[tokio::test]
async fn a_batch_over_several_partitions_of_a_cluster_is_applied_in_order() {
    let cluster = Cluster::start();
    let store = open(&of_cluster(&cluster));
    let keys: Vec<Key> = (0..=255).map(|partition| key(partition, 1)).collect();
    let batch = keys.iter().map(|&key| put(key, "x")).collect();
    let applied = store.apply(batch, Assurance::Confirmed, now()).await.unwrap();
    assert_eq!(applied, Applied::Done(vec![1; 256]));
    // The first partition's part is done before the second one's condition is looked at.
    let absent = Write { expect: Expect::Absent, ..put(keys[200], "y") };
    let batch = vec![put(keys[100], "y"), absent];
    let applied = store.apply(batch, Assurance::Confirmed, now()).await.unwrap();
    assert!(matches!(applied, Applied::Conflict { index: 1, current: Some(_) }), "{applied:?}");
    assert_eq!(read(&store, keys[100]).await.unwrap().as_deref(), Some("y"));
    assert_eq!(read(&store, keys[200]).await.unwrap().as_deref(), Some("x"));
}

#[tokio::test]
async fn an_index_that_a_cluster_cannot_keep_with_its_record_is_refused() {
    let cluster = Cluster::start();
    let store = open(&of_cluster(&cluster));
    let write = Write { index: Some(7), ..put(key(1, 1), "x") };
    let text = chain(&store.apply(vec![write], Assurance::Confirmed, now()).await.unwrap_err());
    assert!(text.contains("partition 01") && text.contains("index of the partition 00"), "{text}");
}

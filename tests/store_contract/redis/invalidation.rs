//! Changes by others are heard of, or nobody says so (SEMANTICS O2).

use std::collections::HashSet;
use std::sync::Mutex;

use vouchsafe::store::invalidation::Copies;

use super::*;

/// Somebody who keeps copies, and remembers what was said of them.
#[derive(Debug, Default)]
struct Ears {
    keys: Mutex<HashSet<Key>>,
    everything: AtomicU32,
}

impl Copies for Ears {
    fn changed(&self, key: &Key) {
        self.keys.lock().unwrap().insert(*key);
    }

    fn all_changed(&self) {
        self.everything.fetch_add(1, Ordering::SeqCst);
    }
}

impl Ears {
    fn on(store: &RedisStore) -> Arc<Self> {
        let ears = Arc::new(Self::default());
        store.channel().tell(&ears);
        ears
    }

    async fn heard_of(&self, key: Key) {
        until("the change is heard of", async || {
            self.keys.lock().unwrap().remove(&key).then_some(())
        })
        .await;
    }
}

async fn changes_of_another_node_are_heard_of(settings: RedisSettings) {
    let (writer, store) = (open(&settings), open(&settings));
    let ears = Ears::on(&store);
    confirmed(&store).await;
    let epoch = store.channel().epoch();
    for (number, assurance) in
        [(1, Assurance::Renewable), (2, Assurance::Confirmed), (3, Assurance::Ending)]
    {
        write(&writer, key(1, number), "x", assurance).await.unwrap();
        ears.heard_of(key(1, number)).await;
    }
    let delete = Write { value: None, ..put(key(1, 1), "") };
    let batch = vec![delete, put(key(1, 2), "y"), put(key(1, 4), "z")];
    writer.apply(batch, Assurance::Ending, now()).await.unwrap();
    for number in [1, 2, 4] {
        ears.heard_of(key(1, number)).await;
    }
    assert!(ears.keys.lock().unwrap().is_empty(), "no other key was changed");
    assert_eq!(store.channel().epoch(), epoch);
    assert_eq!(ears.everything.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn changes_of_another_node_are_heard_of_by_tracking() {
    let server = Redis::start(&[]);
    changes_of_another_node_are_heard_of(of(&server)).await;
}

#[tokio::test]
async fn changes_of_another_node_are_heard_of_by_publishing() {
    let server = Redis::start(&[]);
    let invalidation = Invalidation::PubSub;
    changes_of_another_node_are_heard_of(RedisSettings { invalidation, ..of(&server) }).await;
}

#[tokio::test]
async fn changes_in_every_part_of_a_cluster_are_heard_of() {
    let cluster = Cluster::start();
    for invalidation in [Invalidation::Tracking, Invalidation::PubSub] {
        let settings = RedisSettings { invalidation, ..of_cluster(&cluster) };
        let (writer, store) = (open(&settings), open(&settings));
        let ears = Ears::on(&store);
        confirmed(&store).await;
        for partition in (0..=255).step_by(16) {
            write(&writer, key(partition, 1), "x", Assurance::Renewable).await.unwrap();
            ears.heard_of(key(partition, 1)).await;
        }
    }
}

#[tokio::test]
async fn a_database_that_is_emptied_changes_everything() {
    let server = Redis::start(&[]);
    let store = open(&of(&server));
    let ears = Ears::on(&store);
    confirmed(&store).await;
    server.ask(&["FLUSHALL"]);
    until("that is heard of", async || (ears.everything.load(Ordering::SeqCst) > 0).then_some(()))
        .await;
}

#[tokio::test]
async fn what_was_changed_before_the_moment_until_which_was_heard_has_been_heard_of() {
    let server = Redis::start(&[]);
    let settings = of(&server);
    let (writer, store) = (open(&settings), open(&settings));
    let ears = Ears::on(&store);
    confirmed(&store).await;
    for number in 0..200 {
        write(&writer, key(1, number), "x", Assurance::Renewable).await.unwrap();
        let written = now();
        if number % 20 == 0 {
            until("it is heard until then", async || {
                (store.channel().heard() > written).then_some(())
            })
            .await;
            assert!(ears.keys.lock().unwrap().contains(&key(1, number)), "{number}");
        }
    }
}

async fn a_gone_server_ends_the_epoch(invalidation: Invalidation) {
    let server = Redis::start(&[]);
    let store = open(&RedisSettings { invalidation, ..impatient(of(&server)) });
    confirmed(&store).await;
    let lost = || async { (!store.channel().epoch().is_confirmed()).then_some(()) };
    for stopped in [false, true] {
        let before = store.channel().epoch();
        if stopped {
            server.pause();
        } else {
            server.kill();
        }
        until("the channel is lost", lost).await;
        let heard = store.channel().heard();
        if stopped {
            server.resume();
        } else {
            server.restart();
        }
        confirmed(&store).await;
        assert_ne!(store.channel().epoch(), before);
        assert!(store.channel().heard() >= heard);
    }
    // A connection that the server ends.
    let before = store.channel().epoch();
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    until("the channel is another one", async || {
        let epoch = store.channel().epoch();
        (epoch != before && epoch.is_confirmed()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_killed_or_stopped_ends_the_epoch() {
    a_gone_server_ends_the_epoch(Invalidation::Tracking).await;
}

#[tokio::test]
async fn a_server_that_is_killed_or_stopped_ends_the_epoch_of_publishing_too() {
    a_gone_server_ends_the_epoch(Invalidation::PubSub).await;
}

#[tokio::test]
async fn a_channel_is_lost_as_long_as_the_server_was_never_there() {
    let server = Redis::start(&[]);
    server.kill();
    let store = open(&impatient(of(&server)));
    read(&store, key(1, 1)).await.unwrap_err();
    assert!(!store.channel().epoch().is_confirmed());
    assert_eq!(store.channel().heard(), Timestamp::default());
}

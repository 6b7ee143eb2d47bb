//! One server: full, slow, gone, confused.

use super::*;

#[tokio::test]
async fn a_full_server_takes_no_session_and_ends_those_that_there_are() {
    let server = Redis::start(&[]);
    let store = open(&of(&server));
    for number in 0..20 {
        write(&store, key(1, number), "session", Assurance::Confirmed).await.unwrap();
    }
    server.ask(&["CONFIG", "SET", "maxmemory", "1mb"]);
    for assurance in [Assurance::Renewable, Assurance::Confirmed] {
        let refused = write(&store, key(1, 99), "session", assurance).await;
        assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    }
    assert_eq!(write(&store, key(1, 3), "ended", Assurance::Ending).await.unwrap(), 2);
    assert_eq!(read(&store, key(1, 3)).await.unwrap().as_deref(), Some("ended"));
    assert_eq!(read(&store, key(1, 99)).await.unwrap(), None);
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    write(&store, key(1, 99), "session", Assurance::Renewable).await.unwrap();
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let server = Redis::start(&[]);
    let store = open(&of(&server));
    for revision in 1..4 {
        server.ask(&["SCRIPT", "FLUSH"]);
        let written = write(&store, key(1, 1), "x", Assurance::Renewable).await.unwrap();
        assert_eq!(written, revision);
        server.ask(&["SCRIPT", "FLUSH"]);
        assert_eq!(store.members(7, now()).await.unwrap(), [[0; 32]; 0]);
    }
}

#[tokio::test]
async fn a_slow_server_meets_the_deadline_and_does_not_stop_the_store() {
    let server = Redis::start(&[]);
    let settings = RedisSettings { timeout: Duration::from_millis(100), ..of(&server) };
    let store = open(&settings);
    write(&store, key(1, 1), "x", Assurance::Renewable).await.unwrap();
    server.pause();
    let began = Instant::now();
    let late = read(&store, key(1, 1)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let text = chain(&late);
    assert!(text.contains("did not answer within 100ms") && text.contains("timeout"), "{text}");
    server.resume();
    until("the server is asked again", async || read(&store, key(1, 1)).await.ok()).await;
}

#[tokio::test]
async fn while_a_server_is_stopped_callers_soon_fail_at_once() {
    let server = Redis::start(&[]);
    let settings = RedisSettings { timeout: Duration::from_secs(5), ..impatient(of(&server)) };
    let store = open(&settings);
    write(&store, key(1, 1), "x", Assurance::Renewable).await.unwrap();
    server.pause();
    let quick = until("calls fail at once", async || {
        let began = Instant::now();
        let error = read(&store, key(1, 1)).await.err()?;
        (began.elapsed() < Duration::from_millis(50)).then_some(error)
    });
    let text = chain(&quick.await);
    assert!(text.contains("Redis") && !text.contains("did not answer within 5s"), "{text}");
    server.resume();
    until("it recovers by itself", async || read(&store, key(1, 1)).await.ok()).await;
}

#[tokio::test]
async fn a_server_that_comes_later_is_found_and_one_that_went_is_found_again() {
    let server = Redis::start(&[]);
    server.kill();
    let store = open(&impatient(of(&server)));
    let text = chain(&read(&store, key(1, 1)).await.unwrap_err());
    assert!(text.contains(&server.address.to_string()) && text.contains("refused"), "{text}");
    server.restart();
    until("it is found", async || read(&store, key(1, 1)).await.ok()).await;
    write(&store, key(1, 1), "x", Assurance::Confirmed).await.unwrap();
    server.kill();
    until("it is missed", async || read(&store, key(1, 1)).await.err()).await;
    server.restart();
    let found = until("it is found again", async || read(&store, key(1, 1)).await.ok()).await;
    assert_eq!(found, None, "nothing was kept there");
}

/// What the record under `key` is called in Redis.
fn name_of(settings: &RedisSettings, key: Key) -> String {
    let hex = data_encoding::HEXLOWER.encode(&key);
    format!("{}:s:{{{:02x}}}:{hex}", settings.prefix, key[0])
}

#[tokio::test]
async fn what_is_no_record_is_an_error_and_never_a_session() {
    let server = Redis::start(&[]);
    let settings = of(&server);
    let store = open(&settings);
    let name = |key: Key| name_of(&settings, key);
    for (number, value) in [(1, "x"), (2, "nothing that was ever a record")] {
        server.ask(&["SET", &name(key(1, number)), value]);
        let got = read(&store, key(1, number)).await;
        assert!(matches!(got, Err(StoreError::Corrupt(_))), "{got:?}");
        let put = write(&store, key(1, number), "x", Assurance::Renewable).await;
        assert!(matches!(put, Err(StoreError::Corrupt(_))), "{put:?}");
        assert!(chain(&put.unwrap_err()).contains(&name(key(1, number))));
    }
    server.ask(&["LPUSH", &name(key(1, 3)), "x"]);
    let got = read(&store, key(1, 3)).await;
    assert!(matches!(got, Err(StoreError::Unavailable(_))), "{got:?}");
    write(&store, key(1, 4), "x", Assurance::Renewable).await.unwrap();
}

#[tokio::test]
async fn of_two_nodes_that_write_one_record_in_parallel_one_wins() {
    let server = Redis::start(&[]);
    let settings = of(&server);
    let stores = [open(&settings), open(&settings)];
    for number in 0..50 {
        for expect in [Expect::Absent, Expect::Revision(1)] {
            let write = |by: &str| vec![Write { expect, ..put(key(1, number), by) }];
            let (a, b) = tokio::join!(
                stores[0].apply(write("a"), Assurance::Confirmed, now()),
                stores[1].apply(write("b"), Assurance::Confirmed, now()),
            );
            let won = [a.unwrap(), b.unwrap()].map(|applied| matches!(applied, Applied::Done(_)));
            assert!(won[0] != won[1], "{won:?}");
        }
    }
}

#[tokio::test]
async fn redis_forgets_a_minute_after_the_end_and_indexes_with_their_last_record() {
    let server = Redis::start(&[]);
    let settings = of(&server);
    let store = open(&settings);
    let index = 0x0100_0000_0000_0007;
    let member = |number, life: u64| {
        let expires = now().plus(Duration::from_secs(life));
        Write { index: Some(index), expires, ..put(key(1, number), "x") }
    };
    let ttl = |name: &str| server.ask(&["TTL", name]).parse::<u64>().unwrap();
    let name = format!("{}:i:{{01}}:{index:016x}", settings.prefix);
    store.apply(vec![member(1, 100)], Assurance::Renewable, now()).await.unwrap();
    assert!((155..=160).contains(&ttl(&name)), "{}", ttl(&name));
    store.apply(vec![member(2, 1000), member(3, 10)], Assurance::Renewable, now()).await.unwrap();
    assert!((1055..=1060).contains(&ttl(&name)), "{}", ttl(&name));
    let record = name_of(&settings, key(1, 3));
    assert!((65..=70).contains(&ttl(&record)), "{}", ttl(&record));
    // A row whose record has long expired goes with the next write.
    let later = now().plus(Duration::from_secs(71));
    assert_eq!(server.ask(&["ZCARD", &name]), "3");
    store.apply(vec![member(1, 200)], Assurance::Renewable, later).await.unwrap();
    assert_eq!(server.ask(&["ZCARD", &name]), "2");
    // One that is ended, or belongs to nobody any more, goes at once.
    store.apply(vec![put(key(1, 1), "ended")], Assurance::Ending, later).await.unwrap();
    assert_eq!(server.ask(&["ZCARD", &name]), "1");
}

#[tokio::test]
async fn a_scan_sees_our_records_only_and_all_of_them() {
    let server = Redis::start(&[]);
    let (store, other) = (open(&of(&server)), open(&of(&server)));
    server.ask(&["EVAL", "for i = 1, 500 do redis.call('SET', 'other' .. i, i) end", "0"]);
    let mut written = Vec::new();
    for partition in 0..=255 {
        write(&other, key(partition, 9), "other", Assurance::Renewable).await.unwrap();
        write(&store, key(partition, 1), "ours", Assurance::Renewable).await.unwrap();
        written.push(key(partition, 1));
    }
    for limit in [1, 7, 1000] {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = store.scan(next.as_ref(), limit, now()).await.unwrap();
            assert!(page.entries.len() <= limit);
            found.extend(page.entries.iter().map(|entry| entry.key));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, written, "{limit}");
    }
    let len = store.len().await.unwrap();
    assert!((180..=340).contains(&len), "about 256: {len}");
    let foreign = vouchsafe::store::Cursor(b"nowhere".as_slice().into());
    assert!(store.scan(Some(&foreign), 5, now()).await.is_err());
}

#[tokio::test]
async fn a_small_database_is_counted_exactly() {
    let server = Redis::start(&[]);
    let store = open(&of(&server));
    server.ask(&["SET", "other", "x"]);
    for number in 0..100 {
        write(&store, key(1, number), "x", Assurance::Renewable).await.unwrap();
    }
    assert_eq!(store.len().await.unwrap(), 100);
}

#[tokio::test]
async fn a_replica_and_a_sentinel_are_no_servers_to_keep_sessions_on() {
    let watched = Watched::start();
    let replica = &watched.servers.replica;
    let text = chain(&read(&open(&of(replica)), key(1, 1)).await.unwrap_err());
    assert!(text.contains("is a replica of") && text.contains("sentinel"), "{text}");
    let text = chain(&read(&open(&of(&watched.sentinels[0])), key(1, 1)).await.unwrap_err());
    assert!(text.contains("is it a sentinel?"), "{text}");
}

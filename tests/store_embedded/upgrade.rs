//! From version 0.1 to this one, and back, and to this one again: nobody is logged out, and nothing is called damaged.

use std::path::{Path, PathBuf};

use vouchsafe::domain::time::Timestamp;
use vouchsafe::store::embedded::EmbeddedStore;
use vouchsafe::store::{Applied, Expect, Write};

use crate::previous::{self, Content, Key, Record};
use crate::support::daemon::{Daemon, replace};
use crate::support::{temporary_folder, wait_for};

/// When the fixture was written, to the minute.
const NOW: u64 = 1_795_392_000_000;

/// The plain-HTTP ids of the fixture's sessions.
const DWHO: &str = "b6c2f6c7b156deec92ac82a2bf6b6714197008ce3824549330850722e621379b";
const RTYLER: &str = "a51f6057ec6e118fdf9e68b5bc129dc202f7987208c4d91ddab1458842a7b351";
/// She has logged out.
const AMY: &str = "3e9d4a5b579b0ea92ab8369770fe09406cb4ef39aef7421c52a3b981714665d8";

fn fixture(folder: &Path) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store");
    let path = folder.join("sessions.redb");
    std::fs::copy(fixtures.join("sessions-0.1.redb"), &path).unwrap();
    std::fs::copy(fixtures.join("sessions-0.1.key"), folder.join("sessions.key")).unwrap();
    path
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// What this version reads of a file, in the form of the other one.
async fn read(store: &EmbeddedStore) -> Vec<(Key, Record)> {
    let page = store.scan(None, 1000, at(0)).await.unwrap();
    assert_eq!(page.next, None);
    let entries = page.entries.into_iter().map(|entry| {
        let (expires, revision) = (entry.record.expires.as_millis(), entry.record.revision);
        let bytes = entry.record.bytes.to_vec();
        (entry.key, Record { expires, revision, index: entry.index, bytes })
    });
    entries.collect()
}

async fn check(store: &EmbeddedStore) {
    let mut next = None;
    loop {
        next = store.check(next).await.unwrap().next;
        if next.is_none() {
            break;
        }
    }
    let state = store.state().await.unwrap();
    assert!(state.is_checked);
    assert_eq!((state.records_damaged, state.records_aside, state.files_aside), (0, 0, 0));
}

fn same(content: &Content) -> Vec<(Key, Record)> {
    content.records.iter().map(|(key, record)| (*key, record.clone())).collect()
}

#[tokio::test]
async fn what_one_version_writes_the_other_reads_there_and_back_and_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture(folder.path());
    let written = previous::read(&path);
    assert_eq!(written.records.len(), 9);

    let store = EmbeddedStore::open(&path).unwrap();
    assert!(!store.state().await.unwrap().is_checked);
    assert_eq!(read(&store).await, same(&written));
    assert_eq!(store.newest_time(), at(written.newest));
    check(&store).await;
    drop(store);
    // Only looked at, it is the same to the version before.
    assert_eq!(previous::read(&path), written);

    // This version writes: a change, a new record, an end.
    let store = EmbeddedStore::open(&path).unwrap();
    let [changed, ended] = [0, 1].map(|at| *written.records.keys().nth(at).unwrap());
    let new = [7; 32];
    let value = |bytes: &[u8]| Some(bytes.into());
    let write = |key, value, index| Write {
        key,
        expect: Expect::Any,
        value,
        expires: at(NOW + 1_000_000),
        index,
    };
    let batch = vec![
        write(changed, value(b"changed"), Some(5)),
        write(ended, None, None),
        write(new, value(b"new"), Some(6)),
    ];
    assert!(matches!(store.apply(batch, at(NOW)).await, Ok(Applied::Done(_))));
    let ours = read(&store).await;
    drop(store);
    let back = previous::read(&path);
    assert_eq!((same(&back), back.newest), (ours, NOW));
    for (key, record) in &back.records {
        assert!(back.expiries.contains(&(record.expires, *key)));
        assert!(record.index.is_none_or(|index| back.members.contains(&(index, *key))));
    }
    assert_eq!(back.expiries.len(), 9);
    assert_eq!(
        back.records.values().filter(|record| record.index.is_some()).count(),
        back.members.len()
    );

    // The version before writes again, and this one has no false alarm.
    let theirs = Record { revision: 3, bytes: b"theirs".to_vec(), ..back.records[&new].clone() };
    previous::write(&path, &new, &theirs, NOW + 1);
    previous::write(&path, &[8; 32], &theirs, NOW + 2);
    let written = previous::read(&path);
    let store = EmbeddedStore::open(&path).unwrap();
    assert!(!store.state().await.unwrap().is_checked);
    assert_eq!(read(&store).await, same(&written));
    assert_eq!(store.members(6, at(NOW)).await.unwrap().len(), 2);
    check(&store).await;
    assert_eq!(read(&store).await, same(&written));
    drop(store);
    // Nobody has written since.
    assert!(EmbeddedStore::open(&path).unwrap().state().await.unwrap().is_checked);
}

/// The configuration of the fixture, with its files where they are.
fn config(shipped: &str, folder: &Path) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let config = replace(shipped, "data/sessions.redb", &at("sessions.redb"));
    let config = replace(&config, "data/sessions.key", &at("sessions.key"));
    let config = replace(&config, "secured: 2", "secured: 3");
    let config = replace(&config, "  timeout: 20h", "  timeout: 8000000h");
    replace(&config, "  idle_timeout: 1h", "  idle_timeout: 8000000h")
}

fn status(daemon: &Daemon, id: &str) -> u16 {
    let cookie = format!("vouchsafehttp={id}");
    Daemon::check("/page").header("Cookie", &cookie).send(daemon.public).status
}

#[test]
fn whoever_was_logged_in_before_an_upgrade_is_so_after_it_and_after_a_crash() {
    let folder = temporary_folder();
    fixture(folder.path());
    let daemon = Daemon::start_with(|shipped| config(&shipped, folder.path()));
    for _ in 0..2 {
        assert_eq!([DWHO, RTYLER, AMY].map(|id| status(&daemon, id)), [200, 200, 401]);
        wait_for("all records are looked at", || {
            daemon.log().contains("every record of the sessions' store was looked at").then_some(())
        });
        daemon.kill();
        daemon.restart();
    }
    assert!(daemon.log().contains("an older version has written"), "{}", daemon.log());
    assert!(!daemon.log().contains("damaged,"), "{}", daemon.log());
}

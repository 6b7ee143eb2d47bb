//! Damage, failures and copies, as a caller sees them.

use redb::{ReadableDatabase as _, ReadableTableMetadata as _};

use super::*;
use crate::store::Expect;
use crate::store::embedded::layout::Header;

const NOW: Timestamp = Timestamp::from_millis(1000);
const LATER: Timestamp = Timestamp::from_millis(5000);

fn fresh() -> (tempfile::TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&folder.path().join("store.redb")).unwrap();
    (folder, store)
}

/// A store whose record under `key` is these very bytes, with a checksum or none, due at 2000, member of 7.
fn holding(value: &[u8], key: Key, check: Option<u64>) -> (tempfile::TempDir, EmbeddedStore) {
    let (folder, store) = fresh();
    let live = store.shared.live().unwrap();
    let transaction = live.database.begin_write().unwrap();
    transaction.open_table(layout::RECORDS).unwrap().insert(&key, value).unwrap();
    transaction.open_table(layout::EXPIRIES).unwrap().insert((2000, &key), ()).unwrap();
    transaction.open_table(layout::MEMBERS).unwrap().insert((7, &key), ()).unwrap();
    if let Some(check) = check {
        transaction.open_table(layout::CHECKS).unwrap().insert(&key, check).unwrap();
    }
    transaction.commit().unwrap();
    (folder, store)
}

fn put(key: Key) -> Write {
    let value = Some([1, 2, 3].into());
    Write { key, expect: Expect::Any, value, expires: LATER, index: Some(7) }
}

fn key(number: u16) -> Key {
    let mut key = [9; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    key
}

/// How many rows the table of members has.
fn rows(store: &EmbeddedStore) -> u64 {
    let transaction = store.shared.live().unwrap().database.begin_read().unwrap();
    transaction.open_table(layout::MEMBERS).unwrap().len().unwrap()
}

/// What lies aside under `key`.
fn aside(store: &EmbeddedStore, key: Key) -> Option<Vec<u8>> {
    let transaction = store.shared.live().unwrap().database.begin_read().unwrap();
    let table = transaction.open_table(layout::DAMAGED).unwrap();
    table.get(&key).unwrap().map(|value| value.value().to_vec())
}

/// Looks at everything.
async fn check_all(store: &EmbeddedStore) -> Result<u64, StoreError> {
    let (mut next, mut records) = (None, 0);
    loop {
        let checked = store.check(next).await?;
        (next, records) = (checked.next, records + checked.records);
        if next.is_none() {
            return Ok(records);
        }
    }
}

/// Waits until the writer has done what it was told.
async fn settled(store: &EmbeddedStore) {
    store.apply(vec![put([0xee; 32])], NOW).await.unwrap();
    store.apply(vec![Write { value: None, ..put([0xee; 32]) }], NOW).await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_is_unknown_set_aside_and_told_of() {
    let whole = Header { expires: LATER, revision: 3, index: Some(7) }.encode(b"dwho");
    let check = layout::checksum(&[1; 32], &whole);
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cases = [
        (Vec::new(), Some(check)),
        (b"\x02short".to_vec(), Some(check)),
        (flipped, Some(check)),
        (whole.clone(), None),
        (whole.clone(), Some(layout::checksum(&[2; 32], &whole))),
    ];
    for (value, check) in cases {
        let (_folder, store) = holding(&value, [1; 32], check);
        assert_eq!(store.get([1; 32], NOW).await.unwrap(), None);
        settled(&store).await;
        assert_eq!(aside(&store, [1; 32]), Some(value.clone()));
        assert_eq!(store.members(7, NOW).await.unwrap(), [[0; 32]; 0]);
        assert_eq!((store.len().await.unwrap(), rows(&store)), (0, 0));
        let state = store.state().await.unwrap();
        assert_eq!((state.records_damaged, state.records_aside), (1, 1));
        // Whoever writes begins anew.
        let write = Write { expect: Expect::Absent, ..put([1; 32]) };
        assert_eq!(store.apply(vec![write], NOW).await.unwrap(), Applied::Done(vec![1]));
        assert_eq!(store.members(7, NOW).await.unwrap(), [[1; 32]]);
    }
}

#[tokio::test]
async fn a_damaged_record_is_nowhere_a_record() {
    let value = Header { expires: LATER, revision: 3, index: Some(7) }.encode(b"dwho");
    for what in 0..3 {
        let (_folder, store) = holding(&value, [1; 32], Some(0));
        match what {
            0 => assert_eq!(store.members(7, NOW).await.unwrap(), [[0; 32]; 0]),
            1 => assert_eq!(store.scan(None, 10, NOW).await.unwrap().entries, []),
            _ => {
                let expect = Expect::Revision(3);
                let applied = store.apply(vec![Write { expect, ..put([1; 32]) }], NOW).await;
                assert_eq!(applied.unwrap(), Applied::Conflict { index: 0, current: None });
            }
        }
        settled(&store).await;
        assert_eq!(aside(&store, [1; 32]).as_ref(), Some(&value));
    }
}

#[tokio::test]
async fn a_check_finds_what_nobody_reads() {
    let value = Header { expires: LATER, revision: 1, index: None }.encode(b"dwho");
    let (_folder, store) = holding(&value, [1; 32], Some(0));
    let keys = (0..2500).map(key);
    store.apply(keys.map(put).collect(), NOW).await.unwrap();
    assert_eq!(check_all(&store).await.unwrap(), 2501);
    settled(&store).await;
    assert_eq!(store.state().await.unwrap().records_aside, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_missing_are_made_anew() {
    for table in 0..3 {
        let (_folder, store) = fresh();
        store.apply((0..2500).map(|number| put(key(number))).collect(), NOW).await.unwrap();
        let live = store.shared.live().unwrap();
        let transaction = live.database.begin_write().unwrap();
        match table {
            0 => drop(transaction.open_table(layout::MEMBERS).unwrap().remove((7, &key(2100)))),
            1 => drop(transaction.open_table(layout::EXPIRIES).unwrap().remove((5000, &key(2100)))),
            _ => drop(transaction.open_table(layout::RECORDS).unwrap().remove(&key(2100))),
        }
        transaction.commit().unwrap();
        drop(live);
        assert!(matches!(check_all(&store).await, Err(StoreError::Corrupt(_))), "{table}");
        while check_all(&store).await.is_err() {
            tokio::task::yield_now().await;
        }
        let expected = if table == 2 { 2499 } else { 2500 };
        assert_eq!(store.members(7, NOW).await.unwrap().len(), expected, "{table}");
        assert_eq!(store.state().await.unwrap().files_aside, 1);
        assert_eq!(store.sweep(LATER).await.unwrap(), expected as u64, "{table}");
    }
}

#[tokio::test]
async fn not_more_damage_is_kept_than_fits() {
    let (_folder, store) = fresh();
    let live = store.shared.live().unwrap();
    let transaction = live.database.begin_write().unwrap();
    let mut records = transaction.open_table(layout::RECORDS).unwrap();
    for number in 0..1200 {
        records.insert(&key(number), &b"nonsense"[..]).unwrap();
    }
    drop(records);
    transaction.commit().unwrap();
    drop(live);
    while store.check(None).await.unwrap().records > 0 {
        settled(&store).await;
    }
    let state = store.state().await.unwrap();
    assert_eq!((state.records, state.records_aside, state.records_damaged), (0, 1000, 1200));
}

#[tokio::test]
async fn a_row_of_the_expiries_that_is_out_of_date_takes_no_live_record_along() {
    let expires = Timestamp::from_millis(9000);
    let value = Header { expires, revision: 1, index: Some(7) }.encode(b"live");
    let check = layout::checksum(&[1; 32], &value);
    let (_folder, store) = holding(&value, [1; 32], Some(check));
    assert_eq!(store.sweep(Timestamp::from_millis(2000)).await.unwrap(), 0);
    assert!(store.get([1; 32], Timestamp::from_millis(2000)).await.unwrap().is_some());
    assert_eq!(store.members(7, Timestamp::from_millis(2000)).await.unwrap(), [[1; 32]]);
}

#[tokio::test]
async fn a_row_of_the_members_that_no_record_confirms_names_nobody() {
    let value = Header { expires: LATER, revision: 1, index: Some(8) }.encode(b"elsewhere");
    let check = layout::checksum(&[1; 32], &value);
    let (_folder, store) = holding(&value, [1; 32], Some(check));
    assert_eq!(store.members(7, NOW).await.unwrap(), [[0; 32]; 0]);
}

#[tokio::test]
async fn every_row_of_a_record_goes_with_it() {
    let (_folder, store) = fresh();
    store.apply((0..4).map(|byte| put([byte; 32])).collect(), NOW).await.unwrap();
    let moved = Write { index: Some(8), ..put([0; 32]) };
    let left = Write { index: None, ..put([1; 32]) };
    let deleted = Write { value: None, ..put([2; 32]) };
    store.apply(vec![moved, left, deleted, put([3; 32])], NOW).await.unwrap();
    assert_eq!(rows(&store), 2);
    assert_eq!(store.sweep(LATER).await.unwrap(), 3);
    let transaction = store.shared.live().unwrap().database.begin_read().unwrap();
    let checks = transaction.open_table(layout::CHECKS).unwrap().len().unwrap();
    let expiries = transaction.open_table(layout::EXPIRIES).unwrap().len().unwrap();
    assert_eq!((rows(&store), checks, expiries), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_for_a_while_needs_no_restart() {
    let (_folder, store) = fresh();
    store.apply(vec![put([1; 32])], NOW).await.unwrap();
    store.place.fails.store(true, Ordering::SeqCst);
    assert!(matches!(store.apply(vec![put([2; 32])], NOW).await, Err(StoreError::Unavailable(_))));
    store.place.fails.store(false, Ordering::SeqCst);
    // It is tried again now and then, by whoever writes.
    while store.apply(vec![put([3; 32])], NOW).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(store.get([1; 32], NOW).await.unwrap().is_some());
    assert_eq!(store.get([2; 32], NOW).await.unwrap(), None);
    assert!(store.get([3; 32], NOW).await.unwrap().is_some());
    assert!(store.state().await.unwrap().reopened > 0);
}

/// Turns the bytes of every page of a file that hold `pattern` into nonsense.
fn scramble(path: &Path, pattern: &[u8]) -> usize {
    let mut bytes = std::fs::read(path).unwrap();
    let mut pages = 0;
    for page in bytes.chunks_mut(4096).skip(1) {
        if page.windows(pattern.len()).any(|window| window == pattern) {
            page[..64].fill(0xa5);
            pages += 1;
        }
    }
    std::fs::write(path, bytes).unwrap();
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_that_makes_no_sense_in_one_place_the_rest_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = EmbeddedStore::open(&path).unwrap();
    for number in 0..200 {
        let value = Some(vec![7; 900].into());
        store.apply(vec![Write { value, ..put(key(number)) }], NOW).await.unwrap();
    }
    let marked = Write { value: Some((*b"the mark of one page").into()), ..put(key(1000)) };
    store.apply(vec![marked], NOW).await.unwrap();
    drop(store);
    assert!(scramble(&path, b"the mark of one page") > 0);

    let store = EmbeddedStore::open(&path).unwrap();
    // Whoever reads there is told so, until what can be read is saved.
    while !matches!(store.get(key(1000), NOW).await, Ok(None)) {
        tokio::task::yield_now().await;
    }
    let state = store.state().await.unwrap();
    assert_eq!((state.files_aside, state.is_checked), (1, true));
    assert!(state.records >= 180, "{}", state.records);
    assert_eq!(store.members(7, NOW).await.unwrap().len() as u64, state.records);
    settled(&store).await;
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("store.redb.damaged-")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_opened_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = EmbeddedStore::open(&path).unwrap();
    store.apply(vec![put([1; 32])], NOW).await.unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let mut zeros = whole.clone();
    zeros[..4096].fill(0);
    let mut nonsense = whole.clone();
    nonsense[9..512].fill(0xa5);
    for (count, bytes) in (1..).zip([&whole[..5000], &zeros, &nonsense]) {
        std::fs::write(&path, bytes).unwrap();
        let store = EmbeddedStore::open(&path).unwrap();
        assert_eq!((store.len().await.unwrap(), store.state().await.unwrap().files_aside), (0, 1));
        drop(store);
        let kept = std::fs::read_dir(folder.path()).unwrap().filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.to_string_lossy().contains(".damaged-")
        });
        assert_eq!(kept.count(), count);
    }
}

/// Everything in a store, in order.
async fn content(store: &EmbeddedStore) -> Vec<crate::store::Entry> {
    store.scan(None, 10_000, NOW).await.unwrap().entries
}

async fn compacted(store: &EmbeddedStore) -> (u64, u64) {
    assert!(store.compact().await.unwrap());
    loop {
        match store.state().await.unwrap().compaction {
            Compaction::Done { before, after } => return (before, after),
            Compaction::Running { .. } => tokio::task::yield_now().await,
            Compaction::Never | Compaction::Failed(_) => panic!("not compacted"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_keeps_everything_and_takes_less_room() {
    let (folder, store) = fresh();
    for part in 0..10 {
        let keys = (0..300).map(|number| key(part * 300 + number));
        let put = |key| Write { value: Some(vec![7; 400].into()), ..put(key) };
        store.apply(keys.map(put).collect(), NOW).await.unwrap();
    }
    let gone = (0..2500).map(|number| Write { value: None, ..put(key(number)) });
    store.apply(gone.collect(), NOW).await.unwrap();
    let before = content(&store).await;
    let (large, small) = compacted(&store).await;
    assert!(small < large, "{large} {small}");
    assert_eq!(content(&store).await, before);
    assert_eq!(before.len(), 500);
    assert_eq!((rows(&store), store.state().await.unwrap().is_checked), (500, true));
    let path = store.state().await.unwrap().path;
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!((content(&store).await, store.newest_time()), (before, NOW));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_during_a_compaction_is_in_the_new_file() {
    let (_folder, store) = fresh();
    let store = Arc::new(store);
    store.apply((0..3000).map(|number| put(key(number))).collect(), NOW).await.unwrap();
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for turn in 0..400_u16 {
                let changed =
                    Write { value: Some(turn.to_be_bytes().into()), ..put(key(turn * 7)) };
                let gone = Write { value: None, ..put(key(turn * 7 + 1)) };
                let new = put(key(4000 + turn));
                store.apply(vec![changed, gone, new], NOW).await.unwrap();
            }
        }
    });
    for _ in 0..3 {
        compacted(&store).await;
    }
    writer.await.unwrap();
    compacted(&store).await;
    let entries = content(&store).await;
    assert_eq!(entries.len(), 3000);
    for turn in 0..400_u16 {
        let found = entries.iter().find(|entry| entry.key == key(turn * 7)).unwrap();
        assert_eq!((&*found.record.bytes, found.record.revision), (&turn.to_be_bytes()[..], 2));
    }
    assert_eq!(rows(&store), 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_that_finds_no_room_changes_nothing() {
    let (folder, store) = fresh();
    store.apply(vec![put([1; 32])], NOW).await.unwrap();
    std::fs::create_dir(folder.path().join("store.redb.compacting")).unwrap();
    assert!(store.compact().await.is_err());
    assert!(store.get([1; 32], NOW).await.unwrap().is_some());
    store.apply(vec![put([2; 32])], NOW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_store_as_it_was_at_that_moment() {
    let (folder, store) = fresh();
    store.apply((0..1000).map(|number| put(key(number))).collect(), NOW).await.unwrap();
    let before = content(&store).await;
    let path = folder.path().join("backup.redb");
    let told = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&told);
    let tell = move |done, total| heard.store(done * 10_000 + total, Ordering::SeqCst);
    store.back_up(path.clone(), NOW, tell).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 1000 * 10_000 + 1000);
    store.apply(vec![put(key(5000))], NOW).await.unwrap();
    let backup = EmbeddedStore::open(&path).unwrap();
    assert_eq!((content(&backup).await, backup.newest_time()), (before, NOW));
    assert_eq!(backup.state().await.unwrap().files_aside, 0);

    let file = store.backup_file(NOW).await.unwrap();
    assert!(file.metadata().unwrap().len() > 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_checksums_gets_them_and_trusts_what_is_there() {
    let (folder, store) = fresh();
    store.apply((0..1200).map(|number| put(key(number))).collect(), NOW).await.unwrap();
    let path = store.state().await.unwrap().path;
    drop(store);
    // As the version before this one: it knows neither checksums nor who checked.
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let value = Header { expires: LATER, revision: 9, index: None }.encode(b"theirs");
    let mut records = transaction.open_table(layout::RECORDS).unwrap();
    records.insert(&key(1), value.as_slice()).unwrap();
    records.insert(&key(3000), value.as_slice()).unwrap();
    records.remove(&key(2)).unwrap();
    drop(records);
    transaction.open_table(layout::META).unwrap().insert(layout::META_NEWEST, 1001).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let store = EmbeddedStore::open(&path).unwrap();
    assert!(!store.state().await.unwrap().is_checked);
    assert_eq!(store.get(key(3000), NOW).await.unwrap().unwrap().revision, 9);
    store.apply(vec![put(key(1))], Timestamp::from_millis(1002)).await.unwrap();
    check_all(&store).await.unwrap();
    let state = store.state().await.unwrap();
    assert_eq!((state.is_checked, state.records, state.records_damaged), (true, 1200, 0));
    let transaction = store.shared.live().unwrap().database.begin_read().unwrap();
    assert_eq!(transaction.open_table(layout::CHECKS).unwrap().len().unwrap(), 1200);
    drop(transaction);
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    assert!(store.state().await.unwrap().is_checked);
    let _ = folder;
}

/// A reproducible stream of numbers.
fn noise(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_flipped_in_a_file_nobody_gets_what_is_not_his() {
    let (folder, store) = fresh();
    let value = |number: u16| number.to_be_bytes().repeat(20);
    for part in 0..6 {
        let keys = (0..100).map(|number| part * 100 + number);
        let put = |number| Write { value: Some(value(number).into()), ..put(key(number)) };
        store.apply(keys.map(put).collect(), NOW).await.unwrap();
    }
    let path = store.state().await.unwrap().path;
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged.redb");
    for seed in 0..40 {
        let mut noise = noise(seed);
        let mut bytes = whole.clone();
        for _ in 0..1 << (seed % 8) {
            let at = usize::try_from(noise() % bytes.len() as u64).unwrap();
            bytes[at] ^= 1 << (noise() % 8);
        }
        std::fs::write(&damaged, bytes).unwrap();
        // A flip in the first bytes makes it somebody else's file, which is refused.
        let Ok(store) = EmbeddedStore::open(&damaged) else { continue };
        let (mut there, mut tries) = (0, 0);
        for number in 0..600 {
            let found = loop {
                match store.get(key(number), NOW).await {
                    Ok(found) => break found,
                    Err(_) if tries < 2000 => tries += 1,
                    Err(error) => panic!("seed {seed}: not healed: {error:?}"),
                }
                let _ = store.apply(vec![put([0xee; 32])], NOW).await;
            };
            if let Some(record) = found {
                assert_eq!(*record.bytes, value(number), "seed {seed}: {number}");
                there += 1;
            }
        }
        let state = store.state().await.unwrap();
        assert!(there > 500 || state.files_aside > 0, "seed {seed}: {there} {state:?}");
    }
}

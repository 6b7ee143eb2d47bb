//! The account of bytes, rows and records, exact whatever is written, evicted and expired.

use std::time::Duration;

use super::*;
use crate::store::Expect;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn put(number: u64, bytes: usize, expires: Timestamp) -> Vec<Write> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    let value = Some(vec![7; bytes].into());
    vec![Write { key, expect: Expect::Any, value, expires, index: None }]
}

fn put_in(index: Index, number: u64, bytes: usize, expires: Timestamp) -> Vec<Write> {
    let writes = put(number, bytes, expires).into_iter();
    writes.map(|write| Write { index: Some(index), ..write }).collect()
}

fn members_rows(store: &MemoryStore) -> usize {
    store.writing().rows()
}

/// Rows, and records that should have one.
fn rows(store: &MemoryStore) -> (usize, usize) {
    let mut records = 0;
    for number in 0..1 << SHARD_BITS {
        store.in_slices(number, |shard, at| {
            records += usize::from(shard.held(at).is_some_and(|held| held.index.is_some()));
        });
    }
    (members_rows(store), records)
}

#[test]
fn the_account_is_exact_after_puts_replacements_and_deletions() {
    let store = MemoryStore::new(1 << 20);
    let later = NOW.plus(Duration::from_mins(1));
    store.apply(put(1, 100, later), NOW).unwrap();
    store.apply(put(2, 50, later), NOW).unwrap();
    store.apply(put(1, 10, later), NOW).unwrap();
    assert_eq!((store.len(), store.bytes()), (2, 60 + 2 * OVERHEAD_BYTES));
    let mut delete = put(1, 0, later);
    delete[0].value = None;
    store.apply(delete, NOW).unwrap();
    assert_eq!((store.len(), store.bytes()), (1, 50 + OVERHEAD_BYTES));
    assert_eq!((store.sweep(later), store.bytes(), store.is_empty()), (1, 0, true));
    assert_eq!(store.evictions(), 0);
}

#[test]
fn a_row_is_counted_as_long_as_its_record() {
    let store = MemoryStore::new(1 << 20);
    let later = NOW.plus(Duration::from_mins(1));
    let bytes = |rows: u64| 10 + OVERHEAD_BYTES + rows * ROW_BYTES;
    for (batch, expected) in [
        (put_in(7, 1, 10, later), (1, bytes(1))),
        (put_in(7, 1, 10, later), (1, bytes(1))),
        (put_in(8, 1, 10, later), (1, bytes(1))),
        (put(1, 10, later), (0, bytes(0))),
        (put_in(8, 1, 10, NOW), (1, bytes(1))),
    ] {
        store.apply(batch, NOW).unwrap();
        assert_eq!((members_rows(&store), store.bytes()), expected);
    }
    assert_eq!(store.sweep(NOW), 1);
    assert_eq!((members_rows(&store), store.bytes()), (0, 0));
}

#[test]
fn there_is_room_until_the_last_byte() {
    let store = MemoryStore::new(1000 + 2 * (OVERHEAD_BYTES + ROW_BYTES));
    let later = NOW.plus(Duration::from_mins(1));
    store.apply(put_in(7, 1, 600, later), NOW).unwrap();
    assert!(store.has_room(400));
    assert!(!store.has_room(401));
    assert!(!store.has_room(u64::MAX));
    store.apply(put_in(7, 2, 400, later), NOW).unwrap();
    assert_eq!((store.evictions(), store.len()), (0, 2));
}

#[test]
fn rows_are_not_more_than_records_after_a_parallel_flood_of_few_keys() {
    let store = MemoryStore::new(1 << 14);
    let later = NOW.plus(Duration::from_mins(1));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for turn in 0..2000_u64 {
                    let number = turn * 7 % 61;
                    match (turn + thread) % 5 {
                        0 => store.apply(put(number, 300, later), NOW).unwrap(),
                        index => store.apply(put_in(index, number, 300, later), NOW).unwrap(),
                    };
                    // Readers change the order of eviction.
                    let _ = store.get(&put(turn % 61, 0, NOW)[0].key, NOW);
                }
            });
        }
    });
    let (rows, records) = rows(&store);
    assert_eq!(rows, records);
    assert!(rows > 0 && store.evictions() > 100, "{rows} {}", store.evictions());
}

#[test]
fn a_store_smaller_than_any_record_keeps_nothing_and_counts_nothing() {
    for max_bytes in [0, 1, OVERHEAD_BYTES] {
        let store = MemoryStore::new(max_bytes);
        store.apply(put_in(7, 1, 600, NOW.plus(Duration::from_mins(1))), NOW).unwrap();
        assert_eq!((store.len(), store.bytes(), store.evictions()), (0, 0, 1));
        assert_eq!((members_rows(&store), store.members(7, NOW)), (0, vec![]));
        assert!(!store.has_room(0));
    }
}

#[test]
fn records_that_are_read_while_they_are_evicted_leave_no_row() {
    let store = MemoryStore::new(1);
    let later = NOW.plus(Duration::from_mins(1));
    std::thread::scope(|scope| {
        let store = &store;
        let writer = scope.spawn(move || {
            for number in 0..5000 {
                store.apply(put_in(7, number, 10, later), NOW).unwrap();
            }
        });
        while !writer.is_finished() {
            let _ = store.get(&put(4999, 0, NOW)[0].key, NOW);
            store.sweep(NOW);
        }
    });
    assert_eq!((rows(&store), store.len(), store.evictions()), ((0, 0), 0, 5000));
}

#[test]
fn a_sweep_in_parallel_takes_no_record_that_was_renewed() {
    let store = MemoryStore::new(1 << 20);
    let later = NOW.plus(Duration::from_mins(1));
    std::thread::scope(|scope| {
        let store = &store;
        let writer = scope.spawn(move || {
            for turn in 0..3000_u64 {
                store.apply(put_in(7, turn % 40, 10, NOW), NOW).unwrap();
                store.apply(put_in(7, turn % 40, 10, later), NOW).unwrap();
            }
        });
        while !writer.is_finished() {
            store.sweep(NOW);
        }
    });
    assert_eq!((store.len(), store.members(7, NOW).len(), rows(&store)), (40, 40, (40, 40)));
}

#[test]
fn a_scan_goes_through_all_shards_in_the_order_of_keys() {
    let store = MemoryStore::new(1 << 20);
    let later = NOW.plus(Duration::from_mins(1));
    for number in 0..1000_u64 {
        store.apply(put(number << 54, 1, later), NOW).unwrap();
    }
    let (mut cursor, mut keys, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = store.scan(cursor.as_ref(), 7, NOW).unwrap();
        keys.extend(page.entries.iter().map(|entry| entry.key));
        (cursor, pages) = (page.next, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((keys.len(), pages, keys.is_sorted()), (1000, 143, true));
}

//! What the memory store promises alone: it stays within its bound, and forgets the right ones.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Expect, Index, MemoryStore, NOW, Timestamp, Write, at, key, numbers};

/// A record with an index, as that is what room is kept for.
fn write(number: u64, bytes: usize) -> Vec<Write> {
    let value = Some(vec![7; bytes].into());
    let expires = at(3_600_000);
    vec![Write { key: key(number), expect: Expect::Any, value, expires, index: Some(7) }]
}

#[test]
fn a_flood_of_distinct_records_stays_within_the_bound() {
    for (max_bytes, bytes, records) in [(1 << 20, 500, 20_000), (1 << 20, 32_768, 500)] {
        let store = MemoryStore::new(max_bytes);
        for number in 0..records {
            store.apply(write(number, bytes), NOW).unwrap();
            assert!(store.bytes() <= max_bytes + max_bytes / 20, "{} at {number}", store.bytes());
        }
        assert!(store.bytes() > max_bytes / 2, "evicted too much: {}", store.bytes());
        assert_eq!(store.len() + store.evictions(), records);
        assert_eq!(store.sweep(at(3_600_000)), records - store.evictions());
        assert_eq!((store.bytes(), store.len()), (0, 0));
    }
}

#[test]
fn a_parallel_flood_stays_within_the_bound() {
    let max_bytes = 1 << 20;
    let store = MemoryStore::new(max_bytes);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..3000 {
                    store.apply(write(thread * 10_000 + number, 900), NOW).unwrap();
                    let _ = store.get(&key(thread * 10_000 + number / 2), NOW);
                    assert!(store.bytes() <= max_bytes + max_bytes / 20, "{}", store.bytes());
                }
            });
        }
    });
    assert_eq!(store.len() + store.evictions(), 12_000);
}

#[test]
fn whoever_asks_for_room_first_never_evicts_anything() {
    let store = MemoryStore::new(1 << 20);
    let mut refused = 0;
    for number in 0..5000 {
        if store.has_room(500) {
            store.apply(write(number, 500), NOW).unwrap();
        } else {
            refused += 1;
        }
    }
    assert_eq!(store.evictions(), 0);
    assert_eq!(store.len(), 5000 - refused);
    assert!(refused > 0 && store.bytes() + 900 > 1 << 20);
    assert!(store.get(&key(0), NOW).is_some());
    store.sweep(at(3_600_000));
    assert!(store.has_room(500));
}

#[test]
fn the_least_recently_read_record_is_evicted_first() {
    let store = MemoryStore::new(1 << 20);
    let mut count = 0;
    while store.has_room(1000) {
        store.apply(write(count, 1000), NOW).unwrap();
        count += 1;
    }
    assert_eq!(store.sweep(NOW), 0);
    for number in (0..count).filter(|number| number % 2 == 0) {
        assert!(store.get(&key(number), NOW).is_some());
    }
    for number in 0..count / 2 {
        store.apply(write(1_000_000 + number, 1000), NOW).unwrap();
    }
    store.sweep(NOW);
    for number in 0..count {
        let kept = store.get(&key(number), NOW).is_some();
        assert_eq!(kept, number % 2 == 0, "{number} of {count}");
    }
    assert_eq!(store.evictions(), count / 2);
}

/// What each number was last written with: the only record that a store may still have of it.
type Written = HashMap<u64, Option<Index>>;

/// Asserts that the members are those of the numbers that `get` finds, no more and no less.
fn members_are_what_is_found(store: &MemoryStore, written: &Written, now: Timestamp) {
    assert!(!store.has_room(u64::MAX));
    for index in 0..3 {
        let members = numbers(&store.members(index, now));
        let of_it = written.iter().filter(|(_, of)| **of == Some(index)).map(|(&number, _)| number);
        let mut found: Vec<_> =
            of_it.filter(|&number| store.get(&key(number), now).is_some()).collect();
        found.sort_unstable();
        assert_eq!(members, found, "{index}");
        assert_eq!(numbers(&store.members(index, now)), members, "{index}: asking changes nothing");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put { number: u64, bytes: usize, life: u64, index: Option<Index> },
    Delete(u64),
    Get(u64),
    Wait(u64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let index = prop::option::weighted(0.8, 0..3_u64);
    let put = (0..24_u64, 0..3000_usize, 0..100_u64, index);
    prop_oneof![
        8 => put.prop_map(|(number, bytes, life, index)| Step::Put { number, bytes, life, index }),
        1 => (0..24_u64).prop_map(Step::Delete),
        2 => (0..24_u64).prop_map(Step::Get),
        1 => (0..20_u64).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    #[test]
    fn members_are_what_is_found_whatever_was_evicted(
        max_bytes in 0..30_000_u64, steps in prop::collection::vec(step(), 1..80),
    ) {
        let store = MemoryStore::new(max_bytes);
        let (mut written, mut now) = (Written::new(), NOW);
        for step in steps {
            match step {
                Step::Put { number, bytes, life, index } => {
                    let expires = now.plus(std::time::Duration::from_millis(life));
                    let write = write(number, bytes).remove(0);
                    store.apply(vec![Write { expires, index, ..write }], now).unwrap();
                    written.insert(number, index);
                }
                Step::Delete(number) => {
                    let write = write(number, 0).remove(0);
                    store.apply(vec![Write { value: None, ..write }], now).unwrap();
                    written.remove(&number);
                }
                Step::Get(number) => drop(store.get(&key(number), now)),
                Step::Wait(millis) => now = now.plus(std::time::Duration::from_millis(millis)),
                Step::Sweep => drop(store.sweep(now)),
            }
            members_are_what_is_found(&store, &written, now);
        }
    }
}

#[test]
fn a_record_that_is_evicted_and_rewritten_in_parallel_is_always_a_member() {
    // Room for a dozen of 256 records, so that nearly every write evicts what another one wrote.
    let store = MemoryStore::new(16_384);
    let written = std::thread::scope(|scope| {
        let threads = (0..4).map(|thread| {
            let store = &store;
            scope.spawn(move || {
                let mut written = Written::new();
                for turn in 0..1500_u64 {
                    // Each thread has keys of its own, and so knows what they were written with.
                    let number = thread * 64 + turn * 5 % 64;
                    let index = turn % 3;
                    let write = write(number, 700).remove(0);
                    store.apply(vec![Write { index: Some(index), ..write }], NOW).unwrap();
                    written.insert(number, Some(index));
                    let members = store.members(index, NOW);
                    // Found now, so it was there then.
                    if store.get(&key(number), NOW).is_some() {
                        assert!(members.contains(&key(number)), "{number} at {turn}");
                    }
                }
                written
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Written>()
    });
    assert!(store.evictions() > 5000, "{}", store.evictions());
    assert_eq!(store.sweep(NOW), 0);
    members_are_what_is_found(&store, &written, NOW);
}

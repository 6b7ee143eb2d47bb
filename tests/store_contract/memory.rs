//! What the memory store promises alone: it stays within its bound, and forgets the right ones.

use super::{Expect, MemoryStore, NOW, Write, at, key};

fn write(number: u64, bytes: usize) -> Vec<Write> {
    let value = Some(vec![7; bytes].into());
    vec![Write { key: key(number), expect: Expect::Any, value, expires: at(3_600_000) }]
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
        // moka may drop reads that it is not given time to note.
        store.sweep(NOW);
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

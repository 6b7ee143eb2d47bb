//! Callers that want the same read share it, and nobody is told what was so before they asked.

use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use crate::explore;
use crate::single_flight::Lanes;

const KEY: [u8; 32] = [7; 32];

/// A value that only grows, and callers who read it.
struct World {
    value: AtomicU64,
    lanes: Lanes<u64, Mutex<()>>,
    under_way: AtomicUsize,
    reads: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        let (value, lanes) = (AtomicU64::new(1), Lanes::new(1));
        Arc::new(Self { value, lanes, under_way: AtomicUsize::new(0), reads: AtomicUsize::new(0) })
    }

    fn asks(&self, while_reading: impl FnOnce()) -> u64 {
        let seat = self.lanes.seat(KEY);
        let _turn = seat.turn().lock().unwrap();
        if let Some(found) = seat.found() {
            return found;
        }
        let read = seat.begin();
        self.reads.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.under_way.fetch_add(1, Ordering::SeqCst), 0, "one read at a time");
        let found = self.value.load(Ordering::SeqCst);
        while_reading();
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        seat.end(read, found);
        found
    }

    fn asks_and_is_told_the_present(&self) {
        let known = self.value.load(Ordering::SeqCst);
        let told = self.asks(|| {});
        assert!(told >= known, "{told}, and {known} was known");
    }
}

fn together(world: &Arc<World>, callers: usize, deed: fn(&World)) -> Vec<thread::JoinHandle<()>> {
    let spawn = |_| {
        let world = Arc::clone(world);
        thread::spawn(move || deed(&world))
    };
    (0..callers).map(spawn).collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn nobody_is_told_what_was_so_before_they_asked() {
    explore(|| {
        let world = World::new();
        let callers = together(&world, 4, World::asks_and_is_told_the_present);
        let writer = together(&world, 1, |world| {
            world.value.fetch_add(1, Ordering::SeqCst);
            world.value.fetch_add(1, Ordering::SeqCst);
        });
        join(callers);
        join(writer);
        assert_eq!(world.lanes.occupied_lanes(), 0);
    });
}

#[test]
fn a_burst_during_a_read_costs_one_more() {
    explore(|| {
        let world = World::new();
        let seated = Arc::new((Mutex::new(0_usize), Condvar::new()));
        let (first, all) = (Arc::clone(&world), Arc::clone(&seated));
        let reading = Arc::new((Mutex::new(false), Condvar::new()));
        let begun = Arc::clone(&reading);
        let slow = thread::spawn(move || {
            first.asks(|| {
                *begun.0.lock().unwrap() = true;
                begun.1.notify_all();
                let mut count = all.0.lock().unwrap();
                while *count < 3 {
                    count = all.1.wait(count).unwrap();
                }
            });
        });
        let mut begun = reading.0.lock().unwrap();
        while !*begun {
            begun = reading.1.wait(begun).unwrap();
        }
        drop(begun);
        let others = (0..3).map(|_| {
            let (world, seated) = (Arc::clone(&world), Arc::clone(&seated));
            thread::spawn(move || {
                let seat = world.lanes.seat(KEY);
                *seated.0.lock().unwrap() += 1;
                seated.1.notify_all();
                let _turn = seat.turn().lock().unwrap();
                if seat.found().is_none() {
                    let read = seat.begin();
                    world.reads.fetch_add(1, Ordering::SeqCst);
                    seat.end(read, world.value.load(Ordering::SeqCst));
                }
            })
        });
        join(others.collect());
        slow.join().unwrap();
        assert_eq!(world.reads.load(Ordering::SeqCst), 2);
        assert_eq!(world.lanes.occupied_lanes(), 0);
    });
}

#[test]
fn a_reader_that_goes_away_holds_nobody_up() {
    explore(|| {
        let world = World::new();
        let gone = together(&world, 1, |world| {
            let seat = world.lanes.seat(KEY);
            let _turn = seat.turn().lock().unwrap();
            if seat.found().is_none() {
                let _never_ends = seat.begin();
            }
        });
        let callers = together(&world, 3, World::asks_and_is_told_the_present);
        join(gone);
        join(callers);
        assert_eq!(world.lanes.occupied_lanes(), 0);
    });
}

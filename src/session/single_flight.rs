//! Of many callers that want the same record read, one reads it.
//!
//! A caller may be told what a read found that *began* after the caller asked; what one found that ran
//! already may be older than a change that the caller knows of. So there is at most one read of a key under
//! way and one to come, and a burst costs two. Callers take turns; whoever gets the turn and finds no such
//! answer reads. Nobody waits for a reader that went away: its turn passes on. Must not know: what is read,
//! how one waits.

use std::collections::HashMap;

use super::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whose reads have answers of type `T`, and in which callers wait for their turn with `Turn`.
#[derive(Debug)]
pub struct Lanes<T, Turn>(Box<[Mutex<Occupied<T, Turn>>]>);

/// The lanes in use, each with its number of callers.
type Occupied<T, Turn> = HashMap<[u8; 32], (usize, Arc<Lane<T, Turn>>)>;

#[derive(Debug)]
struct Lane<T, Turn> {
    turn: Turn,
    progress: Mutex<Progress<T>>,
}

#[derive(Debug)]
struct Progress<T> {
    /// Reads that have begun.
    begun: u64,
    /// What the newest one found that ended, and which it was.
    found: Option<(u64, T)>,
}

/// A caller's place in the lane of a key.
#[derive(Debug)]
pub struct Seat<'a, T, Turn> {
    lanes: &'a Lanes<T, Turn>,
    key: [u8; 32],
    lane: Arc<Lane<T, Turn>>,
    /// Reads that had begun when the caller came.
    asked: u64,
}

/// A read that has begun.
#[derive(Debug)]
#[must_use = "others wait for what it finds"]
pub struct Read(u64);

impl<T: Clone, Turn: Default> Lanes<T, Turn> {
    /// Lanes behind `count` locks, at least one.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self((0..count.max(1)).map(|_| Mutex::new(HashMap::new())).collect())
    }

    /// A seat for a caller that asks now.
    #[must_use]
    pub fn seat(&self, key: [u8; 32]) -> Seat<'_, T, Turn> {
        let unused = || (0, Arc::new(Lane { turn: Turn::default(), progress: Mutex::default() }));
        let lane = self.occupied(&key).map(|mut lanes| {
            let (callers, lane) = lanes.entry(key).or_insert_with(unused);
            *callers += 1;
            Arc::clone(lane)
        });
        let lane = lane.unwrap_or_else(|| unused().1);
        let asked = lock(&lane.progress).begun;
        Seat { lanes: self, key, lane, asked }
    }
}

impl<T, Turn> Lanes<T, Turn> {
    /// How many keys have callers.
    #[cfg(test)]
    #[must_use]
    pub fn occupied_lanes(&self) -> usize {
        self.0.iter().map(|lanes| lock(lanes).len()).sum()
    }

    /// The lanes among which that of `key` is.
    fn occupied(&self, key: &[u8; 32]) -> Option<MutexGuard<'_, Occupied<T, Turn>>> {
        let [_, one, two, ..] = *key;
        let place = usize::from(u16::from_le_bytes([one, two])) % self.0.len();
        self.0.get(place).map(lock)
    }
}

impl<T: Clone, Turn> Seat<'_, T, Turn> {
    /// What to wait for, and to hold until the answer is there.
    #[must_use]
    pub fn turn(&self) -> &Turn {
        &self.lane.turn
    }

    /// What was found by a read that began after this caller asked.
    #[must_use]
    pub fn found(&self) -> Option<T> {
        let progress = lock(&self.lane.progress);
        progress
            .found
            .as_ref()
            .filter(|(read, _)| *read > self.asked)
            .map(|(_, found)| found.clone())
    }

    /// Begins a read. Only who has the turn may.
    pub fn begin(&self) -> Read {
        let mut progress = lock(&self.lane.progress);
        progress.begun += 1;
        Read(progress.begun)
    }

    /// Tells the others what `read` found.
    #[expect(clippy::needless_pass_by_value, reason = "a read ends once")]
    pub fn end(&self, read: Read, found: T) {
        lock(&self.lane.progress).found = Some((read.0, found));
    }
}

impl<T, Turn> Drop for Seat<'_, T, Turn> {
    fn drop(&mut self) {
        let Some(mut lanes) = self.lanes.occupied(&self.key) else { return };
        if let Some((callers, _)) = lanes.get_mut(&self.key) {
            *callers -= 1;
            if *callers == 0 {
                lanes.remove(&self.key);
            }
        }
    }
}

impl<T> Default for Progress<T> {
    fn default() -> Self {
        Self { begun: 0, found: None }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is held here can be left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

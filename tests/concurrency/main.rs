//! The types that hold threads apart, run in thousands of interleavings: what may be remembered of a session,
//! who reads it for whom, and what is used once.
//!
//! The sources of `src/session` are compiled here with shuttle's locks instead of those of `std`.

mod remembering;
mod sharing;
mod using_once;

mod sync {
    pub use shuttle::sync::{Arc, Mutex, MutexGuard, PoisonError};
}

#[path = "../../src/session/shards.rs"]
mod shards;
#[path = "../../src/session/single_flight.rs"]
mod single_flight;

/// Interleavings that a test tries at random, and again as many in which threads are rarely preempted, as
/// real ones are.
const INTERLEAVINGS: usize = 3_000;

fn explore(world: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(world, INTERLEAVINGS);
    shuttle::check_pct(world, INTERLEAVINGS, 3);
}

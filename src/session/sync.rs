//! What the types that hold threads apart are made of. `tests/concurrency` puts shuttle's in its place and
//! tries their interleavings.

pub use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

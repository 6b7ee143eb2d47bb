//! What operators see: metrics, logs, audit lines.
//!
//! Must not know: sessions' contents, HTTP, stores. No value that a client chooses becomes a label.

pub mod audit;
pub mod log;
pub mod metrics;

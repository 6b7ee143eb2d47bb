//! Second factors checked across nodes: the real daemon and real eduMFA servers, in each other's roles.
//!
//! - `asking`: what a client of `/validate` sends, and what it must hear
//! - `peers`: what the other tests stand on: eduMFA alone, and nodes that misbehave

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses other parts")]
mod support;

mod asking;
mod peers;

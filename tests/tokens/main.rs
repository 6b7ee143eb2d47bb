//! Tokens and nodes as operators work on them: the real command with the real daemon, and without it.
//!
//! - `station`: a daemon with a local node, and its command
//! - `adding`, `changing`, `importing`: what the command does, and what the node then accepts
//! - `alone`: the same without a running daemon
//! - `api`: who may, and how it answers what is wrong
//! - `nodes`: whether other nodes live

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses other parts")]
mod support;

mod adding;
mod alone;
mod api;
mod changing;
mod importing;
mod nodes;
mod station;

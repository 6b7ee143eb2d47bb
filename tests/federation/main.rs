//! Second factors checked across nodes: the real daemon and real eduMFA servers, in each other's roles.
//!
//! - `asking`: what a client of `/validate` sends, and what it must hear
//! - `node`: the daemon as a node; `cast`: who is where, with which token
//! - `parent`: the daemon asks eduMFA; `child`: eduMFA asks the daemon; `chain`: eduMFA, the daemon, eduMFA
//! - `seed`: the parent's token or the child's, and whom that locks: nobody
//! - `callers`: who may ask at all
//! - `client_ip`: what a handler sends along
//! - `challenge`: who may answer what, and where the answer goes
//! - `misbehaving`: children that do what none should
//! - `loops`: nodes that would ask each other for ever
//! - `races`: one OTP, many times at once
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
mod callers;
mod cast;
mod chain;
mod challenge;
mod child;
mod client_ip;
mod loops;
mod misbehaving;
mod node;
mod parent;
mod peers;
mod races;
mod seed;
mod tls;

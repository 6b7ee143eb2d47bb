//! What becomes of sessions when something fails: real daemons, real stores, real signals, and an exact account.
//!
//! - `nodes`: several daemons that share their sessions
//! - `load`: people who log in here, are seen there, log out elsewhere; `account`: what they were told, and whether
//!   it is true
//! - `journeys`: login here, use there, logout elsewhere
//! - `faults`: one fault each, under load; `outage`: who is served meanwhile, and what operators see
//!
//! - `latency`: how soon a logout is known elsewhere
//! - `chaos`: all of it for longer, `make chaos`; it writes the figures of docs/reliability.md

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses other parts")]
mod support;

mod account;
mod chaos;
mod faults;
mod journeys;
mod latency;
mod load;
mod nodes;
mod outage;

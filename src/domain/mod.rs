//! The words of the trade: requests, identities, sessions as seen from outside, decisions.
//!
//! Must not know: IO, async, clocks, HTTP crates, YAML, metrics. Everything here is a value or a
//! pure function, so every floor above may use it and every test may build it from literals.

pub mod decision;
pub mod encoding;
pub mod explanation;
pub mod factor;
pub mod header;
pub mod host;
pub mod identity;
pub mod key_hash;
pub mod limits;
pub mod location;
pub mod network;
pub mod node;
pub mod request;
pub mod secret;
pub mod target;
pub mod time;

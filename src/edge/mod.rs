//! The edge: bytes of proxies and people in, decisions out.
//!
//! Must not know: how a decision is made, where sessions live, what a rule is. One file a dialect says what
//! is asked and how each decision is said.

pub mod admin;
pub mod clock;
pub mod http;

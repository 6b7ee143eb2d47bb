//! Sessions as operators see and end them: the API and the command, with the real daemon and without it.
//!
//! - `house`: a daemon, people who log in, programs that call
//! - `listing`: who is found, and what is shown of a session
//! - `ending`: one, a user's, everybody's; and that nobody can use what has ended
//! - `api`: what is refused, and how

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses other parts")]
mod support;

mod api;
mod ending;
mod house;
mod listing;

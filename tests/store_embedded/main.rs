//! The embedded store over the life of an installation: another version writes its file in between, it grows, it is
//! copied.
//!
//! - `operators`: copies, compaction, moves, encryption, damage
//! - `previous`: how version 0.1 reads and writes the file
//! - `upgrade`: from that version to this one, and back
//!
//! `tests/fixtures/store/sessions-0.1.redb` was written by a daemon of version 0.1, with three logins, one of them
//! logged out, a program without a cookie, and a challenge; `sessions-0.1.key` is its `sessions.key`.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time and share them between tests"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses other parts")]
mod support;

mod operators;
mod previous;
mod upgrade;

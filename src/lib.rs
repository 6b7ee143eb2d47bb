//! Vouchsafe: an auth subrequest daemon.
//!
//! A reverse proxy asks it about every request; it believes the identity headers of an accredited
//! *master*, keeps sessions, and answers allow, challenge, deny or unavailable. The floors below are
//! listed from the top down; imports point down only (`tests/architecture.rs` holds that).
//! A request is decided in [`authority::decide`].
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

pub mod app;
pub mod authority;
pub mod cli;
pub mod config;
pub mod domain;

pub mod edge;
pub mod import;
pub mod mfa;
pub mod policy;
pub mod protocol;
pub mod session;
pub mod store;
pub mod telemetry;

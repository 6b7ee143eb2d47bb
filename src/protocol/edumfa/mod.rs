//! eduMFA's protocol, which privacyIDEA shares: questions to `/validate/*` and their JSON answers.
//!
//! Must not know: which node is asked, who may ask, sockets, the clock.

pub mod answer;
pub mod document;
#[cfg(test)]
mod golden_tests;
pub mod hops;
mod json;
mod multipart;
pub mod question;
pub mod request;
pub mod signature;

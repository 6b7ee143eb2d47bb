//! The nodes themselves: who can be asked about a second factor. Must not know: handlers, or which node is asked when.

pub mod local;
pub mod server;

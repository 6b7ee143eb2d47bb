//! Second factors: a federation of MFA nodes, the local one among them, asked about users and secrets.
//!
//! Must not know: sessions, rules, HTTP as it comes in, what an accepted factor is worth. A question is a
//! [`Question`](crate::domain::node::Question), what comes of it is a value; nobody is asked twice about one OTP
//! unless a node has definitely refused it (SEMANTICS F4).

pub mod breaker;
pub mod challenge;
pub mod condition;
pub mod facts;
pub mod federation;
pub mod home;
pub mod node;
pub mod settings;
pub mod token;

//! Tokens of the local node: what one is, how its one-time passwords and its PIN are checked, how it comes into being.
//!
//! Must not know: users' files, questions, where records lie. Everything but the random bytes of a new token and the
//! pool that hashes PINs is pure; `now` is an argument.

pub mod enrolment;
pub mod hotp;
pub mod import;
pub mod pin;
pub mod record;
pub mod seal;
pub mod state;
pub mod totp;

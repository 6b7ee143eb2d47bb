//! Decisions of the real authority over real stores, in one process: time is an argument.
//!
//! What needs a proxy or a socket is in `tests/scenarios`.

mod assertions;
mod cookies;
mod denials;
mod explanations;
mod expressions;
mod factors;
mod floods;
mod groups;
mod identities;
mod installation;
mod lifetimes;
mod logout;
mod properties;
mod routes;
mod rules;
mod variables;

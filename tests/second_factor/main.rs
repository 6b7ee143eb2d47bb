//! A second factor from the first click to the application, with the real daemon behind real proxies, and what goes
//! wrong on the way.
//!
//! - `lab`: an MFA node that does as a test tells it
//! - `world`: a daemon that asks it, an application, and the proxies between them and a browser
//! - `person`: a browser with a person in front of it
//! - `journey`: from a page to the form and back to the page
//! - `challenges`: answers in a second step, and on another device
//! - `forms`: what may be sent to the portal, and by whom
//! - `no_loops`: where no factor would help, nobody is asked for one
//! - `riding`: factors that come with the request itself
//! - `outage`: nodes that are down, or hang
//! - `regulation`: guessing is slowed down, and nobody is locked out by a stranger
//! - `odd`: questions that no good program asks
//! - `crash`: kill -9 while sessions step up
//!
//! The proxies are those of tests/proxies, which has them all in `fronts`.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time and share them between tests"
)]

#[path = "../support/mod.rs"]
#[expect(
    dead_code,
    reason = "shared with tests/scenarios and tests/proxies, which use other parts"
)]
mod support;

#[path = "../proxies/fronts/mod.rs"]
#[expect(dead_code, reason = "shared with tests/proxies, which uses more of it")]
mod fronts;
#[path = "../proxies/limits.rs"]
#[expect(dead_code, reason = "what they are is told by tests/proxies")]
mod limits;

mod challenges;
mod crash;
mod forms;
mod journey;
mod lab;
mod no_loops;
mod odd;
mod outage;
mod person;
mod regulation;
mod riding;
mod world;

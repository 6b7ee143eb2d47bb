//! What a person sees: headless Chromium, a second nginx as the master in front of the portal, the shipped
//! nginx files, the real daemon, an application.
//!
//! - `stage`: all of that but the browser, and the names under which the browser knows it
//! - `browser`: one Chromium with a new profile, and what a person does with it
//! - `driver`: chromedriver, spoken to with the support's own client
//! - `login`: an application without any prompt, and who is not believed
//! - `menu`: the choice, the menu, an application
//! - `logout`: one session, all of them, and the way on
//! - `foreign`: what pages of another site can do
//! - `loops`: cookies that do not return
//! - `appearance`: German, French, a telephone, a dark room
//! - `keyboard`: every page without a mouse
//!
//! A browser that goes out of scope fails its test if its console holds anything that the test has not read.
//! `VOUCHSAFE_SCREENSHOTS=folder cargo test --test browser` keeps a picture of each page.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time, and VOUCHSAFE_SCREENSHOTS is their switch"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses more of it")]
mod support;

mod appearance;
mod browser;
mod driver;
mod foreign;
mod keyboard;
mod login;
mod logout;
mod loops;
mod menu;
mod stage;

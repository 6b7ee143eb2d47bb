//! One list of cases behind every proxy, each with the shipped files and the real daemon; the table of results is
//! docs/proxies.md.
//!
//! - `fronts`: the proxies, a file each
//! - `world`: the daemon, the applications, and all fronts around them, started once
//! - `asking`: requests, and what must hold of their answers
//! - `grpc`: the gRPC application and its client
//! - `cases`: what is tried
//! - `limits`: what a proxy itself cannot do
//! - `table`: the page
//! - `variants`: what the shipped files offer in comments
//!
//! `PROXIES_ONLY='Caddy 2.11' CASES_ONLY='websocket' cargo test --test proxies` tries only some;
//! `UPDATE_DOCS=1` writes the page.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests wait for real programs in real time, and the environment is their switch"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with tests/scenarios, which uses more of it")]
mod support;

mod asking;
mod cases;
mod fronts;
mod grpc;
mod limits;
mod table;
mod variants;
mod world;

use crate::cases::outage::OUTAGES;
use crate::cases::{CASES, Case};
use crate::table::Table;
use crate::world::World;

fn is_wanted(variable: &str, name: &str) -> bool {
    std::env::var(variable).map_or(true, |only| only.split(',').any(|part| name.contains(part)))
}

#[test]
fn every_case_holds_behind_every_proxy() {
    let world = World::start();
    let wanted: Vec<&Case> =
        CASES.iter().filter(|case| is_wanted("CASES_ONLY", case.name)).collect();
    let mut table = Table::new(&world, &wanted);
    for (name, outage) in OUTAGES.iter().filter(|(name, _)| is_wanted("CASES_ONLY", name)) {
        table.add(name, outage(&world, name));
    }
    table.assert_nothing_fails(&world.fronts);
    if world.is_whole() && std::env::var_os("CASES_ONLY").is_none() {
        table.assert_page_is_fresh(&world.fronts);
    }
}

//! What the fronts write down, with the log formats as shipped.

use crate::asking::{about, allowed, marker, refused, stranger};
use crate::fronts::Front;
use crate::support::wait_for;
use crate::table::{Cell, cells};
use crate::world::{MASTER, World};

/// Waits for the log's line about the request with `marker`.
#[track_caller]
fn line(front: &Front, marker: &str) -> String {
    wait_for("the front logs the request", || {
        let logs = front.logs();
        logs.lines().find(|line| line.contains(marker)).map(str::to_owned)
    })
}

pub fn named(_: &World, front: &Front) {
    let (target, user) = (marker(), marker());
    let page = stranger("GET", &format!("/page/{target}")).headers(&about(&user)).from(MASTER);
    allowed(front, &page);
    let told = line(front, &target);
    assert!(told.contains(&user) && told.contains("200"), "{told}");

    let target = marker();
    refused(front, &stranger("GET", &format!("/page/{target}")), 401, "login");
    let told = line(front, &target);
    assert!(told.contains("login") && told.contains("401"), "{told}");
}

pub fn no_secret(world: &World, name: &'static str) -> Vec<Cell> {
    cells(world, name, |front| {
        let logs = front.logs();
        assert!(!logs.is_empty(), "there is no log");
        for line in logs.lines() {
            let hex = line.split(|c: char| !c.is_ascii_hexdigit());
            let is_secret =
                line.contains("password") || hex.map(str::len).any(|length| length == 64);
            assert!(!is_secret, "{line}");
        }
    })
}

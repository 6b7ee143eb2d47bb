//! `make chaos`: a minute of faults at random under load, each fault by itself, how soon a logout arrives; and the
//! figures in docs/reliability.md.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::account::Counts;
use crate::faults::{FAULTS, is_exact};
use crate::latency::{quantile, revocation};
use crate::load::Load;
use crate::nodes::{Nodes, store_at, store_watched};
use crate::support::redis::{Redis, Watched};
use crate::support::wait_for;

/// How long faults come at random; `CHAOS_SECONDS` says otherwise.
const SECONDS: u64 = 60;

/// Logouts whose way is timed.
const LOGOUTS: usize = 300;

#[test]
#[ignore = "minutes of faults, which every fault's own test has in short: make chaos"]
fn whatever_fails_nothing_that_was_acknowledged_is_lost() {
    let mut table = "| fault, under load | logins | logouts | told to try again | lost | came back | somebody else's |\n\
                     | --- | --: | --: | --: | --: | --: | --: |\n"
        .to_owned();
    for (fault, inflict) in FAULTS {
        println!("{fault}");
        let account = inflict();
        is_exact(&account);
        row(&mut table, fault, account.counts());
    }
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds = seconds.unwrap_or(SECONDS);
    let counts = at_random(Duration::from_secs(seconds));
    row(
        &mut table,
        &format!("all of these at random for {seconds} s, three daemons, Sentinel"),
        counts,
    );
    write_part("account", &table);
    write_part("revocation", &latencies());
}

fn row(table: &mut String, fault: &str, counts: Counts) {
    let Counts { logins, logouts, lost, resurrected, swapped, .. } = counts;
    let failed = counts.logins_failed + counts.logouts_failed + counts.unavailable;
    let _ = writeln!(
        table,
        "| {fault} | {logins} | {logouts} | {failed} | {lost} | {resurrected} | {swapped} |"
    );
}

/// Faults one after the other, as dice say; the same dice each time.
fn at_random(long: Duration) -> Counts {
    let watched = Watched::start();
    let nodes = Nodes::start(3, &store_watched(&watched));
    let load = Load::start(nodes.addresses());
    let end = Instant::now() + long;
    let mut dice = Dice(0x5eed);
    while Instant::now() < end {
        let daemon = &nodes.daemons[dice.roll(3)];
        let servers = [&watched.servers.primary, &watched.servers.replica];
        match dice.roll(5) {
            0 => {
                daemon.kill();
                daemon.restart();
            }
            1 => {
                daemon.signal("STOP");
                std::thread::sleep(Duration::from_secs(2)); // it is the fault
                daemon.signal("CONT");
            }
            2 => {
                let server = servers[dice.roll(2)];
                server.kill();
                std::thread::sleep(Duration::from_secs(3)); // it is the fault
                server.restart();
                is_well_again(&watched);
            }
            3 => {
                let server = servers[dice.roll(2)];
                server.pause();
                std::thread::sleep(Duration::from_secs(2)); // it is the fault
                server.resume();
                is_well_again(&watched);
            }
            _ => {
                let sentinel = &watched.sentinels[dice.roll(3)];
                sentinel.pause();
                std::thread::sleep(Duration::from_secs(1)); // it is the fault
                sentinel.resume();
            }
        }
        load.wait_for_success(10);
    }
    let account = load.settle();
    is_exact(&account);
    account.counts()
}

/// Waits until there is one primary with a replica that has everything: with two servers, a second fault during the
/// first would be a loss that nobody can do anything about.
fn is_well_again(watched: &Watched) {
    wait_for("one server follows the other again", || {
        let servers = [&watched.servers.primary, &watched.servers.replica];
        let leads = |server: &&&Redis| {
            let info = server.ask(&["INFO", "replication"]);
            info.contains("role:master") && info.contains("state=online")
        };
        let knows = |sentinel: &Redis| {
            let info = sentinel.ask(&["INFO", "sentinel"]);
            info.contains("status=ok")
        };
        (servers.iter().filter(leads).count() == 1 && watched.sentinels.iter().all(knows))
            .then_some(())
    });
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// How soon other nodes refuse who has logged out, with each way of hearing of it.
fn latencies() -> String {
    let mut table =
        "| told by | logouts | p50 | p99 | longest |\n| --- | --: | --: | --: | --: |\n".to_owned();
    for way in ["tracking", "pubsub"] {
        let redis = Redis::start(&[]);
        let store = store_at(&redis).replace(" }", &format!(", invalidation: {way} }}"));
        let nodes = Nodes::start(3, &store);
        let times = revocation(&nodes.addresses(), LOGOUTS);
        let text = |share| format!("{:.1} ms", quantile(&times, share).as_secs_f64() * 1000.0);
        let _ = writeln!(
            table,
            "| `{way}` | {LOGOUTS} | {} | {} | {} |",
            text((50, 100)),
            text((99, 100)),
            text((1, 1))
        );
    }
    table
}

/// Replaces the part of docs/reliability.md of this name.
fn write_part(name: &str, part: &str) {
    println!("{part}");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    std::fs::write(&path, format!("{before}{begin}\n{part}\n{end}{after}")).unwrap();
}

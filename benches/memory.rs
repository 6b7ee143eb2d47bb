//! What a session costs in the memory store: resident memory after a million of them were opened, less
//! what the process took before. `cargo bench --bench memory [-- SESSIONS]`.
//!
//! Each is a login of a user of its own (one record: `secured: 1`) with four attributes, 100 bytes with their
//! names. The account that `max_bytes` bounds is printed beside it: it must not be less than what is resident.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use vouchsafe::domain::identity::{Asserted, Attribute};
use vouchsafe::domain::network::LOOPBACK;
use vouchsafe::domain::secret::Secret;
use vouchsafe::domain::time::Timestamp;
use vouchsafe::session::Sessions;
use vouchsafe::session::fingerprint::Fingerprinter;
use vouchsafe::session::settings::{
    CookieSettings, Quotas, SameSite, SecuredMode, SessionSettings, StaleSettings,
};
use vouchsafe::store::Store;
use vouchsafe::store::memory::MemoryStore;
use vouchsafe::telemetry::metrics::Metrics;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// More than a million sessions need.
const MAX_BYTES: u64 = 4 << 30;

fn settings() -> SessionSettings {
    let cookie = CookieSettings {
        name: "vouchsafe".into(),
        secured: SecuredMode::Secured,
        same_site: SameSite::Lax,
        domain: None,
    };
    SessionSettings {
        cookie,
        timeout: Duration::from_secs(72_000),
        idle_timeout: Duration::from_secs(3600),
        touch_interval: Duration::from_secs(60),
        max_bytes: MAX_BYTES,
        quotas: Quotas { per_client: NonZeroU32::MAX, per_master: NonZeroU32::MAX },
        max_per_user: None,
        stale: StaleSettings { max: Duration::ZERO, level: 0 },
    }
}

/// Bytes of this process that lie in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("in every status");
    let kibibytes = line.trim().trim_end_matches("kB").trim();
    kibibytes.parse::<u64>().expect("a number") * 1024
}

async fn open(sessions: &Sessions, number: u64) {
    let user = format!("user{number:08}");
    // 13 bytes of names and 87 of values.
    let mail = format!("{user}@example.com");
    let name = format!("{user:-<31}");
    let groups = format!("{user:-<20}");
    let values = [("uid", &*user), ("cn", &*name), ("mail", &*mail), ("team", &*groups)];
    let attributes = values.map(|(name, value)| Attribute::received(name, value, None));
    let asserted = Asserted {
        master: "sso",
        realm: "",
        user: &user,
        level: 2,
        client: LOOPBACK,
        reported_client: None,
        attributes: attributes.into_iter().collect(),
    };
    sessions.open_cookie(&asserted, &[], NOW).await.expect("there is room");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // cargo adds an option of its own.
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let store = Arc::new(Store::Memory(MemoryStore::new(MAX_BYTES)));
    let fingerprinter = Fingerprinter::new(&Secret::new(vec![1; 32]));
    let metrics = Arc::new(Metrics::new(&["wiki".into()]));
    let (sessions, _touches) =
        Sessions::new(Arc::clone(&store), settings(), fingerprinter, metrics);
    open(&sessions, 0).await;
    let before = resident();
    for number in 1..=count {
        open(&sessions, number).await;
    }
    let taken = resident() - before;
    let memory = store.as_memory().expect("it is one");
    println!("{count} sessions of 4 attributes, 100 bytes in all, memory store");
    println!("resident    {:>6} bytes a session", taken / count);
    println!("account     {:>6} bytes a session", memory.bytes() / memory.len());
}

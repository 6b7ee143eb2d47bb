//! Fills an embedded store with sessions, and measures what others notice while it is swept or compacted.
//! benches/store runs it.
//!
//! `embedded fill FILE SESSIONS`: logins of that many users, as the daemon writes them; prints a cookie's id.
//! `embedded sweep FILE`: how long a login takes while nothing else happens, and while all that expires.
//! `embedded compact FILE`: the same while the file is compacted and copied.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
use vouchsafe::store::embedded::{Compaction, EmbeddedStore};
use vouchsafe::telemetry::metrics::Metrics;

/// Logins at a time while a file is filled.
const PARALLEL: u64 = 500;

/// Longer than a bench takes.
const TIMEOUT: Duration = Duration::from_secs(72_000);

/// Logins that are measured.
const LOGINS: u64 = 400;

fn settings() -> SessionSettings {
    let cookie = CookieSettings {
        name: "vouchsafe".into(),
        secured: SecuredMode::Secured,
        same_site: SameSite::Lax,
        domain: None,
    };
    SessionSettings {
        cookie,
        timeout: TIMEOUT,
        idle_timeout: TIMEOUT,
        touch_interval: Duration::from_secs(60),
        max_bytes: 64 << 20,
        quotas: Quotas { per_client: NonZeroU32::MAX, per_master: NonZeroU32::MAX },
        max_per_user: None,
        stale: StaleSettings { max: Duration::ZERO, level: 0 },
    }
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "sessions that a real daemon is to find alive")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::default().plus(since)
}

/// Logs a user in; returns the id that the cookie has.
async fn log_in(sessions: &Sessions, number: u64, now: Timestamp) -> String {
    let user = format!("user{number:08}");
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
    let opened = sessions.open_cookie(&asserted, &[], now).await.expect("it is written");
    opened.id.to_hex()
}

fn opened(path: &Path) -> (Arc<Sessions>, Arc<Store>) {
    let store = Arc::new(Store::Embedded(EmbeddedStore::open(path).expect("a store")));
    let fingerprinter = Fingerprinter::new(&Secret::new(vec![1; 32]));
    let metrics = Arc::new(Metrics::new(&["wiki".into()]));
    let (sessions, _touches) =
        Sessions::new(Arc::clone(&store), settings(), fingerprinter, metrics);
    (Arc::new(sessions), store)
}

async fn fill(path: &Path, count: u64) {
    let (sessions, _store) = opened(path);
    let now = now();
    let mut id = String::new();
    for begin in (0..count).step_by(usize::try_from(PARALLEL).expect("small")) {
        let mut logins = tokio::task::JoinSet::new();
        for number in begin..count.min(begin + PARALLEL) {
            let sessions = Arc::clone(&sessions);
            logins.spawn(async move { log_in(&sessions, number, now).await });
        }
        id = logins.join_all().await.pop().expect("there is one");
    }
    println!("{id}");
}

/// How long logins one after the other take, in microseconds: the median and the 99th percentile, until `ends`.
async fn logins(
    sessions: &Sessions,
    first: u64,
    now: Timestamp,
    ends: impl Fn(u64) -> bool,
) -> (u128, u128, usize) {
    let mut took = Vec::new();
    for number in 0.. {
        if ends(number) {
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "this is a stopwatch")]
        let begun = Instant::now();
        log_in(sessions, first + number, now).await;
        took.push(begun.elapsed().as_micros());
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(0);
    (at(50), at(99), took.len())
}

async fn sweep(path: &Path) {
    let (sessions, store) = opened(path);
    let later = now().plus(TIMEOUT).plus(TIMEOUT);
    let (median, slow, _) = logins(&sessions, 10_000_000, later, |done| done == LOGINS).await;
    println!("alone {median} {slow}");
    let sweeping = tokio::spawn(async move {
        #[expect(clippy::disallowed_methods, reason = "this is a stopwatch")]
        let begun = Instant::now();
        let swept = store.sweep(later).await.expect("it sweeps");
        (swept, begun.elapsed())
    });
    let (median, slow, count) =
        logins(&sessions, 20_000_000, later, |_| sweeping.is_finished()).await;
    let (swept, took) = sweeping.await.expect("it does not panic");
    println!("sweeping {median} {slow} {swept} {} {count}", took.as_millis());
}

async fn compact(path: &Path) {
    let (sessions, store) = opened(path);
    let embedded = store.as_embedded().expect("it is one");
    let now = now();
    let (median, slow, _) = logins(&sessions, 30_000_000, now, |done| done == LOGINS).await;
    println!("alone {median} {slow}");
    assert!(embedded.compact().await.expect("it begins"));
    let watching = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            #[expect(clippy::disallowed_methods, reason = "this is a stopwatch")]
            let begun = Instant::now();
            let mut pause = tokio::time::interval(Duration::from_millis(50));
            loop {
                pause.tick().await;
                let embedded = store.as_embedded().expect("it is one");
                match embedded.state().await.expect("it can be read").compaction {
                    Compaction::Done { before, after } => return (before, after, begun.elapsed()),
                    Compaction::Running { .. } => {}
                    Compaction::Never | Compaction::Failed(_) => panic!("not compacted"),
                }
            }
        }
    });
    let (median, slow, count) =
        logins(&sessions, 40_000_000, now, |_| watching.is_finished()).await;
    let (before, after, took) = watching.await.expect("it does not panic");
    println!("compacting {median} {slow} {before} {after} {} {count}", took.as_millis());
    let copying = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            #[expect(clippy::disallowed_methods, reason = "this is a stopwatch")]
            let begun = Instant::now();
            let embedded = store.as_embedded().expect("it is one");
            drop(embedded.backup_file(now).await.expect("it is copied"));
            begun.elapsed()
        }
    });
    let (median, slow, count) = logins(&sessions, 50_000_000, now, |_| copying.is_finished()).await;
    let took = copying.await.expect("it does not panic");
    println!("copying {median} {slow} {} {count}", took.as_millis());
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["fill", path, count] => fill(Path::new(path), count.parse().expect("a number")).await,
        ["sweep", path] => sweep(Path::new(path)).await,
        ["compact", path] => compact(Path::new(path)).await,
        _ => eprintln!("usage: embedded fill FILE SESSIONS | sweep FILE | compact FILE"),
    }
}

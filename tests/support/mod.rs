//! What the scenarios stand on: the real daemon, real proxies, an exact client, an honest application.
//!
//! Nothing here knows what is right; it starts things, sends bytes and reads bytes.

pub mod bad_node;
pub mod certificates;
pub mod children;
pub mod client;
pub mod command;
pub mod daemon;
pub mod disguises;
pub mod echo;
pub mod edumfa;
pub mod grpc_application;
pub mod nginx;
pub mod otp;
pub mod person;
pub mod programs;
pub mod prometheus;
pub mod redis;
pub mod server;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take before a test calls it hung; generous, because the machine is shared.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks `ready` until it answers `Some`; panics with `what` after [`DEADLINE`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10)); // the interval of the poll, not a guess
    }
}

/// A loopback address that nobody listens on.
///
/// Below the kernel's range for outgoing connections, so that none of those takes it in the meantime;
/// starting at a place of this process's own, because nextest runs a process for each test.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u32 = 15_000;
    const COUNT: u32 = 17_000;
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + (std::process::id().wrapping_mul(61) + step) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A folder for one program's files, deleted when dropped.
///
/// Statics are never dropped, so the first call also deletes the folders of test processes that are gone.
pub fn temporary_folder() -> TempDir {
    const PREFIX: &str = "vouchsafe-scenarios-";
    static TIDY: Once = Once::new();
    TIDY.call_once(|| {
        for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    });
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir().unwrap()
}

//! Sessions of several nodes over one store that fails, waits, and tells of changes late.

mod life;
mod outage;
mod policies;
mod sharing;
mod step_up;

use std::sync::atomic::Ordering;

use super::*;
use crate::config;
use crate::domain::identity::{Asserted, Attribute};
use crate::domain::network::LOOPBACK;
use crate::domain::secret::Secret;
use crate::session::settings::StaleSettings;
use crate::store::faulty::FaultyStore;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The slave backend's level.
const LEVEL: u8 = 2;

/// One node.
struct Node {
    sessions: Sessions,
    touches: TouchQueue,
    failing: &'static AtomicBool,
}

fn later(millis: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(millis))
}

fn of_user(user: &str) -> Asserted<'_> {
    with_mail(user, "d@x")
}

fn with_mail<'a>(user: &'a str, mail: &'a str) -> Asserted<'a> {
    Asserted {
        master: "sso",
        realm: "",
        user,
        level: LEVEL,
        client: LOOPBACK,
        reported_client: None,
        attributes: std::iter::once(Attribute::received("mail", mail, None)).collect(),
    }
}

fn key_of(byte: u8) -> Fingerprinter {
    Fingerprinter::new(&Secret::new(vec![byte; 32]))
}

/// With a double cookie, each half a session of its own.
fn shipped() -> SessionSettings {
    config::parse_shipped().unwrap_or_else(|e| panic!("{e}")).sessions
}

impl Node {
    fn alone() -> Self {
        Self::new(&shipped())
    }

    fn new(settings: &SessionSettings) -> Self {
        let failing: &'static AtomicBool = Box::leak(Box::default());
        Self::over(FaultyStore::new(failing), settings, key_of(1))
    }

    /// Another node over the same records.
    fn beside(&self, settings: &SessionSettings) -> Self {
        self.beside_with(settings, key_of(1))
    }

    fn beside_with(&self, settings: &SessionSettings, fingerprinter: Fingerprinter) -> Self {
        let failing: &'static AtomicBool = Box::leak(Box::default());
        Self::over(self.store().beside(failing), settings, fingerprinter)
    }

    fn over(store: FaultyStore, settings: &SessionSettings, fingerprinter: Fingerprinter) -> Self {
        let failing = store.failing;
        let metrics = Arc::new(Metrics::new(&["wiki".into()]));
        let store = Store::Faulty(store);
        let (sessions, touches) = Sessions::new(store, settings.clone(), fingerprinter, metrics);
        Self { sessions, touches, failing }
    }

    fn store(&self) -> &FaultyStore {
        match &*self.sessions.store {
            Store::Faulty(store) => store,
            Store::Memory(_) | Store::Embedded(_) | Store::Redis(_) | Store::Sealed(_) => {
                panic!("another store")
            }
        }
    }

    fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    fn reads(&self) -> u64 {
        self.store().reads.load(Ordering::SeqCst)
    }

    async fn open(&self, user: &str, now: Timestamp) -> Opened {
        self.sessions.open_cookie(&of_user(user), &[], now).await.unwrap()
    }

    async fn is_live(&self, key: SessionKey, now: Timestamp) -> bool {
        matches!(self.sessions.find(key, now).await, Ok(Lookup::Live(_)))
    }

    async fn end(&self, opened: &Opened, now: Timestamp) {
        let keyed = (opened.key, opened.session.clone());
        self.sessions.end(&[keyed], now).await.unwrap();
    }
}

/// Polls once: `None` if the future has to wait.
fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

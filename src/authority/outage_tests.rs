//! What is answered while the store or the audit log fails: never an allow that needed them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::authority::login::{Login, LoginRequest};
use crate::authority::logout::{BackchannelLogout, Logout, LogoutRequest};
use crate::authority::refusals::RefusalSettings;
use crate::authority::{Authority, LoginSettings};
use crate::config;
use crate::domain::decision::{Decision, Reason};
use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::network::LOOPBACK;
use crate::domain::request::{Peer, PortalRequest, Scheme};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::edge::http::nginx;
use crate::session::Sessions;
use crate::session::fingerprint::Fingerprinter;
use crate::store::Store;
use crate::store::faulty::FaultyStore;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::Metrics;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Here {
    authority: Authority,
    failing: &'static AtomicBool,
}

impl Here {
    fn new() -> Self {
        Self::with_audit(Audit::open(None).unwrap().0)
    }

    fn with_audit(audit: Audit) -> Self {
        let settings = config::parse_shipped().unwrap_or_else(|e| panic!("{e}"));
        let failing: &'static AtomicBool = Box::leak(Box::default());
        let metrics = Arc::new(Metrics::new(&["wiki".into()]));
        let store = Store::Faulty(FaultyStore::new(failing));
        let fingerprinter = Fingerprinter::new(&Secret::new(vec![1; 32]));
        let (sessions, _touches) =
            Sessions::new(store, settings.sessions, fingerprinter, Arc::clone(&metrics));
        let sessions = Arc::new(sessions);
        let login = LoginSettings { choice: None };
        Self {
            authority: Authority::new(
                settings.policy,
                login,
                RefusalSettings::default(),
                sessions,
                audit,
                metrics,
            ),
            failing,
        }
    }

    fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    async fn decide(&self, path: &str, headers: &[(&str, &str)], cookie: &str) -> Decision {
        let inputs = [
            ("x-original-method", "GET"),
            ("x-original-uri", path),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "127.0.0.1"),
        ];
        let all = inputs.iter().chain(headers);
        let list = all.map(|(n, v)| (*n, v.as_bytes())).collect::<HeaderList<'_>>();
        let cookies = [cookie.as_bytes()];
        self.authority.decide(&nginx::ask(&list, &cookies, Peer::Address(LOOPBACK)), NOW).await
    }

    async fn login(&self, user: &str) -> Login {
        let headers = [("cn", user), ("control", "password")];
        let list = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect::<HeaderList<'_>>();
        let request = LoginRequest {
            portal: portal(&list, &[]),
            lm_auth: None,
            return_url: None,
            is_cross_site: false,
            redirects: false,
            loop_mark: None,
        };
        self.authority.login(&request, NOW).await
    }

    async fn logout(&self, cookie: &str, everywhere: bool) -> Logout {
        let (list, cookies) = (HeaderList::default(), [cookie.as_bytes()]);
        let portal = portal(&list, &cookies);
        self.authority.logout(&LogoutRequest { portal, everywhere, return_url: None }, NOW).await
    }

    async fn backchannel(&self, user: &str) -> BackchannelLogout {
        let headers = master(user);
        let list = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect::<HeaderList<'_>>();
        self.authority.backchannel_logout(&portal(&list, &[]), NOW).await
    }

    async fn cookie(&self, user: &str) -> String {
        match self.login(user).await {
            Login::Opened { id, .. } => format!("vouchsafe={}", id.to_hex()),
            other @ (Login::AlreadyAuthenticated(_)
            | Login::Loop { .. }
            | Login::Refused { .. }
            | Login::Unavailable(_)) => panic!("{other:?}"),
        }
    }
}

fn portal<'a>(list: &'a HeaderList<'_>, cookies: &'a [&'a [u8]]) -> PortalRequest<'a> {
    PortalRequest {
        peer: Peer::Address(LOOPBACK),
        connection: Scheme::Http,
        forwarded_for: list.unique("x-forwarded-for"),
        scheme: Ok(None),
        headers: list,
        cookies,
        reference: "test",
    }
}

fn master(user: &str) -> [(&'static str, &str); 2] {
    [("control", "password"), ("cn", user)]
}

#[tokio::test]
async fn while_the_store_fails_only_what_memory_knows_is_allowed() {
    let here = Here::new();
    let (known, unknown) = (here.cookie("dwho").await, format!("vouchsafe={}", "a".repeat(64)));
    here.fail(true);
    let failed = Decision::Unavailable(Reason::StoreFailed);
    assert_eq!(here.decide("/x", &[], &known).await.reason(), Reason::Session);
    assert_eq!(here.decide("/x", &[], &unknown).await, failed);
    assert_eq!(here.decide("/public/x", &[], &unknown).await, failed);
    assert_eq!(here.decide("/x", &master("new"), "").await, failed);
    assert!(matches!(here.login("new").await, Login::Unavailable(Reason::StoreFailed)));
    assert_eq!(here.decide("/assets/x", &[], &unknown).await.reason(), Reason::Skipped);
    assert!(here.authority.ready(NOW).await.is_err());
    here.fail(false);
    assert!(here.authority.ready(NOW).await.is_ok());
    assert_eq!(here.decide("/x", &[], &unknown).await, Decision::Challenge(Reason::SessionUnknown));
    assert_eq!(here.decide("/x", &master("new"), "").await.reason(), Reason::Session);
}

#[tokio::test]
async fn a_switch_that_cannot_be_written_allows_nobody() {
    let here = Here::new();
    let alice = here.cookie("alice").await;
    here.fail(true);
    assert_eq!(
        here.decide("/x", &master("bob"), &alice).await,
        Decision::Unavailable(Reason::StoreFailed)
    );
    here.fail(false);
    assert_eq!(here.decide("/x", &master("bob"), &alice).await.reason(), Reason::Session);
    assert_eq!(here.decide("/x", &[], &alice).await, Decision::Challenge(Reason::SessionEnded));
}

#[tokio::test]
async fn changed_attributes_that_cannot_be_written_are_not_shown() {
    let here = Here::new();
    let cookie = here.cookie("dwho").await;
    here.fail(true);
    let renamed = [("control", "password"), ("cn", "dwho"), ("user-email", "new@x")];
    assert_eq!(
        here.decide("/x", &renamed, &cookie).await,
        Decision::Unavailable(Reason::StoreFailed)
    );
}

#[tokio::test]
async fn nobody_is_told_of_a_logout_that_the_store_did_not_acknowledge() {
    // O2, A56.
    let here = Here::new();
    let cookie = here.cookie("dwho").await;
    here.fail(true);
    for everywhere in [false, true] {
        let logout = here.logout(&cookie, everywhere).await;
        assert!(matches!(logout, Logout::Unavailable(Reason::StoreFailed)), "{logout:?}");
    }
    let failed = BackchannelLogout::Unavailable(Reason::StoreFailed);
    assert_eq!(here.backchannel("dwho").await, failed);
    here.fail(false);
    assert_eq!(here.decide("/x", &[], &cookie).await.reason(), Reason::Session);
    assert!(matches!(here.logout(&cookie, false).await, Logout::Done { .. }));
    assert_eq!(here.decide("/x", &[], &cookie).await, Decision::Challenge(Reason::SessionEnded));
}

#[tokio::test]
async fn without_an_audit_log_nobody_logs_in() {
    let here = Here::with_audit(Audit::broken());
    assert!(matches!(here.login("dwho").await, Login::Unavailable(Reason::AuditFailed)));
    let navigation = [("control", "password"), ("cn", "dwho"), ("sec-fetch-mode", "navigate")];
    assert_eq!(
        here.decide("/x", &navigation, "").await,
        Decision::Unavailable(Reason::AuditFailed)
    );
    // A call by fingerprint is no login and needs no line.
    assert_eq!(here.decide("/x", &master("dwho"), "").await.reason(), Reason::Session);
}

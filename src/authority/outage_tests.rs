//! What is answered while the store or the audit log fails: never an allow that needed them. And what the
//! audit log knows of sessions that ended without anybody's wish.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::authority::login::{Login, LoginRequest};
use crate::authority::logout::{BackchannelLogout, Logout, LogoutRequest};
use crate::authority::refusals::RefusalSettings;
use crate::authority::{Authority, LoginSettings};
use crate::config::{self, Settings};
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
    store: Arc<Store>,
    failing: &'static AtomicBool,
}

impl Here {
    fn new() -> Self {
        Self::with_audit(Audit::open(None).unwrap().0)
    }

    fn with_audit(audit: Audit) -> Self {
        let settings = config::parse_shipped().unwrap_or_else(|e| panic!("{e}"));
        Self::with(settings, audit)
    }

    fn with(settings: Settings, audit: Audit) -> Self {
        let failing: &'static AtomicBool = Box::leak(Box::default());
        let metrics = Arc::new(Metrics::new(&["wiki".into()]));
        let store = Arc::new(Store::Faulty(FaultyStore::new(failing)));
        let fingerprinter = Fingerprinter::new(&Secret::new(vec![1; 32]));
        let (sessions, _touches) = Sessions::new(
            Arc::clone(&store),
            settings.sessions,
            fingerprinter,
            Arc::clone(&metrics),
        );
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
            store,
            failing,
        }
    }

    fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    async fn decide(&self, path: &str, headers: &[(&str, &str)], cookie: &str) -> Decision {
        self.decide_at_level(0, path, headers, cookie).await
    }

    async fn decide_at_level(
        &self,
        level: u8,
        path: &str,
        headers: &[(&str, &str)],
        cookie: &str,
    ) -> Decision {
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
        let mut request = nginx::ask(&list, &cookies, Peer::Address(LOOPBACK));
        request.demands.level = level;
        self.authority.decide(&request, NOW).await
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
async fn a_session_that_is_served_without_the_store_meets_no_demand_above_the_masters_level() {
    // O2: what it is worth, only the store could tell, and a second factor would not help.
    let mut settings = config::parse_shipped().unwrap_or_else(|e| panic!("{e}"));
    settings.sessions.stale.max = Duration::from_mins(5);
    let here = Here::with(settings, Audit::open(None).unwrap().0);
    let cookie = here.cookie("dwho").await;
    here.store.channel().unwrap().lose();
    here.fail(true);
    assert_eq!(here.decide("/x", &[], &cookie).await.reason(), Reason::Session);
    let renamed = [("control", "password"), ("cn", "dwho"), ("user-email", "new@x")];
    let Decision::Allow(grant) = here.decide("/x", &renamed, &cookie).await else {
        panic!("its attributes are those that it had")
    };
    assert_eq!(grant.reuse, Duration::ZERO);
    let demanding = here.decide_at_level(5, "/x", &[], &cookie).await;
    assert_eq!(demanding, Decision::Unavailable(Reason::StoreFailed));
    let failed = here.decide("/x", &master("rtyler"), &cookie).await;
    assert_eq!(failed, Decision::Unavailable(Reason::StoreFailed), "a switch is a write");
    assert!(here.authority.ready(NOW).await.is_err());
    here.fail(false);
    let demanding = here.decide_at_level(5, "/x", &[], &cookie).await;
    assert_eq!(demanding.reason(), Reason::LevelTooLow);
}

#[tokio::test]
async fn whose_session_ended_because_there_were_too_many_stands_in_the_audit_log() {
    let mut settings = config::parse_shipped().unwrap_or_else(|e| panic!("{e}"));
    settings.sessions.max_per_user = NonZeroU32::new(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (audit, writer) = Audit::open(Some(&path)).unwrap();
    let here = Here::with(settings, audit);
    let mut reasons = Vec::new();
    for cookie in [here.cookie("dwho").await, here.cookie("dwho").await] {
        reasons.push(here.decide("/x", &[], &cookie).await.reason());
    }
    // Both at the same moment: then the key decides which is older.
    reasons.sort_by_key(|reason| *reason == Reason::Session);
    assert_eq!(reasons, [Reason::SessionEnded, Reason::Session]);
    let Here { authority, .. } = here;
    drop(authority);
    writer.finish();
    let lines = std::fs::read_to_string(path).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["login", "login", "displaced"]);
    let opened = [&lines[0]["session"], &lines[1]["session"]];
    assert!(opened.contains(&&lines[2]["session"]));
    assert_eq!(lines[2]["user"], "dwho");
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

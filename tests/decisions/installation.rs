//! An authority built from configuration text, and requests built from a few words.

use std::sync::Arc;

use vouchsafe::app::keys::create_signing_key;
use vouchsafe::app::open_store;
use vouchsafe::authority::login::{Login, LoginRequest};
use vouchsafe::authority::logout::{BackchannelLogout, Logout, LogoutRequest};
use vouchsafe::authority::refusals::RefusalSettings;
use vouchsafe::authority::{Authority, LoginSettings};
use vouchsafe::config;
use vouchsafe::domain::decision::{Decision, Reason};
use vouchsafe::domain::header::{HeaderList, HeaderView as _};
use vouchsafe::domain::request::{Peer, PortalRequest, Scheme};
use vouchsafe::domain::secret::Secret;
use vouchsafe::domain::time::Timestamp;
use vouchsafe::edge::http::nginx;
use vouchsafe::session::Sessions;
use vouchsafe::session::fingerprint::Fingerprinter;
use vouchsafe::telemetry::audit::Audit;
use vouchsafe::telemetry::metrics::Metrics;

/// The address of the test's master, of its proxy, and of somebody else.
pub const MASTER: &str = "10.0.0.1";
pub const PROXY: &str = "127.0.0.1";
pub const STRANGER: &str = "203.0.113.9";

/// The start of every test's time, far from zero.
pub const START: u64 = 1_800_000_000_000;

/// A moment so many milliseconds after the start.
pub fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

const CONFIG: &str = r#"
listen: { public: "127.0.0.1:0" }
trusted_proxies: [127.0.0.0/8]
portal: { url: "https://auth.example.com/", domain: example.com, choice: { 2_Slave: slave } }
slave:
  user_header: CN
  masters:
    - { name: sso, ips: 10.0.0.1, control_header: control, control_content: opensesame }
    - { name: other, ips: 10.0.0.2, control_header: control, control_content: opensesame, reports_client: true }
  exported_vars:
    uid: CN
    mail: User-Email
    groups: { header: Auth-Groups, separator: ";" }
sessions:
  cookie: { name: sid, secured: SECURED }
  key: { file: sessions.key }
  timeout: 20h
  idle_timeout: 1h
  touch_interval: 1m
  max_bytes: MAX_BYTES
  quotas: { per_client: PER_CLIENT, per_master: PER_MASTER }
  store: STORE
assertion: { keys: { file: assertion.pem } }
log: { variables: groups }
macros:
  called: "mail == '' ? user : mail.lowerAscii()"
  site: "mail.matches('@board[.]') ? 'board' : 'elsewhere'"
  age: "int(uid.replace('years', '')) + 1"
  older: "vars.age + '!'"
  ranks: "['rank', site] + groups"
groups:
  board: "site == 'BOARD_SITE'"
  elders: "uid.startsWith('years') && int(uid.replace('years', '')) >= 900"
trace_name: called
applications:
  - name: wiki
    hosts: [app.example.com, "*.apps.example.com"]
    exports: { Auth-User: uid, Auth-Mail: mail, Auth-Groups: groups }
    rules:
      - { path: /public/, effect: unprotect }
      - { path: /assets/, effect: skip }
      - { path: /fresh, require_master: true, effect: allow }
      - { path: /admin, effect: deny }
      - { path: /read, method: [GET, HEAD], effect: allow }
      - { path: /read, effect: deny }
      - { path: /open, effect: allow }
      - { path: /page, effect: allow }
  - name: other
    hosts: [other.example.com]
    rules: [{ effect: allow }]
  - name: groups
    hosts: [groups.example.com]
    exports: { Auth-User: uid }
    rules:
      - { path: /logout, effect: logout }
      - { path: /closed, effect: maintenance }
      - { path_glob: "/*.png", effect: skip }
      - { path: /secret, query: { key: "1" }, effect: deny }
      - { path: /admin, group: [admins, timelords], effect: allow }
      - { path: /admin, effect: deny }
      - { path: /vip, user: rtyler, effect: skip }
      - { path: /vip, effect: unprotect }
      - { path: /near, client: 10.0.0.0/8, master: sso, effect: allow }
      - { path: /near, effect: deny }
      - { path: /mail, variable: { mail: dwho@example.com }, effect: allow }
      - { path: /high, session_level: 3, effect: allow }
      - { path: /hours, time: { days: fri, from: "08:00", to: "09:00" }, effect: allow }
      - { path: /vault, level: 5 }
      - { path: /low, level: 2 }
      - { path_exact: /, effect: allow }
      - { path_regex: "^/v[0-9]+/", effect: allow }
      - { path: /secret, effect: allow }
  - name: expressions
    hosts: [when.example.com]
    exports: { Auth-User: uid }
    rules:
      - { path: /hook, when: "request.method == 'POST' && has(request.query.token)", effect: skip }
      - { path: /admin, method: POST, group: admins, when: "user != 'rtyler'", effect: allow }
      - { path: /admin, when: "inGroup('readers') && request.method in ['GET', 'HEAD']", effect: allow }
      - { path: /broken, when: "groups[7] == 'a'", effect: deny }
      - { path: /broken, effect: skip }
      - { path: /crash, when: "int(request.query.n[0]) == 7", effect: skip }
      - { path: /near, when: "inNetwork(client, '10.0.0.0/8') && request.host == 'when.example.com'", effect: skip }
      - { path: /known, when: "session.known && vars.mail.matches('@example[.]com$')", effect: allow }
      - { path: /anybody, when: "!session.known", effect: unprotect }
      - { path: /crash, effect: skip }
  - name: variables
    hosts: [variables.example.com]
    exports:
      Auth-User: uid
      Auth-Called: called
      Auth-Groups: groups
      Auth-Ranks: ranks
      Auth-Age: age
      Auth-Groups-Text: { expression: "groups.join(', ') + ' at ' + string(session.level)" }
      Auth-Older: { expression: "string(int(older) * 2)", encoding: percent }
    rules:
      - { path: /board, variable: { site: board }, effect: allow }
      - { path: /group, group: [board, elders], effect: allow }
      - { path: /when, when: "'elders' in groups || ranks[1] == 'board'", effect: allow }
      - { path: /age, variable: { age: ["901", "950"] }, effect: deny }
      - { path: /age, effect: allow }
      - { path: /both, variable: { age: "901" }, user: nobody, effect: deny }
      - { path: /both, effect: allow }
      - { path: /page, effect: allow }
      - { path_exact: /, group: elders, effect: allow }
  - name: closed
    hosts: [closed.example.com]
    maintenance: true
    rules: [{ effect: skip }]
  - name: signed
    hosts: [signed.example.com, "*.signed.example.com"]
    assertion: true
    cache: 60s
    exports: { Auth-User: uid }
    rules:
      - { path: /public/, effect: unprotect }
      - { path: /assets/, effect: skip }
      - { path: /admin, effect: deny }
      - { effect: allow }
  - name: factors
    hosts: [factors.example.com]
    url: https://factors.example.com/quarter
    cache: 60s
    exports: { Auth-User: uid, Auth-Mail: mail }
    rules:
      - { path: /quarter, factor_max_age: 15m }
      - { path: /strong, level: 5, factor_max_age: 30s }
      - { path: /master, require_master: true, factor_max_age: 15m }
      - { path: /level, level: 5 }
      - { effect: allow }
  - name: lenient
    hosts: [lenient.example.com]
    allow_path_parameters: true
    allow_encoded_slash: true
    rules:
      - { path: /assets, effect: skip }
      - { path: /admin, effect: deny }
      - { path: /group/fresh, require_master: true }
      - { path: /group%2Fsecret, effect: deny }
      - { effect: allow }
"#;

/// What a test wants other than usual.
pub struct Wish {
    pub embedded: bool,
    pub secured: u8,
    pub short_lived: bool,
    pub max_bytes: &'static str,
    pub per_client: u32,
    pub per_master: u32,
    /// The value of `site` that makes a member of the group `board`.
    pub board_site: &'static str,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            embedded: false,
            secured: 0,
            short_lived: false,
            max_bytes: "64MiB",
            per_client: 1_000_000,
            per_master: 10_000_000,
            board_site: "board",
        }
    }
}

/// One daemon without its sockets.
pub struct Installation {
    pub authority: Arc<Authority>,
    pub sessions: Arc<Sessions>,
    pub metrics: Arc<Metrics>,
    folder: Option<tempfile::TempDir>,
    toucher: tokio::task::JoinHandle<()>,
}

impl Installation {
    pub fn new(wish: &Wish) -> Self {
        Self::in_folder(wish, tempfile::tempdir().unwrap())
    }

    pub fn usual() -> Self {
        Self::new(&Wish::default())
    }

    fn in_folder(wish: &Wish, folder: tempfile::TempDir) -> Self {
        let store = if wish.embedded {
            "{ kind: embedded, path: sessions.redb }"
        } else {
            "{ kind: memory }"
        };
        let text = CONFIG
            .replace("SECURED", &wish.secured.to_string())
            .replace("MAX_BYTES", wish.max_bytes)
            .replace("PER_CLIENT", &wish.per_client.to_string())
            .replace("PER_MASTER", &wish.per_master.to_string())
            .replace("BOARD_SITE", wish.board_site)
            .replace("STORE", store);
        let text = if wish.short_lived {
            text.replace("timeout: 20h", "timeout: 90s")
                .replace("idle_timeout: 1h", "idle_timeout: 90s")
                .replace("touch_interval: 1m", "touch_interval: 1s")
        } else {
            text
        };
        let key = folder.path().join("assertion.pem");
        if !key.exists() {
            create_signing_key(&key).unwrap();
        }
        Self::configured(&text, folder)
    }

    /// The installation that a whole configuration text describes; its paths start at `folder`.
    pub fn configured(text: &str, folder: tempfile::TempDir) -> Self {
        let settings =
            config::parse(text, folder.path(), &|_| None).unwrap_or_else(|e| panic!("{e}"));
        let names: Vec<_> =
            settings.policy.applications.iter().map(|a| Arc::clone(&a.name)).collect();
        let metrics = Arc::new(Metrics::new(&names));
        let (store, _) = open_store(&settings).unwrap();
        let fingerprinter = Fingerprinter::new(&Secret::new(vec![7; 32]));
        let (sessions, touches) =
            Sessions::new(store, settings.sessions, fingerprinter, Arc::clone(&metrics));
        let sessions = Arc::new(sessions);
        let (audit, _writer) = Audit::open(Some(&folder.path().join("audit.jsonl"))).unwrap();
        let authority = Arc::new(Authority::new(
            settings.policy,
            LoginSettings { choice: settings.portal.choice },
            RefusalSettings { shown_variables: settings.shown_variables, loaded: at(0) },
            Arc::clone(&sessions),
            audit,
            Arc::clone(&metrics),
        ));
        let toucher = Arc::clone(&sessions);
        let toucher = tokio::spawn(async move { toucher.write_touches(touches).await });
        Self { authority, sessions, metrics, folder: Some(folder), toucher }
    }

    /// The same installation after a restart: memory forgotten, files kept.
    pub async fn restarted(mut self, wish: &Wish) -> Self {
        let folder = self.folder.take().unwrap();
        self.toucher.abort();
        let _ = self.toucher.await;
        drop((self.authority, self.sessions));
        Self::in_folder(wish, folder)
    }

    /// Decides about `ask` at `now`.
    pub async fn decide(&self, ask: &Ask, now: Timestamp) -> Decision {
        let (list, cookies) = (ask.list(), ask.cookie_lines());
        self.authority.decide(&nginx::ask(&list, &cookies, ask.from()), now).await
    }

    /// The reason for `ask` at the start.
    pub async fn reason(&self, ask: &Ask) -> Reason {
        self.decide(ask, at(0)).await.reason()
    }

    /// Logs `user` in at the portal as the master would; the main cookie's value.
    pub async fn login(&self, user: &str, now: Timestamp) -> String {
        match self.try_login(user, &[], now).await {
            Login::Opened { id, .. } => id.to_hex(),
            other @ (Login::AlreadyAuthenticated(_)
            | Login::Loop { .. }
            | Login::Refused { .. }
            | Login::Unavailable(_)) => panic!("{other:?}"),
        }
    }

    /// The portal's answer to a login of `user` that carries `cookies`.
    pub async fn try_login(&self, user: &str, cookies: &[String], now: Timestamp) -> Login {
        let list = from_master(user);
        let cookies: Vec<&[u8]> = cookies.iter().map(String::as_bytes).collect();
        let request = LoginRequest {
            portal: portal(&list, "https", &cookies),
            lm_auth: Some("2_Slave"),
            return_url: None,
            is_cross_site: false,
            redirects: false,
            loop_mark: None,
        };
        self.authority.login(&request, now).await
    }

    /// The portal's answer to a logout over `scheme` with `cookies`.
    pub async fn logout(
        &self,
        scheme: &str,
        cookies: &[String],
        everywhere: bool,
        now: Timestamp,
    ) -> Logout {
        let list = HeaderList::default();
        let cookies: Vec<&[u8]> = cookies.iter().map(String::as_bytes).collect();
        let portal = portal(&list, scheme, &cookies);
        let request = LogoutRequest { portal, everywhere, return_url: None };
        self.authority.logout(&request, now).await
    }

    /// The portal's answer to a logout of `user` by the master, with `headers` instead of its own.
    pub async fn backchannel_logout(
        &self,
        headers: &[(&str, &str)],
        now: Timestamp,
    ) -> BackchannelLogout {
        let list = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect::<HeaderList<'_>>();
        self.authority.backchannel_logout(&portal(&list, "https", &[]), now).await
    }

    /// How many records the store holds.
    pub async fn records(&self) -> i64 {
        self.sessions.gauge().await;
        self.metrics.sessions.get()
    }
}

/// What the master sends for `user`.
fn from_master(user: &str) -> HeaderList<'_> {
    [("cn", user), ("control", "opensesame"), ("x-forwarded-for", MASTER)]
        .into_iter()
        .map(|(name, value)| (name, value.as_bytes()))
        .collect()
}

fn portal<'a>(
    list: &'a HeaderList<'_>,
    scheme: &'a str,
    cookies: &'a [&'a [u8]],
) -> PortalRequest<'a> {
    PortalRequest {
        peer: Peer::at(PROXY.parse().unwrap()),
        connection: Scheme::Http,
        forwarded_for: list.unique("x-forwarded-for"),
        scheme: Ok(Some(scheme.as_bytes())),
        headers: list,
        cookies,
        reference: "test",
    }
}

/// A subrequest in a few words.
#[derive(Clone)]
pub struct Ask {
    peer: &'static str,
    headers: Vec<(String, Vec<u8>)>,
    cookies: Vec<String>,
}

impl Ask {
    /// `GET` of `target` on app.example.com over TLS, from a stranger through the proxy.
    pub fn page(target: &str) -> Self {
        let ask = Self { peer: PROXY, headers: Vec::new(), cookies: Vec::new() };
        ask.header("x-original-method", "GET")
            .header("x-original-uri", target)
            .header("x-forwarded-host", "app.example.com")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", STRANGER)
    }

    /// The same asserted by the master.
    pub fn asserted(target: &str, user: &str) -> Self {
        Self::page(target)
            .set("x-forwarded-for", MASTER)
            .header("control", "opensesame")
            .header("cn", user)
    }

    pub fn peer(mut self, peer: &'static str) -> Self {
        self.peer = peer;
        self
    }

    /// Adds a header, even if it is there already.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Replaces a header.
    pub fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self = self.without(name);
        self.header(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    /// Adds a Cookie line.
    pub fn cookie(mut self, line: impl Into<String>) -> Self {
        self.cookies.push(line.into());
        self
    }

    /// Makes it a browser's navigation.
    pub fn navigation(self) -> Self {
        self.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document")
    }

    /// Its headers, its Cookie lines and its peer: what `nginx::ask` wants.
    pub fn list(&self) -> HeaderList<'_> {
        self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect::<HeaderList<'_>>()
    }

    pub fn cookie_lines(&self) -> Vec<&[u8]> {
        self.cookies.iter().map(String::as_bytes).collect()
    }

    pub fn from(&self) -> Peer {
        Peer::at(self.peer.parse().unwrap())
    }
}

/// The exports of an allow, as text.
#[track_caller]
pub fn exports(decision: &Decision) -> Vec<String> {
    let Decision::Allow(grant) = decision else { panic!("not allowed: {decision:?}") };
    let text = |h: &vouchsafe::domain::decision::ExportedHeader| {
        format!("{}={}", h.name, String::from_utf8_lossy(&h.value))
    };
    grant.exports.headers.iter().map(text).collect()
}

/// The values of the cookies that an allow sets.
#[track_caller]
pub fn set_cookies(decision: &Decision) -> Vec<String> {
    let Decision::Allow(grant) = decision else { panic!("not allowed: {decision:?}") };
    grant.cookies.iter().map(|c| c.0.split(';').next().unwrap().to_owned()).collect()
}

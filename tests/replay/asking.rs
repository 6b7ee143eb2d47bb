//! A recording's request as bytes on the wire, with live session ids for its placeholders.

use std::net::SocketAddr;

use serde_json::Value;

use crate::differences::matches;
use crate::installed::Installed;
use crate::recordings::{Recording, Request, Role};
use crate::support::client::{self, Answer};

/// The hosts that are meant where a recording names none.
const PORTAL: &str = "auth.example.com";
const APPLICATION: &str = "test1.example.com";

/// What nginx is told about the client's address, in recordings.
const CLIENT: &str = "X-Test-Client-IP";

/// Recordings that are about where a browser is sent; Vouchsafe sends nobody else (D4), so they say that
/// they are one. LemonLDAP::NG does not look at it.
const FROM_A_BROWSER: &[&str] = &[
    "v22?_h_returnurl_*",
    "h_app_returnurl_*",
    "h_???_redir_*",
    "h_???_portal_noslash",
    "h_app_tls_nosession",
    "h_app_host_unknown_ns",
    "h_???_nosession",
    "h_???_logout_*",
    "h_raw_sc2_plain_main",
    "fa_nosession",
];

/// The ids of one login.
#[derive(Default)]
pub struct Ids {
    pub main: String,
    pub http: String,
    /// Of another user.
    pub amy: String,
}

impl Ids {
    /// Those of a login's answer.
    pub fn of(login: &Answer) -> Self {
        let body: Value = serde_json::from_slice(&login.body).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Self { main: text("id"), http: text("id_http"), amy: String::new() }
    }

    /// `line` with its placeholders filled.
    fn fill(&self, line: &str) -> String {
        let line = line.replace("{main}", &self.main).replace("{http}", &self.http);
        let line = line.replace("{ended}", &self.main).replace("{expired}", &self.main);
        let line = line.replace("{amy}", &self.amy);
        let line = line.replace("{upper main}", &self.main.to_uppercase());
        line.replace("{unknown}", &"0".repeat(64)).replace("{a*9000}", &"a".repeat(9000))
    }
}

/// The request that a recording sent.
pub fn request(
    recording: &Recording,
    request: &Request,
    ids: &Ids,
    installed: &(impl Installed + ?Sized),
) -> client::Request {
    let Request { to, method, path, headers, body } = request;
    let lines: Vec<String> = headers.iter().map(|line| ids.fill(line)).collect();
    let lines = lines.iter().map(|line| line.split_once(':').unwrap());
    let lines: Vec<(&str, &str)> = lines.map(|(name, value)| (name, value.trim_start())).collect();
    let written = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = match (written, to) {
        (Some((_, host)), _) => host,
        (None, Role::Portal | Role::PortalOverHttp) => PORTAL,
        (None, Role::Application | Role::ApplicationOverTls | Role::Handler) => APPLICATION,
        // The host asked for stands in a header.
        (None, Role::Forward) => "127.0.0.1",
    };
    let mut asked = match to {
        Role::Handler => {
            let client = lines.iter().find(|(name, _)| *name == CLIENT).map(|(_, client)| *client);
            installed.check(method, host, path, client.unwrap_or("127.0.0.1"))
        }
        Role::Forward => client::Request::new(method, host, installed.forward_path(path)),
        Role::Portal | Role::PortalOverHttp | Role::Application | Role::ApplicationOverTls => {
            client::Request::new(method, host, path)
        }
    };
    for (name, value) in lines.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        asked = asked.header(name, value);
    }
    if FROM_A_BROWSER.iter().any(|pattern| matches(pattern, &recording.name)) {
        asked = asked.header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate");
    }
    if body.is_empty() {
        return asked;
    }
    asked.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_str())
}

/// The login of a user whom the master asserts.
pub fn login(user: &str) -> client::Request {
    let mail = format!("{user}@badwolf.org");
    client::Request::new("POST", PORTAL, "/")
        .headers(&[
            ("CN", user),
            ("control", "password"),
            ("Accept", "application/json"),
            ("Auth-User", user),
            ("User-Email", &mail),
            // Each character is a byte: UTF-8.
            ("X-CN", "Am\u{c3}\u{a9}lie \u{c5}\u{99} \u{e6}\u{97}\u{a5}\u{e6}\u{9c}\u{ac}"),
        ])
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("lmAuth=2_Slave")
}

/// `target` of the portal with a session cookie.
pub fn with_session(target: &str, cookie: &str) -> client::Request {
    client::Request::new("GET", PORTAL, target)
        .headers(&[("Accept", "application/json"), ("Cookie", cookie)])
}

/// Sends `request` with each of its characters as a byte, as recordings write them.
pub fn send(request: &client::Request, to: SocketAddr) -> std::io::Result<Answer> {
    let text = String::from_utf8(request.bytes()).unwrap();
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    client::exchange(to, &bytes)
}

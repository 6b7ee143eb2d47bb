//! What a client of `/validate` sends, and what it must hear. The same for eduMFA and for the daemon.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use crate::support::client::{Answer, Request};
use crate::support::edumfa::{Asked, Edumfa};

/// `parameters` as a form.
pub fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// A POST of `parameters`.
pub fn question(to: SocketAddr, path: &str, parameters: &[(&str, &str)]) -> Request {
    let request = Request::new("POST", &to.to_string(), path);
    // Without a browser's or a library's name of its own: eduMFA then decodes a form as everybody does.
    let request = request.header("User-Agent", "simpleSAMLphp");
    let form_type = "application/x-www-form-urlencoded";
    request.header("Content-Type", form_type).body(form(parameters))
}

/// Asks `/validate/check` about `user` and `pass`.
#[track_caller]
pub fn check(to: SocketAddr, user: &str, pass: &str) -> Checked {
    check_with(to, &[("user", user), ("pass", pass)])
}

/// Asks `/validate/check` with any parameters.
#[track_caller]
pub fn check_with(to: SocketAddr, parameters: &[(&str, &str)]) -> Checked {
    Checked(question(to, "/validate/check", parameters).send(to))
}

/// What `node` was asked that carried a secret, in order; not what only looks whether it lives.
pub fn checks(node: &Edumfa) -> Vec<Asked> {
    node.asked().into_iter().filter(|asked| asked.parameter("pass").is_some()).collect()
}

/// A request that a bad node kept, in parts.
#[track_caller]
pub fn read(request: &str) -> Asked {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), Value::from(value.trim()))
    };
    Asked {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers: Value::Object(lines.map(header).collect::<Map<_, _>>()),
        body: body.to_owned(),
        connection: String::new(),
    }
}

/// An answer to a check.
#[derive(Debug)]
pub struct Checked(pub Answer);

impl Checked {
    /// Whether a client that reads what it should would let the user in.
    pub fn is_accepted(&self) -> bool {
        let body: Value = serde_json::from_slice(&self.0.body).unwrap_or_default();
        self.0.status == 200
            && body["result"]["status"] == true
            && body["result"]["value"] == true
            && body["detail"]["serial"].as_str().is_some_and(|serial| !serial.is_empty())
    }

    /// Whether any client, however careless, might let the user in.
    pub fn looks_accepted(&self) -> bool {
        let body: Value = serde_json::from_slice(&self.0.body).unwrap_or_default();
        let result = &body["result"];
        let is_truthy = !matches!(result["value"], Value::Null | Value::Bool(false));
        is_truthy || result["authentication"] == "ACCEPT" || self.0.status == 204
    }

    /// A member of `detail` as text; empty if it is not there.
    #[track_caller]
    pub fn detail(&self, name: &str) -> String {
        self.0.json()["detail"][name].as_str().unwrap_or_default().to_owned()
    }

    /// It accepts by the token of this serial. Returns itself.
    #[track_caller]
    pub fn by(self, serial: &str) -> Self {
        assert!(self.is_accepted(), "{}", self.0);
        assert_eq!(self.0.json()["result"]["authentication"], "ACCEPT", "{}", self.0);
        assert_eq!(self.detail("serial"), serial, "{}", self.0);
        self
    }

    /// `detail.origin` is this URL and path, or is not there.
    #[track_caller]
    pub fn from(self, origin: Option<&str>) -> Self {
        let body = self.0.json();
        assert_eq!(body["detail"]["origin"].as_str(), origin, "{}", self.0);
        self
    }

    /// It is an answer and does not accept.
    #[track_caller]
    pub fn rejected(self) -> Self {
        let body = self.0.json();
        assert_eq!(self.0.status, 200, "{}", self.0);
        assert_eq!(body["result"]["status"], true, "{}", self.0);
        assert_eq!(body["result"]["value"], false, "{}", self.0);
        assert_eq!(body["result"]["authentication"], "REJECT", "{}", self.0);
        self
    }

    /// It does not accept, and says so as eduMFA does: an answer, or an error of the caller's. Returns itself.
    #[track_caller]
    pub fn refused(self) -> Self {
        assert!(self.0.status < 500 && !self.looks_accepted(), "{}", self.0);
        let body = self.0.json();
        assert!(body["result"]["status"].is_boolean(), "{}", self.0);
        assert!(!body["result"]["authentication"].eq("CHALLENGE"), "{}", self.0);
        // A real parent makes a 500 of it.
        assert!(body.get("detail").is_none_or(|detail| !detail.is_null()), "{}", self.0);
        self
    }

    /// It asks for the answer to a challenge. Returns how the challenge is called.
    #[track_caller]
    pub fn challenged(&self) -> String {
        let body = self.0.json();
        assert_eq!(self.0.status, 200, "{}", self.0);
        assert_eq!(body["result"]["value"], false, "{}", self.0);
        assert_eq!(body["result"]["authentication"], "CHALLENGE", "{}", self.0);
        let challenges = &body["detail"]["multi_challenge"];
        let transaction = self.detail("transaction_id");
        assert_eq!(challenges[0]["transaction_id"], transaction.as_str(), "{}", self.0);
        assert!(transaction.len() == 20 && transaction.bytes().all(|b| b.is_ascii_digit()));
        transaction
    }
}

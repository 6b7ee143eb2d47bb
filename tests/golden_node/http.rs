//! Questions as bytes: read as the edge reads them, and nodes of ours that answer them over HTTP.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vouchsafe::domain::node::{Event, Holder, Question};
use vouchsafe::domain::secret::Secret;
use vouchsafe::domain::time::Timestamp;
use vouchsafe::mfa::federation::{Federation, Outcome};
use vouchsafe::protocol::edumfa::document::{self, Endpoint, Fault, Reply, Said};
use vouchsafe::protocol::edumfa::request::{Incoming, Malformed, Parameters};

use crate::fake;

/// A node of ours at one moment.
pub struct Node {
    pub federation: Federation,
    pub now: Timestamp,
    /// Whom other nodes asked it about.
    pub asked: Mutex<Vec<String>>,
}

/// A request.
#[derive(Default)]
pub struct Request<'a> {
    pub target: &'a str,
    pub content_type: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub authorization: Option<&'a str>,
    pub body: &'a [u8],
    /// The address that the caller may say is the client's.
    pub client: Option<&'a str>,
}

/// What is asked at a path.
pub fn read(
    target: &str,
    content_type: Option<&str>,
    user_agent: Option<&str>,
    body: &[u8],
) -> (Endpoint, Result<Parameters, Malformed>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (endpoint, event) = match path.split('/').nth(2).unwrap() {
        "check" => (Endpoint::Check, Event::Check),
        "samlcheck" => (Endpoint::Samlcheck, Event::Check),
        "radiuscheck" => (Endpoint::Radiuscheck, Event::Check),
        "triggerchallenge" => (Endpoint::Trigger, Event::Trigger),
        "polltransaction" => (Endpoint::Poll, Event::Poll),
        other => panic!("nothing is asked at {other}"),
    };
    let transaction = path.strip_prefix("/validate/polltransaction/");
    let incoming = Incoming { event, query, content_type, body, user_agent, transaction };
    (endpoint, Parameters::read(&incoming))
}

/// Whom a question is about.
pub fn summary(read: &Parameters) -> String {
    let mut summary = read.user.to_string();
    let client = read.client.map(|client| client.to_string()).unwrap_or_default();
    for (name, value) in
        [("realm", &*read.realm), ("resolver", &read.resolver), ("client", &client)]
    {
        if !value.is_empty() {
            write!(summary, " {name}={value}").unwrap();
        }
    }
    summary
}

impl Node {
    /// HTTP status and body, as the edge makes them.
    pub async fn answer(&self, request: &Request<'_>) -> (u16, Vec<u8>) {
        let Request { target, content_type, user_agent, body, .. } = *request;
        let (mut endpoint, read) = read(target, content_type, user_agent, body);
        let reply =
            Reply { said: Said::Fault(Fault::UNAVAILABLE), nonce: None, now: self.now, origin: "" };
        let read = match read {
            Ok(read) => read,
            Err(malformed) => {
                let message = malformed.to_string();
                let said = Said::Fault(Fault::malformed(&message));
                return document::render(&Reply { said, ..reply }, None);
            }
        };
        if endpoint == Endpoint::Radiuscheck && read.is_federated() {
            endpoint = Endpoint::Check;
        }
        if read.is_federated() {
            self.asked.lock().unwrap().push(summary(&read));
        }
        let authorization = request.authorization.map(|text| Secret::new(text.into()));
        let event = match endpoint {
            Endpoint::Check | Endpoint::Samlcheck | Endpoint::Radiuscheck => Event::Check,
            Endpoint::Trigger => Event::Trigger,
            Endpoint::Poll => Event::Poll,
        };
        let question = Question {
            user: &read.user,
            realm: &read.realm,
            resolver: &read.resolver,
            serial: &read.serial,
            token_type: &read.token_type,
            secret: read.secret.as_ref(),
            transaction: &read.transaction,
            attributes: endpoint == Endpoint::Samlcheck,
            otp_only: read.otp_only,
            client: request.client.map(|text| text.parse().unwrap()),
            authorization: authorization.as_ref(),
            hops: &read.hops,
            ..Question::new(event, Holder::Caller("golden"))
        };
        let nonce = read.nonce.as_deref();
        match self.federation.ask(&question, self.now).await {
            Outcome::Answered(said) => {
                let answer = Said::Answer(endpoint, &said.answer);
                let reply = Reply { said: answer, nonce, origin: &said.answer.origin, ..reply };
                document::render(&reply, None)
            }
            Outcome::Unanswered(_) => document::render(&Reply { nonce, ..reply }, None),
        }
    }
}

/// Answers whoever connects, as this node.
pub async fn serve(listener: TcpListener, node: Arc<Node>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            while let Some((head, body)) = request(&mut stream).await {
                let header = |name: &str| {
                    head.lines().find_map(|line| {
                        let (found, value) = line.split_once(": ")?;
                        found.eq_ignore_ascii_case(name).then_some(value)
                    })
                };
                let asked = Request {
                    target: head.split(' ').nth(1).unwrap(),
                    content_type: header("content-type"),
                    user_agent: header("user-agent"),
                    body: &body,
                    ..Request::default()
                };
                let (status, body) = node.answer(&asked).await;
                say(&mut stream, status, "", &body).await;
            }
        });
    }
}

/// Answers whoever connects, as the child that is none.
pub async fn serve_fake(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            while let Some((head, _)) = request(&mut stream).await {
                match fake::does(head.split(' ').nth(1).unwrap()) {
                    fake::Does::Says(status, headers, body) => {
                        say(&mut stream, status, headers, body.as_bytes()).await;
                    }
                    fake::Does::HangsUp => return,
                    fake::Does::Hangs => std::future::pending().await,
                }
            }
        });
    }
}

async fn say(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) {
    let length =
        if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("HTTP/1.1 {status} X\r\n{headers}{length}\r\n");
    // Whoever asked may have hung up.
    drop(stream.write_all(&[head.as_bytes(), body].concat()).await);
}

/// Head and body of the next request.
async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes[end + 4..].to_vec()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

//! People and programs as a daemon meets them: who logs in through a master, who comes with a cookie only.
//!
//! Every step says what the client was told, so that a lost answer is not taken for a refusal.

use std::net::SocketAddr;
use std::time::Duration;

use super::client::{Answer, Connection, Request};
use super::daemon::Daemon;

/// The master's proof in the shipped configuration.
pub const PROOF: (&str, &str) = ("control", "password");

/// An address that is no master's: who comes from there has a cookie or nothing.
const STRANGER: &str = "203.0.113.9";

/// A way in: the cookie's name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub cookie: String,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<T> {
    /// It worked.
    Yes(T),
    /// It did not: the reason's class.
    No(String),
    /// That it failed and may be tried again, or nothing at all.
    Failed(String),
}

/// The request of a login at the portal.
pub fn login(user: &str) -> Request {
    Request::new("GET", "auth.example.com", "/?lmAuth=2_Slave")
        .headers(&[PROOF, ("CN", user), ("User-Email", "somebody@example.test")])
        .header("Accept", "application/json")
}

/// The cookie that a login's answer sets.
pub fn ticket(answer: &Answer) -> Option<Ticket> {
    let lines = answer.all("Set-Cookie");
    let line = lines.iter().find(|line| line.starts_with("vouchsafe="))?;
    Some(Ticket { cookie: line.split(';').next()?.to_owned() })
}

/// The check of a page for who has nothing but a cookie.
pub fn check(ticket: &Ticket) -> Request {
    // The cookie is for https.
    Daemon::check_from(STRANGER, "GET", "https", "app.example.com", "/")
        .header("Cookie", &ticket.cookie)
}

/// A visit to a page behind a proxy that reports https.
pub fn visit(ticket: &Ticket) -> Request {
    Request::new("GET", "app.example.com", "/page").header("Cookie", &ticket.cookie)
}

/// The request of a logout at the portal.
pub fn logout(ticket: &Ticket) -> Request {
    Request::new("POST", "auth.example.com", "/logout")
        .header("Cookie", &ticket.cookie)
        .header("Accept", "application/json")
        .body("")
}

/// Logs in, waiting no longer than `patience`.
pub fn try_login(at: SocketAddr, user: &str, patience: Duration) -> Told<Ticket> {
    said(&login(user), at, patience, |answer| match answer.status {
        200 => ticket(answer).map(Told::Yes),
        _ => None,
    })
}

/// Comes with the cookie; the user whom the application would be told.
pub fn try_check(at: SocketAddr, ticket: &Ticket, patience: Duration) -> Told<String> {
    said(&check(ticket), at, patience, |answer| match answer.status {
        200 => answer.one("Auth-User").map(|user| Told::Yes(user.to_owned())),
        401 | 403 => Some(Told::No(reason(answer))),
        _ => None,
    })
}

/// Logs out.
pub fn try_logout(at: SocketAddr, ticket: &Ticket, patience: Duration) -> Told<()> {
    said(&logout(ticket), at, patience, |answer| (answer.status == 200).then_some(Told::Yes(())))
}

fn said<T>(
    request: &Request,
    at: SocketAddr,
    patience: Duration,
    read: impl FnOnce(&Answer) -> Option<Told<T>>,
) -> Told<T> {
    let asked = || {
        let mut connection = Connection::open(at)?;
        connection.set_patience(patience)?;
        connection.send(&request.bytes())?;
        connection.read(true)
    };
    match asked() {
        Ok(answer) => read(&answer)
            .unwrap_or_else(|| Told::Failed(format!("{} {}", answer.status, reason(&answer)))),
        Err(error) => Told::Failed(error.to_string()),
    }
}

fn reason(answer: &Answer) -> String {
    answer.all("X-Vouchsafe-Reason").first().copied().unwrap_or_default().to_owned()
}

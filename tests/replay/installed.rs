//! An installation as recordings see it, whoever answers there: Vouchsafe (`world`) or LemonLDAP::NG (`peer`).
//!
//! Must not know: what is right.

use std::io;
use std::net::SocketAddr;

use crate::asking::{self, Ids};
use crate::outcome::Outcome;
use crate::recordings::{Recording, Role};
use crate::support::client::Request;
use crate::support::wait_for;

/// Something that answers recordings.
pub trait Installed {
    /// Where requests to `to` go.
    fn address(&self, to: Role) -> SocketAddr;

    /// What a proxy asks about a request.
    fn check(&self, method: &str, host: &str, target: &str, client: &str) -> Request;

    /// Where a proxy with forward authentication asks, if it asks for this path.
    fn forward_path<'a>(&self, path: &'a str) -> &'a str;

    /// How many records the store has.
    fn records(&self) -> i64;

    /// What the session with this id says.
    fn content(&self, id: &str) -> io::Result<Outcome>;

    /// What `recording` is answered.
    fn answer(&self, recording: &Recording) -> Outcome {
        let answer = self.try_answer(recording);
        answer.unwrap_or_else(|error| Outcome::only("connection", error.to_string()))
    }

    /// The same, with what happens to connections.
    fn try_answer(&self, recording: &Recording) -> io::Result<Outcome> {
        let Some(request) = &recording.request else { return self.stored() };
        let ids = self.ids(recording)?;
        let asked = asking::request(recording, request, &ids, self);
        let answer = asking::send(&asked, self.address(request.to))?;
        Ok(Outcome::of(request.to, &answer))
    }

    /// The sessions that the placeholders of a recording speak of.
    fn ids(&self, recording: &Recording) -> io::Result<Ids> {
        let needed = |names: &[&str]| names.iter().any(|name| recording.needs(name));
        if needed(&["{amy}"]) {
            let amy = self.log_in("amy")?.main;
            return Ok(Ids { amy, ..Ids::default() });
        }
        if !needed(&["{main}", "{http}", "{upper main}", "{ended}", "{expired}"]) {
            return Ok(Ids::default());
        }
        let ids = self.log_in("dwho")?;
        let cookie = format!("lemonldap={}", ids.main);
        let portal = self.address(Role::Portal);
        if needed(&["{ended}"]) {
            asking::with_session("/?logout=1", &cookie).try_send(portal)?;
        }
        if needed(&["{expired}"]) {
            wait_for("the session has expired", || {
                let answer = asking::with_session("/", &cookie).send(portal);
                (answer.status != 200).then_some(())
            });
        }
        Ok(ids)
    }

    /// Opens a session.
    fn log_in(&self, user: &str) -> io::Result<Ids> {
        let login = asking::login(user);
        asking::send(&login, self.address(Role::Portal)).map(|answer| Ids::of(&answer))
    }

    /// How many records a login adds to the store, and what they say.
    fn stored(&self) -> io::Result<Outcome> {
        let before = self.records();
        let ids = self.log_in("dwho")?;
        let added = self.records() - before;
        let mut outcome = self.content(&ids.main)?;
        outcome.set("sessions", added.to_string());
        Ok(outcome)
    }
}

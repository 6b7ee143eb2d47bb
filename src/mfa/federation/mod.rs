//! The federation: which node answers a question, and that no OTP goes to two of them (SEMANTICS F2-F8).
//!
//! [`Federation::ask`] is where every question goes through. Must not know: who may ask, what an answer is worth.

#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use crate::domain::node::{Answer, Event, Question, Verdict};
use crate::domain::time::Timestamp;
use crate::mfa::challenge::{self, ChallengeError, Pinned, Place};
use crate::mfa::federation::walk::Walk;
use crate::mfa::home::Homes;
use crate::mfa::node::local::{LocalAnswer, LocalError, LocalNode, Reserved};
use crate::mfa::node::server::{NotSent, Reply, Server, Unknown};
use crate::mfa::settings::FederationSettings;
use crate::protocol::edumfa::hops::next_hops;
use crate::store::Store;
use crate::telemetry::metrics::Stopwatch;
use crate::telemetry::metrics::nodes::{NodeMetrics, NodeOutcome};

/// The name of the local node.
pub const LOCAL: &str = "local";
/// Its place among the nodes that are measured; servers stand behind it.
pub const LOCAL_PLACE: usize = 0;

/// What a node said that settles a question, or the last word of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The answer; ids of challenges are ours.
    pub answer: Answer,
    /// The node that we asked (F7).
    pub node: Arc<str>,
}

/// What became of a question.
#[derive(Debug)]
pub enum Outcome {
    /// It is answered.
    Answered(Said),
    /// It is not, and it is no use to ask anybody else.
    Unanswered(Failure),
}

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
#[error("the node {node} did not answer")]
pub struct Failure {
    /// The node.
    pub node: Arc<str>,
    /// What happened.
    #[source]
    pub why: Why,
}

/// What happened to a question.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It was provably not sent.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// It was sent, and nothing definite came back.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// The local node failed.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A challenge could not be kept or looked up.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// The configuration does not name such a node any more.
    #[error("there is no such node")]
    Gone,
}

/// All nodes and how they are asked.
#[derive(Debug)]
pub struct Federation {
    settings: FederationSettings,
    servers: Vec<Server>,
    local: Option<LocalNode>,
    challenges: Arc<Store>,
    homes: Homes,
    local_name: Arc<str>,
    metrics: Arc<NodeMetrics>,
    /// How this installation calls itself in hop markers: 8 hex digits.
    own: Box<str>,
    /// How other nodes of it may.
    aliases: Vec<String>,
}

/// What is asked of a server, and how it is told.
struct Asking<'q> {
    server: &'q Server,
    question: Question<'q>,
    client_ip: bool,
}

impl Federation {
    /// Puts the parts together. `servers` are those of the settings, in their order, and stand behind the local node
    /// in `metrics`; `own` is 8 hex digits.
    #[must_use]
    pub fn new(
        settings: FederationSettings,
        servers: Vec<Server>,
        local: Option<LocalNode>,
        challenges: Arc<Store>,
        metrics: Arc<NodeMetrics>,
        own: &str,
    ) -> Self {
        let local_name = LOCAL.into();
        let (homes, own) = (Homes::default(), own.into());
        let aliases = Vec::new();
        Self { settings, servers, local, challenges, homes, local_name, metrics, own, aliases }
    }

    /// The same, where other nodes of this installation may call it one of `aliases`.
    #[must_use]
    pub fn also_called(self, aliases: Vec<String>) -> Self {
        Self { aliases, ..self }
    }

    /// The servers.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The local node, if there is one.
    #[must_use]
    pub const fn local(&self) -> Option<&LocalNode> {
        self.local.as_ref()
    }

    /// How questions are routed.
    #[must_use]
    pub const fn settings(&self) -> &FederationSettings {
        &self.settings
    }

    /// The answer to a question that came through here before (F8): whoever asks goes on elsewhere.
    #[must_use]
    pub fn loops_back(&self, hops: &str) -> Option<Said> {
        let answer =
            Answer { code: 904, ..Answer::new(Verdict::NotMine, "This came through here before.") };
        let is_own = |hop: &str| *hop == *self.own || self.aliases.iter().any(|own| own == hop);
        hops.split(',').any(is_own).then(|| self.said_here(answer))
    }

    /// Asks whoever may know.
    pub async fn ask(&self, question: &Question<'_>, now: Timestamp) -> Outcome {
        if let Some(said) = self.loops_back(question.hops) {
            return Outcome::Answered(said);
        }
        // Whoever is the last that may be asked can still answer.
        let hops = next_hops(question.hops, &self.own).ok();
        let hops = hops.as_deref();
        let answered = if question.transaction.is_empty() {
            Walk::new(self, question, hops, now).run().await
        } else {
            self.ask_pinned(question, hops, now).await
        };
        match answered {
            Ok(said) => Outcome::Answered(said),
            Err(failure) => {
                tracing::warn!(
                    node = &*failure.node,
                    event = question.event.as_str(),
                    "a second factor could not be checked: {}",
                    failure.why
                );
                Outcome::Unanswered(failure)
            }
        }
    }

    /// The answer to a challenge, or a poll, goes to the node that made it, and to no other.
    async fn ask_pinned(
        &self,
        question: &Question<'_>,
        hops: Option<&str>,
        now: Timestamp,
    ) -> Result<Said, Failure> {
        let failed = |why: ChallengeError| self.failure_here(why.into());
        let found = challenge::find(&self.challenges, question, now).await.map_err(failed)?;
        let Some(found) = found else {
            // Sent nowhere. In eduMFA's words, which tell nothing of whose it is.
            let text = if question.event == Event::Poll { "" } else { "wrong otp pin" };
            return Ok(self.said_here(Answer::new(Verdict::Rejected, text)));
        };
        let pinned = &found.pinned;
        let (said, client_ip) = if *pinned.node == *LOCAL {
            (self.answer_here(question, pinned, now).await?, false)
        } else {
            let asking = self.asking_pinned(question, pinned)?;
            (self.ask_server(asking.server, &asking.question, hops, now).await?, pinned.client_ip)
        };
        match (question.event, said.answer.verdict) {
            (Event::Check, Verdict::Accepted) => {
                let in_time =
                    challenge::use_up(&self.challenges, &found, now).await.map_err(failed)?;
                let late = Answer::new(Verdict::Rejected, "wrong otp pin");
                Ok(if in_time { said } else { self.said_here(late) })
            }
            (Event::Check | Event::Trigger, Verdict::Challenged) => {
                let asked = Question {
                    user: &pinned.user,
                    realm: &pinned.realm,
                    resolver: &pinned.resolver,
                    ..*question
                };
                self.ours(question, &asked, client_ip, said, now).await
            }
            _ => Ok(said),
        }
    }

    async fn answer_here(
        &self,
        question: &Question<'_>,
        pinned: &Pinned,
        now: Timestamp,
    ) -> Result<Said, Failure> {
        let question = Question { user: &pinned.user, realm: &pinned.realm, ..*question };
        let told = self.ask_here(&question, Some(&pinned.serials), now).await?;
        Ok(self.said_here(told.answer))
    }

    /// Asks a server; without `hops` the question has come through as many nodes as it may, and goes nowhere.
    async fn ask_server(
        &self,
        server: &Server,
        question: &Question<'_>,
        hops: Option<&str>,
        now: Timestamp,
    ) -> Result<Said, Failure> {
        let Some(hops) = hops else {
            let answer = Answer { code: 904, ..Answer::new(Verdict::NotMine, "Too many hops.") };
            return Ok(self.said_here(answer));
        };
        let reply = server.ask(question, hops, now).await;
        definite(server, question, reply)
    }

    /// Asks the local node.
    async fn ask_here(
        &self,
        question: &Question<'_>,
        answering: Option<&[Box<str>]>,
        now: Timestamp,
    ) -> Result<LocalAnswer, Failure> {
        let watch = Stopwatch::start();
        let local = self.local.as_ref().ok_or_else(|| self.failure_here(Why::Gone))?;
        let told = local.ask(question, answering, now).await;
        let verdict = told.as_ref().map(|told| told.answer.verdict);
        let outcome = verdict.map_or(NodeOutcome::Unknown, NodeOutcome::Verdict);
        self.metrics.asked(LOCAL_PLACE, outcome, watch.elapsed());
        told.map_err(|error| self.failure_here(error.into()))
    }

    fn asking_pinned<'q>(
        &'q self,
        question: &Question<'q>,
        pinned: &'q Pinned,
    ) -> Result<Asking<'q>, Failure> {
        let server = self.servers.iter().find(|server| *server.settings().name == *pinned.node);
        let server =
            server.ok_or_else(|| Failure { node: (*pinned.node).into(), why: Why::Gone })?;
        let question = Question {
            user: &pinned.user,
            realm: &pinned.realm,
            resolver: &pinned.resolver,
            transaction: &pinned.transaction,
            client: question.client.filter(|_| pinned.client_ip),
            authorization: None,
            ..*question
        };
        Ok(Asking { server, question, client_ip: pinned.client_ip })
    }

    /// What was said with our id for the node's challenge; `asked` is what the node was asked.
    async fn ours(
        &self,
        question: &Question<'_>,
        asked: &Question<'_>,
        client_ip: bool,
        mut said: Said,
        now: Timestamp,
    ) -> Result<Said, Failure> {
        let serials: Vec<Box<str>> =
            said.answer.challenges.iter().map(|challenge| challenge.serial.clone()).collect();
        let place = Place {
            node: &said.node,
            transaction: &said.answer.transaction,
            serials: &serials,
            client_ip,
            question: asked,
        };
        let expires = now.plus(self.settings.challenge_validity);
        let id = challenge::keep(&self.challenges, question, &place, expires, now).await;
        said.answer.transaction = id.map_err(|error| self.failure_here(error.into()))?;
        Ok(said)
    }

    /// The local node counted failures of a user whom another node knows (F5). Should this fail, they stay counted.
    async fn give_back(&self, reserved: Option<Reserved>, now: Timestamp) {
        let (Some(reserved), Some(local)) = (reserved, &self.local) else { return };
        if let Err(error) = local.give_back(reserved, now).await {
            tracing::warn!(%error, "failures of a user whom another node accepted stay counted here");
        }
    }

    fn said_here(&self, answer: Answer) -> Said {
        Said { answer, node: Arc::clone(&self.local_name) }
    }

    fn failure_here(&self, why: Why) -> Failure {
        Failure { node: Arc::clone(&self.local_name), why }
    }
}

/// A server's definite answer, with its origin.
fn definite(server: &Server, question: &Question<'_>, reply: Reply) -> Result<Said, Failure> {
    let node = Arc::clone(&server.settings().name);
    match reply {
        Reply::Answered(mut answer) => {
            if answer.origin.is_empty() {
                answer.origin = server.endpoint(question).into();
            }
            Ok(Said { answer, node })
        }
        Reply::NotSent(why) => Err(Failure { node, why: why.into() }),
        Reply::Unknown(why) => Err(Failure { node, why: why.into() }),
    }
}

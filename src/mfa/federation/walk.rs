//! One question's way: a learned home, handlers at `pre`, the base, handlers at `post` (SEMANTICS F2-F5).
//!
//! The walk goes on only after a definite "no" or where a node was provably not asked. It ends with the first
//! acceptance, challenge or refusal of the user, and with the first server that may have been asked in vain.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::domain::node::{Answer, Event, Question, Verdict};
use crate::domain::time::Timestamp;
use crate::mfa::condition::Circumstances;
use crate::mfa::facts::Facts;
use crate::mfa::federation::{Asking, Failure, Federation, Said, Why};
use crate::mfa::node::local::Reserved;
use crate::mfa::node::server::Server;
use crate::mfa::settings::{
    Base, Condition, ForwardSettings, HandlerSettings, Mode, OnError, Position,
};

pub(super) struct Walk<'a> {
    federation: &'a Federation,
    question: &'a Question<'a>,
    hops: Option<&'a str>,
    now: Timestamp,
    /// The answer so far, and who gave it.
    so_far: Option<SoFar<'a>>,
    /// Handlers that had their turn, by place.
    had_turn: Vec<bool>,
    /// The first node that was provably not asked.
    not_asked: Option<Failure>,
    /// What the local node counted as failures.
    reserved: Option<Reserved>,
}

struct SoFar<'a> {
    said: Said,
    /// What was asked to get it, and whether the client's address went along.
    asked: Question<'a>,
    client_ip: bool,
    /// The server, if a handler asked it.
    handler_server: Option<usize>,
}

impl<'a> Walk<'a> {
    pub fn new(
        federation: &'a Federation,
        question: &'a Question<'a>,
        hops: Option<&'a str>,
        now: Timestamp,
    ) -> Self {
        let had_turn = vec![false; federation.settings.handlers.len()];
        Self {
            federation,
            question,
            hops,
            now,
            so_far: None,
            had_turn,
            not_asked: None,
            reserved: None,
        }
    }

    /// Walks to the end.
    pub async fn run(mut self) -> Result<Said, Failure> {
        let home = self.home();
        let walked = self.walk(home).await;
        self.learn(home);
        walked?;
        let Some(so_far) = self.so_far else {
            let nobody = Answer { code: 904, ..Answer::new(Verdict::NotMine, "No node is asked.") };
            return match self.not_asked {
                Some(failure) => Err(failure),
                None => Ok(self.federation.said_here(nobody)),
            };
        };
        let SoFar { said, asked, client_ip, .. } = so_far;
        match (said.answer.verdict, self.not_asked) {
            (Verdict::Accepted, _) => {
                self.federation.give_back(self.reserved, self.now).await;
                Ok(said)
            }
            (Verdict::Challenged, _) => {
                // The other node has found the PIN to be right.
                self.federation.give_back(self.reserved, self.now).await;
                self.federation.ours(self.question, &asked, client_ip, said, self.now).await
            }
            (Verdict::Declined, _) | (_, None) => Ok(said),
            // Who was not asked might have accepted.
            (Verdict::Rejected | Verdict::NotMine | Verdict::Refused, Some(failure)) => {
                Err(failure)
            }
        }
    }

    async fn walk(&mut self, home: Option<usize>) -> Result<(), Failure> {
        if let Some(home) = home {
            self.home_first(home).await?;
        }
        if !self.is_settled() {
            self.stage(Position::Pre).await?;
        }
        if !self.is_settled() {
            self.base().await?;
        }
        if !self.is_settled() {
            self.stage(Position::Post).await?;
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.so_far.as_ref().is_some_and(|so_far| so_far.said.answer.is_final())
    }

    // === Homes ===

    /// The server that accepted this user the last time; only where that spares a remote base.
    fn home(&self) -> Option<usize> {
        let is_spared = matches!(self.federation.settings.base, Base::Server(_))
            && self.question.event == Event::Check;
        is_spared
            .then(|| self.federation.homes.of(self.question.realm, self.question.user))
            .flatten()
    }

    /// The first handler that leads to `home` and whose conditions hold without an answer.
    async fn home_first(&mut self, home: usize) -> Result<(), Failure> {
        for index in 0..self.federation.settings.handlers.len() {
            let Some(handler) = self.handler(index) else { continue };
            if handler.forward.server == home
                && self.may_run(handler)
                && self.holds(handler).await?
            {
                return self.forward(index, handler).await;
            }
        }
        Ok(())
    }

    fn learn(&self, home: Option<usize>) {
        let Question { realm, user, event, .. } = *self.question;
        if event != Event::Check || matches!(self.federation.settings.base, Base::Local) {
            return;
        }
        let accepted = self.so_far.as_ref().filter(|so_far| {
            let Answer { verdict, serial, .. } = &so_far.said.answer;
            *verdict == Verdict::Accepted && !serial.is_empty()
        });
        match accepted.and_then(|so_far| so_far.handler_server) {
            Some(server) => self.federation.homes.learn(realm, user, server),
            None if home.is_some() => self.federation.homes.forget(realm, user),
            None => {}
        }
    }

    // === Handlers ===

    async fn stage(&mut self, position: Position) -> Result<(), Failure> {
        let mut next = 0;
        while !self.is_settled() && next < self.federation.settings.handlers.len() {
            let index = next;
            next += 1;
            let Some(handler) = self.handler(index) else { continue };
            let is_due = handler.position == position && !self.had(index) && self.may_run(handler);
            if !is_due || !self.holds(handler).await? {
                continue;
            }
            match handler.mode {
                Mode::Sequence => self.forward(index, handler).await?,
                Mode::Race => next = self.race(index, position).await?,
            }
        }
        Ok(())
    }

    fn handler(&self, index: usize) -> Option<&'a HandlerSettings> {
        self.federation.settings.handlers.get(index)
    }

    fn had(&self, index: usize) -> bool {
        self.had_turn.get(index).copied().unwrap_or_default()
    }

    fn may_run(&self, handler: &HandlerSettings) -> bool {
        handler.is_active && handler.events.contains(&self.question.event)
    }

    /// Whether all of its conditions hold of the answer so far.
    async fn holds(&self, handler: &HandlerSettings) -> Result<bool, Failure> {
        let facts = if handler.conditions.iter().any(Condition::is_about_facts) {
            self.facts().await?
        } else {
            Facts::default()
        };
        let answer = self.so_far.as_ref().map(|so_far| &so_far.said.answer);
        let at = Circumstances { question: self.question, answer, facts: &facts, now: self.now };
        let mut conditions = handler.conditions.iter();
        Ok(conditions.all(|condition| condition.holds(&at, handler.unknown_matches)))
    }

    /// What is known of the user and the token: by the local node where that is the base, else what the answer says.
    async fn facts(&self) -> Result<Facts, Failure> {
        let answer = self.so_far.as_ref().map(|so_far| &so_far.said.answer);
        match (&self.federation.local, self.federation.settings.base) {
            (Some(local), Base::Local) => {
                let told = answer.map_or("", |answer| &*answer.serial);
                let serial = if told.is_empty() { self.question.serial } else { told };
                let facts = local.facts(&Question { serial, ..*self.question }, self.now).await;
                facts.map_err(|error| self.federation.failure_here(error.into()))
            }
            _ => Ok(answer.map(Facts::told_by).unwrap_or_default()),
        }
    }

    async fn forward(&mut self, index: usize, handler: &'a HandlerSettings) -> Result<(), Failure> {
        let Some(asking) = self.asking(handler) else { return Ok(()) };
        self.take_turn(index);
        let told = self.federation.ask_server(asking.server, &asking.question, self.hops, self.now);
        let told = told.await;
        self.note(told, &asking, handler)
    }

    /// Asks the handlers from `first` on that stand together and hold, all at once; the first challenge or
    /// acceptance counts and the others are hung up on. Returns where the walk goes on.
    async fn race(&mut self, first: usize, position: Position) -> Result<usize, Failure> {
        let mut next = first;
        let mut racing = Vec::new();
        while let Some(handler) = self.handler(next) {
            if handler.position != position || handler.mode != Mode::Race {
                break;
            }
            if !self.had(next) && self.may_run(handler) && self.holds(handler).await? {
                self.take_turn(next);
                racing.extend(self.asking(handler).map(|asking| (asking, handler)));
            }
            next += 1;
        }
        let (federation, hops, now) = (self.federation, self.hops, self.now);
        let ask = async |(asking, handler): (Asking<'a>, &'a HandlerSettings)| {
            let told = federation.ask_server(asking.server, &asking.question, hops, now).await;
            (asking, handler, told)
        };
        let mut replies: FuturesUnordered<_> = racing.into_iter().map(ask).collect();
        let mut failed = None;
        while let Some((asking, handler, told)) = replies.next().await {
            if let Err(failure) = self.note(told, &asking, handler) {
                failed.get_or_insert(failure);
            }
            if self.is_settled() {
                return Ok(next);
            }
        }
        failed.map_or(Ok(next), Err)
    }

    fn take_turn(&mut self, index: usize) {
        if let Some(had) = self.had_turn.get_mut(index) {
            *had = true;
        }
    }

    /// What the handler's server is asked: its options hold for this question alone.
    fn asking(&self, handler: &'a HandlerSettings) -> Option<Asking<'a>> {
        let ForwardSettings { server, client_ip, ref realm, ref resolver, authorization } =
            handler.forward;
        let server: &'a Server = self.federation.servers.get(server)?;
        let question = self.question;
        let (user, realm) = match realm {
            Some(realm) => (self.without_realm(question.user), &**realm),
            None => (question.user, question.realm),
        };
        let question = Question {
            user,
            realm,
            resolver: resolver.as_deref().unwrap_or(question.resolver),
            client: question.client.filter(|_| client_ip),
            authorization: question.authorization.filter(|_| authorization),
            ..*question
        };
        Some(Asking { server, question, client_ip })
    }

    /// A user's name without the realm behind its last `@`, or in front of a backslash. What looks like a mail
    /// address is a realm only if we know it as one.
    fn without_realm(&self, user: &'a str) -> &'a str {
        let is_realm = |text: &str| {
            let known = &self.federation.settings.realms;
            known.iter().any(|realm| realm.eq_ignore_ascii_case(text)) || !text.contains('.')
        };
        match (user.rsplit_once('@'), user.split_once('\\')) {
            (Some((name, realm)), _) if !name.is_empty() && is_realm(realm) => name,
            (None, Some((realm, name))) if !name.is_empty() && is_realm(realm) => name,
            _ => user,
        }
    }

    /// Takes a handler's answer over, or decides whether the walk goes on without one.
    fn note(
        &mut self,
        told: Result<Said, Failure>,
        asking: &Asking<'a>,
        handler: &HandlerSettings,
    ) -> Result<(), Failure> {
        let server = Some(handler.forward.server);
        match told {
            Ok(said) => {
                self.take(SoFar {
                    said,
                    asked: asking.question,
                    client_ip: asking.client_ip,
                    handler_server: server,
                });
                Ok(())
            }
            Err(failure) if is_not_sent(&failure) && handler.on_error == OnError::Next => {
                self.not_asked.get_or_insert(failure);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// The newest answer counts, but "not mine" says nothing about a secret that another node knew to be wrong.
    fn take(&mut self, new: SoFar<'a>) {
        let knows_nothing = new.said.answer.verdict == Verdict::NotMine;
        let is_rejected =
            self.so_far.as_ref().is_some_and(|old| old.said.answer.verdict == Verdict::Rejected);
        if !(knows_nothing && is_rejected) {
            self.so_far = Some(new);
        }
    }

    // === The base ===

    async fn base(&mut self) -> Result<(), Failure> {
        let federation = self.federation;
        let said = match federation.settings.base {
            Base::Local => {
                let told = federation.ask_here(self.question, None, self.now).await?;
                self.reserved = Some(told.reserved);
                federation.said_here(told.answer)
            }
            Base::Server(index) => {
                let Some(server) = federation.servers.get(index) else {
                    return Err(federation.failure_here(Why::Gone));
                };
                let question = Question { client: None, authorization: None, ..*self.question };
                match federation.ask_server(server, &question, self.hops, self.now).await {
                    Ok(said) => said,
                    // Others may know the user.
                    Err(failure) if is_not_sent(&failure) => {
                        self.not_asked.get_or_insert(failure);
                        return Ok(());
                    }
                    Err(failure) => return Err(failure),
                }
            }
        };
        let asked = Question { authorization: None, ..*self.question };
        self.take(SoFar { said, asked, client_ip: false, handler_server: None });
        Ok(())
    }
}

/// Whether another node may get the same secret after this.
const fn is_not_sent(failure: &Failure) -> bool {
    match failure.why {
        Why::NotSent(_) => true,
        Why::Unknown(_) | Why::Local(_) | Why::Challenge(_) | Why::Gone => false,
    }
}

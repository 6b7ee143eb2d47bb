//! Second factors: checked for a session (`step_up`), for other programs (`validate`), or on the way (`riding`).
//!
//! [`Factors::ask`] is what all of them share: regulation, one check of a user at a time, and a check that goes on
//! even if whoever wanted it hangs up. Must not know: bytes, wire formats, which node is asked.

pub mod administration;
pub mod canonical;
pub mod regulation;
pub mod riding;
pub mod settings;
pub mod step_up;
pub mod turns;
pub mod validate;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::authority::factor::canonical::canonical;
use crate::authority::factor::regulation::{Regulation, Throttled, Trial};
use crate::authority::factor::riding::Rides;
use crate::authority::factor::settings::FactorSettings;
use crate::authority::factor::turns::Turns;
use crate::domain::factor::Factor;
use crate::domain::identity::SessionKey;
use crate::domain::node::{Event, Holder, Question, Verdict};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::federation::{Federation, Outcome, Said};

/// What a token is called of which a node tells no more.
const UNNAMED: &str = "unknown";

/// Everything that checks factors.
#[derive(Debug)]
pub struct Factors {
    federation: Arc<Federation>,
    settings: FactorSettings,
    regulation: Regulation,
    turns: Turns,
    rides: Rides,
    runtime: Handle,
}

/// A question that may outlive whoever asked it.
#[derive(Debug)]
pub struct Wanted {
    /// What to do.
    pub event: Event,
    /// Whose factor it is.
    pub user: String,
    /// The user's realm.
    pub realm: String,
    /// The user's resolver.
    pub resolver: String,
    /// The one token; empty means any.
    pub serial: String,
    /// Its type; empty means any.
    pub token_type: String,
    /// What is checked.
    pub secret: Option<Secret>,
    /// The challenge that is answered or polled.
    pub transaction: String,
    /// Whether what is known of the user is wanted, too.
    pub attributes: bool,
    /// Whether the OTP alone is checked.
    pub otp_only: bool,
    /// The end user's address, or that of whoever asks for the end user.
    pub client: Option<IpAddr>,
    /// Whether it is only that of whoever asks, behind whom all users are: no failures count for it.
    pub is_behind_caller: bool,
    /// Who asks.
    pub holder: WhoAsks,
    /// The caller's own Authorization.
    pub authorization: Option<Secret>,
    /// The hop marker.
    pub hops: String,
}

/// Who asks: what a [`Holder`] borrows.
#[derive(Debug)]
pub enum WhoAsks {
    /// A session.
    Session(SessionKey),
    /// A caller of `/validate/*`.
    Caller(String),
}

/// What became of a check.
#[derive(Debug)]
pub enum Checked {
    /// A node said so.
    Said(Said),
    /// Too many failures; nobody was asked.
    Throttled(Duration),
    /// Nobody could tell. The cause is logged.
    Unavailable,
}

impl Wanted {
    /// A question about `user`, by `holder`.
    #[must_use]
    pub fn new(event: Event, user: &str, realm: &str, holder: WhoAsks) -> Self {
        Self {
            event,
            user: user.to_owned(),
            realm: realm.to_owned(),
            resolver: String::new(),
            serial: String::new(),
            token_type: String::new(),
            secret: None,
            transaction: String::new(),
            attributes: false,
            otp_only: false,
            client: None,
            is_behind_caller: false,
            holder,
            authorization: None,
            hops: String::new(),
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            event: self.event,
            user: &self.user,
            realm: &self.realm,
            resolver: &self.resolver,
            serial: &self.serial,
            token_type: &self.token_type,
            secret: self.secret.as_ref(),
            transaction: &self.transaction,
            attributes: self.attributes,
            otp_only: self.otp_only,
            client: self.client,
            holder: match &self.holder {
                WhoAsks::Session(key) => Holder::Session(*key),
                WhoAsks::Caller(name) => Holder::Caller(name),
            },
            authorization: self.authorization.as_ref(),
            hops: &self.hops,
        }
    }
}

impl Factors {
    /// Puts the parts together; checks run on `runtime`.
    #[must_use]
    pub fn new(federation: Arc<Federation>, settings: FactorSettings, runtime: Handle) -> Self {
        let regulation = Regulation::new(settings.regulation);
        let (turns, rides) = (Turns::default(), Rides::default());
        Self { federation, settings, regulation, turns, rides, runtime }
    }

    /// The nodes.
    #[must_use]
    pub const fn federation(&self) -> &Arc<Federation> {
        &self.federation
    }

    /// What is set about checks.
    #[must_use]
    pub const fn settings(&self) -> &FactorSettings {
        &self.settings
    }

    /// Asks the federation. Whoever waits for it may go: what was begun is finished, so that a counter that was
    /// raised for the time being is given back.
    pub async fn ask(self: &Arc<Self>, wanted: Wanted, now: Timestamp) -> Checked {
        let factors = Arc::clone(self);
        let task = self.runtime.spawn(async move { factors.ask_here(&wanted, now).await });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a check of a second factor ended in the middle; report this");
            Checked::Unavailable
        })
    }

    async fn ask_here(&self, wanted: &Wanted, now: Timestamp) -> Checked {
        // A poll tells nothing but what became of the caller's own challenge.
        if wanted.event == Event::Poll {
            return self.asked(wanted, now).await;
        }
        if let Some(said) = self.federation.loops_back(&wanted.hops) {
            return Checked::Said(said);
        }
        let name = if wanted.user.is_empty() { &wanted.serial } else { &wanted.user };
        let user = canonical(name, &wanted.realm, &self.settings.realms);
        // What comes through another node had its turn there; two that wait for each other would wait in vain.
        let turn = if wanted.hops.is_empty() { Some(self.turns.take(&user).await) } else { None };
        if matches!(turn, Some(None)) {
            return Checked::Throttled(Duration::from_secs(1));
        }
        let client = wanted.client.filter(|_| !wanted.is_behind_caller);
        let trial = Trial { user: &user, client };
        if let Err(Throttled(pause)) = self.regulation.permits(trial, now) {
            return Checked::Throttled(pause);
        }
        let checked = self.asked(wanted, now).await;
        match (&checked, wanted.event) {
            // A challenge that nobody answers counts: each may make somebody's telephone ring.
            (Checked::Said(said), Event::Check) if said.answer.verdict == Verdict::Accepted => {
                self.regulation.accepted(trial, now);
            }
            (Checked::Said(_), _) => self.regulation.failed(trial, now),
            (Checked::Throttled(_) | Checked::Unavailable, _) => {}
        }
        checked
    }

    async fn asked(&self, wanted: &Wanted, now: Timestamp) -> Checked {
        match self.federation.ask(&wanted.question(), now).await {
            Outcome::Answered(said) => Checked::Said(said),
            Outcome::Unanswered(_) => Checked::Unavailable,
        }
    }

    /// The factor that an acceptance is worth (F1); `None` if it names no token and that does not count.
    pub(super) fn factor_of<'s>(&self, said: &'s Said, now: Timestamp) -> Option<Factor<'s>> {
        let answer = &said.answer;
        if answer.verdict != Verdict::Accepted {
            return None;
        }
        let named = |text: &'s str| if text.is_empty() { UNNAMED } else { text };
        let serial = match (&*answer.serial, self.settings.accept_without_serial) {
            ("", false) => return None,
            (serial, _) => named(serial),
        };
        Factor::new(&said.node, named(&answer.token_type), serial, now).ok()
    }
}

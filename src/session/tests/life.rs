//! Any order of openings, uses, changes, ends, failures and late news at two nodes: what a node says of a
//! session is what the store has, unless it cannot know better, and then it says no more than it may.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::domain::factor::Factor;
use crate::session::settings::StaleSettings;

const USERS: [&str; 2] = ["dwho", "rtyler"];
const RAISED: u8 = 5;

#[derive(Debug, Clone, Copy)]
enum Step {
    Open { node: usize, user: usize },
    Program { node: usize, user: usize },
    Find { session: usize },
    Touch { node: usize, session: usize },
    Refresh { node: usize, session: usize },
    Raise { node: usize, session: usize },
    End { node: usize, session: usize },
    EndAll { node: usize, user: usize },
    Pass { seconds: u64 },
    Fail { node: usize, failing: bool },
    Hear { node: usize },
    Lose { node: usize },
    Confirm { node: usize },
    Upheaval { node: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (node, user, session) = (0..2_usize, 0..2_usize, 0..8_usize);
    let at = (node.clone(), session);
    let whose = (node.clone(), user);
    prop_oneof![
        3 => whose.clone().prop_map(|(node, user)| Step::Open { node, user }),
        2 => whose.clone().prop_map(|(node, user)| Step::Program { node, user }),
        6 => at.clone().prop_map(|(_, session)| Step::Find { session }),
        2 => at.clone().prop_map(|(node, session)| Step::Touch { node, session }),
        2 => at.clone().prop_map(|(node, session)| Step::Refresh { node, session }),
        2 => at.clone().prop_map(|(node, session)| Step::Raise { node, session }),
        2 => at.prop_map(|(node, session)| Step::End { node, session }),
        1 => whose.prop_map(|(node, user)| Step::EndAll { node, user }),
        3 => (0..200_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => (0..4_000_u64).prop_map(|seconds| Step::Pass { seconds }),
        2 => (node.clone(), any::<bool>()).prop_map(|(node, failing)| Step::Fail { node, failing }),
        3 => node.clone().prop_map(|node| Step::Hear { node }),
        2 => node.clone().prop_map(|node| Step::Lose { node }),
        2 => node.clone().prop_map(|node| Step::Confirm { node }),
        1 => node.prop_map(|node| Step::Upheaval { node }),
    ]
}

/// A session that was opened, whatever became of it.
struct Known {
    key: SessionKey,
    user: usize,
    granted: u8,
}

struct World {
    nodes: [Node; 2],
    known: Vec<Known>,
    now: Timestamp,
    /// When each key was live in the store last.
    lived: HashMap<SessionKey, Timestamp>,
    stale_max: Duration,
    renamed: u64,
}

impl World {
    fn new(settings: SessionSettings, stale_max: Duration) -> Self {
        let settings =
            SessionSettings { stale: StaleSettings { max: stale_max, level: LEVEL }, ..settings };
        let here = Node::new(&settings);
        let there = here.beside(&settings);
        let (known, lived) = (Vec::new(), HashMap::new());
        Self { nodes: [here, there], known, now: NOW, lived, stale_max, renamed: 0 }
    }

    /// The session as the store has it, whoever may ask.
    fn truth(&self, key: SessionKey) -> Option<Session> {
        let node = &self.nodes[0];
        let record = node.store().peep(&key.0, self.now)?;
        let session = node.sessions.view(&key, &record)?;
        (node.sessions.standing(&session, self.now) == Standing::Live).then_some(session)
    }

    fn note(&mut self, key: SessionKey, user: usize, granted: u8) {
        if !self.known.iter().any(|known| known.key == key) {
            self.known.push(Known { key, user, granted });
        }
    }

    /// A session out of those that there are, the newest ones more likely.
    fn pick(&self, session: usize) -> Option<(usize, SessionKey)> {
        let at = self.known.len().checked_sub(1 + session)?;
        Some((at, self.known[at].key))
    }

    async fn held(&self, node: usize, key: SessionKey) -> Option<Keyed> {
        match self.nodes[node].sessions.find(key, self.now).await {
            Ok(Lookup::Live(session)) => Some((key, session)),
            Ok(Lookup::Ended | Lookup::Expired | Lookup::Unknown) | Err(_) => None,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Open { node, user } => {
                let asserted = of_user(USERS[user]);
                let opened = self.nodes[node].sessions.open_cookie(&asserted, &[], self.now).await;
                if let Ok(opened) = opened {
                    self.note(opened.key, user, LEVEL);
                    let half = opened.session.partner().unwrap();
                    self.note(half, user, LEVEL);
                }
            }
            Step::Program { node, user } => {
                let asserted = of_user(USERS[user]);
                let found = self.nodes[node].sessions.by_fingerprint(&asserted, self.now).await;
                if let Ok((key, session)) = found {
                    assert_eq!((session.user(), session.level()), (USERS[user], LEVEL));
                    assert_eq!(session.factors().count(), 0);
                    self.note(key, user, LEVEL);
                }
            }
            Step::Find { session } => {
                let Some((at, _)) = self.pick(session) else { return };
                for node in 0..2 {
                    self.judge(node, at).await;
                }
            }
            Step::Touch { node, session } => {
                let Some((_, key)) = self.pick(session) else { return };
                self.nodes[node].sessions.touch(key, self.now).await;
            }
            Step::Refresh { node, session } => self.refresh(node, session).await,
            Step::Raise { node, session } => self.step_up(node, session).await,
            Step::End { node, session } => {
                let Some((_, key)) = self.pick(session) else { return };
                let Some(held) = self.held(node, key).await else { return };
                let keys: Vec<SessionKey> = ended_keys(std::slice::from_ref(&held)).collect();
                if self.nodes[node].sessions.end(&[held], self.now).await.is_ok() {
                    self.are_dead_at(node, &keys).await;
                }
            }
            Step::EndAll { node, user } => {
                let owner = of_user(USERS[user]);
                // What another node has ended is not found any more; that is heard of in its time.
                let heard = |key: &SessionKey| !self.nodes[node].store().is_waiting(&key.0);
                let of_user = self.known.iter().filter(|known| known.user == user);
                let keys: Vec<SessionKey> = of_user.map(|known| known.key).filter(heard).collect();
                let ended = self.nodes[node].sessions.end_all(owner.owner(), self.now).await;
                if ended.is_ok() {
                    self.are_dead_at(node, &keys).await;
                }
            }
            Step::Pass { seconds } => self.now = self.now.plus(Duration::from_secs(seconds)),
            Step::Fail { node, failing } => self.nodes[node].fail(failing),
            Step::Hear { node } => self.nodes[node].store().deliver(),
            Step::Lose { node } => self.nodes[node].store().lose_channel(),
            Step::Confirm { node } => self.nodes[node].store().confirm_channel(self.now),
            Step::Upheaval { node } => self.nodes[node].store().channel().all_changed(),
        }
    }

    async fn refresh(&mut self, node: usize, session: usize) {
        let Some((at, key)) = self.pick(session) else { return };
        let Some(held) = self.held(node, key).await else { return };
        self.renamed += 1;
        let mail = format!("{}@x", self.renamed);
        let asserted = with_mail(USERS[self.known[at].user], &mail);
        let refreshed = self.nodes[node].sessions.refresh(&held, &asserted, self.now).await;
        if let Ok(Lookup::Live(session)) = refreshed {
            assert!(session.level() <= self.known[at].granted);
        }
    }

    async fn step_up(&mut self, node: usize, session: usize) {
        let Some((at, key)) = self.pick(session) else { return };
        let Some(held) = self.held(node, key).await else { return };
        let factor = Factor::new("local", "totp", "1", self.now).unwrap();
        let sessions = &self.nodes[node].sessions;
        let Ok(opened) = sessions.step_up(&held, &factor, RAISED, self.now).await else { return };
        let user = self.known[at].user;
        self.note(opened.key, user, RAISED);
        if let Some(half) = opened.session.partner() {
            self.note(half, user, LEVEL);
        }
        self.are_dead_at(node, &[key]).await;
    }

    /// The node that ends a session revokes it before it answers (O2).
    async fn are_dead_at(&self, node: usize, keys: &[SessionKey]) {
        for key in keys {
            let found = self.nodes[node].sessions.find(*key, self.now).await;
            assert!(!matches!(found, Ok(Lookup::Live(_))), "{key:?} lives on");
        }
    }

    /// Holds what `node` says of a session against what it may say.
    async fn judge(&self, node: usize, at: usize) {
        let (known, truth) = (&self.known[at], self.truth(self.known[at].key));
        let node = &self.nodes[node];
        let is_failing = node.failing.load(Ordering::SeqCst);
        let has_heard = !node.store().is_waiting(&known.key.0);
        let found = node.sessions.find(known.key, self.now).await;
        match found {
            Ok(Lookup::Live(session)) => {
                assert_eq!(session.user(), USERS[known.user]);
                assert!(session.level() <= known.granted, "above what was granted");
                assert_eq!(node.sessions.standing(&session, self.now), Standing::Live);
                if session.is_stale() {
                    let lived = self.lived.get(&known.key).copied().unwrap_or_default();
                    assert!(is_failing && self.now < lived.plus(self.stale_max), "too stale");
                    assert!(session.level() <= LEVEL && session.factors().count() == 0);
                } else if has_heard {
                    let revision = truth.map(|session| session.revision());
                    assert_eq!(revision, Some(session.revision()), "not what the store has");
                }
            }
            Ok(other @ (Lookup::Ended | Lookup::Expired | Lookup::Unknown)) => {
                assert!(truth.is_none() || !has_heard, "{other:?}, and the store has it");
            }
            Err(error) => assert!(is_failing, "{error}"),
        }
    }

    fn remember_who_lives(&mut self) {
        for known in &self.known {
            if self.truth(known.key).is_some() {
                self.lived.insert(known.key, self.now);
            }
        }
    }
}

#[test]
fn no_order_of_events_lets_a_session_live_on_or_be_worth_more() {
    let shipped = shipped();
    let minutes = prop_oneof![Just(0_u64), Just(2), Just(90)];
    let events = (proptest::collection::vec(step(), 1..80), minutes);
    proptest!(|((steps, minutes) in events)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(shipped.clone(), Duration::from_mins(minutes));
            for step in steps {
                world.take(step).await;
                world.remember_who_lives();
            }
            for at in 0..world.known.len() {
                world.judge(0, at).await;
                world.judge(1, at).await;
            }
        });
    });
}

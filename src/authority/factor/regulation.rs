//! Regulation: failures slow down, for the user at that client, for the client, and for a user as a whole.
//!
//! A pause ends by itself, and failures from elsewhere never pause a client that was accepted for this user before:
//! nobody is locked out by a stranger. Pure over `now`. Must not know: what a failure is, nodes, sessions.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::authority::factor::settings::RegulationSettings;
use crate::domain::network::site;
use crate::domain::time::Timestamp;

/// Counters that are kept of each kind. Of more those go that were used least, so a flood of names that fail once
/// does not wash away the one that fails often.
const ENTRIES: u64 = 100_000;
/// Failures of one user from clients that were never accepted for it, in proportion to those of one of them.
const STRANGERS: u32 = 10;
/// Failures further back than this are forgotten.
const MEMORY: Duration = Duration::from_hours(1);

/// Too many failures; try again after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled(pub Duration);

/// Whose secret it is, one spelling for all ([`canonical`](super::canonical::canonical)), and who tries it.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The user.
    pub user: &'a str,
    /// The client; `None` if only a caller is known, behind which all users are.
    pub client: Option<IpAddr>,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
    /// Whether it was ever accepted.
    is_known: bool,
}

/// All counters.
#[derive(Debug)]
pub struct Regulation {
    settings: RegulationSettings,
    hasher: RandomState,
    pairs: Cache<u64, Failures>,
    users: Cache<u64, Failures>,
    clients: Cache<u64, Failures>,
}

impl Regulation {
    /// Counters at zero.
    #[must_use]
    pub fn new(settings: RegulationSettings) -> Self {
        let counters = || Cache::new(ENTRIES);
        Self {
            settings,
            hasher: RandomState::new(),
            pairs: counters(),
            users: counters(),
            clients: counters(),
        }
    }

    /// Whether another try is allowed.
    ///
    /// # Errors
    /// It is not, for so long: ask nobody.
    pub fn permits(&self, trial: Trial<'_>, now: Timestamp) -> Result<(), Throttled> {
        let pair = self.pairs.get(&self.pair(trial));
        let is_known = pair.is_some_and(|pair| pair.is_known);
        let RegulationSettings { free_failures, .. } = self.settings;
        let mut pause = self.pause(pair, free_failures, now);
        if !is_known {
            let user = self.users.get(&self.hash(trial.user));
            pause = pause.max(self.pause(user, free_failures.saturating_mul(STRANGERS), now));
        }
        if let Some(client) = trial.client {
            let failures = self.clients.get(&self.hash(site(client)));
            pause = pause.max(self.pause_of_client(failures, now));
        }
        if pause.is_zero() { Ok(()) } else { Err(Throttled(pause)) }
    }

    /// It failed.
    pub fn failed(&self, trial: Trial<'_>, now: Timestamp) {
        add(&self.pairs, self.pair(trial), now);
        add(&self.users, self.hash(trial.user), now);
        if let Some(client) = trial.client {
            self.failed_client(self.hash(site(client)), now);
        }
    }

    /// It was accepted: this client is known for this user, and starts anew.
    pub fn accepted(&self, trial: Trial<'_>, now: Timestamp) {
        self.pairs.insert(self.pair(trial), Failures { count: 0, last: now, is_known: true });
    }

    /// What is left of the pause after these failures, of which `free` cost nothing.
    fn pause(&self, failures: Option<Failures>, free: u32, now: Timestamp) -> Duration {
        let Some(failures) = failures.filter(|failures| now.since(failures.last) < MEMORY) else {
            return Duration::ZERO;
        };
        let Some(more) = failures.count.checked_sub(free) else { return Duration::ZERO };
        let doubled =
            self.settings.pause.saturating_mul(1_u32.checked_shl(more).unwrap_or(u32::MAX));
        let pause = doubled.min(self.settings.longest_pause);
        pause.saturating_sub(now.since(failures.last))
    }

    /// A client has so many failures a minute; it waits for the next minute.
    fn pause_of_client(&self, failures: Option<Failures>, now: Timestamp) -> Duration {
        match failures {
            Some(failures) if failures.count >= self.settings.per_client => {
                Duration::from_mins(1).saturating_sub(now.since(failures.last))
            }
            _ => Duration::ZERO,
        }
    }

    /// `last` is the beginning of the client's minute.
    fn failed_client(&self, key: u64, now: Timestamp) {
        self.clients.entry(key).and_compute_with(|entry| {
            let minute = entry
                .map(moka::Entry::into_value)
                .filter(|failures| now.since(failures.last) < Duration::from_mins(1));
            Op::Put(match minute {
                Some(failures) => Failures { count: failures.count.saturating_add(1), ..failures },
                None => Failures { count: 1, last: now, is_known: false },
            })
        });
    }

    fn pair(&self, trial: Trial<'_>) -> u64 {
        self.hash((trial.user, trial.client.map(site)))
    }

    fn hash(&self, key: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(key)
    }
}

fn add(counters: &Cache<u64, Failures>, key: u64, now: Timestamp) {
    counters.entry(key).and_compute_with(|entry| {
        let before = entry.map(moka::Entry::into_value);
        let is_known = before.is_some_and(|before| before.is_known);
        let count = before.filter(|before| now.since(before.last) < MEMORY).map_or(0, |b| b.count);
        Op::Put(Failures { count: count.saturating_add(1), last: now, is_known })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regulation() -> Regulation {
        Regulation::new(RegulationSettings::default())
    }

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    fn trial<'a>(user: &'a str, client: &str) -> Trial<'a> {
        Trial { user, client: Some(client.parse().unwrap()) }
    }

    #[test]
    fn pauses_grow_and_end_by_themselves() {
        let regulation = regulation();
        let alice = trial("alice", "192.0.2.1");
        for _ in 0..5 {
            assert_eq!(regulation.permits(alice, at(0)), Ok(()));
            regulation.failed(alice, at(0));
        }
        assert_eq!(regulation.permits(alice, at(0)), Err(Throttled(Duration::from_secs(1))));
        assert_eq!(regulation.permits(alice, at(1)), Ok(()));
        regulation.failed(alice, at(1));
        assert_eq!(regulation.permits(alice, at(2)), Err(Throttled(Duration::from_secs(1))));
        for second in 0..30 {
            regulation.failed(alice, at(10 + second));
        }
        assert_eq!(regulation.permits(alice, at(39)), Err(Throttled(Duration::from_mins(5))));
        assert_eq!(regulation.permits(alice, at(39 + 300)), Ok(()));
        regulation.accepted(alice, at(400));
        regulation.failed(alice, at(400));
        assert_eq!(regulation.permits(alice, at(400)), Ok(()), "an acceptance starts anew");
    }

    #[test]
    fn a_stranger_does_not_lock_out_a_user() {
        let regulation = regulation();
        let alice = trial("alice", "192.0.2.1");
        regulation.accepted(alice, at(0));
        for address in 0..200 {
            let stranger = format!("198.51.100.{address}");
            (0..4).for_each(|_| regulation.failed(trial("alice", &stranger), at(1)));
        }
        assert_eq!(regulation.permits(alice, at(1)), Ok(()));
        assert!(
            regulation.permits(trial("alice", "203.0.113.9"), at(1)).is_err(),
            "a new one waits"
        );
        assert_eq!(regulation.permits(trial("bob", "203.0.113.9"), at(1)), Ok(()));
    }

    #[test]
    fn a_client_that_tries_many_users_waits_and_others_do_not() {
        let regulation = regulation();
        let mut allowed = 0;
        for user in 0..10_000 {
            let user = format!("user{user}");
            let trial = trial(&user, "198.51.100.7");
            if regulation.permits(trial, at(0)).is_ok() {
                allowed += 1;
                regulation.failed(trial, at(0));
            }
        }
        assert_eq!(allowed, 30);
        assert_eq!(regulation.permits(trial("alice", "192.0.2.1"), at(0)), Ok(()));
        assert_eq!(regulation.permits(trial("alice", "198.51.100.7"), at(60)), Ok(()));
    }

    #[test]
    fn users_behind_a_caller_that_reports_no_client_do_not_slow_each_other() {
        let regulation = regulation();
        for user in 0..1000 {
            regulation.failed(Trial { user: &user.to_string(), client: None }, at(0));
        }
        assert_eq!(regulation.permits(Trial { user: "alice", client: None }, at(0)), Ok(()));
    }
}

//! The account of what clients were told and what became true: kept while faults happen, settled at the end.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::support::person::Ticket;

/// A session that a client believes in.
#[derive(Debug, Clone)]
pub struct Claim {
    pub user: String,
    pub ticket: Ticket,
}

/// Everything that was told, and everything that contradicts it.
#[derive(Debug, Default)]
pub struct Account {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    counts: Counts,
    /// Sessions whose clients were told that they are logged in.
    live: Vec<Claim>,
    /// Sessions whose clients were told that they are logged out, and when.
    ended: Vec<(Claim, Instant)>,
    /// What must never happen, in words.
    wrong: Vec<String>,
}

/// What happened how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Logins that were acknowledged.
    pub logins: u64,
    /// Logins that were told to have failed, or not told of at all.
    pub logins_failed: u64,
    /// Checks that were allowed.
    pub allowed: u64,
    /// Checks that were told to try again, or not told of at all.
    pub unavailable: u64,
    /// Logouts that were acknowledged.
    pub logouts: u64,
    /// Logouts that were told to have failed, or not told of at all.
    pub logouts_failed: u64,
    /// Acknowledged sessions that were refused.
    pub lost: u64,
    /// Ended sessions that were let in.
    pub resurrected: u64,
    /// Sessions that were somebody else's.
    pub swapped: u64,
}

impl Account {
    /// Changes the counts.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.locked().counts);
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.locked().counts
    }

    /// A client was told that it is logged in, and goes away.
    pub fn keep(&self, claim: Claim) {
        self.locked().live.push(claim);
    }

    /// A client was told that it is logged out.
    pub fn ended(&self, claim: Claim) {
        self.locked().ended.push((claim, Instant::now()));
    }

    /// Something that must never happen did.
    pub fn wrong(&self, what: String) {
        self.locked().wrong.push(what);
    }

    /// The sessions that clients believe in.
    pub fn live(&self) -> Vec<Claim> {
        self.locked().live.clone()
    }

    /// The sessions that have ended, and when.
    pub fn all_ended(&self) -> Vec<(Claim, Instant)> {
        self.locked().ended.clone()
    }

    /// What must never happen and did, a line each.
    pub fn complaints(&self) -> String {
        self.locked().wrong.iter().take(20).fold(String::new(), |mut text, what| {
            let _ = writeln!(text, "{what}");
            text
        })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

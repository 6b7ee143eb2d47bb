//! Challenges: ours stand for those of nodes, and belong to who triggered them (SEMANTICS F6).
//!
//! An id of ours is 20 random digits, as eduMFA's are. What it stands for lies in the store, so any node of this
//! installation can take the answer. Must not know: how a node is asked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::domain::node::{Holder, Question};
use crate::domain::time::Timestamp;
use crate::store::{Applied, Assurance, Expect, Key, Store, StoreError, Write};

/// Digits of an id.
const ID_DIGITS: usize = 20;
/// First byte of a record: no session's.
const VERSION: u8 = 0xC1;

/// What one of our ids stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The node's name.
    pub node: Box<str>,
    /// How the node calls it; empty at the local one.
    pub transaction: Box<str>,
    /// The tokens that may answer it.
    pub serials: Vec<Box<str>>,
    /// Whether the handler that triggered it passes the client's address on.
    pub client_ip: bool,
    /// The realm in which the node was asked.
    pub realm: Box<str>,
    /// The resolver in which the node was asked.
    pub resolver: Box<str>,
    /// The name under which the node was asked.
    pub user: Box<str>,
    asked: Asked,
}

/// Whose it is: hashed, so that a store's dump tells nothing of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    realm: Box<str>,
    user: Box<str>,
    holder: [u8; 32],
}

/// A challenge that was found.
#[derive(Debug)]
pub struct Found {
    /// What it stands for.
    pub pinned: Pinned,
    key: Key,
    revision: u64,
}

/// Why a challenge was not kept or found.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// The store failed: nothing is known of the challenge.
    #[error("the store of challenges failed")]
    Store(#[from] StoreError),
    /// No id can be made.
    #[error("the system gives no randomness")]
    NoEntropy,
    /// What is to be kept is larger than a record.
    #[error("a challenge cannot be written")]
    Unwritable,
}

/// Where and how a node was asked, for [`keep`].
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The node's name.
    pub node: &'a str,
    /// How the node calls it.
    pub transaction: &'a str,
    /// The tokens that may answer it.
    pub serials: &'a [Box<str>],
    /// Whether the client's address goes along.
    pub client_ip: bool,
    /// What the node was asked, rewritten for it.
    pub question: &'a Question<'a>,
}

/// Keeps a challenge that `place` triggered for `question` until `expires`, and returns our id for it.
///
/// # Errors
/// It cannot be kept: answer nothing that would need it.
pub async fn keep(
    store: &Store,
    question: &Question<'_>,
    place: &Place<'_>,
    expires: Timestamp,
    now: Timestamp,
) -> Result<Box<str>, ChallengeError> {
    let pinned = Pinned {
        node: place.node.into(),
        transaction: place.transaction.into(),
        serials: place.serials.to_vec(),
        client_ip: place.client_ip,
        realm: place.question.realm.into(),
        resolver: place.question.resolver.into(),
        user: place.question.user.into(),
        asked: Asked::of(question),
    };
    let mut value = vec![VERSION];
    serde_json::to_writer(&mut value, &pinned).map_err(|_| ChallengeError::Unwritable)?;
    // As of new fingerprint sessions: no live session goes for it (S10).
    if !store.has_room(value.len() as u64) {
        return Err(StoreError::Full.into());
    }
    let id = random_id()?;
    let write = Write {
        key: key(&id),
        expect: Expect::Absent,
        value: Some(Arc::from(value)),
        expires,
        index: None,
    };
    match store.apply(vec![write], Assurance::Renewable, now).await? {
        Applied::Done(_) => Ok(id),
        // 66 bits clashed.
        Applied::Conflict { .. } => Err(ChallengeError::NoEntropy),
    }
}

/// The challenge that `question` answers or polls; `None` if it is unknown, over, or somebody else's.
///
/// # Errors
/// The store failed.
pub async fn find(
    store: &Store,
    question: &Question<'_>,
    now: Timestamp,
) -> Result<Option<Found>, ChallengeError> {
    let is_id = question.transaction.len() == ID_DIGITS
        && question.transaction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_id {
        return Ok(None);
    }
    let key = key(question.transaction);
    let Some(record) = store.get(key, now).await? else { return Ok(None) };
    let Some((&VERSION, json)) = record.bytes.split_first() else { return Ok(None) };
    let Ok(pinned) = serde_json::from_slice::<Pinned>(json) else { return Ok(None) };
    let is_theirs = pinned.asked.is_of(question);
    Ok(is_theirs.then_some(Found { pinned, key, revision: record.revision }))
}

/// Uses a challenge up. Says whether it was still there: of two answers that were both right one comes too late.
///
/// # Errors
/// The store failed: do not count the answer as right.
pub async fn use_up(store: &Store, found: &Found, now: Timestamp) -> Result<bool, ChallengeError> {
    let write = Write {
        key: found.key,
        expect: Expect::Revision(found.revision),
        value: None,
        expires: now,
        index: None,
    };
    Ok(matches!(store.apply(vec![write], Assurance::Confirmed, now).await?, Applied::Done(_)))
}

impl Asked {
    fn of(question: &Question<'_>) -> Self {
        let hash = Sha256::new().chain_update("vouchsafe challenge holder\0");
        let hash = match question.holder {
            Holder::Session(key) => hash.chain_update("session\0").chain_update(key.0),
            Holder::Caller(name) => hash.chain_update("caller\0").chain_update(name),
        };
        Self {
            realm: question.realm.into(),
            user: question.user.into(),
            holder: hash.finalize().into(),
        }
    }

    /// Whether `question` comes from the same holder and is about the same user; a poll, and a check by serial,
    /// name no user.
    fn is_of(&self, question: &Question<'_>) -> bool {
        let other = Self::of(question);
        let same_holder: bool = self.holder.ct_eq(&other.holder).into();
        let same_user = self.realm == other.realm && self.user == other.user;
        same_holder && (question.user.is_empty() || same_user)
    }
}

fn key(id: &str) -> Key {
    Sha256::new().chain_update("vouchsafe challenge\0").chain_update(id).finalize().into()
}

fn random_id() -> Result<Box<str>, ChallengeError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| ChallengeError::NoEntropy)?;
    let number = u128::from_le_bytes(bytes) % 10_u128.pow(20);
    Ok(format!("{number:020}").into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::identity::SessionKey;
    use crate::domain::node::Event;
    use crate::store::memory::MemoryStore;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn question<'a>(user: &'a str, holder: Holder<'a>, transaction: &'a str) -> Question<'a> {
        Question { user, transaction, ..Question::new(Event::Check, holder) }
    }

    async fn kept(store: &Store, holder: Holder<'_>) -> Box<str> {
        let question = question("alice", holder, "");
        let place = Place {
            node: "lab",
            transaction: "17",
            serials: &["OATH1".into()],
            client_ip: true,
            question: &question,
        };
        keep(store, &question, &place, NOW.plus(Duration::from_secs(120)), NOW).await.unwrap()
    }

    #[tokio::test]
    async fn a_challenge_is_found_by_its_user_and_holder_alone() {
        let store = Store::Memory(MemoryStore::new(1 << 20));
        let (mine, other) =
            (Holder::Session(SessionKey([1; 32])), Holder::Session(SessionKey([2; 32])));
        let id = kept(&store, mine).await;
        assert!(id.len() == 20 && id.bytes().all(|digit| digit.is_ascii_digit()));
        let found = async |user, holder| {
            find(&store, &question(user, holder, &id), NOW).await.unwrap().map(|found| found.pinned)
        };
        let pinned = found("alice", mine).await.unwrap();
        assert_eq!((&*pinned.node, &*pinned.transaction), ("lab", "17"));
        assert_eq!(found("alice", other).await, None);
        assert_eq!(found("bob", mine).await, None);
        assert_eq!(found("alice", Holder::Caller("key-1")).await, None);
        assert!(found("", mine).await.is_some(), "a poll names no user");
        let later = NOW.plus(Duration::from_secs(120));
        assert!(find(&store, &question("alice", mine, &id), later).await.unwrap().is_none());
        for odd in ["", "17", "0000000000000000000x"] {
            assert!(find(&store, &question("alice", mine, odd), NOW).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn no_session_is_evicted_for_a_challenge() {
        let store = Store::Memory(MemoryStore::new(600));
        let holder = Holder::Caller("key-1");
        let question = question("alice", holder, "");
        let place = Place {
            node: "lab",
            transaction: "17",
            serials: &[],
            client_ip: false,
            question: &question,
        };
        let expires = NOW.plus(Duration::from_secs(120));
        let keep = async || keep(&store, &question, &place, expires, NOW).await;
        let first = keep().await.unwrap();
        assert!(matches!(keep().await, Err(ChallengeError::Store(StoreError::Full))));
        let asked = Question { transaction: &first, ..question };
        assert!(find(&store, &asked, NOW).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn of_two_right_answers_one_uses_the_challenge_up() {
        let store = Store::Memory(MemoryStore::new(1 << 20));
        let id = kept(&store, Holder::Caller("key-1")).await;
        let asked = question("alice", Holder::Caller("key-1"), &id);
        let first = find(&store, &asked, NOW).await.unwrap().unwrap();
        let second = find(&store, &asked, NOW).await.unwrap().unwrap();
        assert!(use_up(&store, &first, NOW).await.unwrap());
        assert!(!use_up(&store, &second, NOW).await.unwrap());
        assert!(find(&store, &asked, NOW).await.unwrap().is_none());
    }
}

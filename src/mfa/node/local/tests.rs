//! The local node against what eduMFA answered (goldens by name), and against itself in parallel.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::testing::{settings, users};
use super::*;
use crate::domain::node::{Challenge, Holder};
use crate::mfa::settings::PinPosition;
use crate::mfa::token::hotp::{Algorithm, Digits, Generator};
use crate::mfa::token::totp;
use crate::store::embedded::EmbeddedStore;
use crate::store::memory::MemoryStore;

const SECRET: &[u8] = b"12345678901234567890";
const NOW: Timestamp = Timestamp::from_millis(1_795_304_967_000);

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn memory() -> Arc<Store> {
    Arc::new(Store::Memory(MemoryStore::new(1 << 28)))
}

fn node_with(settings: LocalSettings) -> LocalNode {
    LocalNode::new(settings, memory(), &secret("a key of thirty-two random bytes"))
}

fn node() -> LocalNode {
    node_with(settings())
}

fn otp(counter: u64) -> String {
    Generator::new(&Secret::new(SECRET.to_vec()), Algorithm::Sha1, Digits::Six)
        .at(counter)
        .show(Digits::Six)
}

fn new(kind: TokenKind, serial: &str, user: &str, pin: &str) -> NewToken {
    NewToken {
        serial: Some(serial.into()),
        user: user.into(),
        secret: Some(Secret::new(SECRET.to_vec())),
        pin: secret(pin),
        password: (kind == TokenKind::Password).then(|| secret("childpw")),
        ..NewToken::new(kind)
    }
}

async fn add(node: &LocalNode, kind: TokenKind, serial: &str, user: &str, pin: &str) {
    node.add(new(kind, serial, user, pin), NOW).await.unwrap();
}

fn question<'a>(user: &'a str, secret: Option<&'a Secret>) -> Question<'a> {
    Question { user, secret, ..Question::new(Event::Check, Holder::Caller("test")) }
}

/// What is known of a user's tokens, or of one of them.
async fn known(node: &LocalNode, user: &str, resolver: &str, serial: &str) -> Facts {
    let question = Question { resolver, serial, ..question(user, None) };
    node.facts(&question, NOW).await.unwrap()
}

async fn check(node: &LocalNode, user: &str, pass: &str) -> Answer {
    check_at(node, user, pass, NOW).await
}

async fn check_at(node: &LocalNode, user: &str, pass: &str, now: Timestamp) -> Answer {
    node.ask(&question(user, Some(&secret(pass))), None, now).await.unwrap().answer
}

async fn fails(node: &LocalNode, serial: &str) -> i64 {
    known(node, "", "", serial).await.token.unwrap().fail_counter.unwrap()
}

/// What an answer says, in eduMFA's words.
fn said(answer: &Answer) -> (Verdict, &str, &str, &str) {
    (answer.verdict, &answer.message, &answer.serial, &answer.token_type)
}

use Verdict::{Accepted, Challenged, NotMine, Refused, Rejected};

#[tokio::test]
async fn pin_and_otp_are_told_apart_as_edumfa_does() {
    let node = node();
    add(&node, TokenKind::Hotp, "H", "alice", "cpin").await;
    let rows = [
        ("nope123456", Rejected, "wrong otp pin", ""),
        ("123", Rejected, "wrong otp pin", ""),
        ("", Rejected, "wrong otp pin", ""),
        ("cpin000000", Rejected, "wrong otp value", "H"),
        (&format!("cpin{}", otp(10)), Rejected, "wrong otp value", "H"),
        (&format!("cpin{}", otp(9)), Accepted, "matching 1 tokens", "H"),
        (&format!("cpin{}", otp(9)), Rejected, "wrong otp value. previous otp used again", "H"),
        (&format!("cpin{}", otp(3)), Rejected, "wrong otp value", "H"),
        (&format!("cpin{}", otp(10)), Accepted, "matching 1 tokens", "H"),
    ];
    for (pass, verdict, message, serial) in rows {
        let answer = check(&node, "alice", pass).await;
        let kind = if serial.is_empty() { "" } else { "hotp" };
        assert_eq!(said(&answer), (verdict, message, serial, kind), "{pass}");
        assert_eq!(answer.otp_length, (!serial.is_empty()).then_some(6));
    }
    assert_eq!(fails(&node, "H").await, 0, "a success resets");
}

#[tokio::test]
async fn a_pin_may_stand_behind_or_be_missing() {
    let node = node_with(LocalSettings { pin: PinPosition::Behind, ..settings() });
    add(&node, TokenKind::Hotp, "H", "alice", "cpin").await;
    add(&node, TokenKind::Hotp, "N", "bob", "").await;
    assert_eq!(check(&node, "alice", &format!("{}cpin", otp(0))).await.verdict, Accepted);
    assert_eq!(check(&node, "alice", &format!("cpin{}", otp(1))).await.verdict, Rejected);
    assert_eq!(check(&node, "bob", &otp(0)).await.verdict, Accepted);
    assert_eq!(check(&node, "bob", &format!("{}cpin", otp(1))).await.verdict, Rejected);
}

#[tokio::test]
async fn a_clock_ahead_is_followed_and_no_step_serves_twice() {
    let node = node();
    add(&node, TokenKind::Totp, "T", "bob", "cpin").await;
    let step = totp::step(NOW, 30, 0);
    for (ahead, verdict) in
        [(7, Rejected), (4, Accepted), (4, Rejected), (0, Rejected), (5, Accepted)]
    {
        let answer = check(&node, "bob", &format!("cpin{}", otp(step + ahead))).await;
        assert_eq!(answer.verdict, verdict, "{ahead}");
    }
    let later = NOW.plus(std::time::Duration::from_secs(300));
    let answer = check_at(&node, "bob", &format!("cpin{}", otp(step + 10)), later).await;
    assert_eq!(said(&answer), (Accepted, "matching 1 tokens", "T", "totp"));
}

#[tokio::test]
async fn passwords_and_spass_tokens_are_checked_by_their_own_rules() {
    let node = node();
    add(&node, TokenKind::Password, "P", "dave", "cpin").await;
    add(&node, TokenKind::Spass, "S", "carol", "cspass").await;
    let answer = check(&node, "dave", "cpinchildpw").await;
    assert_eq!(said(&answer), (Accepted, "matching 1 tokens", "P", "pw"));
    assert_eq!(answer.otp_length, Some(7));
    assert_eq!(check(&node, "dave", "cpinchildpx").await.message.as_ref(), "wrong otp value");
    assert_eq!(check(&node, "dave", "cpixchildpw").await.message.as_ref(), "wrong otp pin");
    assert_eq!(
        said(&check(&node, "carol", "cspass").await),
        (Accepted, "matching 1 tokens", "S", "spass")
    );
    assert_eq!(check(&node, "carol", "bad").await.message.as_ref(), "wrong otp pin");
    let refused = node.add(new(TokenKind::Spass, "S2", "carol", ""), NOW).await;
    assert!(matches!(refused, Err(AdministrationError::Invalid(_))));
}

#[tokio::test]
async fn several_tokens_that_match_have_no_serial_and_one_that_may_not_be_used_is_named() {
    let node = node();
    for serial in ["S1", "S2"] {
        add(&node, TokenKind::Spass, serial, "kate", "same").await;
    }
    let answer = check(&node, "kate", "same").await;
    assert_eq!(said(&answer), (Accepted, "matching 2 tokens", "", "spass"));
    assert_eq!(answer.otp_length, None);
    node.set_enabled("S1", false, NOW).await.unwrap();
    let answer = check(&node, "kate", "same").await;
    assert_eq!(said(&answer), (Accepted, "matching 2 tokens, Token is disabled", "", "spass"));
    node.set_enabled("S2", false, NOW).await.unwrap();
    assert_eq!(check(&node, "kate", "same").await.verdict, Rejected);
}

#[tokio::test]
async fn a_wrong_pin_raises_all_tokens_and_a_wrong_otp_those_whose_pin_is_right() {
    let node = node();
    add(&node, TokenKind::Hotp, "A", "kate", "one").await;
    add(&node, TokenKind::Hotp, "B", "kate", "two").await;
    check(&node, "kate", "bad000000").await;
    check(&node, "kate", "one000000").await;
    assert_eq!((fails(&node, "A").await, fails(&node, "B").await), (2, 1));
    assert_eq!(check(&node, "kate", &format!("one{}", otp(0))).await.verdict, Accepted);
    assert_eq!((fails(&node, "A").await, fails(&node, "B").await), (0, 1), "only its own");
}

#[tokio::test]
async fn a_right_otp_on_a_token_that_may_not_be_used_is_refused_and_spent() {
    let node = node();
    add(&node, TokenKind::Hotp, "J", "judy", "cpin").await;
    for _ in 0..12 {
        check(&node, "judy", "cpin000000").await;
    }
    assert_eq!(fails(&node, "J").await, 10);
    let answer = check(&node, "judy", &format!("cpin{}", otp(0))).await;
    assert_eq!(said(&answer), (Rejected, "matching 1 tokens, Failcounter exceeded", "J", "hotp"));
    node.reset("J", NOW).await.unwrap();
    assert_eq!(check(&node, "judy", &format!("cpin{}", otp(0))).await.verdict, Rejected);
    node.set_enabled("J", false, NOW).await.unwrap();
    let answer = check(&node, "judy", &format!("cpin{}", otp(1))).await;
    assert_eq!(answer.message.as_ref(), "matching 1 tokens, Token is disabled");
    node.set_enabled("J", true, NOW).await.unwrap();
    assert_eq!(check(&node, "judy", &format!("cpin{}", otp(1))).await.verdict, Rejected);
    assert_eq!(check(&node, "judy", &format!("cpin{}", otp(2))).await.verdict, Accepted);
    let facts = known(&node, "judy", "", "").await.token.unwrap();
    assert_eq!((facts.otp_counter, facts.count_auth), (Some(3), Some(13)));
    assert_eq!(facts.count_auth_fail, Some(12));
}

#[tokio::test]
async fn the_otp_alone_skips_the_pin_and_nothing_else() {
    let node = node();
    add(&node, TokenKind::Hotp, "F", "", "cpin").await;
    let ask = async |pass: &str| {
        let secret = secret(pass);
        let question = Question { serial: "F", otp_only: true, ..question("", Some(&secret)) };
        node.ask(&question, None, NOW).await.unwrap().answer
    };
    assert_eq!(said(&ask(&otp(0)).await), (Accepted, "", "F", "hotp"));
    assert_eq!(ask(&format!("cpin{}", otp(1))).await.message.as_ref(), "OTP verification failed.");
    assert_eq!(fails(&node, "F").await, 1);
    node.set_enabled("F", false, NOW).await.unwrap();
    assert_eq!(ask(&otp(1)).await.verdict, Rejected);
    let facts = known(&node, "", "", "F").await;
    assert!(facts.tokens == Some(0) && facts.token.unwrap().has_owner == Some(false));
}

#[tokio::test]
async fn a_pin_alone_triggers_challenges_and_the_otp_alone_answers_them() {
    let challenge_response = vec![TokenKind::Hotp, TokenKind::Totp, TokenKind::Spass];
    let node = node_with(LocalSettings { challenge_response, ..settings() });
    add(&node, TokenKind::Hotp, "H", "grace", "cpin").await;
    add(&node, TokenKind::Totp, "T", "grace", "cpin").await;
    add(&node, TokenKind::Spass, "S", "carol", "cspass").await;
    let answer = check(&node, "grace", "cpin").await;
    let words = "please enter otp: , please enter otp: ";
    assert_eq!(said(&answer), (Challenged, words, "T", "totp"));
    let challenge = |serial: &str, kind: &str| Challenge {
        serial: serial.into(),
        token_type: kind.into(),
        message: "please enter otp: ".into(),
        client_mode: "interactive".into(),
    };
    assert_eq!(answer.challenges, [challenge("H", "hotp"), challenge("T", "totp")]);
    assert_eq!(fails(&node, "H").await, 0);
    assert_eq!(check(&node, "grace", "nope").await.message.as_ref(), "wrong otp pin");
    assert_eq!(check(&node, "carol", "cspass").await.verdict, Accepted, "a SPASS asks for nothing");

    let serials = ["H".into(), "T".into()];
    let respond = async |serials: &[Box<str>], pass: &str| {
        let secret = secret(pass);
        node.ask(&question("grace", Some(&secret)), Some(serials), NOW).await.unwrap().answer
    };
    let wrong = respond(&serials, "000000").await;
    assert_eq!(said(&wrong), (Rejected, "Response did not match for 2 tokens.", "", ""));
    assert_eq!((fails(&node, "H").await, fails(&node, "T").await), (2, 2));
    let wrong = respond(&serials[..1], "000000").await;
    assert_eq!(said(&wrong), (Rejected, "Response did not match the challenge.", "H", "hotp"));
    let right = respond(&serials, &otp(0)).await;
    assert_eq!(said(&right), (Accepted, "Found matching challenge", "H", "hotp"));
    assert_eq!((fails(&node, "H").await, fails(&node, "T").await), (0, 2));
    assert_eq!(respond(&["X".into()], &otp(1)).await.verdict, Rejected);
    assert_eq!(fails(&node, "H").await, 0);

    let trigger = Question { event: Event::Trigger, ..question("grace", None) };
    let answer = node.ask(&trigger, None, NOW).await.unwrap().answer;
    assert_eq!((answer.verdict, answer.challenges.len()), (Challenged, 2));
    let none = Question { user: "carol", ..trigger };
    assert_eq!(node.ask(&none, None, NOW).await.unwrap().answer.verdict, Rejected);
    let poll = Question { event: Event::Poll, ..trigger };
    assert_eq!(node.ask(&poll, None, NOW).await.unwrap().answer.verdict, Rejected);
}

#[tokio::test]
async fn who_is_not_known_here_is_not_mine() {
    let list =
        users(&[("alice", "crealm", "r1"), ("kate", "crealm", "r2"), ("ann", "second", "r3")]);
    let node = node_with(LocalSettings { users: Some(list), ..settings() });
    add(&node, TokenKind::Spass, "S", "alice", "pass").await;
    let pass = secret("pass");
    let known = question("alice", Some(&pass));
    let rows = [
        (known, Accepted, 0, "matching 1 tokens"),
        (Question { realm: "CREALM", ..known }, Accepted, 0, "matching 1 tokens"),
        (Question { resolver: "r1", ..known }, Accepted, 0, "matching 1 tokens"),
        (Question { user: "kate", ..known }, Rejected, 0, "The user has no tokens assigned"),
        (Question { resolver: "r2", ..known }, Rejected, 0, "The user has no tokens assigned"),
        (Question { token_type: "totp", ..known }, Rejected, 0, "The user has no tokens assigned"),
        (
            Question { user: "nobody", ..known },
            NotMine,
            904,
            "ERR904: User <nobody@crealm> does not exist.",
        ),
        (
            Question { user: "alice@nosuch", ..known },
            NotMine,
            904,
            "ERR904: User <alice@nosuch@crealm> does not exist.",
        ),
        (
            Question { realm: "nosuch", ..known },
            NotMine,
            904,
            "ERR904: User <alice@nosuch> does not exist.",
        ),
        (
            Question { resolver: "r9", ..known },
            NotMine,
            904,
            "ERR904: The resolver 'r9' does not exist!",
        ),
        (
            Question { user: "", serial: "X", ..known },
            NotMine,
            601,
            "The requested token could not be found.",
        ),
        (
            Question { user: "kate", serial: "S", ..known },
            NotMine,
            905,
            "ERR905: Given serial does not belong to given user!",
        ),
        (
            Question { user: "", ..known },
            Refused,
            905,
            "ERR905: You need to specify a serial or a user.",
        ),
        (Question { secret: None, ..known }, Refused, 905, "ERR905: Missing parameter: 'pass'"),
    ];
    for (question, verdict, code, message) in rows {
        let answer = node.ask(&question, None, NOW).await.unwrap().answer;
        assert_eq!((answer.verdict, answer.code, &*answer.message), (verdict, code, message));
    }
    let answer = node.ask(&known, None, NOW).await.unwrap().answer;
    let email = ("email".into(), vec!["alice@example.test".into()]);
    assert!(answer.attributes.contains(&email), "{:?}", answer.attributes);
    let refused = node.add(new(TokenKind::Hotp, "N", "nobody", ""), NOW).await;
    assert!(matches!(refused, Err(AdministrationError::Invalid(_))));

    let open = node_with(settings());
    add(&open, TokenKind::Spass, "S", "alice", "pass").await;
    assert_eq!(check(&open, "alice", "pass").await.verdict, Accepted);
    assert_eq!(check(&open, "kate", "pass").await.code, 904);
}

#[tokio::test]
async fn facts_are_about_the_named_token_or_the_only_one() {
    let node =
        node_with(LocalSettings { users: Some(users(&[("a", "crealm", "r1")])), ..settings() });
    assert!(known(&node, "a", "", "").await.token.is_none());
    add(&node, TokenKind::Totp, "T", "a", "").await;
    let facts = known(&node, "a@crealm", "r1", "").await;
    let token = facts.token.unwrap();
    assert_eq!(
        (facts.tokens, token.realms.as_deref(), token.resolver.as_deref()),
        (Some(1), Some(&["crealm".into()][..]), Some("r1"))
    );
    assert_eq!((token.has_owner, token.is_orphaned), (Some(true), Some(false)));
    assert_eq!((token.is_valid, token.is_locked), (Some(true), Some(false)));
    add(&node, TokenKind::Hotp, "H", "a", "").await;
    let facts = known(&node, "a", "", "").await;
    assert!(facts.tokens == Some(2) && facts.token.is_none());
    let facts = known(&node, "", "", "H").await;
    assert_eq!((facts.tokens, facts.token.unwrap().token_type.as_deref()), (Some(2), Some("hotp")));
    let without = LocalSettings { users: Some(users(&[])), ..settings() };
    let key = secret("a key of thirty-two random bytes");
    let later = LocalNode::new(without, node.tokens.store(), &key);
    let token = known(&later, "", "", "H").await.token.unwrap();
    assert_eq!(token.is_orphaned, Some(true));
}

/// Asks the same of all nodes at once, from many threads.
async fn storm(nodes: &[Arc<LocalNode>], user: &str, pass: &str, times: usize) -> Vec<LocalAnswer> {
    let tasks: Vec<_> = (0..times)
        .map(|place| {
            let node = Arc::clone(&nodes[place % nodes.len()]);
            let (user, pass) = (user.to_owned(), secret(pass));
            tokio::spawn(async move {
                node.ask(&question(&user, Some(&pass)), None, NOW).await.unwrap()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

async fn of_many_one_succeeds(store: Store) {
    let (store, key) = (Arc::new(store), secret("a key of thirty-two random bytes"));
    let node = || Arc::new(LocalNode::new(settings(), Arc::clone(&store), &key));
    let nodes = [node(), node()];
    add(&nodes[0], TokenKind::Hotp, "H", "alice", "").await;
    add(&nodes[0], TokenKind::Totp, "T", "bob", "").await;
    let step = totp::step(NOW, 30, 0);
    for (user, otp) in [("alice", otp(4)), ("bob", otp(step))] {
        let answers = storm(&nodes, user, &otp, 200).await;
        let accepted = answers.iter().filter(|one| one.answer.verdict == Accepted).count();
        assert_eq!(accepted, 1, "{user}");
    }
    assert_eq!(fails(&nodes[1], "H").await, 10, "the others are failures, as many as are counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_uses_of_an_otp_one_succeeds_in_memory() {
    of_many_one_succeeds(Store::Memory(MemoryStore::new(1 << 28))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_uses_of_an_otp_one_succeeds_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&folder.path().join("tokens.redb")).unwrap();
    of_many_one_succeeds(Store::Embedded(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn failures_that_are_given_back_are_gone_exactly_and_a_lock_of_theirs_is_lifted() {
    let nodes = [Arc::new(node())];
    add(&nodes[0], TokenKind::Hotp, "H", "alice", "").await;
    for _ in 0..3 {
        check(&nodes[0], "alice", "000000").await;
    }
    let answers = storm(&nodes, "alice", "000000", 50).await;
    assert_eq!(fails(&nodes[0], "H").await, 10);
    assert_eq!(answers.iter().filter(|one| !one.reserved.is_empty()).count(), 7);
    let tasks: Vec<_> = answers
        .into_iter()
        .map(|one| {
            let node = Arc::clone(&nodes[0]);
            tokio::spawn(async move { node.give_back(one.reserved, NOW).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(fails(&nodes[0], "H").await, 3);
    assert_eq!(check(&nodes[0], "alice", &otp(0)).await.verdict, Accepted);
}

#[tokio::test]
async fn what_is_given_back_after_a_reset_takes_nothing_from_later_failures() {
    let node = node();
    add(&node, TokenKind::Hotp, "H", "alice", "").await;
    let wrong = secret("000000");
    let before = node.ask(&question("alice", Some(&wrong)), None, NOW).await.unwrap();
    node.reset("H", NOW).await.unwrap();
    let after = node.ask(&question("alice", Some(&wrong)), None, NOW).await.unwrap();
    node.give_back(before.reserved, NOW).await.unwrap();
    assert_eq!(fails(&node, "H").await, 1);
    node.give_back(after.reserved, NOW).await.unwrap();
    assert_eq!(fails(&node, "H").await, 0);
    let gone = Reserved(vec![("gone".into(), 0)]);
    node.give_back(gone, NOW).await.unwrap();
}

static FAILING: AtomicBool = AtomicBool::new(true);

#[tokio::test]
async fn another_key_opens_nothing_and_an_outage_is_no_answer() {
    let store = memory();
    let node = |key: &str| LocalNode::new(settings(), Arc::clone(&store), &secret(key));
    add(&node("one"), TokenKind::Spass, "S", "alice", "pass").await;
    let pass = secret("pass");
    let question = Question { serial: "S", ..question("", Some(&pass)) };
    let error = node("two").ask(&question, None, NOW).await.unwrap_err();
    assert!(matches!(error, LocalError::Damaged));

    let faulty = Store::Faulty(crate::store::faulty::FaultyStore::new(&FAILING));
    let node = LocalNode::new(settings(), Arc::new(faulty), &secret("one"));
    assert!(matches!(node.ask(&question, None, NOW).await, Err(LocalError::Store(_))));
}

#[tokio::test]
async fn tokens_are_listed_in_pages_and_gone_when_they_are_removed() {
    let node = node();
    for place in 0..30 {
        let user = if place % 3 == 0 { "alice@crealm" } else { "" };
        add(&node, TokenKind::Hotp, &format!("T{place}"), user, "").await;
    }
    let mut serials = std::collections::BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = node.list(Filter::default(), after.as_deref(), 7, NOW).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7);
        after = Some(last.serial.to_string());
        for token in page {
            assert!(serials.insert(token.serial), "twice");
        }
    }
    assert_eq!(serials.len(), 30);
    let count = async |filter| node.list(filter, None, 100, NOW).await.unwrap().len();
    assert_eq!(count(Filter { user: "alice", ..Filter::default() }).await, 10);
    assert_eq!(count(Filter { realm: "CRealm", ..Filter::default() }).await, 10);
    assert_eq!(count(Filter { serial: "T3", ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { serial: "T1", user: "alice", realm: "" }).await, 0);
    node.remove("T3", NOW).await.unwrap();
    assert!(matches!(node.remove("T3", NOW).await, Err(AdministrationError::Unknown(_))));
    assert_eq!(count(Filter::default()).await, 29);
    assert!(matches!(
        node.add(new(TokenKind::Hotp, "T4", "", ""), NOW).await,
        Err(AdministrationError::Exists(_))
    ));
}

#[tokio::test]
async fn an_administrator_sets_pins_and_counters_and_imports() {
    let node = node();
    let report = node
        .import(
            vec![
                new(TokenKind::Hotp, "A", "a", ""),
                new(TokenKind::Hotp, "A", "b", ""),
                NewToken::new(TokenKind::Totp),
            ],
            NOW,
        )
        .await;
    assert!(report[0].is_ok() && report[2].is_ok());
    assert!(matches!(report[1], Err(AdministrationError::Exists(_))));
    let made = report[2].as_ref().unwrap();
    assert!(made.serial.starts_with("TOTP"));
    let uri = made.enrolment.as_ref().unwrap().uri("V");
    assert!(uri.starts_with("otpauth://totp/V:TOTP"));
    assert!(!format!("{report:?}").contains("secret="));

    node.set_pin("A", &secret("new"), NOW).await.unwrap();
    assert_eq!(check(&node, "a", &otp(0)).await.verdict, Rejected);
    assert_eq!(check(&node, "a", &format!("new{}", otp(0))).await.verdict, Accepted);
    let resync = async |first, second| {
        node.resync("A", &secret(&otp(first)), &secret(&otp(second)), NOW).await.unwrap()
    };
    assert!(!resync(500, 502).await && !resync(1001, 1002).await && resync(500, 501).await);
    assert_eq!(check(&node, "a", &format!("new{}", otp(502))).await.verdict, Accepted);
    assert!(matches!(
        node.set_pin("none", &secret("x"), NOW).await,
        Err(AdministrationError::Unknown(_))
    ));
}

#[tokio::test]
async fn nobody_has_more_tokens_than_are_looked_at() {
    let node = node();
    for place in 0..crate::domain::limits::TOKENS_PER_USER {
        add(&node, TokenKind::Hotp, &format!("T{place}"), "alice", "").await;
    }
    let refused = node.add(new(TokenKind::Hotp, "more", "alice", ""), NOW).await;
    assert!(matches!(refused, Err(AdministrationError::Invalid(_))));
    let notes = |many: usize| (0..many).map(|n| (n.to_string().into(), "x".into())).collect();
    let noted = |many| NewToken { info: notes(many), ..NewToken::new(TokenKind::Hotp) };
    assert!(node.add(noted(crate::domain::limits::TOKEN_NOTES), NOW).await.is_ok());
    assert!(node.add(noted(crate::domain::limits::TOKEN_NOTES + 1), NOW).await.is_err());
    let named = |bytes| NewToken {
        serial: Some("x".repeat(bytes).into()),
        ..NewToken::new(TokenKind::Hotp)
    };
    assert!(node.add(named(crate::domain::limits::SERIAL_BYTES), NOW).await.is_ok());
    assert!(node.add(named(crate::domain::limits::SERIAL_BYTES + 1), NOW).await.is_err());
}

#[tokio::test]
async fn nothing_secret_is_in_debug_output() {
    let node = node();
    add(&node, TokenKind::Password, "P", "alice", "cpin").await;
    let shown = format!("{node:?} {:?}", new(TokenKind::Password, "P", "alice", "cpin"));
    for word in ["cpin", "childpw", "thirty-two", "12345678"] {
        assert!(!shown.contains(word), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_tried_no_otp_is_accepted_twice_and_failures_stay_bounded(
        tries in prop::collection::vec((0_u64..15, any::<bool>()), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let node = node();
            add(&node, TokenKind::Hotp, "H", "alice", "").await;
            let (mut next, mut counted) = (0, 0);
            for (counter, is_given_back) in tries {
                let pass = secret(&otp(counter));
                let one = node.ask(&question("alice", Some(&pass)), None, NOW).await.unwrap();
                let in_window = (next..next + 10).contains(&counter);
                prop_assert_eq!(one.answer.verdict == Accepted, in_window && counted < 10);
                if in_window {
                    next = counter + 1;
                    counted = if counted < 10 { 0 } else { counted };
                } else if is_given_back {
                    node.give_back(one.reserved, NOW).await.unwrap();
                } else {
                    counted = (counted + 1).min(10);
                }
                prop_assert_eq!(fails(&node, "H").await, counted);
            }
            Ok(())
        })?;
    }
}

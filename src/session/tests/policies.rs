//! At most so many sessions a user, and keys that are replaced.

use std::num::NonZeroU32;

use super::*;

fn at_most(most: u32) -> SessionSettings {
    SessionSettings { max_per_user: NonZeroU32::new(most), ..shipped() }
}

fn keys(displaced: &[Keyed]) -> Vec<SessionKey> {
    displaced.iter().map(|(key, _)| *key).collect()
}

#[tokio::test]
async fn the_oldest_sessions_of_a_user_end_when_there_are_too_many() {
    let here = Node::new(&at_most(2));
    let asserted = of_user("dwho");
    here.sessions.by_fingerprint(&asserted, NOW).await.unwrap();
    let other = here.open("rtyler", NOW).await;
    let first = here.open("dwho", later(1)).await;
    let second = here.open("dwho", later(2)).await;
    assert!(first.displaced.is_empty() && second.displaced.is_empty());
    let third = here.open("dwho", later(3)).await;
    assert_eq!(keys(&third.displaced), [first.key]);
    for (key, live) in [
        (first.key, false),
        (first.session.partner().unwrap(), false),
        (second.key, true),
        (second.session.partner().unwrap(), true),
        (third.key, true),
        (other.key, true),
    ] {
        assert_eq!(here.is_live(key, later(4)).await, live, "{key:?}");
    }
    let (_, is_there) = here.sessions.look_by_fingerprint(&asserted, later(4)).await.unwrap();
    assert!(is_there, "a program's session does not count");
    assert_eq!(here.sessions.metrics.sessions_displaced.get(), 1);
}

#[tokio::test]
async fn a_step_up_is_not_a_new_session() {
    let here = Node::new(&at_most(1));
    let opened = here.open("dwho", NOW).await;
    let factor = crate::domain::factor::Factor::new("local", "totp", "1", NOW).unwrap();
    let held = (opened.key, opened.session);
    let raised = here.sessions.step_up(&held, &factor, 5, NOW).await.unwrap();
    assert!(raised.displaced.is_empty() && here.is_live(raised.key, NOW).await);
    let next = here.open("dwho", later(1)).await;
    assert_eq!(keys(&next.displaced), [raised.key]);
}

#[tokio::test]
async fn parallel_logins_at_two_nodes_leave_as_many_sessions_as_allowed() {
    let settings = at_most(2);
    for round in 0..50_u64 {
        let here = Node::new(&settings);
        let there = here.beside(&settings);
        let before = [here.open("dwho", NOW).await, there.open("dwho", later(1)).await];
        let now = |millis| later(10 + round * millis % 3);
        let (one, other) = tokio::join!(here.open("dwho", now(1)), there.open("dwho", now(2)));
        let mut live = Vec::new();
        here.store().deliver();
        for key in before.iter().chain([&one, &other]).map(|opened| opened.key) {
            live.extend(here.is_live(key, later(20)).await.then_some(key));
        }
        assert_eq!(live, [one.key, other.key]);
    }
}

#[tokio::test]
async fn a_login_that_cannot_end_the_others_fails() {
    let here = Node::new(&at_most(1));
    here.open("dwho", NOW).await;
    let closed = here.store().gate.write().await;
    let asserted = of_user("dwho");
    let mut opening = Box::pin(here.sessions.open_cookie(&asserted, &[], later(1)));
    assert!(poll(&mut opening).is_none());
    here.fail(true);
    drop(closed);
    assert!(matches!(opening.await, Err(SessionError::Store(_))));
}

#[tokio::test]
async fn while_the_key_is_replaced_every_node_finds_what_the_others_made() {
    let (old, new) = (|| Secret::new(vec![1; 32]), || Secret::new(vec![2; 32]));
    let settings = shipped();
    let before = Node::new(&settings);
    let joining = before.beside_with(&settings, Fingerprinter::new(&old()).and(&new()));
    let turned = before.beside_with(&settings, Fingerprinter::new(&new()).and(&old()));
    let after = before.beside_with(&settings, Fingerprinter::new(&new()));
    let asserted = of_user("dwho");
    let (key, _) = before.sessions.by_fingerprint(&asserted, NOW).await.unwrap();
    for node in [&joining, &turned] {
        for _ in 0..2 {
            assert_eq!(node.sessions.by_fingerprint(&asserted, NOW).await.unwrap().0, key);
        }
        let (seen, is_there) = node.sessions.look_by_fingerprint(&asserted, NOW).await.unwrap();
        assert_eq!((seen.0, is_there), (key, true));
        assert!(node.sessions.is_form_token(key, &before.sessions.form_token(key)));
    }
    let somebody = of_user("rtyler");
    let (key, _) = turned.sessions.by_fingerprint(&somebody, NOW).await.unwrap();
    for node in [&joining, &after] {
        assert_eq!(node.sessions.by_fingerprint(&somebody, NOW).await.unwrap().0, key);
        assert!(node.sessions.is_form_token(key, &turned.sessions.form_token(key)));
    }
    let (other, _) = after.sessions.by_fingerprint(&asserted, NOW).await.unwrap();
    assert_ne!(other, key, "what the old key made is gone with it");
}

#[tokio::test]
async fn a_factor_that_is_kept_under_an_older_key_is_found() {
    let (old, new) = (Secret::new(vec![1; 32]), Secret::new(vec![2; 32]));
    let settings = shipped();
    let before = Node::new(&settings);
    let turned = before.beside_with(&settings, Fingerprinter::new(&new).and(&old));
    let asserted = of_user("dwho");
    let keys =
        |node: &Node| node.sessions.credential_keys("kept", asserted.owner(), LOOPBACK, b"123456");
    let (_, session) = before.sessions.by_fingerprint(&asserted, NOW).await.unwrap();
    let factor = crate::domain::factor::Factor::new("local", "totp", "1", NOW).unwrap();
    let key = keys(&before).first;
    before.sessions.keep_factor(key, &session, &factor, 5, NOW).await.unwrap();
    let (found, kept) = turned.sessions.kept_factor(&keys(&turned), NOW).await.unwrap().unwrap();
    assert_eq!((found, kept.level(), kept.factors().count()), (key, 5, 1));
}

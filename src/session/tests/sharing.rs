//! What a node believes of its copies while other nodes change sessions, and how often the store is asked.

use futures_util::future::join_all;

use super::*;
use crate::session::record::Kind;

#[tokio::test]
async fn all_keys_of_an_owner_lie_in_one_partition() {
    let here = Node::alone();
    let asserted = of_user("dwho");
    let partition = crate::store::partition_of(owner::index_of(asserted.owner()));
    let opened = here.open("dwho", NOW).await;
    let (by_fingerprint, _) = here.sessions.by_fingerprint(&asserted, NOW).await.unwrap();
    let factor = crate::domain::factor::Factor::new("local", "totp", "1", NOW).unwrap();
    let held = (opened.key, opened.session.clone());
    let raised = here.sessions.step_up(&held, &factor, 5, NOW).await.unwrap();
    let kept = here.sessions.credential_keys("kept", asserted.owner(), LOOPBACK, b"secret");
    let halves = [opened.session.partner(), raised.session.partner()];
    let keys = [opened.key, by_fingerprint, raised.key, kept.first];
    for key in keys.into_iter().chain(halves.into_iter().flatten()) {
        assert_eq!(key.0.first(), Some(&partition), "{key:?}");
    }
}

#[tokio::test]
async fn a_burst_of_callers_costs_one_read() {
    let (here, there) = (Node::alone(), shipped());
    let there = here.beside(&there);
    let opened = here.open("dwho", NOW).await;
    let finds = (0..100).map(|_| there.is_live(opened.key, NOW));
    assert!(join_all(finds).await.iter().all(|live| *live));
    assert_eq!(there.reads(), 1);
}

#[tokio::test]
async fn a_burst_of_callers_for_what_does_not_exist_or_cannot_be_read_costs_two_reads() {
    let here = Node::alone();
    let unknown = SessionKey([9; 32]);
    let closed = here.store().gate.write().await;
    let mut finds: Vec<_> = (0..100).map(|_| Box::pin(here.sessions.find(unknown, NOW))).collect();
    assert!(finds.iter_mut().all(|find| poll(find).is_none()));
    drop(closed);
    for found in join_all(finds).await {
        assert!(matches!(found, Ok(Lookup::Unknown)));
    }
    assert_eq!(here.reads(), 2);
    here.fail(true);
    let failed = join_all((0..100).map(|_| here.sessions.find(unknown, NOW))).await;
    assert!(failed.iter().all(|found| matches!(found, Err(SessionError::Store(_)))));
    let error = chain(failed[99].as_ref().unwrap_err());
    assert_eq!(error, "the session store failed: the store is unavailable: the test says so");
    assert!(here.reads() <= 2 + 100, "nobody waits in a store that fails at once");
    assert_eq!(here.sessions.reads.waited_for(), 0);
}

#[tokio::test]
async fn nobody_is_told_what_was_read_before_they_asked() {
    let (here, settings) = (Node::alone(), shipped());
    let there = here.beside(&settings);
    let closed = there.store().gate.write().await;
    let opened_later = SessionId::random_in(0).unwrap();
    // It has read already that there is nothing, and is not told yet.
    let mut early = Box::pin(there.sessions.find(opened_later.key(), NOW));
    assert!(poll(&mut early).is_none());
    let write = Write {
        key: opened_later.key().0,
        expect: Expect::Absent,
        value: Some(open::draft(Kind::Cookie, &of_user("dwho"), None, NOW).encode().unwrap()),
        expires: later(1_000_000),
        index: None,
    };
    here.sessions.apply(vec![write], crate::store::Assurance::Confirmed, NOW).await.unwrap();
    let mut late = Box::pin(there.sessions.find(opened_later.key(), NOW));
    assert!(poll(&mut late).is_none());
    drop(closed);
    assert!(matches!(early.await, Ok(Lookup::Unknown)));
    assert!(matches!(late.await, Ok(Lookup::Live(_))));
}

#[tokio::test]
async fn whoever_reads_and_goes_away_holds_nobody_up() {
    let here = Node::alone();
    let opened = here.open("dwho", NOW).await;
    here.store().deliver();
    let closed = here.store().gate.write().await;
    let mut first = Box::pin(here.sessions.find(opened.key, NOW));
    let mut second = Box::pin(here.sessions.find(opened.key, NOW));
    assert!(poll(&mut first).is_none() && poll(&mut second).is_none());
    drop(first);
    drop(closed);
    assert!(matches!(second.await, Ok(Lookup::Live(_))));
    assert_eq!(here.sessions.reads.waited_for(), 0);
}

#[tokio::test]
async fn what_changed_while_it_was_read_is_not_kept() {
    let (here, settings) = (Node::alone(), shipped());
    let there = here.beside(&settings);
    let opened = here.open("dwho", NOW).await;
    there.store().deliver();
    let closed = there.store().gate.write().await;
    let mut reading = Box::pin(there.sessions.find(opened.key, NOW));
    assert!(poll(&mut reading).is_none());
    here.end(&opened, NOW).await;
    there.store().deliver();
    drop(closed);
    // It asked before the session ended.
    assert!(matches!(reading.await, Ok(Lookup::Live(_))));
    assert!(there.sessions.peek(&opened.key, NOW).is_none());
    assert!(matches!(there.sessions.find(opened.key, NOW).await, Ok(Lookup::Ended)));
}

#[tokio::test]
async fn what_this_node_ends_while_it_is_read_is_not_kept() {
    let here = Node::alone();
    let opened = here.open("dwho", NOW).await;
    here.store().deliver();
    let gate = here.store().gate.write().await;
    let mut reading = Box::pin(here.sessions.find(opened.key, NOW));
    assert!(poll(&mut reading).is_none());
    drop(gate);
    here.end(&opened, NOW).await;
    assert!(matches!(reading.await, Ok(Lookup::Ended)), "though it read it before");
    assert!(matches!(here.sessions.peek(&opened.key, NOW), Some(Lookup::Ended)));
}

#[tokio::test]
async fn a_logout_elsewhere_counts_here_when_it_is_heard_of() {
    let (here, settings) = (Node::alone(), shipped());
    let there = here.beside(&settings);
    let opened = here.open("dwho", NOW).await;
    assert!(there.is_live(opened.key, NOW).await);
    here.end(&opened, NOW).await;
    assert!(there.is_live(opened.key, NOW).await, "it has not heard of it");
    there.store().deliver();
    assert!(matches!(there.sessions.find(opened.key, NOW).await, Ok(Lookup::Ended)));
}

#[tokio::test]
async fn with_the_channel_lost_every_use_asks_the_store_and_afterwards_one_does() {
    let (here, settings) = (Node::alone(), shipped());
    let there = here.beside(&settings);
    let opened = here.open("dwho", NOW).await;
    there.store().deliver();
    assert!(there.is_live(opened.key, NOW).await);
    there.store().lose_channel();
    for reads in 2..4 {
        assert!(there.sessions.peek(&opened.key, NOW).is_none());
        assert!(there.is_live(opened.key, NOW).await);
        assert_eq!(there.reads(), reads);
    }
    here.end(&opened, NOW).await;
    assert!(matches!(there.sessions.find(opened.key, NOW).await, Ok(Lookup::Ended)));

    let second = here.open("dwho", NOW).await;
    assert!(there.is_live(second.key, NOW).await);
    there.store().confirm_channel(NOW);
    assert!(there.sessions.peek(&second.key, NOW).is_none(), "read while nothing was heard of");
    assert!(there.is_live(second.key, NOW).await);
    assert!(matches!(there.sessions.peek(&second.key, NOW), Some(Lookup::Live(_))));
}

#[tokio::test]
async fn when_anything_may_have_changed_all_is_asked_again() {
    let here = Node::alone();
    let opened = here.open("dwho", NOW).await;
    assert!(matches!(here.sessions.peek(&opened.key, NOW), Some(Lookup::Live(_))));
    here.store().channel().all_changed();
    assert!(here.sessions.peek(&opened.key, NOW).is_none());
    assert!(here.is_live(opened.key, NOW).await);
    assert!(matches!(here.sessions.peek(&opened.key, NOW), Some(Lookup::Live(_))));
}

#[tokio::test]
async fn the_echo_of_an_own_write_costs_a_read_and_nothing_else() {
    let here = Node::alone();
    let opened = here.open("dwho", NOW).await;
    here.store().deliver();
    assert!(here.sessions.peek(&opened.key, NOW).is_none());
    assert!(here.is_live(opened.key, NOW).await);
    assert_eq!(here.reads(), 1);
    assert!(matches!(here.sessions.peek(&opened.key, NOW), Some(Lookup::Live(_))));
}

#[tokio::test]
async fn what_was_ended_here_stays_so_when_the_store_loses_it() {
    let here = Node::alone();
    let opened = here.open("dwho", NOW).await;
    let before = here.sessions.store.get(opened.key.0, NOW).await.unwrap().unwrap();
    here.end(&opened, NOW).await;
    here.store().deliver();
    here.store().lose_channel();
    here.store().roll_back(opened.key.0, &before);
    here.store().confirm_channel(NOW);
    let half_a_minute = later(30_000);
    assert!(here.sessions.peek(&opened.key, half_a_minute).is_none());
    let found = here.sessions.find(opened.key, half_a_minute).await;
    assert!(matches!(found, Ok(Lookup::Ended)), "{found:?}");
    let seen = here.sessions.look(opened.key, half_a_minute).await;
    assert!(matches!(seen, Ok(Lookup::Ended)), "{seen:?}");
}

#[tokio::test]
async fn a_fingerprint_session_that_another_node_opens_again_is_not_ended_here() {
    let (here, settings) = (Node::alone(), shipped());
    let there = here.beside(&settings);
    let asserted = of_user("dwho");
    let (key, session) = here.sessions.by_fingerprint(&asserted, NOW).await.unwrap();
    here.sessions.end(&[(key, session)], NOW).await.unwrap();
    here.store().deliver();
    there.sessions.by_fingerprint(&asserted, NOW).await.unwrap();
    here.store().deliver();
    assert!(here.is_live(key, NOW).await);
}

#[tokio::test]
async fn a_logout_whose_client_hangs_up_leaves_no_copy() {
    let here = Node::alone();
    let opened = here.open("dwho", NOW).await;
    let closed = here.store().gate.write().await;
    let keyed = [(opened.key, opened.session.clone())];
    let mut ending = Box::pin(here.sessions.end(&keyed, NOW));
    assert!(poll(&mut ending).is_none());
    drop(ending);
    drop(closed);
    while !matches!(here.sessions.peek(&opened.key, NOW), Some(Lookup::Ended)) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn touches_of_many_requests_are_one_write_a_session() {
    let here = Node::alone();
    let mut opened = Vec::new();
    for user in 0..20 {
        opened.push(here.open(&user.to_string(), NOW).await);
    }
    let (first, second) = (later(61_000), later(61_500));
    for now in [first, second, second] {
        for one in &opened {
            assert!(matches!(here.sessions.peek(&one.key, now), Some(Lookup::Live(_))));
        }
    }
    let Node { sessions, touches, .. } = here;
    let reads = |sessions: &Sessions| match &*sessions.store {
        Store::Faulty(store) => store.reads.load(Ordering::SeqCst),
        Store::Memory(_) | Store::Embedded(_) | Store::Redis(_) | Store::Sealed(_) => 0,
    };
    let before = reads(&sessions);
    {
        let mut writing = Box::pin(sessions.write_touches(touches));
        while opened.iter().any(|one| {
            let copy = sessions.cache.as_ref().and_then(|cache| cache.verified(&one.key, second));
            copy.unwrap().last_use() != second
        }) {
            assert!(poll(&mut writing).is_none());
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(reads(&sessions), before, "the copies were good");
    for one in &opened {
        let record = sessions.store.get(one.key.0, second).await.unwrap().unwrap();
        assert_eq!(record.revision, 2, "one write");
    }
}

#[tokio::test]
async fn a_touch_goes_to_what_another_node_has_made_of_the_session() {
    let (here, settings) = (Node::alone(), shipped());
    let there = here.beside(&settings);
    let opened = here.open("dwho", NOW).await;
    let held = (opened.key, opened.session.clone());
    there.sessions.refresh(&held, &with_mail("dwho", "new@x"), NOW).await.unwrap();
    // It has not heard of that.
    here.sessions.touch(opened.key, later(61_000)).await;
    let Ok(Lookup::Live(session)) = here.sessions.find(opened.key, later(61_000)).await else {
        panic!("it lives")
    };
    assert_eq!(session.last_use(), later(61_000));
    assert!(session.has_attributes_of(&with_mail("dwho", "new@x")));
}

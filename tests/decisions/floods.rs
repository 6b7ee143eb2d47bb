//! What many requests cost: S9, S10, A67.

use vouchsafe::domain::decision::{Decision, Reason};

use crate::installation::{Ask, Installation, Wish, at, exports};

#[tokio::test]
async fn a_full_memory_store_refuses_new_calls_and_keeps_people() {
    let here = Installation::new(&Wish { max_bytes: "1MiB", ..Wish::default() });
    let mut people = Vec::new();
    for person in 0..100 {
        people.push(here.login(&format!("person{person}"), at(0)).await);
    }
    let mut full = 0;
    for call in 0..10_000 {
        let ask = Ask::asserted("/page", &format!("bot{call}"));
        let reason = here.decide(&ask, at(1)).await.reason();
        assert!(matches!(reason, Reason::Full | Reason::Session), "{reason:?}");
        full += usize::from(reason == Reason::Full);
    }
    assert!(full > 5_000, "{full} refused");
    here.sessions.gauge().await;
    let bytes = here.metrics.cache_bytes.get();
    assert!(bytes <= (1 << 20) * 105 / 100, "{bytes} bytes");
    for (person, id) in people.iter().enumerate() {
        let decision = here.decide(&Ask::page("/page").cookie(format!("sid={id}")), at(2)).await;
        assert_eq!(exports(&decision)[0], format!("auth-user=person{person}"));
    }
}

#[tokio::test]
async fn with_a_store_behind_it_a_flood_costs_no_session_at_all() {
    let here = Installation::new(&Wish { embedded: true, max_bytes: "1MiB", ..Wish::default() });
    let people = [here.login("alice", at(0)).await, here.login("bob", at(0)).await];
    let flood = (0..40).map(|batch| {
        let here = &here;
        async move {
            for call in 0..100 {
                let ask = Ask::asserted("/page", &format!("bot{batch}-{call}"));
                assert_eq!(here.decide(&ask, at(1)).await.reason(), Reason::Session);
            }
        }
    });
    // Concurrent, so that the store's group commit is what is used.
    let mut tasks = Vec::new();
    for batch in flood {
        tasks.push(Box::pin(batch));
    }
    join_all(tasks).await;
    here.sessions.gauge().await;
    assert!(here.metrics.cache_bytes.get() <= (1 << 20) * 105 / 100);
    assert!(here.metrics.cache_evictions.get() > 0);
    for id in people {
        let ask = Ask::page("/page").cookie(format!("sid={id}"));
        assert_eq!(here.decide(&ask, at(2)).await.reason(), Reason::Session);
    }
}

#[tokio::test]
async fn anonymous_and_refused_requests_leave_nothing_behind() {
    let here = Installation::usual();
    for call in 0..500 {
        let asks = [
            Ask::page("/page").cookie(format!("sid={call:064x}")),
            Ask::page("/page").navigation(),
            Ask::asserted("/page", "dwho").set("control", format!("guess{call}")),
            Ask::asserted("/page", "dwho").set("x-forwarded-host", format!("h{call}.evil.test")),
        ];
        for ask in asks {
            assert!(!matches!(here.decide(&ask, at(call)).await, Decision::Allow(_)));
        }
    }
    assert_eq!(here.records().await, 0);
}

#[tokio::test]
async fn a_used_up_quota_costs_the_cookie_and_not_the_access_where_the_session_exists() {
    let here = Installation::new(&Wish { per_master: 3, ..Wish::default() });
    assert_eq!(here.reason(&Ask::asserted("/page", "dwho")).await, Reason::Session);
    for _ in 0..2 {
        assert_eq!(
            here.reason(&Ask::asserted("/page", "dwho").navigation()).await,
            Reason::Session
        );
    }
    let throttled = here.decide(&Ask::asserted("/page", "dwho").navigation(), at(0)).await;
    assert!(
        matches!(&throttled, Decision::Allow(grant) if grant.cookies.is_empty()),
        "{throttled:?}"
    );
    assert_eq!(
        here.decide(&Ask::asserted("/page", "new"), at(0)).await,
        Decision::Deny(Reason::Throttled)
    );
}

#[tokio::test]
async fn a_used_up_quota_closes_no_page_that_is_open_to_anybody() {
    let here = Installation::new(&Wish { per_master: 1, ..Wish::default() });
    assert_eq!(here.reason(&Ask::asserted("/page", "first")).await, Reason::Session);
    assert_eq!(here.reason(&Ask::asserted("/page", "second")).await, Reason::Throttled);
    let decision = here.decide(&Ask::asserted("/public/x", "second"), at(0)).await;
    assert_eq!(decision.reason(), Reason::Unprotected);
    assert_eq!(exports(&decision)[0], "auth-user=");
}

#[tokio::test]
async fn one_reported_client_cannot_use_up_its_masters_quota() {
    let here = Installation::new(&Wish { per_client: 2, ..Wish::default() });
    let from = |client: &str, user: String| {
        Ask::asserted("/page", &user).set("x-forwarded-for", format!("{client}, 10.0.0.2"))
    };
    let mut throttled = 0;
    for user in 0..10 {
        let reason = here.reason(&from("198.51.100.7", format!("u{user}"))).await;
        throttled += usize::from(reason == Reason::Throttled);
    }
    assert_eq!(throttled, 8);
    assert_eq!(here.reason(&from("198.51.100.8", "u".into())).await, Reason::Session);
}

async fn join_all<F: Future<Output = ()> + Unpin>(mut futures: Vec<F>) {
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| std::pin::Pin::new(future).poll(context).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

//! How long sessions live: S8, O2; and that they survive what they must.

use vouchsafe::domain::decision::Reason;

use crate::installation::{Ask, Installation, Wish, at, exports};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

async fn reason(here: &Installation, cookie: &str, millis: u64) -> Reason {
    here.decide(&Ask::page("/page").cookie(format!("sid={cookie}")), at(millis)).await.reason()
}

#[tokio::test]
async fn an_unused_session_ends_after_the_idle_timeout() {
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let id = here.login("dwho", at(0)).await;
        assert_eq!(reason(&here, &id, HOUR - 1).await, Reason::Session);
        let other = here.login("other", at(0)).await;
        let late = reason(&here, &other, HOUR).await;
        assert!(matches!(late, Reason::SessionExpired | Reason::SessionUnknown), "{late:?}");
    }
}

#[tokio::test]
async fn a_used_session_lives_on_and_never_beyond_the_timeout() {
    for embedded in [false, true] {
        let here = Installation::new(&Wish { embedded, ..Wish::default() });
        let id = here.login("dwho", at(0)).await;
        for half_hour in 1..40 {
            let now = half_hour * HOUR / 2;
            assert_eq!(
                reason(&here, &id, now).await,
                Reason::Session,
                "{half_hour} embedded {embedded}"
            );
            // The touch is written behind the request's back: wait until it is there.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
                let touched = here.metrics.exposition().0;
                let text = String::from_utf8(touched).unwrap();
                let applied = text
                    .lines()
                    .find(|l| {
                        l.starts_with("vouchsafe_store_duration_seconds_count{operation=\"apply\"}")
                    })
                    .unwrap();
                if applied.ends_with(&format!(" {}", half_hour + 1)) {
                    break;
                }
                tokio::time::timeout(
                    std::time::Duration::from_millis(5),
                    std::future::pending::<()>(),
                )
                .await
                .unwrap_err();
            }
        }
        let late = reason(&here, &id, 20 * HOUR).await;
        assert!(matches!(late, Reason::SessionExpired | Reason::SessionUnknown), "{late:?}");
    }
}

#[tokio::test]
async fn a_fingerprint_session_is_opened_anew_when_it_is_too_old() {
    let here = Installation::usual();
    for millis in [0, HOUR - 1, 3 * HOUR, 30 * HOUR] {
        let decision = here.decide(&Ask::asserted("/page", "dwho"), at(millis)).await;
        assert_eq!(exports(&decision)[0], "auth-user=dwho");
    }
    assert_eq!(here.records().await, 1);
}

#[tokio::test]
async fn sessions_survive_a_restart_with_the_embedded_store_and_only_there() {
    for embedded in [true, false] {
        let wish = Wish { embedded, secured: 2, ..Wish::default() };
        let here = Installation::new(&wish);
        let id = here.login("dwho", at(0)).await;
        let ended = here.login("alice", at(0)).await;
        let _ =
            here.decide(&Ask::asserted("/page", "bob").cookie(format!("sid={ended}")), at(1)).await;
        let here = here.restarted(&wish).await;
        let expected = if embedded {
            (Reason::Session, Reason::SessionEnded)
        } else {
            (Reason::SessionUnknown, Reason::SessionUnknown)
        };
        assert_eq!((reason(&here, &id, 2).await, reason(&here, &ended, 2).await), expected);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_back_revives_nothing() {
    let here = Installation::usual();
    let (id, other) =
        (here.login("dwho", at(10 * MINUTE)).await, here.login("alice", at(10 * MINUTE)).await);
    let _ = here
        .decide(&Ask::asserted("/page", "bob").cookie(format!("sid={other}")), at(11 * MINUTE))
        .await;
    assert_eq!(reason(&here, &other, 5 * MINUTE).await, Reason::SessionEnded);
    assert_eq!(reason(&here, &id, 9 * MINUTE + 30_000).await, Reason::Session);
}

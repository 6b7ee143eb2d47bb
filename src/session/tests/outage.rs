//! What is served while the store cannot be asked.

use super::*;
use crate::domain::factor::Factor;

const MINUTE: u64 = 60_000;

fn lenient() -> SessionSettings {
    let stale = StaleSettings { max: Duration::from_mins(5), level: LEVEL };
    SessionSettings { stale, ..shipped() }
}

/// A session with a factor that this node knows well.
async fn known(settings: &SessionSettings) -> (Node, Opened) {
    let here = Node::new(settings);
    let opened = here.open("dwho", NOW).await;
    let factor = Factor::new("local", "totp", "1", NOW).unwrap();
    let held = (opened.key, opened.session);
    let opened = here.sessions.step_up(&held, &factor, 5, NOW).await.unwrap();
    (here, opened)
}

async fn served(here: &Node, opened: &Opened, now: Timestamp) -> Option<Session> {
    match here.sessions.find(opened.key, now).await {
        Ok(Lookup::Live(session)) => Some(session),
        Ok(Lookup::Expired | Lookup::Ended | Lookup::Unknown) => panic!("nothing is known"),
        Err(_) => None,
    }
}

#[tokio::test]
async fn while_changes_are_heard_of_a_copy_is_worth_what_it_says() {
    let (here, opened) = known(&lenient()).await;
    here.fail(true);
    let session = served(&here, &opened, later(50 * MINUTE)).await.unwrap();
    assert_eq!((session.is_stale(), session.level(), session.factors().count()), (false, 5, 1));
}

#[tokio::test]
async fn without_stale_max_nothing_is_served_that_is_not_known_to_be_good() {
    let (here, opened) = known(&shipped()).await;
    here.store().lose_channel();
    assert!(served(&here, &opened, NOW).await.is_some());
    here.fail(true);
    assert!(served(&here, &opened, NOW).await.is_none());
}

#[tokio::test]
async fn a_copy_is_served_until_stale_max_after_changes_were_heard_of_last() {
    let (here, opened) = known(&lenient()).await;
    here.store().confirm_channel(later(MINUTE));
    here.is_live(opened.key, later(MINUTE)).await;
    here.store().confirm_channel(later(10 * MINUTE));
    here.store().lose_channel();
    here.fail(true);
    let end = 15 * MINUTE;
    let session = served(&here, &opened, later(end - 1)).await.unwrap();
    assert!(session.is_stale());
    assert_eq!((session.level(), session.factors().count()), (LEVEL, 0));
    assert_eq!(session.factor_at(), None);
    assert_eq!(here.sessions.metrics.stale_served.get(), 1);
    assert!(here.sessions.check(later(end - 1)).await.is_err(), "and readiness says so");
    assert!(served(&here, &opened, later(end)).await.is_none());
    here.fail(false);
    let session = served(&here, &opened, later(end)).await.unwrap();
    assert_eq!((session.is_stale(), session.level()), (false, 5));
}

#[tokio::test]
async fn what_a_later_channel_heard_says_nothing_of_an_earlier_copy() {
    let (here, opened) = known(&lenient()).await;
    here.store().lose_channel();
    here.store().confirm_channel(later(10 * MINUTE));
    here.store().lose_channel();
    here.fail(true);
    assert!(served(&here, &opened, later(5 * MINUTE - 1)).await.is_some());
    assert!(served(&here, &opened, later(5 * MINUTE)).await.is_none());
}

#[tokio::test]
async fn a_copy_that_was_read_while_the_channel_was_lost_is_good_since_it_was_read() {
    let (here, opened) = known(&lenient()).await;
    here.store().lose_channel();
    assert!(served(&here, &opened, later(7 * MINUTE)).await.is_some());
    here.fail(true);
    assert!(served(&here, &opened, later(12 * MINUTE - 1)).await.is_some());
    assert!(served(&here, &opened, later(12 * MINUTE)).await.is_none());
}

#[tokio::test]
async fn what_is_known_to_have_changed_is_never_served() {
    let (here, opened) = known(&lenient()).await;
    here.store().deliver();
    here.store().lose_channel();
    here.fail(true);
    assert!(served(&here, &opened, NOW).await.is_none());
}

#[tokio::test]
async fn what_was_ended_is_never_served() {
    let (here, opened) = known(&lenient()).await;
    here.end(&opened, NOW).await;
    here.store().lose_channel();
    here.fail(true);
    assert!(here.sessions.find(opened.key, NOW).await.is_err());
}

#[tokio::test]
async fn an_idle_copy_is_not_served_however_long_stale_max_is() {
    let stale = StaleSettings { max: Duration::from_hours(99), level: LEVEL };
    let (here, opened) = known(&SessionSettings { stale, ..shipped() }).await;
    here.store().lose_channel();
    here.fail(true);
    assert!(served(&here, &opened, later(59 * MINUTE)).await.is_some());
    assert!(served(&here, &opened, later(60 * MINUTE)).await.is_none());
}

#[tokio::test]
async fn a_copy_that_is_served_without_the_store_is_not_written_to() {
    let (here, opened) = known(&lenient()).await;
    here.store().lose_channel();
    here.fail(true);
    let now = later(2 * MINUTE);
    let stale = served(&here, &opened, now).await.unwrap();
    let renamed = with_mail("dwho", "new@x");
    let refreshed = here.sessions.refresh(&(opened.key, stale.clone()), &renamed, now).await;
    let Ok(Lookup::Live(session)) = refreshed else { panic!("{refreshed:?}") };
    assert!(session.has_attributes_of(&of_user("dwho")));
    let imagined = Sessions::imagine_refreshed(&stale, &renamed, now).unwrap();
    assert!(imagined.has_attributes_of(&of_user("dwho")));
    let factor = Factor::new("local", "totp", "1", now).unwrap();
    let kept = here.sessions.keep_factor(opened.key, &stale, &factor, 5, now).await;
    assert!(matches!(kept, Err(SessionError::Store(_))));
    assert!(here.touches.is_empty(), "and no use of it is noted");
}

#[tokio::test]
async fn an_explanation_looks_at_the_same_copy() {
    let (here, opened) = known(&lenient()).await;
    here.store().lose_channel();
    here.fail(true);
    let Ok(Lookup::Live(session)) = here.sessions.look(opened.key, NOW).await else {
        panic!("it is served")
    };
    assert!(session.is_stale());
    assert_eq!(here.sessions.metrics.stale_served.get(), 0, "nothing comes of it");
}

#[tokio::test]
async fn a_program_is_served_by_its_fingerprint_too() {
    let here = Node::new(&lenient());
    here.sessions.by_fingerprint(&of_user("dwho"), NOW).await.unwrap();
    here.store().lose_channel();
    here.fail(true);
    let found = here.sessions.by_fingerprint(&of_user("dwho"), NOW).await;
    assert!(found.unwrap().1.is_stale());
    assert!(here.sessions.by_fingerprint(&of_user("new"), NOW).await.is_err());
}

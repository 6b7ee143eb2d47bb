//! Step-up while other nodes change the session, and while the store fails.

use super::*;
use crate::domain::factor::Factor;
use crate::session::record::Draft;

/// With a double cookie, each half a session of its own.
struct Here {
    node: Node,
}

fn asserted(mail: &'static str) -> Asserted<'static> {
    with_mail("dwho", mail)
}

impl std::ops::Deref for Here {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Here {
    async fn with_session() -> (Self, Keyed) {
        let node = Node::alone();
        let opened = node.open("dwho", NOW).await;
        (Self { node }, (opened.key, opened.session))
    }

    fn meanwhile(&self, batch: Vec<Write>) {
        self.store().meanwhile(batch);
    }

    async fn step_up(&self, previous: &Keyed) -> Result<Opened, SessionError> {
        let factor = Factor::new("local", "totp", "1", NOW).unwrap();
        self.sessions.step_up(previous, &factor, 5, NOW).await
    }

    /// The sessions that the store holds of this user.
    async fn live(&self) -> Vec<SessionKey> {
        let owner = owner::index_of(asserted("").owner());
        self.sessions.store.members(owner, NOW).await.unwrap().into_iter().map(SessionKey).collect()
    }
}

fn over(key: SessionKey, session: &Session, value: Arc<[u8]>) -> Write {
    let expires = NOW.plus(Duration::from_hours(1));
    Write { key: key.0, expect: Expect::Any, value: Some(value), expires, index: session.index() }
}

#[tokio::test]
async fn a_logout_on_another_node_wins_though_this_one_has_read_the_session_before() {
    let (here, held) = Here::with_session().await;
    let half = held.1.partner().unwrap();
    here.meanwhile(vec![bury(held.0, NOW), bury(half, NOW)]);
    let refused = here.step_up(&held).await;
    assert!(matches!(refused, Err(SessionError::Ended)), "{refused:?}");
    assert_eq!(here.live().await, []);
    // Each record by itself is compared, not just one of them.
    let (here, held) = Here::with_session().await;
    let half = held.1.partner().unwrap();
    here.meanwhile(vec![bury(held.0, NOW)]);
    let refused = here.step_up(&held).await;
    assert!(matches!(refused, Err(SessionError::Ended)), "{refused:?}");
    assert_eq!(here.live().await, [half]);
}

#[tokio::test]
async fn what_another_node_has_changed_meanwhile_goes_on_under_the_new_id() {
    let (here, held) = Here::with_session().await;
    let later = NOW.plus(Duration::from_mins(2));
    here.meanwhile(vec![over(held.0, &held.1, held.1.touched(later))]);
    let opened = here.step_up(&held).await.unwrap();
    assert_eq!((opened.session.last_use(), opened.session.level()), (later, 5));

    let held = (opened.key, opened.session);
    let changed = asserted("new@x");
    let renewed = Draft::refreshing(&held.1, &changed, NOW).encode().unwrap();
    here.meanwhile(vec![over(held.0, &held.1, renewed)]);
    let opened = here.step_up(&held).await.unwrap();
    assert!(opened.session.has_attributes_of(&changed));
    assert_eq!(opened.session.factors().count(), 2);
    let partner = opened.session.partner().unwrap();
    let mut live = here.live().await;
    live.sort_unstable();
    let mut expected = [opened.key, partner];
    expected.sort_unstable();
    assert_eq!(live, expected);
}

#[tokio::test]
async fn a_step_up_that_the_store_does_not_take_leaves_the_session_as_it_was() {
    let (here, held) = Here::with_session().await;
    let before = here.live().await;
    here.fail(true);
    let refused = here.step_up(&held).await;
    assert!(matches!(refused, Err(SessionError::Store(_))), "{refused:?}");
    here.fail(false);
    assert_eq!(here.live().await, before);
    let Lookup::Live(session) = here.sessions.find(held.0, NOW).await.unwrap() else {
        panic!("the old id is good")
    };
    assert_eq!((session.level(), session.factors().count()), (2, 0));
}

#[tokio::test]
async fn the_old_id_of_a_session_that_steps_up_is_ended_in_the_cache_too() {
    let (here, held) = Here::with_session().await;
    let opened = here.step_up(&held).await.unwrap();
    let half = held.1.partner().unwrap();
    for old in [held.0, half] {
        assert!(matches!(here.sessions.peek(&old, NOW), Some(Lookup::Ended)));
    }
    assert!(matches!(here.sessions.peek(&opened.key, NOW), Some(Lookup::Live(_))));
}

#[tokio::test]
async fn a_logout_with_the_old_id_finds_the_session_that_it_goes_on_as() {
    let (here, _) = Here::with_session().await;
    let first = here.sessions.open_cookie(&asserted("d@x"), &[], NOW).await.unwrap();
    assert!(here.sessions.successor(&first.id, NOW).await.unwrap().is_none(), "it is live itself");
    let second = here.step_up(&(first.key, first.session)).await.unwrap();
    let third = here.step_up(&(second.key, second.session)).await.unwrap();
    let (found, _) = here.sessions.successor(&first.id, NOW).await.unwrap().unwrap();
    assert_eq!(found, third.key);
    here.sessions.end(&[(third.key, third.session)], NOW).await.unwrap();
    assert!(here.sessions.successor(&first.id, NOW).await.unwrap().is_none());
}

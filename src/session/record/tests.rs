//! The record, round and damaged, and how long a session lives by it.

use proptest::prelude::*;

use super::*;
use crate::domain::identity::Attribute;
use crate::domain::network::LOOPBACK;

fn stored(bytes: Arc<[u8]>) -> Record {
    Record { bytes, expires: Timestamp::default(), revision: 3 }
}

fn asserted<'a>(user: &'a str, attributes: &[Attribute<'a>]) -> Asserted<'a> {
    Asserted {
        master: "sso",
        realm: "r",
        user,
        level: 2,
        client: LOOPBACK,
        reported_client: None,
        attributes: attributes.iter().cloned().collect(),
    }
}

fn draft<'a, 'i>(identity: &'a Asserted<'i>) -> Draft<'a, 'i> {
    let at = Timestamp::from_millis;
    Draft {
        kind: Kind::Cookie,
        asserted: identity,
        level: 2,
        created: at(1_000),
        last_use: at(2_000),
        attributes_at: at(1_500),
        client: "2001:db8::7".parse().unwrap(),
        partner: Some(SessionKey([9; 32])),
    }
}

fn attribute<'a>(name: &'a str, text: &'a str, separator: Option<&'a str>) -> Attribute<'a> {
    Attribute::received(name, text, separator)
}

#[test]
fn a_record_holds_what_was_put_into_it() {
    let identity =
        asserted("dwho", &[attribute("mail", "d@x", None), attribute("groups", "a;b", Some(";"))]);
    let session = Session::view(&stored(draft(&identity).encode().unwrap())).unwrap();
    assert_eq!((session.master(), session.realm(), session.user()), ("sso", "r", "dwho"));
    assert_eq!((session.level(), session.revision(), session.kind()), (2, 3, Kind::Cookie));
    assert_eq!(session.created().as_millis(), 1_000);
    assert_eq!(session.last_use().as_millis(), 2_000);
    assert_eq!(session.attributes_at().as_millis(), 1_500);
    assert_eq!(session.client().to_string(), "2001:db8::7");
    assert_eq!(session.partner(), Some(SessionKey([9; 32])));
    let mut values = Vec::new();
    session.each_value(|name, value| values.push((name, value)));
    assert_eq!(values, [("mail", "d@x"), ("groups", "a"), ("groups", "b")]);
    assert!(session.has_attributes_of(&identity) && session.is_same_user(&identity));
    for changed in ["a", "a;b;c", "b;a", ""] {
        let changed = asserted(
            "dwho",
            &[attribute("mail", "d@x", None), attribute("groups", changed, Some(";"))],
        );
        assert!(!session.has_attributes_of(&changed));
    }
}

#[test]
fn decoded_attributes_are_compared_by_their_values() {
    let decoded = |values: &[&str]| {
        let values = values.iter().map(|&value| value.into()).collect();
        asserted("dwho", &[Attribute::decoded("groups", values)])
    };
    let identity = decoded(&["a;b", "c"]);
    let session = Session::view(&stored(draft(&identity).encode().unwrap())).unwrap();
    assert!(session.has_attributes_of(&identity));
    assert!(!session.has_attributes_of(&decoded(&["a", "b", "c"])));
    let received = asserted("dwho", &[attribute("groups", "a;b|c", Some("|"))]);
    assert!(session.has_attributes_of(&received), "it is the same however it was written");
}

#[test]
fn a_touch_changes_the_last_use_only() {
    let identity = asserted("dwho", &[attribute("mail", "d@x", None)]);
    let session = Session::view(&stored(draft(&identity).encode().unwrap())).unwrap();
    let touched = Session::view(&stored(session.touched(Timestamp::from_millis(77)))).unwrap();
    assert_eq!(touched.last_use().as_millis(), 77);
    assert_eq!(touched.created(), session.created());
    assert!(touched.has_attributes_of(&identity));
}

#[test]
fn a_session_lives_until_its_timeouts_and_never_longer() {
    let identity = asserted("dwho", &[]);
    let session = Session::view(&stored(draft(&identity).encode().unwrap())).unwrap();
    let standing = |millis| {
        session.standing(
            Duration::from_secs(20),
            Duration::from_secs(5),
            Timestamp::from_millis(millis),
        )
    };
    assert_eq!(standing(1_000), Standing::Live);
    assert_eq!(standing(6_999), Standing::Live);
    assert_eq!(standing(7_000), Standing::Idle);
    assert_eq!(standing(21_000), Standing::Expired);
    assert_eq!(standing(0), Standing::Live);
    let future = Draft {
        last_use: Timestamp::from_millis(100_000),
        created: Timestamp::from_millis(100_000),
        ..draft(&identity)
    };
    let future = Session::view(&stored(future.encode().unwrap())).unwrap();
    let at = |millis| {
        future.standing(
            Duration::from_secs(20),
            Duration::from_secs(5),
            Timestamp::from_millis(millis),
        )
    };
    assert_eq!(at(40_000), Standing::Live);
    assert_eq!(at(39_999), Standing::Expired);
}

#[test]
fn a_tombstone_is_ended_at_any_time() {
    let tombstone = Session::view(&stored(tombstone(Timestamp::from_millis(5)))).unwrap();
    assert_eq!(
        tombstone.standing(Duration::MAX, Duration::MAX, Timestamp::from_millis(5)),
        Standing::Ended
    );
    assert_eq!(tombstone.user(), "");
}

#[test]
fn a_record_of_version_1_stays_readable() {
    // Written by the first release; never change these bytes.
    let golden = include_bytes!("../../../tests/fixtures/records/session-v1.bin");
    let session = Session::view(&stored(golden.as_slice().into())).unwrap();
    assert_eq!((session.master(), session.user(), session.level()), ("sso", "dwho", 2));
    let mut values = Vec::new();
    session.each_value(|name, value| values.push(format!("{name}={value}")));
    assert_eq!(values, ["uid=dwho", "mail=dwho@example.com", "groups=admins", "groups=users"]);
}

#[test]
fn what_is_too_large_is_not_written() {
    let long = "x".repeat(RECORD_BYTES);
    let identity = asserted("dwho", &[attribute("mail", &long, None)]);
    assert_eq!(draft(&identity).encode(), Err(RecordTooLarge));
}

proptest! {
    #[test]
    fn any_identity_survives_the_round_trip(user in ".{0,40}", texts in prop::collection::vec((".{0,9}", ".{1,40}"), 0..6)) {
        let attributes: Vec<_> = texts.iter().map(|(n, t)| attribute(n, t, None)).collect();
        let identity = asserted(&user, &attributes);
        let session = Session::view(&stored(draft(&identity).encode().unwrap())).unwrap();
        prop_assert!(session.is_same_user(&identity) && session.has_attributes_of(&identity));
    }

    #[test]
    fn damaged_records_are_refused_or_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..300), flip in any::<bool>()) {
        if flip && bytes.len() > 1 { bytes[0] = VERSION; bytes[1] %= 4; }
        if let Ok(session) = Session::view(&stored(bytes.into())) {
            session.each_value(|_, _| {});
            let _ = (session.user(), session.client(), session.partner());
        }
    }

    #[test]
    fn a_later_now_never_revives_a_session(a in 0u64..50_000, b in 0u64..50_000) {
        let identity = asserted("dwho", &[]);
        let session = Session::view(&stored(draft(&identity).encode().unwrap())).unwrap();
        let live = |millis| session.standing(Duration::from_secs(20), Duration::from_secs(5), Timestamp::from_millis(millis)) == Standing::Live;
        let (earlier, later) = (a.min(b), a.max(b));
        prop_assert!(live(earlier) || !live(later));
    }
}

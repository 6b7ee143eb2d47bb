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
        factors: Vec::new(),
    }
}

fn view(bytes: Arc<[u8]>) -> Session {
    Session::view(&stored(bytes)).unwrap()
}

fn factor(serial: &str, millis: u64) -> Factor<'_> {
    Factor::new("local", "totp", serial, Timestamp::from_millis(millis)).unwrap()
}

/// A session with one factor more, under a new id.
fn stepped_up(session: &Session, factor: Factor<'_>) -> Session {
    let (level, last_use) = (5, session.last_use());
    let renewal = Renewal { level, last_use, partner: None, factor: Some(factor) };
    view(renewed(session, &renewal).unwrap())
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
    let tombstone = Session::view(&stored(tombstone(Timestamp::from_millis(5), None))).unwrap();
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
fn a_record_of_version_2_is_what_lies_on_disks() {
    // Written by the first version with factors; never change these bytes.
    let golden = include_bytes!("../../../tests/fixtures/records/session-v2.bin");
    let identity =
        asserted("dwho", &[attribute("mail", "d@x", None), attribute("groups", "a;b", Some(";"))]);
    let factors = vec![factor("OATH0001", 1_700), factor("OATH0002", 1_800)];
    let written = Draft { factors: factors.clone(), ..draft(&identity) }.encode().unwrap();
    assert_eq!(*written, *golden);
    assert_eq!(view(golden.as_slice().into()).factors().collect::<Vec<_>>(), factors);
}

#[test]
fn a_record_of_version_1_has_no_factor_and_takes_one() {
    let golden = include_bytes!("../../../tests/fixtures/records/session-v1.bin");
    let old = view(golden.as_slice().into());
    assert_eq!((old.factors().count(), old.factor_at()), (0, None));
    let touched = view(old.touched(Timestamp::from_millis(9)));
    assert_eq!((touched.user(), touched.last_use().as_millis()), ("dwho", 9));
    let new = stepped_up(&old, factor("1", 5_000));
    assert_eq!((new.level(), new.user(), new.created()), (5, "dwho", old.created()));
    assert_eq!(new.attributes_at(), old.attributes_at());
    let values = |session: &Session| {
        let mut values = Vec::new();
        session.each_value(|name, value| values.push(format!("{name}={value}")));
        values
    };
    assert_eq!(values(&new), values(&old));
    assert_eq!(new.factors().collect::<Vec<_>>(), [factor("1", 5_000)]);
}

#[test]
fn a_session_without_a_factor_costs_two_bytes_more_than_before_there_were_any() {
    let golden = include_bytes!("../../../tests/fixtures/records/session-v1.bin");
    let old = view(golden.as_slice().into());
    let (level, last_use, partner) = (old.level(), old.last_use(), old.partner());
    let renewal = Renewal { level, last_use, partner, factor: None };
    let new = renewed(&old, &renewal).unwrap();
    assert_eq!(new.len(), golden.len() + 2);
    assert_eq!(new[4..84], golden[4..84]);
    assert!(size_of::<Session>() <= 40, "a cached session is no larger than it was");
}

#[test]
fn the_newest_factors_are_kept() {
    let identity = asserted("dwho", &[attribute("mail", "d@x", None)]);
    let serials: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let mut session = view(draft(&identity).encode().unwrap());
    // The first one comes last, as from a node whose clock is behind.
    for (at, serial) in serials.iter().enumerate().rev() {
        session = stepped_up(&session, factor(serial, 1_000 + at as u64));
    }
    let kept: Vec<&str> = session.factors().map(|factor| factor.serial()).collect();
    assert_eq!(kept, ["12", "13", "14", "15", "16", "17", "18", "19"]);
    assert_eq!(session.factor_at(), Some(Timestamp::from_millis(1_019)));
    assert!(session.has_attributes_of(&identity));
}

#[test]
fn new_attributes_keep_the_factors() {
    let identity = asserted("dwho", &[attribute("mail", "d@x", None)]);
    let session = stepped_up(&view(draft(&identity).encode().unwrap()), factor("1", 5_000));
    let changed = asserted("dwho", &[attribute("mail", "other@x", None)]);
    let draft = Draft::refreshing(&session, &changed, Timestamp::from_millis(9_000));
    let refreshed = view(draft.encode().unwrap());
    assert!(refreshed.has_attributes_of(&changed));
    assert_eq!(refreshed.level(), 5);
    assert_eq!(refreshed.factors().collect::<Vec<_>>(), [factor("1", 5_000)]);
}

#[test]
fn a_factor_of_the_far_future_never_happened() {
    let identity = asserted("dwho", &[]);
    let session = stepped_up(&view(draft(&identity).encode().unwrap()), factor("1", 100_000));
    let age = |millis| session.factor_age(Timestamp::from_millis(millis));
    assert_eq!(age(101_000), Some(Duration::from_secs(1)));
    assert_eq!(age(40_000), Some(Duration::ZERO), "clocks of two nodes may differ so far");
    assert_eq!(age(39_999), None);
    let both = stepped_up(&session, factor("0", 10_000));
    assert_eq!(both.factor_age(Timestamp::from_millis(12_000)), Some(Duration::from_secs(2)));
}

#[test]
fn a_record_with_more_factors_than_a_session_keeps_or_an_empty_text_is_damaged() {
    let identity = asserted("dwho", &[]);
    let session = stepped_up(&view(draft(&identity).encode().unwrap()), factor("1", 5_000));
    let good = session.bytes.to_vec();
    for (at, byte) in [(84, 0), (84, 2), (84, 9), (85, 1), (0, 1), (0, 3)] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert!(Session::view(&stored(bad.into())).is_err(), "byte {at} is {byte}");
    }
    let mut empty = good[..good.len() - 3].to_vec();
    empty.extend_from_slice(&[0, 0]);
    assert!(Session::view(&stored(empty.into())).is_err(), "no serial");
}

#[test]
fn what_is_too_large_is_not_written() {
    let long = "x".repeat(RECORD_BYTES);
    let identity = asserted("dwho", &[attribute("mail", &long, None)]);
    assert_eq!(draft(&identity).encode(), Err(RecordTooLarge));
    let nearly = "x".repeat(RECORD_BYTES - 200);
    let identity = asserted("dwho", &[attribute("mail", &nearly, None)]);
    let session = view(draft(&identity).encode().unwrap());
    let long = "x".repeat(250);
    let factor = Some(factor(&long, 5_000));
    let renewal = Renewal { level: 2, last_use: session.last_use(), partner: None, factor };
    assert_eq!(renewed(&session, &renewal), Err(RecordTooLarge));
}

proptest! {
    #[test]
    fn any_identity_survives_the_round_trip(
        user in ".{0,40}",
        texts in prop::collection::vec((".{0,9}", ".{1,40}"), 0..6),
        checks in prop::collection::vec((".{1,20}", any::<u32>()), 0..12),
    ) {
        let attributes: Vec<_> = texts.iter().map(|(n, t)| attribute(n, t, None)).collect();
        let identity = asserted(&user, &attributes);
        let factors: Vec<_> = checks.iter().map(|(text, at)| factor(text, u64::from(*at))).collect();
        let whole = Draft { factors: factors.clone(), ..draft(&identity) };
        let session = view(whole.encode().unwrap());
        prop_assert!(session.is_same_user(&identity) && session.has_attributes_of(&identity));
        prop_assert_eq!(session.factor_at(), factors.iter().map(Factor::at).max());
        prop_assert_eq!(session.factors().count(), factors.len().min(FACTORS_PER_SESSION));
        prop_assert!(session.factors().all(|factor| factors.contains(&factor)));
        // One after the other is the same as all at once.
        let empty = view(draft(&identity).encode().unwrap());
        let one_by_one = factors.iter().fold(empty, |session, factor| stepped_up(&session, *factor));
        let ages = |session: &Session| session.factors().map(|f| f.at()).collect::<Vec<_>>();
        prop_assert_eq!(ages(&one_by_one), ages(&session));
        prop_assert!(one_by_one.has_attributes_of(&identity));
    }

    #[test]
    fn damaged_records_are_refused_or_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..300), flip in any::<bool>()) {
        if flip && bytes.len() > 1 { bytes[0] = 1 + bytes[0] % VERSION; bytes[1] %= 4; }
        if let Ok(session) = Session::view(&stored(bytes.into())) {
            session.each_value(|_, _| {});
            let _ = (session.user(), session.client(), session.partner(), session.factors().count());
        }
    }

    #[test]
    fn one_damaged_byte_is_refused_or_harmless(at in 0usize..200, byte: u8) {
        let identity = asserted("dwho", &[attribute("groups", "a;b", Some(";"))]);
        let whole = Draft { factors: vec![factor("1", 5), factor("2", 6)], ..draft(&identity) };
        let mut bytes = whole.encode().unwrap().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(session) = Session::view(&stored(bytes.into())) {
            let mut values = 0;
            session.each_value(|_, _| values += 1);
            prop_assert!(session.factors().count() <= FACTORS_PER_SESSION);
            prop_assert!(session.factor_at().is_none_or(|at| session.factors().any(|f| f.at() == at)));
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

//! `vouchsafe token enable|disable|reset|resync|set-pin|remove`: what they change is what the node does.

use ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY as SHA1;

use crate::station::{Station, added, parameter, seed_of};
use crate::support::otp::{hotp, hotp_of};

/// A HOTP token of this user with this serial; its seed.
fn hotp_token(station: &Station, user: &str, serial: &str) -> String {
    let add = ["token", "add", "--user", user, "--type", "hotp", "--serial", serial];
    let (_, uri) = added(&station.run(&add).good());
    seed_of(parameter(&uri, "secret"))
}

#[test]
fn a_disabled_token_is_refused_until_it_is_enabled() {
    let station = Station::start();
    let seed = hotp_token(&station, "dwho", "H1");
    station.run(&["token", "disable", "H1"]).good();
    assert!(!station.accepts("dwho", &hotp(&seed, 0)));
    assert!(station.run(&["token", "list"]).good().contains("disabled"));
    station.run(&["token", "enable", "H1"]).good();
    // The first one was right, and so it is used up.
    assert!(station.accepts("dwho", &hotp(&seed, 1)));
    for event in ["token_disable", "token_enable"] {
        assert_eq!(station.audited(event, "H1")["user"], "dwho");
    }
}

#[test]
fn a_locked_token_is_unlocked_by_a_reset() {
    let station = Station::start();
    let seed = hotp_token(&station, "dwho", "H2");
    for _ in 0..3 {
        assert!(!station.accepts("dwho", "000000"));
    }
    assert!(!station.accepts("dwho", &hotp(&seed, 0)));
    let list = station.run(&["token", "list"]).good();
    assert!(list.contains("locked  3/3"), "{list}");
    station.run(&["token", "reset", "H2"]).good();
    assert!(station.accepts("dwho", &hotp(&seed, 1)));
    station.audited("token_reset", "H2");
}

#[test]
fn a_token_that_ran_away_is_found_by_two_otps_in_a_row() {
    let station = Station::start();
    let add =
        ["token", "add", "--user", "dwho", "--type", "hotp", "--serial", "H3", "--digits", "8"];
    let (_, uri) = added(&station.run(&add).good());
    let seed = seed_of(parameter(&uri, "secret"));
    // Eight digits, which stand nowhere by chance.
    let [otp500, otp501, otp502, otp503] =
        [500, 501, 502, 503].map(|counter| hotp_of(&seed, counter, 8, SHA1));
    assert!(!station.accepts("dwho", &otp500));
    let resync = |first: &str, second: &str| station.run(&["token", "resync", "H3", first, second]);
    let said = resync(&otp500, &otp502).bad();
    assert!(said.contains("not two OTPs in a row of the token 'H3'"), "{said}");
    assert!(!said.contains(&otp500), "{said}");
    resync(&otp501, &otp502).good();
    assert!(!station.accepts("dwho", &otp502));
    assert!(station.accepts("dwho", &otp503));
    station.audited("token_resync", "H3");
    station.keeps_to_itself(&[&otp500, &otp501, &otp502, &otp503], &[]);
}

#[test]
fn a_pin_is_set_changed_and_taken_away() {
    let station = Station::start();
    let seed = hotp_token(&station, "dwho", "H4");
    station.told(&["token", "set-pin", "H4"], "first pin\r\n").good();
    assert!(!station.accepts("dwho", &hotp(&seed, 0)));
    assert!(station.accepts("dwho", &format!("first pin{}", hotp(&seed, 0))));
    station.told(&["token", "set-pin", "H4"], "\n").good();
    assert!(station.accepts("dwho", &hotp(&seed, 1)));
    let said = station.told(&["token", "set-pin", "H4"], "").bad();
    assert!(said.contains("there is no PIN on standard input"), "{said}");
    station.audited("token_pin", "H4");
    station.keeps_to_itself(&["first pin"], &[]);
}

#[test]
fn a_removed_token_is_gone() {
    let station = Station::start();
    let seed = hotp_token(&station, "dwho", "H5");
    station.run(&["token", "remove", "H5"]).good();
    assert!(!station.accepts("dwho", &hotp(&seed, 0)));
    assert_eq!(station.run(&["token", "list"]).good().lines().count(), 1);
    assert!(station.run(&["token", "remove", "H5"]).bad().contains("there is no token 'H5'"));
    assert_eq!(station.audited("token_remove", "H5")["user"], "dwho");
}

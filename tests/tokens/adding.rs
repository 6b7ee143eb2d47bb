//! `vouchsafe token add`: what it shows is what the node accepts, and it is shown once.

use ring::hmac::HMAC_SHA256;

use crate::station::{Station, added, parameter, seed_of};
use crate::support::otp::{hotp, hotp_of, totp};

#[test]
fn a_new_totp_token_is_shown_once_and_each_otp_is_good_once() {
    let station = Station::start();
    let out = station.run(&["token", "add", "--user", "dwho"]).good();
    let (serial, uri) = added(&out);
    assert!(uri.starts_with("otpauth://totp/Vouchsafe:dwho?secret="), "{out}");
    let secret = parameter(&uri, "secret");
    for part in ["█▀", "This is shown once", &format!("type the key {secret} (base32)")] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    let seed = seed_of(secret);
    let otp = totp(&seed, 0);
    assert!(station.accepts("dwho", &otp));
    assert!(!station.accepts("dwho", &otp));

    let list = station.run(&["token", "list"]).good();
    let line = list.lines().find(|line| line.starts_with(&serial)).unwrap();
    assert!(line.contains("totp  dwho  local  enabled  1/3"), "{list}");
    let json = station.run(&["token", "list", "--json"]).good();
    assert!(json.contains(&serial) && !list.contains(secret), "{list}");
    assert!(!json.contains(secret) && !json.contains(&seed), "{json}");

    let audited = station.audited("token_add", &serial);
    assert_eq!((&audited["user"], &audited["realm"]), (&"dwho".into(), &"local".into()));
    assert_eq!(audited["client"], "127.0.0.1");
    station.keeps_to_itself(&[secret, &seed], &[]);
}

#[test]
fn a_token_is_as_it_was_asked_for() {
    let station = Station::start();
    let add = ["token", "add", "--user", "ada", "--type", "hotp", "--serial", "H-1", "--digits"];
    let more =
        ["8", "--algorithm", "sha256", "--pin", "--description", "her key", "--issuer", "A:B"];
    let out = station.told(&[&add[..], &more].concat(), "s3cret pin\n").good();
    let (serial, uri) = added(&out);
    assert_eq!(serial, "H-1");
    assert!(uri.starts_with("otpauth://hotp/A%20B:ada?"), "{uri}");
    let seed = seed_of(parameter(&uri, "secret"));
    let otp = hotp_of(&seed, 0, 8, HMAC_SHA256);
    assert!(!station.accepts("ada", &otp));
    assert!(station.accepts("ada", &format!("s3cret pin{otp}")));
    let token = station.token("H-1");
    assert_eq!((&token["has_pin"], &token["description"]), (&true.into(), &"her key".into()));
    station.keeps_to_itself(&["s3cret pin", &otp, &seed], &[]);
}

#[test]
fn tokens_without_an_otp_ask_for_what_they_are_made_of() {
    let station = Station::start();
    let add = |kind: &str, input: &str| {
        station.told(&["token", "add", "--user", "bob", "--type", kind, "--serial", kind], input)
    };
    assert!(add("spass", "").bad().contains("there is no PIN on standard input"));
    assert!(add("spass", "\n").bad().contains("has to have one"));
    let out = add("spass", "only this\n").good();
    assert!(!out.contains("otpauth") && !out.contains("only this"), "{out}");
    assert!(station.accepts("bob", "only this"));
    add("pw", "a password\n").good();
    assert!(station.accepts("bob", "a password") && !station.accepts("bob", "a passwort"));
    station.keeps_to_itself(&["only this", "a password"], &[]);
}

#[test]
fn what_cannot_be_is_said_with_the_remedy() {
    let station = Station::start();
    let add = |arguments: &[&str]| {
        station.run(&[&["token", "add", "--user", "eve", "--serial", "E1"], arguments].concat())
    };
    add(&[]).good();
    let said = add(&[]).bad();
    assert!(said.contains("there is a token 'E1' already; remove it"), "{said}");
    assert!(add(&["--period", "1"]).bad().contains("5 to 3600 seconds"));
    assert_eq!(add(&["--digits", "7"]).code, Some(2));
    assert_eq!(add(&["--type", "sms"]).code, Some(2));
    let said = station.run(&["token", "remove", "no/such?one"]).bad();
    assert!(said.contains("there is no token 'no/such?one'"), "{said}");
}

#[test]
fn a_users_realm_is_the_one_that_is_named() {
    let station = Station::start();
    let add = ["token", "add", "--user", "dwho", "--realm", "Lab", "--type", "hotp"];
    let (serial, uri) = added(&station.run(&add).good());
    let out = station.run(&["token", "list", "--realm", "lab"]).good();
    assert!(out.contains(&serial), "{out}");
    let out = station.run(&["token", "list", "--user", "dwho"]).good();
    assert!(!out.contains(&serial), "{out}");
    let out = station.run(&["token", "list", "--user", "dwho", "--realm", "lab"]).good();
    assert!(out.contains(&serial), "{out}");
    let otp = hotp(&seed_of(parameter(&uri, "secret")), 0);
    assert!(!station.accepts("dwho", &otp));
}

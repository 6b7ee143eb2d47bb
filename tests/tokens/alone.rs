//! Without a running daemon the command works on the tokens itself; with one it never does (SEMANTICS F12).

use crate::station::{Station, added, parameter, seed_of};
use crate::support::daemon::replace;
use crate::support::otp::hotp;

#[test]
fn tokens_made_while_the_daemon_is_down_are_good_when_it_is_up() {
    let station = Station::start();
    station.daemon.terminate();
    let add = ["token", "add", "--user", "dwho", "--type", "hotp", "--serial", "OFF1", "--pin"];
    let (_, uri) = added(&station.told(&add, "its pin\n").good());
    let secret = parameter(&uri, "secret");
    let seed = seed_of(secret);
    let file =
        station.file("t.csv", &format!("serial,secret,user\nOFF2,{seed},ada\nOFF3,{seed},\n"));
    station.run(&["token", "import", &file]).good();
    station.run(&["token", "disable", "OFF2"]).good();
    station.run(&["token", "remove", "OFF3"]).good();
    let offline = station.run(&["token", "list"]).good();
    assert!(offline.contains("OFF1") && !offline.contains("OFF3"), "{offline}");
    for (event, serial) in [
        ("token_add", "OFF1"),
        ("token_import", "OFF3"),
        ("token_disable", "OFF2"),
        ("token_remove", "OFF3"),
    ] {
        assert!(station.audited(event, serial).get("client").is_none());
    }

    station.daemon.restart();
    assert_eq!(station.run(&["token", "list"]).good(), offline);
    assert!(station.accepts("dwho", &format!("its pin{}", hotp(&seed, 0))));
    assert!(!station.accepts("ada", &hotp(&seed, 0)));
    station.keeps_to_itself(&[secret, &seed, "its pin"], &["t.csv"]);
}

#[test]
fn tokens_of_a_daemon_that_cannot_be_asked_are_left_alone() {
    let station = Station::start();
    let config = std::fs::read_to_string(station.daemon.path("config.yaml")).unwrap();
    let without = replace(&config, &format!("\n  admin: {}", station.daemon.admin), "\n  #");
    station.file("without.yaml", &without);
    let said = station.run_with("without.yaml", &["token", "list"], "").bad();
    for part in ["no admin listener; set listen.admin", "mfa.redb", "in use by another process"] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
}

#[test]
fn a_broken_configuration_has_its_own_exit_code() {
    let station = Station::start();
    station.file("broken.yaml", "mfa: { base: nobody }\n");
    for command in [&["token", "list"][..], &["node", "list"]] {
        assert_eq!(station.run_with("broken.yaml", command, "").code, Some(2));
    }
}

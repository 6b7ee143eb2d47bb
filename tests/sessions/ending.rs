//! The end of one session, of a user's, of everybody's; and that nobody can use what has ended.

use crate::house::House;

#[test]
fn a_session_that_is_ended_by_its_key_is_refused_at_once() {
    let house = House::start();
    let (dwho, ada) = (house.log_in("dwho"), house.log_in("ada"));
    assert!(house.lets_in(&dwho) && house.lets_in(&ada));
    let key = house.listed(&["--user", "dwho"])[0]["key"].as_str().unwrap().to_owned();
    let said = house.run(&["session", "end", key.get(..16).unwrap()]).good();
    assert_eq!(said, format!("the session {key} has ended\n"));
    assert!(!house.lets_in(&dwho) && house.lets_in(&ada));
    assert_eq!(house.users(&[]), ["ada"]);
    let line = &house.audited("session_end", 1)[0];
    assert_eq!((&line["user"], &line["client"]), (&"dwho".into(), &"127.0.0.1".into()), "{line}");

    let again = house.run(&["session", "end", &key]).bad();
    assert!(again.contains("there is no session") && again.contains(&key), "{again}");
}

#[test]
fn all_sessions_of_a_user_end_and_nobody_elses() {
    let house = House::start();
    let people: Vec<_> = (0..3).map(|_| house.log_in("dwho")).collect();
    let ada = house.log_in("ada");
    house.call("dwho");
    let said = house.run(&["session", "end", "--user", "dwho"]).good();
    assert_eq!(said, "4 sessions have ended\n");
    assert!(people.iter().all(|person| !house.lets_in(person)));
    assert!(house.lets_in(&ada));
    house.audited("session_end", 4);
    assert_eq!(house.run(&["session", "end", "--user", "dwho"]).good(), "0 sessions have ended\n");
}

#[test]
fn everybodys_sessions_end_only_if_that_is_said() {
    let house = House::start();
    let people = ["dwho", "ada", "rtyler"].map(|user| house.log_in(user));
    let said = house.run(&["session", "end"]).bad();
    assert!(said.contains("say which sessions are to end"), "{said}");
    assert!(people.iter().all(|person| house.lets_in(person)));
    assert_eq!(house.run(&["session", "end", "--all"]).good(), "3 sessions have ended\n");
    assert!(people.iter().all(|person| !house.lets_in(person)));
    assert_eq!(house.users(&[]), [""; 0]);
}

#[test]
fn without_a_running_daemon_the_command_works_on_the_file() {
    let house = House::start();
    let (dwho, ada) = (house.log_in("dwho"), house.log_in("ada"));
    house.daemon.terminate();
    assert_eq!(house.users(&[]), ["ada", "dwho"]);
    assert_eq!(house.run(&["session", "end", "--user", "dwho"]).good(), "1 sessions have ended\n");
    assert!(house.audited("session_end", 1)[0].get("client").is_none());
    house.daemon.restart();
    assert!(!house.lets_in(&dwho) && house.lets_in(&ada));
}

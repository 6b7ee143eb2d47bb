//! Who is found, and what is shown of a session.

use serde_json::json;

use crate::house::House;
use crate::support::daemon::replace;

#[test]
fn sessions_are_found_by_user_master_client_and_level() {
    let house = House::start();
    house.log_in("dwho");
    house.log_in("ada");
    house.call("rtyler");
    assert_eq!(house.users(&[]), ["ada", "dwho", "rtyler"]);
    assert_eq!(house.users(&["--user", "dwho"]), ["dwho"]);
    assert_eq!(house.users(&["--master", "sso"]), ["ada", "dwho", "rtyler"]);
    assert_eq!(house.users(&["--client", "127.0.0.1"]), ["ada", "dwho", "rtyler"]);
    for nobody in [
        ["--user", "dwh"],
        ["--user", "DWHO"],
        ["--master", "ss"],
        ["--client", "127.0.0.2"],
        ["--level", "3"],
        ["--realm", "elsewhere"],
    ] {
        assert_eq!(house.users(&nobody), [""; 0], "{nobody:?}");
    }
    assert_eq!(house.users(&["--level", "2", "--user", "ada"]), ["ada"]);
}

#[test]
fn a_double_cookie_is_one_session_and_a_call_is_one_of_another_kind() {
    let house = House::start();
    house.log_in("dwho");
    house.call("dwho");
    house.call("dwho");
    let mut kinds: Vec<_> = house.listed(&[]).iter().map(|s| s["kind"].clone()).collect();
    kinds.sort_unstable_by_key(ToString::to_string);
    assert_eq!(kinds, ["call", "cookie"]);
}

#[test]
fn the_table_shows_a_line_a_session_with_the_key_of_the_audit_log() {
    let house = House::start();
    house.log_in("dwho");
    let table = house.run(&["session", "list"]).good();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("KEY"), "{table}");
    let line = &house.audited("login", 1)[0];
    assert!(lines[1].starts_with(line["session"].as_str().unwrap()), "{table} {line}");
    assert!(lines[1].contains(" dwho ") && lines[1].contains(" 127.0.0.1 "), "{table}");
}

#[test]
fn values_of_variables_are_shown_only_where_the_log_may_have_them() {
    let house = House::start_with(|config| {
        replace(config, "format: text }", "format: text, variables: [uid] }")
    });
    let person = house.log_in("dwho");
    let key = house.listed(&[])[0]["key"].as_str().unwrap().to_owned();
    for written in [key.as_str(), key.get(..12).unwrap()] {
        let shown = house.run(&["session", "show", written]).good();
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["variables"]["uid"], json!(["dwho"]), "{shown}");
        assert_eq!(shown["variables"]["mail"], json!(null), "{shown}");
        assert!(!shown.to_string().contains("somebody@"), "{shown}");
        assert_eq!(shown["user"], "dwho", "{shown}");
        // What the cookie holds is nowhere.
        assert!(!shown.to_string().contains(person.cookie.split('=').nth(1).unwrap()), "{shown}");
    }
}

#[test]
fn more_sessions_than_a_page_has_are_all_found_once() {
    let house = House::start();
    let mut expected: Vec<_> = (0..250).map(|number| format!("user{number}")).collect();
    for user in &expected {
        house.call(user);
    }
    expected.sort_unstable();
    assert_eq!(house.users(&[]), expected);
    assert_eq!(house.users(&["--user", "user77"]), ["user77"]);
    let said = house.run(&["session", "list", "--limit", "3"]);
    assert!(said.err.contains("there are more sessions than these 3"), "{said:?}");
    assert_eq!(said.good().lines().count(), 4);

    let mut seen = Vec::new();
    let mut path = "/api/v1/sessions?limit=100".to_owned();
    loop {
        let page = house.ask("GET", &path, "").json();
        seen.extend(page["sessions"].as_array().unwrap().iter().map(|s| s["key"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/sessions?limit=100&after={next}");
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 250);
}

#[test]
fn the_memory_store_lists_its_sessions_too() {
    let house = House::start_with(|config| {
        replace(
            config,
            "store: { kind: embedded, path: data/sessions.redb }",
            "store: { kind: memory }",
        )
    });
    house.log_in("dwho");
    house.call("ada");
    assert_eq!(house.users(&[]), ["ada", "dwho"]);
}

//! What operators do with a store: look at it, copy it, make it smaller, move it, encrypt it; and what becomes of a
//! damaged one.

use std::path::{Path, PathBuf};

use crate::support::client::{Answer, Request};
use crate::support::command::{self, Said};
use crate::support::daemon::{Daemon, replace};
use crate::support::person::{self, Ticket};
use crate::support::redis::Redis;
use crate::support::{temporary_folder, wait_for};

const STORE: &str = "{ kind: embedded, path: data/sessions.redb }";

fn log_in(daemon: &Daemon, user: &str) -> Ticket {
    person::ticket(&person::login(user).send(daemon.public)).unwrap()
}

#[track_caller]
fn lets_in(daemon: &Daemon, ticket: &Ticket) -> bool {
    let answer = person::check(ticket).send(daemon.public);
    assert!(matches!(answer.status, 200 | 401), "{answer}");
    answer.status == 200
}

fn run(daemon: &Daemon, arguments: &[&str]) -> Said {
    command::run(&daemon.path("config.yaml"), arguments, "")
}

fn ask(daemon: &Daemon, method: &str, path: &str) -> Answer {
    let credential = std::fs::read_to_string(daemon.path("data/admin.credential")).unwrap();
    Request::new(method, &daemon.admin.to_string(), path)
        .header("Authorization", &format!("Bearer {}", credential.trim_end()))
        .header("Content-Type", "application/json")
        .body("{}")
        .send(daemon.admin)
}

fn metric(daemon: &Daemon, name: &str) -> String {
    let answer = Request::new("GET", &daemon.admin.to_string(), "/metrics").send(daemon.admin);
    let text = String::from_utf8(answer.body).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no {name}"))
}

/// The daemon's configuration with another store, beside it.
fn config_with(daemon: &Daemon, name: &str, change: impl FnOnce(&str) -> String) -> PathBuf {
    let text = std::fs::read_to_string(daemon.path("config.yaml")).unwrap();
    let path = daemon.path(name);
    std::fs::write(&path, change(&text)).unwrap();
    path
}

#[test]
fn a_backup_of_a_running_store_is_put_in_its_place_after_a_disaster() {
    let daemon = Daemon::start();
    let dwho = log_in(&daemon, "dwho");
    let copy = daemon.path("copy.redb");
    let copied = copy.to_str().unwrap();
    let said = run(&daemon, &["store", "backup", copied]);
    assert!(said.err.contains("copied"), "{said:?}");
    assert!(said.good().contains("copy.redb is a copy of the store"));
    let later = log_in(&daemon, "rtyler");
    assert!(run(&daemon, &["store", "backup", copied]).bad().contains("was not changed"));
    let status = run(&daemon, &["store", "status"]).good();
    assert!(status.contains("embedded") && status.contains("checksums     complete"), "{status}");

    daemon.kill();
    std::fs::rename(&copy, daemon.path("data/sessions.redb")).unwrap();
    daemon.restart();
    assert!(lets_in(&daemon, &dwho) && !lets_in(&daemon, &later));
    let left = daemon.files().into_iter().map(|(path, _)| path);
    let left: Vec<_> =
        left.filter(|path| path.contains("unfinished") || path.contains("backup")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_store_is_compacted_while_the_daemon_goes_on_and_without_it() {
    let daemon = Daemon::start();
    let tickets: Vec<_> =
        (0..200).map(|number| log_in(&daemon, &format!("user{number}"))).collect();
    let said = run(&daemon, &["store", "compact"]).good();
    assert!(said.contains("the store's file had "), "{said}");
    assert!(tickets.iter().all(|ticket| lets_in(&daemon, ticket)));
    let state = run(&daemon, &["store", "status", "--json"]).good();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["file"]["compaction"]["state"], "done", "{state}");
    let answer = ask(&daemon, "POST", "/api/v1/store/compact");
    assert_eq!(answer.status, 200, "{answer}");

    daemon.terminate();
    run(&daemon, &["store", "compact"]).good();
    let copy = daemon.path("copy.redb");
    run(&daemon, &["store", "backup", copy.to_str().unwrap()]).good();
    std::fs::rename(&copy, daemon.path("data/sessions.redb")).unwrap();
    daemon.restart();
    assert!(tickets.iter().all(|ticket| lets_in(&daemon, ticket)));
}

#[test]
fn other_stores_say_that_there_is_nothing_to_compact() {
    let daemon = Daemon::start_with(|config| replace(&config, STORE, "{ kind: memory }"));
    for arguments in [&["store", "compact"][..], &["store", "backup", "/nowhere/x"]] {
        let said = run(&daemon, arguments).bad();
        assert!(said.contains("the memory store has no file"), "{said}");
    }
    assert!(run(&daemon, &["store", "status"]).good().contains("memory"));
    assert_eq!(ask(&daemon, "POST", "/api/v1/store/compact").status, 409);
    let config = daemon.path("config.yaml");
    let config = config.to_str().unwrap();
    let said = command::run(
        Path::new(config),
        &["store", "migrate", "--from", config, "--to", config],
        "",
    );
    assert!(said.bad().contains("the memory store is gone with its daemon"));
}

#[test]
fn sessions_move_into_an_encrypted_file_and_nobody_reads_them_there() {
    let daemon = Daemon::start();
    let dwho = log_in(&daemon, "dwho");
    let new = config_with(&daemon, "new.yaml", |text| {
        let text = replace(text, "data/sessions.redb", "data/sealed.redb");
        replace(
            &text,
            "  timeout: 20h",
            "  encryption_key: { file: data/store.key }\n  timeout: 20h",
        )
    });
    let (old, new) = (daemon.path("config.yaml"), new);
    let migrate = |from: &Path, to: &Path| {
        let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
        command::run(&old, &["store", "migrate", "--from", from, "--to", to], "")
    };
    assert!(migrate(&old, &new).bad().contains("in use by another process"));
    daemon.terminate();
    assert!(migrate(&old, &new).good().contains("2 records were copied"));
    assert!(migrate(&old, &new).bad().contains("has 2 records already"));
    let plain = std::fs::read(daemon.path("data/sessions.redb")).unwrap();
    let sealed = std::fs::read(daemon.path("data/sealed.redb")).unwrap();
    let has = |bytes: &[u8]| bytes.windows(4).any(|window| window == b"dwho");
    assert!(has(&plain) && !has(&sealed));

    std::fs::copy(&new, &old).unwrap();
    daemon.restart();
    assert!(lets_in(&daemon, &dwho));
    let amy = log_in(&daemon, "amy");
    assert!(run(&daemon, &["store", "status"]).good().contains("encrypted     yes"));

    // Another key opens nothing, and is no outage.
    daemon.terminate();
    std::fs::rename(daemon.path("data/store.key"), daemon.path("data/old.key")).unwrap();
    daemon.restart();
    assert!(!lets_in(&daemon, &dwho));
    assert!(daemon.log().contains("a key that is not in the list"), "{}", daemon.log());
    let rory = log_in(&daemon, "rory");
    assert!(lets_in(&daemon, &rory));

    // The list of both opens all.
    daemon.terminate();
    let text = std::fs::read_to_string(&old).unwrap();
    let both = "[{ file: data/store.key }, { file: data/old.key }]";
    std::fs::write(&old, replace(&text, "{ file: data/store.key }", both)).unwrap();
    daemon.restart();
    assert!([&dwho, &amy, &rory].iter().all(|ticket| lets_in(&daemon, ticket)));
}

#[test]
fn once_there_is_a_key_a_plain_record_counts_only_if_the_operator_says_so() {
    let daemon = Daemon::start();
    let dwho = log_in(&daemon, "dwho");
    daemon.terminate();
    let config = daemon.path("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let key = "  encryption_key: { file: data/store.key }\n  timeout: 20h";
    let keyed = replace(&text, "  timeout: 20h", key);
    std::fs::write(&config, &keyed).unwrap();
    daemon.restart();
    assert!(!lets_in(&daemon, &dwho));
    daemon.terminate();
    std::fs::write(&config, replace(&keyed, key, &format!("  encryption_migrate: true\n{key}")))
        .unwrap();
    daemon.restart();
    assert!(lets_in(&daemon, &dwho));
    assert!(daemon.log().contains("who can write to the store can make any session"));
}

#[test]
fn sessions_move_to_redis_and_back() {
    let redis = Redis::start(&[]);
    let daemon = Daemon::start();
    let tickets: Vec<_> =
        (0..300).map(|number| log_in(&daemon, &format!("user{number}"))).collect();
    daemon.terminate();
    let url = format!("{{ kind: redis, url: \"redis://{}/\" }}", redis.address);
    let shared = config_with(&daemon, "redis.yaml", |text| replace(text, STORE, &url));
    let back = config_with(&daemon, "back.yaml", |text| {
        replace(text, "data/sessions.redb", "data/back.redb")
    });
    let config = daemon.path("config.yaml");
    let migrate = |from: &Path, to: &Path| {
        let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
        command::run(&config, &["store", "migrate", "--from", from, "--to", to], "").good()
    };
    assert!(migrate(&config, &shared).contains("600 records were copied"));
    for new in [&shared, &back] {
        if *new == back {
            assert!(migrate(&shared, &back).contains("600 records were copied"));
        }
        std::fs::copy(new, &config).unwrap();
        daemon.restart();
        assert!(tickets.iter().all(|ticket| lets_in(&daemon, ticket)));
        daemon.terminate();
    }
}

#[test]
fn a_damaged_file_is_named_set_aside_and_counted_and_people_log_in_again() {
    let daemon = Daemon::start();
    let dwho = log_in(&daemon, "dwho");
    daemon.terminate();
    let path = daemon.path("data/sessions.redb");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    daemon.restart();
    assert!(!lets_in(&daemon, &dwho));
    let rory = log_in(&daemon, "rory");
    assert!(lets_in(&daemon, &rory));
    let log = daemon.log();
    for part in ["ERROR", "sessions.redb' is damaged and was moved to", "check the disk"] {
        assert!(log.contains(part), "{log}");
    }
    let counted = "vouchsafe_store_files_set_aside_total{store=\"sessions\"} 1";
    assert_eq!(
        metric(&daemon, "vouchsafe_store_files_set_aside_total{store=\"sessions\"}"),
        counted
    );
    let kept: Vec<_> =
        daemon.files().into_iter().filter(|(path, _)| path.contains(".damaged-")).collect();
    assert!(matches!(&kept[..], [(_, bytes)] if bytes.len() == whole.len() / 2));
}

#[test]
fn a_flipped_bit_in_a_session_makes_it_nobodys() {
    let daemon = Daemon::start();
    let tickets: Vec<_> =
        (0..50).map(|number| log_in(&daemon, &format!("user{number:03}"))).collect();
    daemon.terminate();
    let path = daemon.path("data/sessions.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    // user007 becomes user006, in every copy of it that the file has.
    let places: Vec<_> =
        bytes.windows(7).enumerate().filter(|(_, window)| window == b"user007").collect();
    let places: Vec<usize> = places.into_iter().map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 6] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    daemon.restart();
    let found: Vec<_> = tickets.iter().map(|ticket| lets_in(&daemon, ticket)).collect();
    assert_eq!(found.iter().filter(|found| !**found).count(), 1);
    assert!(!found[7]);
    wait_for("the damaged records are counted", || {
        let line = metric(&daemon, "vouchsafe_store_damaged_records_total{store=\"sessions\"}");
        line.ends_with(" 2").then_some(())
    });
    assert!(daemon.log().contains("was set aside, and counts as unknown"), "{}", daemon.log());
}

#[test]
fn keys_are_made_by_a_command_and_never_replaced() {
    let folder = temporary_folder();
    let file = folder.path().join("store.key");
    let config = folder.path().join("config.yaml");
    let new = |purpose: &str| {
        command::run(&config, &["key", "new", "--for", purpose, file.to_str().unwrap()], "")
    };
    let said = new("encryption").good();
    assert!(said.contains("sessions.encryption_key") && said.contains("32 random bytes"), "{said}");
    let key = std::fs::read(&file).unwrap();
    assert_eq!(key.len(), 32);
    assert!(new("sessions").bad().contains("was not changed"));
    assert_eq!(std::fs::read(&file).unwrap(), key);
}

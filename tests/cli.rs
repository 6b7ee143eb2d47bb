//! The commands as a person runs them: exit codes, messages, and that nothing is lost.

use std::path::Path;
use std::process::{Command, Output};

fn vouchsafe(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const BROKEN: &str = "\
listen: { public: here }
trusted_proxies: [10.0.0.5/8]
portal: { url: ftp://auth.example.com/ }
slave:
  user_header: Auth_User
  user_patern: x
  masters: [{ name: sso, ips: localhost, control_header: control }]
sessions: { timeout: 20, cookie: { secured: 3 } }
applications: [{ name: wiki, hosts: ['a,b'], exports: { Auth-User: nobody }, rules: [{ path: /../x, effect: allow }] }]
mfa: { base: nobody }
";

#[test]
fn a_broken_configuration_is_refused_with_every_error_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yaml"), BROKEN).unwrap();
    for arguments in [&["check"][..], &["serve"], &[], &["check", "--config", "config.yaml"]] {
        let output = vouchsafe(folder.path(), arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        for line in 1..=10 {
            // Line 4 is only the head of a mapping.
            assert!(
                line == 4 || errors.contains(&format!("line {line} column")),
                "no error of line {line} in\n{errors}"
            );
        }
        assert!(errors.contains("help: "), "{errors}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was created");
}

#[test]
fn a_good_configuration_is_said_to_be_good_and_nothing_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml");
    std::fs::copy(shipped, folder.path().join("mine.yaml")).unwrap();
    let output = vouchsafe(folder.path(), &["check", "--config", "mine.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("the configuration is good: 1 applications, 1 masters"));
    assert!(!text(&output.stderr).contains("password"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_file_and_an_unknown_option_are_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let missing = vouchsafe(folder.path(), &["--config", "nowhere.yaml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("nowhere.yaml"), "{}", text(&missing.stderr));
    assert_eq!(vouchsafe(folder.path(), &["--confg"]).status.code(), Some(2));
}

#[test]
fn a_busy_port_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let shipped =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml")).unwrap();
    let config = shipped.replace("127.0.0.1:9080", &address);
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let output = vouchsafe(folder.path(), &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("cannot listen on {address}")), "{errors}");
}

#[test]
fn a_store_that_is_not_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let path = folder.path().join("data/sessions.redb");
    std::fs::write(&path, b"precious notes").unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml");
    std::fs::copy(shipped, folder.path().join("config.yaml")).unwrap();
    let output = vouchsafe(folder.path(), &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("sessions.redb") && errors.contains("move it aside"), "{errors}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious notes");
}

#[test]
fn a_key_is_made_once_and_a_configuration_with_it_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let shipped =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml")).unwrap();
    let config = shipped
        .replace("# assertion: { keys", "assertion: { keys")
        .replace("# assertion: true", "assertion: true");
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let missing = vouchsafe(folder.path(), &["check"]);
    assert_eq!(missing.status.code(), Some(2));
    let errors = text(&missing.stderr);
    let remedy = "make it with `vouchsafe key new data/assertion.pem`";
    assert!(errors.contains(remedy) && errors.contains("assertion.keys[0]"), "{errors}");
    let made = vouchsafe(folder.path(), &["key", "new", "data/assertion.pem"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let pem = std::fs::read_to_string(folder.path().join("data/assertion.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let shown = text(&made.stdout);
    assert!(pem.lines().filter(|line| !line.starts_with('-')).all(|line| !shown.contains(line)));
    let again = vouchsafe(folder.path(), &["key", "new", "data/assertion.pem"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("was not changed"), "{}", text(&again.stderr));
    let good = vouchsafe(folder.path(), &["check"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert!(!text(&good.stderr).contains("assertion"), "{}", text(&good.stderr));
}

#[test]
fn the_schema_is_json() {
    let folder = tempfile::tempdir().unwrap();
    let output = vouchsafe(folder.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["slave"].is_object());
}

/// The shipped configuration and the shipped policy tests, changed as `change` says, in a folder.
fn checked(change: impl Fn(&str) -> String) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("config.yaml"), folder.path().join("config.yaml")).unwrap();
    let shipped = std::fs::read_to_string(root.join("docs/examples/policy_tests.yaml")).unwrap();
    std::fs::write(folder.path().join("tests.yaml"), change(&shipped)).unwrap();
    let output = vouchsafe(folder.path(), &["check", "--tests", "tests.yaml"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing was created");
    output
}

#[test]
fn the_shipped_policy_tests_hold_for_the_shipped_configuration() {
    let output = checked(str::to_owned);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("9 policy tests: 9 passed, 0 failed"));
}

#[test]
fn a_policy_test_that_fails_shows_the_difference_and_the_way_to_it() {
    let output = checked(|shipped| {
        let shipped = shipped
            .replace("Auth-Mail: dwho@example.com, Auth-Groups", "Auth-Mail: x, Auth-Groups");
        shipped.replace("expect: deny, reason: rule_denied", "expect: allow")
    });
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    for part in [
        "FAILED and not written",
        "tests.yaml:",
        "decision: expected `allow`, got `deny`",
        "Decided by the rule at config.yaml:",
        "method does not hold",
        "Auth-Mail: expected `x`, got `dwho@example.com`",
        "9 policy tests: 7 passed, 2 failed",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
}

#[test]
fn policy_tests_that_cannot_be_read_or_asked_are_told_apart_from_failures() {
    let output = checked(|shipped| shipped.replace("expect: challenge", "expect: chalenge"));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).ends_with("did you mean `challenge`?\n"),
        "{}",
        text(&output.stderr)
    );
    let output =
        checked(|shipped| shipped.replace("variables: { uid: dwho,", "variables: { uit: dwho,"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("no master sends a variable `uit`"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn a_token_is_made_where_no_daemon_ever_ran_and_no_secret_is_an_argument() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml");
    // Nobody else's daemon is asked.
    let config = std::fs::read_to_string(shipped).unwrap().replace("  admin: 127", "  # 127");
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let added = vouchsafe(folder.path(), &["token", "add", "--user", "dwho"]);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    assert!(text(&added.stdout).contains("otpauth://totp/Vouchsafe:dwho?secret="));
    let listed = vouchsafe(folder.path(), &["token", "list", "--user", "dwho"]);
    assert!(text(&listed.stdout).contains("totp  dwho  local  enabled"), "{listed:?}");
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["mfa.key", "mfa.redb"]);
    for command in
        [&["token", "add", "--user", "x", "--pin", "1234"][..], &["token", "set-pin", "S", "1234"]]
    {
        assert_eq!(vouchsafe(folder.path(), command).status.code(), Some(2), "{command:?}");
    }
}

const LM_CONF: &str = r#"{
  "portal": "https://auth.example.com/", "authentication": "Slave", "slaveUserHeader": "CN",
  "slaveHeaderName": "control", "slaveHeaderContent": "opensesame", "slaveMasterIP": "10.0.0.1",
  "macros": { "uid": "$ENV{HTTP_AUTH_USER}" }, "groups": { "staff": "$uid =~ /^s/" },
  "locationRules": { "app.example.com": { "default": "inGroup('staff')", "^/ua": "$ENV{HTTP_USER_AGENT}" } },
  "exportedHeaders": { "app.example.com": { "Auth-User": "$uid" } }
}"#;

#[test]
fn an_imported_configuration_is_good_and_its_secret_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lmConf-1.json"), LM_CONF).unwrap();
    let import = vouchsafe(folder.path(), &["import", "llng", "lmConf-1.json"]);
    let report = text(&import.stderr);
    assert_eq!(import.status.code(), Some(0), "{report}");
    assert!(report.contains("locationRules.app.example.com.^/ua"), "{report}");
    assert!(!report.contains("opensesame"), "{report}");
    assert!(text(&import.stdout).contains("control_content: opensesame"));
    std::fs::write(folder.path().join("config.yaml"), &import.stdout).unwrap();
    let check = vouchsafe(folder.path(), &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
    assert!(text(&check.stdout).contains("1 applications, 1 masters"), "{}", text(&check.stdout));
}

#[test]
fn what_cannot_be_imported_is_said_with_its_place_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("broken.json", "{\n");
    write("other.json", "{}");
    write("factor.json", &LM_CONF.replacen('{', "{ \"sfRequired\": 1,", 1));
    write("half.json", &LM_CONF.replace("opensesame", ""));
    for (file, expected) in [
        ("missing.json", "cannot open missing.json; check the name"),
        (".", "cannot read .; give a file"),
        ("broken.json", "line 2 column 0 is no JSON; "),
        ("other.json", "no table of keys; "),
        ("factor.json", "sfRequired: asks for a second factor"),
        ("half.json", "slaveHeaderContent: is not set"),
    ] {
        let import = vouchsafe(folder.path(), &["import", "llng", file]);
        let errors = text(&import.stderr);
        assert_eq!(import.status.code(), Some(2), "{file}: {errors}");
        assert!(errors.starts_with("error: ") && errors.contains(expected), "{file}: {errors}");
        assert!(import.stdout.is_empty(), "{file}");
    }
}

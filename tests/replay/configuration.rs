//! A recording's configuration as LemonLDAP::NG has it, and what `vouchsafe import llng` makes of it.
//!
//! What is changed of that afterwards is the test's: addresses, where sessions are kept, and a host of its own.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::recordings::Recording;
use crate::support::daemon::replace;
use crate::support::{programs, temporary_folder};

/// What all recordings have in common.
const BASE: &str = include_str!("../peers/llng/base.json");

/// A host that shows what a session knows, to ask what a login has stored.
pub const SESSION_HOST: &str = "session.example.com";

/// LemonLDAP::NG's own configuration.
fn lm_conf(recording: &Recording) -> Value {
    let mut config: Value = serde_json::from_str(BASE).unwrap();
    for (key, value) in &recording.config {
        config[key] = value.clone();
    }
    config
}

/// The headers of test1.example.com.
pub fn exports(recording: &Recording) -> Vec<String> {
    let config = lm_conf(recording);
    let headers = config["exportedHeaders"]["test1.example.com"].as_object().unwrap();
    headers.keys().cloned().collect()
}

/// What `vouchsafe import llng` makes of it, which `vouchsafe check` takes.
///
/// # Errors
/// It refuses the configuration, for these keys.
pub fn imported(recording: &Recording) -> Result<String, String> {
    let folder = temporary_folder();
    let file = folder.path().join("lmConf-1.json");
    std::fs::write(&file, lm_conf(recording).to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(programs::vouchsafe());
        command.current_dir(folder.path()).args(arguments).output().unwrap()
    };
    let import = run(&["import", "llng", "lmConf-1.json"]);
    if !import.status.success() {
        let said = String::from_utf8(import.stderr).unwrap();
        let errors = said.lines().filter_map(|line| line.strip_prefix("error: "));
        let keys: Vec<&str> = errors.filter_map(|error| error.split(':').next()).collect();
        assert!(!keys.is_empty(), "{}: no key in\n{said}", recording.name);
        return Err(keys.join(" and "));
    }
    std::fs::write(folder.path().join("config.yaml"), &import.stdout).unwrap();
    let check = run(&["check"]);
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{}: what was imported is refused\n{said}", recording.name);
    Ok(String::from_utf8(import.stdout).unwrap())
}

/// `imported` for these addresses of a daemon.
pub fn of(imported: &str, recording: &Recording, public: SocketAddr, admin: SocketAddr) -> String {
    let config = replace(imported, "public: 127.0.0.1:9080 ", &format!("public: {public} "));
    let config = replace(&config, "admin: 127.0.0.1:9082 ", &format!("admin: {admin} "));
    let embedded = "store: { kind: embedded, path: data/sessions.redb }";
    let mut config = replace(&config, embedded, "store: { kind: memory }");
    if recording.needs("{expired}") {
        // A second is the least that LemonLDAP::NG can say.
        config = replace(&config, "timeout: 72000s", "timeout: 300ms");
    }
    let session = json!({
        "name": "session",
        "hosts": SESSION_HOST,
        "exports": { "Session-User": "user", "Session-Level": "auth_level", "Session-Ip": "ipAddr" },
        "rules": [{ "effect": "allow" }],
    });
    // Last of all stand the applications. JSON is YAML.
    format!("{config}  - {session}\nlog: {{ level: warn }}\n")
}

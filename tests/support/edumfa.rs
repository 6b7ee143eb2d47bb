//! A real eduMFA, from the wheel in `.ci/venv-edumfa`, with nothing in it until a test puts it there.
//!
//! Its keys and tables are made once and kept below `target`; each server gets a copy, and is up in some three
//! seconds. Its administrator's API is told as tests need it; [`Edumfa::admin`] is for the rest.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::client::Request;
use super::server::Server;
use super::{free_address, programs, temporary_folder};

/// What it is made of, besides its version, which `.ci/run` tells.
const FILES: [(&str, &str); 2] = [
    ("server.py", include_str!("edumfa/server.py")),
    ("edumfa.cfg", include_str!("edumfa/edumfa.cfg")),
];

/// A running eduMFA. Dropping it ends it and deletes its data.
pub struct Edumfa {
    pub address: SocketAddr,
    folder: PathBuf,
    server: Server,
    authorization: String,
}

/// A request that it got, as it was on the wire.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// By name in lower case.
    pub headers: Value,
    pub body: String,
    /// The port of the other end: requests on one connection have the same.
    pub connection: String,
}

impl Asked {
    /// The value of a parameter, of a JSON body, a form or the query, if there is exactly one.
    pub fn parameter(&self, name: &str) -> Option<String> {
        if let Ok(Value::Object(members)) = serde_json::from_str(&self.body) {
            let value = members.get(name)?;
            return Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = [query, &self.body].into_iter();
        let pairs = pairs.flat_map(|text| form_urlencoded::parse(text.as_bytes()));
        let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next()?.into_owned();
        values.next().is_none().then_some(value)
    }
}

impl Edumfa {
    /// Starts one.
    pub fn start() -> Self {
        let (address, folder) = (free_address(), temporary_folder());
        copy_template(folder.path());
        let path = folder.path().to_owned();
        let (chdir, bind) = (path.to_str().unwrap(), address.to_string());
        #[rustfmt::skip]
        let arguments = [
            "-B", "-m", "gunicorn", "--chdir", chdir, "--bind", &bind,
            "--worker-class", "gthread", "--threads", "8", "--timeout", "600", "--graceful-timeout", "1",
            "--no-control-socket", "--worker-tmp-dir", chdir,
            // Its federation would ask other eduMFAs through a proxy of the environment.
            "--env", "no_proxy=127.0.0.1",
            "server:application",
        ];
        let server = Server::start(folder, &python(), &arguments, address);
        let mut edumfa = Self { address, folder: path, server, authorization: String::new() };
        let login = json!({ "username": "admin", "password": "admin's password" });
        let login = edumfa.admin("POST", "/auth", &login);
        login["token"].as_str().unwrap().clone_into(&mut edumfa.authorization);
        edumfa
    }

    /// Starts two at once.
    pub fn start_two() -> (Self, Self) {
        std::thread::scope(|scope| {
            let other = scope.spawn(Self::start);
            let one = Self::start();
            (one, other.join().unwrap())
        })
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What its administrator presents in `Authorization`.
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Its public key, PEM.
    pub fn public_key(&self) -> String {
        self.server.file("public.pem")
    }

    /// What the administrator's request returns; one that fails ends the test. Null is no body.
    #[track_caller]
    pub fn admin(&self, method: &str, target: &str, body: &Value) -> Value {
        let host = self.address.to_string();
        let request = Request::new(method, &host, target);
        let request = request.header("Authorization", &self.authorization);
        let request = if body.is_null() {
            request
        } else {
            request.header("Content-Type", "application/json").body(body.to_string())
        };
        let answer = request.send(self.address);
        assert_eq!(answer.status, 200, "{method} {target} {body} got {answer}");
        let mut result = answer.json()["result"].take();
        assert_eq!(result["status"], json!(true), "{method} {target} {body} got {answer}");
        result["value"].take()
    }

    /// Makes a realm of one resolver with these users. The first realm is the default one.
    #[track_caller]
    pub fn realm(&self, realm: &str, resolver: &str, users: &[&str]) {
        // Users of one number would have each other's tokens.
        let numbered = users.iter().enumerate();
        let lines = numbered.map(|(at, user)| format!("{user}:x:{at}:100:{user} Example,,,,:/:\n"));
        let file = self.folder.join(resolver);
        fs::write(&file, lines.collect::<String>()).unwrap();
        let made = json!({ "type": "passwdresolver", "fileName": file });
        self.admin("POST", &format!("/resolver/{resolver}"), &made);
        self.admin("POST", &format!("/realm/{realm}"), &json!({ "resolvers": resolver }));
    }

    /// Gives a user a token: `{type: hotp, otpkey: seed, pin}`, `{type: spass, pin}`, `{type: pw, otpkey: password, pin}`
    /// or whatever else `/token/init` takes.
    #[track_caller]
    pub fn token(&self, realm: &str, user: &str, serial: &str, details: &Value) {
        let token = json!({ "realm": realm, "user": user, "serial": serial });
        self.admin("POST", "/token/init", &together(&token, details));
    }

    /// Lets these types of tokens ask for their OTP once the PIN alone was right.
    #[track_caller]
    pub fn challenge(&self, types: &str) {
        let action = format!("challenge_response={types}");
        let policy =
            json!({ "scope": "authentication", "action": action, "realm": "", "active": true });
        self.admin("POST", "/policy/challenge", &policy);
    }

    /// Whom it believes where a client is: its `OverrideAuthorizationClient`.
    #[track_caller]
    pub fn believe(&self, networks: &str) {
        let setting = json!({ "OverrideAuthorizationClient": networks });
        self.admin("POST", "/system/setConfig", &setting);
    }

    /// Makes it ask `url` after its own check where that did not accept. `handler` may say otherwise, in the words of
    /// `/event`: `{position: pre, conditions: {}, "option.realm": crealm}`.
    #[track_caller]
    pub fn forward(&self, server: &str, url: &str, handler: &Value) {
        let definition = json!({ "url": url, "tls": "0", "description": "" });
        self.admin("POST", &format!("/edumfaserver/{server}"), &definition);
        let usual = json!({
            "name": format!("ask-{server}"), "event": "validate_check", "position": "post",
            "ordering": 0, "conditions": { "result_value": "False" },
            "handlermodule": "Federation", "action": "forward", "option.eduMFA": server,
        });
        self.admin("POST", "/event", &together(&usual, handler));
    }

    /// What it knows about a token: `failcount`, `count` and others.
    #[track_caller]
    pub fn token_details(&self, serial: &str) -> Value {
        let found = self.admin("GET", &format!("/token/?serial={serial}"), &Value::Null);
        assert_eq!(found["count"], json!(1), "{serial}: {found}");
        found["tokens"][0].clone()
    }

    /// The token's fail counter.
    #[track_caller]
    pub fn fail_count(&self, serial: &str) -> i64 {
        self.token_details(serial)["failcount"].as_i64().unwrap()
    }

    /// Its audit log of checks, newest first: objects with `client`, `user`, `realm`, `success` and others.
    #[track_caller]
    pub fn audit(&self) -> Vec<Value> {
        let target = "/audit/?action=*%2Fvalidate%2F*&sortorder=desc&page_size=100";
        let found = self.admin("GET", target, &Value::Null);
        found["auditdata"].as_array().unwrap_or_else(|| panic!("no audit log: {found}")).clone()
    }

    /// What it was asked below `/validate`, in order.
    pub fn asked(&self) -> Vec<Asked> {
        let tap = self.server.file("tap.jsonl");
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            Asked {
                method: text("method"),
                target: text("target"),
                headers: line["headers"].clone(),
                body: text("body"),
                connection: text("connection"),
            }
        };
        tap.lines().map(line).filter(|asked| asked.target.starts_with("/validate/")).collect()
    }

    /// What it was asked since [`Edumfa::asked`] had `before` entries.
    pub fn asked_since(&self, before: usize) -> Vec<Asked> {
        self.asked().split_off(before)
    }
}

/// The members of both; those of `second` win.
fn together(first: &Value, second: &Value) -> Value {
    let mut both = first.as_object().unwrap().clone();
    both.extend(second.as_object().unwrap().clone());
    Value::Object(both)
}

fn python() -> PathBuf {
    let python = programs::shipped(".ci/venv-edumfa/bin/python");
    assert!(python.exists(), "{} is missing; run: .ci/run install", python.display());
    python
}

/// Copies the files of a server that has never run, made on the first call of all test processes.
fn copy_template(to: &Path) {
    let below = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (template, lock) = (below.join("edumfa"), below.join("edumfa.lock"));
    let lock = File::create(lock).unwrap();
    lock.lock().unwrap(); // until it is closed
    let made_of = format!("{FILES:?}{}", include_str!("../../.ci/run"));
    if fs::read(template.join("made_of")).ok() != Some(made_of.clone().into_bytes()) {
        if template.exists() {
            fs::remove_dir_all(&template).unwrap();
        }
        fs::create_dir(&template).unwrap();
        for (name, text) in FILES {
            fs::write(template.join(name), text).unwrap();
        }
        let mut command = Command::new(python());
        let made = command.args(["-B", "server.py"]).current_dir(&template).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(template.join("made_of"), made_of).unwrap();
    }
    for entry in fs::read_dir(&template).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

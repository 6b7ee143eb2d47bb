//! An MFA node that does as a test tells it, and remembers what it was asked.
//!
//! A secret that begins with `good` is right, each of them once; any other is wrong. `pin` alone triggers a challenge,
//! which a good secret answers; `push` triggers one that is confirmed elsewhere.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::support::bad_node::{accepted, json_answer};
use crate::support::edumfa::Asked;

/// How the person's other device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Push {
    #[default]
    Pending,
    Confirmed,
    Declined,
}

#[derive(Debug, Default)]
struct State {
    used: HashSet<String>,
    asked: Vec<Asked>,
    challenges: u32,
    push: Push,
    is_held: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    is_let_go: Condvar,
}

/// A running node; it lives as long as the process.
#[derive(Debug)]
pub struct Lab {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Lab {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    /// What it was asked, in order; not what only looks whether it lives.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().asked.clone()
    }

    /// The questions that carry this secret.
    pub fn asked_for(&self, pass: &str) -> Vec<Asked> {
        let asked = self.asked().into_iter();
        asked.filter(|asked| asked.parameter("pass").as_deref() == Some(pass)).collect()
    }

    /// Nothing is answered from now on.
    pub fn hold(&self) {
        self.shared.state.lock().unwrap().is_held = true;
    }

    /// Everything is.
    pub fn let_go(&self) {
        self.shared.state.lock().unwrap().is_held = false;
        self.shared.is_let_go.notify_all();
    }

    /// What the person does with the other device.
    pub fn push(&self, push: Push) {
        self.shared.state.lock().unwrap().push = push;
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(asked) = read(&mut reader) {
            let answer = json_answer(200, &self.answer(&asked));
            if (&mut &*stream).write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn answer(&self, asked: &Asked) -> Value {
        let mut state = self.state.lock().unwrap();
        if asked.parameter("pass").is_none() && !is_poll(asked) {
            return rejected(); // it was asked whether it lives
        }
        state.asked.push(asked.clone());
        let mut state = self.is_let_go.wait_while(state, |state| state.is_held).unwrap();
        if is_poll(asked) {
            return polled(state.push);
        }
        let pass = asked.parameter("pass").unwrap();
        let transaction = asked.parameter("transaction_id");
        match (&*pass, transaction) {
            ("pin", None) => state.challenged("interactive"),
            ("push", None) => {
                state.push = Push::Pending;
                state.challenged("poll")
            }
            ("", Some(_)) if state.push == Push::Confirmed => {
                state.push = Push::Pending;
                accepted("PUSH1")
            }
            (good, _) if good.starts_with("good") && state.used.insert(good.to_owned()) => {
                accepted("OTP1")
            }
            _ => rejected(),
        }
    }
}

impl State {
    fn challenged(&mut self, client_mode: &str) -> Value {
        self.challenges += 1;
        let (transaction, serial) = (format!("{:020}", self.challenges), "OTP1");
        let message = "please <b>enter</b> otp: ";
        let mut answer = rejected();
        answer["result"]["authentication"] = json!("CHALLENGE");
        answer["detail"] = json!({
            "client_mode": client_mode, "message": message, "messages": [message], "serial": serial,
            "transaction_id": transaction, "transaction_ids": [transaction], "type": "hotp", "threadid": 1,
            "multi_challenge": [{
                "client_mode": client_mode, "message": message, "serial": serial, "type": "hotp",
                "transaction_id": transaction,
            }],
        });
        answer
    }
}

fn rejected() -> Value {
    let mut answer = accepted("");
    answer["result"] = json!({ "status": true, "value": false, "authentication": "REJECT" });
    answer["detail"] = json!({ "message": "wrong otp value", "threadid": 1 });
    answer
}

fn polled(push: Push) -> Value {
    let (value, status) = match push {
        Push::Pending => (false, "pending"),
        Push::Confirmed => (true, "accept"),
        Push::Declined => (false, "declined"),
    };
    let mut answer = rejected();
    answer["result"]["value"] = json!(value);
    answer["detail"] = json!({ "challenge_status": status, "threadid": 1 });
    answer
}

fn is_poll(asked: &Asked) -> bool {
    asked.target.starts_with("/validate/polltransaction")
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut headers, mut length) = (serde_json::Map::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.trim().parse().ok()?;
        }
        headers.insert(name, value.trim().into());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Asked { method, target, headers: headers.into(), body, connection: String::new() })
}

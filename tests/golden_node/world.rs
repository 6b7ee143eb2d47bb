//! The users and tokens of the recorded servers in stores of ours, and what happened to them between recordings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use vouchsafe::domain::secret::Secret;
use vouchsafe::domain::time::Timestamp;
use vouchsafe::mfa::node::local::{LocalNode, NewToken};
use vouchsafe::mfa::settings::{LocalSettings, PinPosition, TokenKind, User, Users};
use vouchsafe::mfa::token::hotp::{Algorithm, Digits};
use vouchsafe::store::Store;
use vouchsafe::store::memory::MemoryStore;

use crate::aspects::Aspects;
use crate::http::Request;
use crate::recordings::Recording;
use crate::scene::{Part, Scene};

const BOTH: [&str; 11] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kate"];

/// What the tokens of RFC 4226 and RFC 6238 have for a seed.
const RFC: &[u8] = b"12345678901234567890";

const PARENT: &str = "parent";
const CHILD: &str = "child";

/// A server's stores; nodes over them come and go.
struct Place {
    tokens: Arc<Store>,
    challenges: Arc<Store>,
}

/// Both servers' stores, and the ids that our nodes gave to the challenges of recorded ones.
pub struct World {
    places: BTreeMap<&'static str, Place>,
    transactions: Vec<(String, String)>,
}

/// What happened before a recording and was not recorded.
enum Step {
    /// A question to the same server, as a form.
    Asked(&'static str),
    /// An administrator made the server forget a token's failures.
    Reset(&'static str, &'static str),
    /// kate got an SPASS token at the child, with this serial and PIN; one that ended long ago if so said.
    Got(&'static str, &'static str, bool),
    /// kate lost a token.
    Lost(&'static str),
    /// A HOTP token of the child has this counter, because eduMFA did not get to accept an OTP that we accepted.
    IsAt(&'static str, u64),
}

use Step::{Asked, Got, IsAt, Lost, Reset};

/// Steps by the recording that they came before. Of the recordings of `tests/fixtures` some are left out, too.
const BETWEEN: &[(&str, &[Step])] = &[
    ("check_hotp_window_10_fail", &[Asked("user=alice&pass=cpin893406")]),
    (
        "check_failcount_03",
        &[Asked("user=judy&pass=cpin000000"), Asked("user=judy&pass=cpin000000")],
    ),
    (
        "check_failcount_10",
        &[Asked("user=judy&pass=cpin000000"), Asked("user=judy&pass=cpin000000")],
    ),
    ("check_after_reset_ok", &[Reset(CHILD, "C-HOTP-JUDY")]),
    ("check_validity_over", &[Got("C-SPASS-OLD", "old", true)]),
    (
        "check_two_tokens_match",
        &[Lost("C-SPASS-OLD"), Got("C-SPASS-1", "same", false), Got("C-SPASS-2", "same", false)],
    ),
    ("check_missing_pass", &[Lost("C-SPASS-1"), Lost("C-SPASS-2")]),
    // Otherwise than there, an answer that does not come leaves the failure that was counted for it.
    ("fed_inactive", &[Reset(PARENT, "P-SPASS-CAROL")]),
    ("fed_opt_realm_over_param", &[IsAt("C2-HOTP-ALICE", 5)]),
    ("special_json_ok", &[Got("C-SPASS-SPEC", "p%41+& ü/€", false)]),
    ("cfg_autoresync_second_ok", &[Asked("user=alice&pass=cpin610580")]),
    ("fed_chain_origin", &[Reset(PARENT, "P-SPASS-CAROL"), Reset(CHILD, "C-SPASS-CAROL")]),
    ("fed_radiuscheck_local_ok", &[Reset(PARENT, "P-SPASS-CAROL")]),
    ("radiuscheck_fail", &[Reset(CHILD, "C-SPASS-CAROL")]),
];

/// Server, serial, user, realm, type, PIN, seed.
type Row = (&'static str, &'static str, &'static str, &'static str, TokenKind, &'static str, u8);

const RFC_SEED: u8 = 0;

#[rustfmt::skip]
const TOKENS: [Row; 17] = [
    (PARENT, "P-HOTP-ALICE", "alice", "prealm", TokenKind::Hotp, "ppin", RFC_SEED),
    (PARENT, "P-TOTP-BOB", "bob", "prealm", TokenKind::Totp, "ppin", RFC_SEED),
    (PARENT, "P-SPASS-CAROL", "carol", "prealm", TokenKind::Spass, "pspass", 0),
    (PARENT, "P-HOTP-FRANK", "frank", "prealm", TokenKind::Hotp, "ppin", 0x11),
    (CHILD, "C-HOTP-ALICE", "alice", "crealm", TokenKind::Hotp, "cpin", 0x22),
    (CHILD, "C-TOTP-BOB", "bob", "crealm", TokenKind::Totp, "cpin", 0x33),
    (CHILD, "C-SPASS-CAROL", "carol", "crealm", TokenKind::Spass, "cspass", 0),
    (CHILD, "C-HOTP-ERIN", "erin", "crealm", TokenKind::Hotp, "cpin", 0x44),
    (CHILD, "C-HOTP-FRANK", "frank", "crealm", TokenKind::Hotp, "cpin", 0x55),
    (CHILD, "C-HOTP-GRACE", "grace", "crealm", TokenKind::Hotp, "cpin", 0x66),
    (CHILD, "C-TOTP-GRACE", "grace", "crealm", TokenKind::Totp, "cpin", 0x67),
    (CHILD, "C-HOTP-IVAN", "ivan", "crealm", TokenKind::Hotp, "cpin", 0x77),
    (CHILD, "C-HOTP-JUDY", "judy", "crealm", TokenKind::Hotp, "cpin", 0x88),
    (CHILD, "C-HOTP-CONLY", "conly", "crealm", TokenKind::Hotp, "cpin", 0x99),
    (CHILD, "C-HOTP-FREE", "", "", TokenKind::Hotp, "cpin", 0xaa),
    (CHILD, "C2-HOTP-ALICE", "alice", "crealm2", TokenKind::Hotp, "c2pin", 0xbb),
    (CHILD, "C2-SPASS-ZOE", "zoe", "crealm2", TokenKind::Spass, "zspass", 0),
];

impl World {
    /// The servers as `up` made them.
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = || Arc::new(Store::Memory(MemoryStore::new(1 << 22)));
        let place = || Place { tokens: store(), challenges: store() };
        let places = BTreeMap::from([(PARENT, place()), (CHILD, place())]);
        let world = Self { places, transactions: Vec::new() };
        let start = Timestamp::from_millis(1_795_304_000_000);
        for row in TOKENS {
            world.local(row.0, "").add(of_row(row), start).await.unwrap();
        }
        let passwords =
            [(PARENT, "P-PW-DAVE", "ppin", "parentpw"), (CHILD, "C-PW-DAVE", "cpin", "childpw")];
        for (server, serial, pin, password) in passwords {
            let password = Some(Secret::new(password.into()));
            let new = NewToken {
                user: "dave".into(),
                password,
                ..token(serial, TokenKind::Password, pin)
            };
            world.local(server, "").add(new, start).await.unwrap();
        }
        let heidi = NewToken {
            user: "heidi".into(),
            secret: Some(Secret::new([RFC, b"123456789012"].concat())),
            algorithm: Algorithm::Sha256,
            digits: Digits::Eight,
            period: 60,
            ..token("C-TOTP8-HEIDI", TokenKind::Totp, "")
        };
        world.local(CHILD, "").add(heidi, start).await.unwrap();
        world.local(CHILD, "").set_enabled("C-HOTP-IVAN", false, start).await.unwrap();
        world
    }

    /// What our nodes answer to a recorded request.
    pub async fn answer(&mut self, recording: &Recording) -> Aspects {
        for (_, steps) in BETWEEN.iter().filter(|(name, _)| *name == recording.name) {
            for step in *steps {
                self.step(step, recording).await;
            }
        }
        let scene = self.scene(recording).await;
        let ours = |text: &str| {
            let rename =
                |text: String, (recorded, ours): &(String, String)| text.replace(recorded, ours);
            self.transactions.iter().fold(text.to_owned(), rename)
        };
        let (target, body) = (ours(recording.target()), ours(recording.body()));
        let request = Request {
            target: &target,
            content_type: recording.header("Content-Type"),
            user_agent: recording.header("User-Agent"),
            authorization: recording.header("Authorization"),
            body: body.as_bytes(),
            client: Some(recording.header("X-Forwarded-For").unwrap_or("127.0.0.1")),
        };
        let asked = if recording.server() == PARENT { &scene.parent } else { &scene.child };
        let (status, body) = asked.answer(&request).await;
        let body = scene.as_recorded(&String::from_utf8(body).unwrap());
        let document: Value = serde_json::from_str(&body).unwrap_or_default();
        let ours = document["detail"]["transaction_id"].as_str();
        if let (Some(recorded), Some(ours)) = (recording.transaction(), ours) {
            self.transactions.push((recorded.to_owned(), ours.to_owned()));
        }
        let mut aspects = Aspects::of(Some(status), &document);
        let asked = scene.child.asked.lock().unwrap().join("; ");
        if !asked.is_empty() {
            aspects.set("child is asked", &asked);
        }
        aspects
    }

    async fn step(&self, step: &Step, recording: &Recording) {
        let now = recording.at;
        match *step {
            Asked(form) => {
                let scene = self.scene(recording).await;
                let request = Request {
                    target: "/validate/check",
                    content_type: Some("application/x-www-form-urlencoded"),
                    body: form.as_bytes(),
                    ..Request::default()
                };
                scene.child.answer(&request).await;
            }
            Reset(server, serial) => self.local(server, "").reset(serial, now).await.unwrap(),
            Got(serial, pin, is_over) => {
                let valid_until = is_over.then_some(1);
                let new = token(serial, TokenKind::Spass, pin);
                let new = NewToken { user: "kate".into(), valid_until, ..new };
                self.local(CHILD, "").add(new, now).await.unwrap();
            }
            Lost(serial) => self.local(CHILD, "").remove(serial, now).await.unwrap(),
            IsAt(serial, counter) => {
                let row = *TOKENS.iter().find(|row| row.1 == serial).unwrap();
                self.local(CHILD, "").remove(serial, now).await.unwrap();
                let new = NewToken { counter, ..of_row(row) };
                self.local(CHILD, "").add(new, now).await.unwrap();
            }
        }
    }

    async fn scene(&self, recording: &Recording) -> Scene {
        let about = format!("{} {}", recording.name, recording.body());
        let part = |server| Part {
            local: self.local(server, &about),
            challenges: Arc::clone(&self.places[server].challenges),
        };
        Scene::of(&recording.name, part(PARENT), part(CHILD), recording.at).await
    }

    /// The local node of a server, as it was configured for a recording `about` this.
    fn local(&self, server: &str, about: &str) -> LocalNode {
        let key = Secret::new(vec![7; 32]);
        LocalNode::new(settings(server, about), Arc::clone(&self.places[server].tokens), &key)
    }
}

fn of_row((_, serial, user, realm, kind, pin, seed): Row) -> NewToken {
    let has_otp = kind != TokenKind::Spass;
    let seed = if seed == RFC_SEED { RFC.to_vec() } else { vec![seed; 20] };
    NewToken {
        user: user.into(),
        realm: realm.into(),
        secret: has_otp.then(|| Secret::new(seed)),
        ..token(serial, kind, pin)
    }
}

fn token(serial: &str, kind: TokenKind, pin: &str) -> NewToken {
    NewToken { serial: Some(serial.into()), pin: Secret::new(pin.into()), ..NewToken::new(kind) }
}

fn settings(server: &str, about: &str) -> LocalSettings {
    // A policy says so of these users; our node says so of types of tokens.
    let is_asked = ["frank", "grace", "FRANK"].iter().any(|user| about.contains(user));
    let kinds = if is_asked { vec![TokenKind::Hotp, TokenKind::Totp] } else { Vec::new() };
    let behind = about.starts_with("cfg_prependpin_false");
    let default_realm = if server == PARENT { "prealm" } else { "crealm" };
    LocalSettings {
        users: Some(users(server)),
        default_realm: default_realm.into(),
        pin: if behind { PinPosition::Behind } else { PinPosition::Front },
        challenge_response: kinds,
        max_fail: 10,
        fail_reset: None,
        window: 10,
        time_window: Duration::from_secs(180),
        auto_resync: about.starts_with("cfg_autoresync"),
    }
}

fn users(server: &str) -> Users {
    let both = BOTH.as_slice();
    if server == PARENT {
        return Users(of_resolver("prealm", "ppasswd", &[both, &["ponly"]].concat()));
    }
    let mut users = of_resolver("crealm", "cpasswd", &[both, &["conly"]].concat());
    users.extend(of_resolver("crealm2", "cpasswd2", &["alice", "zoe"]));
    Users(users)
}

/// Users as the recorded server read them from a passwd file.
fn of_resolver(realm: &str, resolver: &str, names: &[&str]) -> Vec<User> {
    let user = |(place, name): (usize, &&str)| {
        let (initial, rest) = name.split_at(1);
        let given = [&initial.to_uppercase(), rest].concat();
        let (mobile, mail) = (format!("+49123{place}"), format!("{name}@example.test"));
        let attributes = [
            ("cryptpass", "x"),
            ("description", &format!("{given} Example,room,{mobile},,{mail}")),
            ("email", &mail),
            ("givenname", &given),
            ("mobile", &mobile),
            ("phone", ""),
            ("surname", "Example"),
            ("userid", &(1000 + place).to_string()),
        ];
        User {
            name: (*name).into(),
            realm: realm.into(),
            resolver: resolver.into(),
            attributes: attributes.map(|(name, value)| (name.into(), value.into())).into(),
        }
    };
    names.iter().enumerate().map(user).collect()
}

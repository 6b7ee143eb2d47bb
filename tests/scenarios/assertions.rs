//! The signed assertion behind nginx, its keys, and what applications verify it with (attack class jwt-assertion).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use super::*;
use crate::support::daemon::{asserting, signing_key};
use crate::support::temporary_folder;
use crate::verify_assertion::{Refused, Verifier};

const NAME: &str = "X-Vouchsafe-Assertion";
const ISSUER: &str = "https://auth.example.com/";
const SILENT: &str = "silent.apps.example.com";
const MINUTE: u64 = 60;

/// Keys outside of the daemon's folder, so that they are there before it.
struct Keys(TempDir);

impl Keys {
    fn new(names: &[&str]) -> Self {
        let keys = Self(temporary_folder());
        for name in names {
            signing_key(&keys.path(name));
        }
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The shipped configuration with assertions, and with an application that wants none.
    fn config(&self, shipped: &str, names: &[&str]) -> String {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
        let other = format!(
            "applications:\n  - {{ name: silent, hosts: {SILENT}, exports: {{ Auth-User: uid }}, \
             rules: [{{ effect: allow }}] }}\n"
        );
        replace(&asserting(shipped, &paths), "applications:\n", &other)
    }
}

struct Asserting {
    world: World,
    _keys: Keys,
}

impl Asserting {
    fn start() -> Self {
        let keys = Keys::new(&["a.pem"]);
        let daemon = Daemon::start_with(|config| keys.config(&config, &["a.pem"]));
        Self { world: World::around(daemon), _keys: keys }
    }
}

static ASSERTING: LazyLock<Asserting> = LazyLock::new(Asserting::start);

/// The published keys, as the daemon answers anybody.
fn key_set(daemon: &Daemon) -> Value {
    let answer = Request::new("GET", PORTAL, "/.well-known/jwks.json").send(daemon.public);
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()
}

/// The one token of an answer to a check, straight from the daemon; `None` if it is empty.
#[track_caller]
fn token_of(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 200, "{answer}");
    let token = answer.one(NAME).expect("always there, once").to_owned();
    (!token.is_empty()).then_some(token)
}

#[track_caller]
fn new_token(daemon: &Daemon, host: &str) -> String {
    let check = Daemon::check_of("GET", "http", host, "/page").headers(MASTER);
    token_of(&check.send(daemon.public)).unwrap()
}

fn decoded(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn verifier(keys: Value) -> Verifier {
    Verifier { issuer: ISSUER.to_owned(), audience: APP.to_owned(), keys }
}

fn issued(token: &str) -> u64 {
    decoded(token, 1)["iat"].as_u64().unwrap()
}

#[test]
fn an_application_that_wants_it_gets_a_token_that_verifies() {
    let Asserting { world, .. } = &*ASSERTING;
    world.behind_each(|front| {
        let asked = allowed(&from_master("GET", "/page"), front);
        let [token] = asked.all(NAME)[..] else { panic!("{asked:?}") };
        let claims = verifier(key_set(&world.daemon)).verify(token, issued(token)).unwrap();
        assert_eq!((&claims["sub"], &claims["level"]), (&json!("dwho"), &json!(2)));
        assert!(claims["exp"].as_u64().unwrap() - issued(token) <= 5 * MINUTE);
        let host = "x.apps.example.com";
        let asked = allowed(&Request::new("GET", host, "/page").headers(MASTER), front);
        assert_eq!(decoded(asked.all(NAME)[0], 1)["aud"], host);
    });
}

#[test]
fn a_forged_token_arrives_under_no_effect_and_at_no_application() {
    let Asserting { world, .. } = &*ASSERTING;
    let evil = (NAME, "evil");
    for lines in [&[][..], &[evil], &[evil, evil], &[("X_Vouchsafe_Assertion", "evil")]] {
        world.behind_each(|front| {
            for path in ["/page", "/public/page"] {
                let asked = allowed(&from_master("GET", path).headers(lines), front);
                assert_eq!(decoded(asked.all(NAME)[0], 1)["sub"], "dwho");
                assert!(!asked.text().contains("evil"), "{asked:?}");
            }
            let silent = Request::new("GET", SILENT, "/page").headers(MASTER);
            for request in [
                stranger("GET", "/public/page"),
                stranger("GET", "/assets/page"),
                from_master("GET", "/assets/page"),
                silent,
            ] {
                let asked = allowed(&request.headers(lines), front);
                assert_eq!(asked.all(NAME), [""; 0], "{asked:?}");
                assert!(!asked.text().contains("evil"), "{asked:?}");
            }
            refused(&stranger("GET", "/page").headers(lines), front, 401, "login");
        });
    }
    // A101: nobody is told where keys are by a header of ours.
    world.behind_each(|front| {
        for name in ["X-Vouchsafe-Jwks", "X-Vouchsafe-Meta-Jwks"] {
            let request = from_master("GET", "/page").header(name, "https://evil.example/");
            refused(&request, front, 403, "bad-request");
        }
    });
}

#[test]
fn every_dialect_says_it_and_a_refusal_never_does() {
    let daemon = &ASSERTING.world.daemon;
    let forward = |path: &str| {
        Request::new("GET", APP, "/auth/forward").headers(&[
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Host", APP),
            ("X-Forwarded-Uri", path),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-For", "127.0.0.1"),
        ])
    };
    let checks: [&dyn Fn(&str) -> Request; 2] = [&|path| Daemon::check(path), &forward];
    for check in checks {
        let answer = check("/page").headers(MASTER).send(daemon.public);
        assert!(token_of(&answer).is_some(), "{answer}");
        assert!(answer.to_string().len() < 4096, "{answer}");
        for path in ["/public/x", "/assets/x"] {
            assert_eq!(token_of(&check(path).send(daemon.public)), None);
        }
        let refused = check("/page").send(daemon.public);
        assert_eq!((refused.status, refused.one(NAME)), (401, None), "{refused}");
    }
    let envoy = |path: &str| {
        let target = format!("/auth/envoy{path}");
        Request::new("GET", APP, &target).header("X-Forwarded-For", "127.0.0.1")
    };
    let removed = |answer: &Answer| {
        let names = answer.one("X-Envoy-Auth-Headers-To-Remove").unwrap_or_default();
        names.split(',').any(|name| name.eq_ignore_ascii_case(NAME))
    };
    let answer = envoy("/page").headers(MASTER).send(daemon.public);
    assert!(token_of(&answer).is_some() && !removed(&answer), "{answer}");
    for path in ["/public/x", "/assets/x"] {
        let answer = envoy(path).send(daemon.public);
        assert!(answer.one(NAME).is_none() && removed(&answer), "{answer}");
    }
}

#[test]
fn the_keys_are_for_everybody_may_be_kept_and_hold_nothing_private() {
    let Asserting { world, .. } = &*ASSERTING;
    world.behind_each(|front| {
        for to in [front, world.daemon.public] {
            let ask = |method| Request::new(method, PORTAL, "/.well-known/jwks.json");
            let answer = ask("GET").header("Origin", "https://evil.example").send(to);
            assert_eq!(answer.status, 200, "{answer}");
            assert_eq!(answer.one("Cache-Control"), Some("public, max-age=300"));
            assert_eq!(answer.one("Content-Type"), Some("application/jwk-set+json"));
            assert_eq!(answer.all("Set-Cookie"), [""; 0]);
            let cors =
                |(name, _): &(String, String)| name.to_lowercase().contains("access-control");
            assert!(!answer.headers.iter().any(cors), "{answer}");
            assert!(answer.json()["keys"][0].get("d").is_none(), "{answer}");
            assert_eq!(ask("HEAD").send(to).status, 200);
            assert_eq!(ask("POST").body("x").send(to).status, 405);
        }
    });
    assert_eq!(key_set(&WORLD.daemon), json!({ "keys": [] }), "nothing is signed there");
}

#[test]
fn after_a_logout_no_new_token_is_given_out() {
    let Asserting { world, .. } = &*ASSERTING;
    world.behind_each(|front| {
        let cookie = format!("vouchsafehttp={}", portal::login(front).id_http);
        let ask = |path: &str| stranger("GET", path).header("Cookie", &cookie);
        assert_eq!(allowed(&ask("/public/x"), front).all(NAME).len(), 1);
        let logout = Request::new("GET", PORTAL, "/?logout=1")
            .headers(&[("Cookie", &cookie), ("Accept", "application/json")]);
        assert_eq!(logout.send(front).status, 200);
        assert_eq!(allowed(&ask("/public/x"), front).all(NAME), [""; 0]);
        refused(&ask("/page"), front, 401, "login");
    });
}

#[test]
fn keys_are_rotated_without_a_token_that_is_refused() {
    let keys = Keys::new(&["a.pem", "b.pem"]);
    let shipped = std::cell::RefCell::new(String::new());
    let daemon = Daemon::start_with(|config| {
        shipped.replace(config.clone());
        keys.config(&config, &["a.pem"])
    });
    let restart_with = |names: &[&str]| {
        std::fs::write(daemon.path("config.yaml"), keys.config(&shipped.borrow(), names)).unwrap();
        assert_eq!(daemon.terminate(), Some(0));
        daemon.restart();
        (new_token(&daemon, APP), verifier(key_set(&daemon)))
    };
    let verifies = |verifier: &Verifier, token: &str| verifier.verify(token, issued(token));
    let (first, before) = (new_token(&daemon, APP), verifier(key_set(&daemon)));
    // 1. The new key is published, the old one signs: also for those who kept the old keys.
    let (second, both) = restart_with(&["a.pem", "b.pem"]);
    assert_eq!(both.keys["keys"].as_array().unwrap().len(), 2);
    assert!(verifies(&before, &second).is_ok());
    // 2. The new one signs, the old one is still published.
    let (third, turned) = restart_with(&["b.pem", "a.pem"]);
    assert_ne!(decoded(&third, 0)["kid"], decoded(&second, 0)["kid"]);
    for verifier in [&both, &turned] {
        for token in [&first, &second, &third] {
            assert!(verifies(verifier, token).is_ok());
        }
    }
    // 3. The old one is gone, and what it signed with it.
    let (fourth, after) = restart_with(&["b.pem"]);
    assert!(verifies(&after, &third).is_ok() && verifies(&after, &fourth).is_ok());
    assert_eq!(verifies(&after, &first), Err(Refused::UnknownKey));
}

/// Every way of A100 to make a token that nobody signed, out of a good one; and how to ask about it.
fn attacks(daemon: &Daemon) -> Vec<(&'static str, String)> {
    let good = new_token(daemon, APP);
    let (head, claims) = (decoded(&good, 0), decoded(&good, 1));
    let signature = good.rsplit('.').next().unwrap();
    let with = |name: &str, value: &str| {
        let mut head = head.clone();
        head[name] = json!(value);
        head
    };
    let admin = {
        let mut claims = claims.clone();
        claims["sub"] = json!("admin");
        claims
    };
    let resigned = |head: &Value, secret: &[u8]| {
        let text = format!("{}.{}", encoded(head), encoded(&admin));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let key = key_set(daemon)["keys"][0].clone();
    let public = key["x"].as_str().unwrap().to_owned();
    let raw = URL_SAFE_NO_PAD.decode(&public).unwrap();
    let joined =
        |head: &Value, claims: &Value| format!("{}.{}.{signature}", encoded(head), encoded(claims));
    let hs256 = with("alg", "HS256");
    let mut jwk = with("jku", "https://evil.example/jwks.json");
    jwk["jwk"] = key;
    vec![
        ("alg none", format!("{}.{}.", encoded(&with("alg", "none")), encoded(&admin))),
        ("alg none with a signature", joined(&with("alg", "none"), &claims)),
        ("HS256 with the public key", resigned(&hs256, &raw)),
        ("HS256 with the public key's text", resigned(&hs256, public.as_bytes())),
        ("another algorithm", joined(&with("alg", "ES256"), &claims)),
        ("an unknown kid", joined(&with("kid", "nobody"), &claims)),
        ("a kid that is a path", joined(&with("kid", "../../../dev/null"), &claims)),
        ("other claims", joined(&head, &admin)),
        ("a key of its own", joined(&jwk, &claims)),
        ("the token of another application", new_token(daemon, "x.apps.example.com")),
        ("no signature", format!("{}.{}.", encoded(&head), encoded(&claims))),
        ("nothing", String::new()),
    ]
}

#[test]
fn the_rust_example_believes_a_good_token_and_no_other() {
    let daemon = &ASSERTING.world.daemon;
    let (good, verifier) = (new_token(daemon, APP), verifier(key_set(daemon)));
    let now = issued(&good);
    assert_eq!(verifier.verify(&good, now).unwrap()["sub"], "dwho");
    assert_eq!(verifier.verify(&good, now + 6 * MINUTE), Err(Refused::Time));
    assert_eq!(verifier.verify(&good, now - MINUTE), Err(Refused::Time));
    for (what, token) in attacks(daemon) {
        assert!(verifier.verify(&token, now).is_err(), "{what}");
    }
    let elsewhere = Verifier { issuer: "https://evil.example/".into(), ..verifier };
    assert_eq!(elsewhere.verify(&good, now), Err(Refused::NotForUs));
}

/// What the Python example says about a token: its claims, or the last line of its complaint.
fn python(daemon: &Daemon, audience: &str, token: &str, now: u64) -> Result<Value, String> {
    let keys = format!("http://{}/.well-known/jwks.json", daemon.public);
    let mut child = Command::new(programs::python())
        .arg(programs::shipped("docs/examples/verify_assertion.py"))
        .args(["--issuer", ISSUER, "--audience", audience, "--keys", &keys])
        .args(["--now", &now.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(text.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn the_python_example_believes_a_good_token_and_no_other() {
    let daemon = &ASSERTING.world.daemon;
    let good = new_token(daemon, APP);
    let now = issued(&good);
    let claims = python(daemon, APP, &good, now).unwrap();
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("dwho"), &json!(APP)));
    let mut refused = vec![
        ("an expired one", python(daemon, APP, &good, now + 6 * MINUTE)),
        ("one of the future", python(daemon, APP, &good, now - MINUTE)),
        ("one for another audience", python(daemon, "other.example.com", &good, now)),
    ];
    for (what, token) in attacks(daemon) {
        refused.push((what, python(daemon, APP, &token, now)));
    }
    for (what, said) in refused {
        // Refused on purpose: a stack trace ends otherwise.
        assert!(said.as_ref().is_err_and(|text| text.starts_with("refused: ")), "{what}: {said:?}");
    }
}

/// P-256 as OpenSSL makes it, beside Ed25519.
#[test]
fn a_key_of_openssl_signs_too() {
    let keys = Keys::new(&["b.pem"]);
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"])
        .arg(keys.path("a.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let daemon = Daemon::start_with(|config| keys.config(&config, &["a.pem", "b.pem"]));
    let token = new_token(&daemon, APP);
    assert_eq!(decoded(&token, 0)["alg"], "ES256");
    assert!(verifier(key_set(&daemon)).verify(&token, issued(&token)).is_ok());
    assert_eq!(python(&daemon, APP, &token, issued(&token)).unwrap()["sub"], "dwho");
    // And OpenSSL reads ours.
    let read = Command::new("openssl")
        .args(["pkey", "-noout", "-text", "-in"])
        .arg(keys.path("b.pem"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&read.stdout).contains("ED25519"), "{read:?}");
}

//! `mfa`: what is accepted and as what, and what files that it names are told.

use std::process::Command;

use super::*;
use crate::support::certificates::Authority;
use crate::support::programs;
use vouchsafe::config::{MfaSettings, RegulationSettings};
use vouchsafe::domain::node::Event;
use vouchsafe::domain::secret::SecretDigest;
use vouchsafe::mfa::settings::{Mode, PinPosition, Position, Role, User};

/// [`GOOD`] with this below `mfa:`, read in that folder.
fn parse_in(folder: &Path, mfa: &str) -> Result<Settings, Diagnostics> {
    config::parse(&format!("{GOOD}\nmfa:\n{mfa}\n"), folder, &env)
}

/// The same, good and without a warning.
#[track_caller]
fn settings_in(folder: &Path, mfa: &str) -> MfaSettings {
    let settings = parse_in(folder, mfa).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(settings.warnings, Vec::<String>::new());
    settings.mfa.unwrap()
}

#[track_caller]
fn settings(mfa: &str) -> MfaSettings {
    settings_in(Path::new("nowhere"), mfa)
}

/// The one error: where, and a part of what is said.
#[track_caller]
fn refused(folder: &Path, mfa: &str, path: &str, said: &str) {
    let errors = parse_in(folder, mfa).map(|_| ()).unwrap_err();
    assert_eq!(errors.errors(), 1, "{mfa}: {errors}");
    let found = errors.iter().find(|found| found.severity == Severity::Error).unwrap();
    assert_eq!(found.path, path, "{mfa}: {errors}");
    assert!(found.to_string().contains(said), "{mfa}: {errors}");
    assert!(found.help.is_some(), "{mfa}: {errors}");
}

/// The conditions of a handler, as they are shown to programmers.
#[track_caller]
fn condition(written: &str) -> String {
    let mfa = settings(&format!(
        "  servers: {{ lab: {{ url: https://mfa.lab.example.com }} }}\n  handlers:\n    - {{ name: a, \
         event: validate_check, position: pre, action: forward, options: {{ server: lab }}, conditions: \
         {{ {written} }} }}"
    ));
    format!("{:?}", mfa.federation.handlers[0].conditions)
}

const FULL: &str = r#"
  base: hq
  api: { callers: [127.0.0.0/8], keys: [{ env: KEY }, in-the-clear-and-long], override_client: 127.0.0.2 }
  auth_level: 7
  accept_without_serial: true
  signing_key: { file: data/sign.pem }
  challenge_validity: 3m
  realms: [Old, "old, ", ""]
  regulation: { free_failures: 0, pause: 2s, longest_pause: 2s, per_client: 9 }
  servers:
    hq: { url: https://mfa.hq.example.com/, role: parent, timeout: 1s, api_key: { env: CONTROL } }
    lab: { url: "https://mfa.lab.example.com:8443/edumfa/", connect_timeout: 10ms, in_flight: 3,
      breaker: { failures: 2, pause: 1m }, probe_interval: 5s }
  handlers:
    - { name: third, event: [validate_triggerchallenge, validate_poll_transaction], order: 2, mode: race,
        active: false, action: forward, options: { server: hq } }
    - { name: first of all, event: "validate_check, validate_check", position: pre, order: -1, when_unknown: match,
        on_error: fail, action: forward, conditions: { realm: [Lab, "a , b"] },
        options: { server: lab, client_ip: true, realm: labrealm, resolver: labusers, forward_authorization: true } }
    - { name: second, event: validate_check, order: 2, position: pre, action: forward, options: { server: lab } }
"#;

#[test]
fn what_is_left_out_has_its_default() {
    let mfa = settings("  base: local");
    assert_eq!((mfa.auth_level, mfa.accept_without_serial), (5, false));
    assert!(mfa.api.is_none() && mfa.signing_key.is_none());
    assert_eq!(mfa.federation.base, Base::Local);
    assert_eq!(mfa.federation.challenge_validity, Duration::from_mins(2));
    assert_eq!(mfa.federation.realms, Vec::<Box<str>>::new());
    let regulation = RegulationSettings {
        free_failures: 5,
        pause: Duration::from_secs(1),
        longest_pause: Duration::from_mins(5),
        per_client: 30,
    };
    assert_eq!(mfa.regulation, regulation);
    let local = mfa.local.unwrap();
    assert_eq!(local.store, Path::new("nowhere/data/mfa.redb"));
    assert!(matches!(local.key, KeySource::File(file) if file.ends_with("data/mfa.key")));
    let local = local.settings;
    assert!(local.users.is_none() && local.fail_reset.is_none() && !local.auto_resync);
    assert_eq!((&*local.default_realm, local.pin), ("local", PinPosition::Front));
    assert_eq!((local.max_fail, local.window), (10, 10));
    assert_eq!(local.time_window, Duration::from_secs(180));
    assert_eq!(local.challenge_response, []);
    assert!(good(GOOD).mfa.is_none());
}

#[test]
fn everything_that_is_written_arrives() {
    let mfa = settings(FULL);
    assert_eq!((mfa.auth_level, mfa.accept_without_serial), (7, true));
    assert!(mfa.local.is_none());
    assert_eq!(mfa.signing_key.as_deref(), Some(Path::new("nowhere/data/sign.pem")));
    let federation = &mfa.federation;
    assert_eq!(federation.base, Base::Server(0));
    assert_eq!(federation.challenge_validity, Duration::from_mins(3));
    assert_eq!(federation.realms, ["old", "lab", "a", "b"].map(Box::from));
    let [hq, lab] = &federation.servers[..] else { panic!() };
    assert_eq!((&*hq.name, &*hq.url, hq.role), ("hq", "https://mfa.hq.example.com", Role::Parent));
    assert_eq!((hq.timeout, hq.connect_timeout), (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!(hq.api_key.as_ref().unwrap().expose(), b"hush-hush");
    assert_eq!((&*lab.url, lab.role), ("https://mfa.lab.example.com:8443/edumfa", Role::Child));
    assert_eq!((lab.in_flight.get(), lab.connect_timeout), (3, Duration::from_millis(10)));
    assert_eq!((lab.breaker.failures, lab.breaker.pause), (2, Duration::from_mins(1)));
    assert_eq!((lab.timeout, lab.probe_interval), (Duration::from_secs(5), Duration::from_secs(5)));
    assert!(!lab.tls.is_unverified && lab.tls.ca.is_none() && lab.tls.client.is_none());
    let names: Vec<&str> = federation.handlers.iter().map(|handler| &*handler.name).collect();
    assert_eq!(names, ["first of all", "third", "second"]);
    let [first, third, _] = &federation.handlers[..] else { panic!() };
    assert_eq!((first.position, &first.events[..]), (Position::Pre, &[Event::Check][..]));
    assert!(first.unknown_matches && first.is_active && !third.is_active);
    assert_eq!((third.mode, &third.events[..]), (Mode::Race, &[Event::Trigger, Event::Poll][..]));
    let forward = &first.forward;
    assert!(forward.client_ip && forward.authorization && forward.server == 1);
    assert_eq!(forward.realm.as_deref(), Some("labrealm"));
    assert_eq!(forward.resolver.as_deref(), Some("labusers"));
    let api = mfa.api.unwrap();
    let names: Vec<&str> = api.keys.iter().map(|key| &*key.name).collect();
    assert_eq!(names, ["key-1", "key-2"]);
    assert!(api.keys[1].digest.matches(&SecretDigest::of(b"in-the-clear-and-long")));
    assert!(api.override_client.contains("127.0.0.2".parse().unwrap()));
}

#[test]
fn no_secret_of_it_is_shown() {
    let text = FULL.replace("{ env: CONTROL }", "hush-hush");
    let shown = format!("{:?}", settings(&text));
    for secret in ["hush-hush", "in-the-clear", "kkkk"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn conditions_are_read_as_people_write_them() {
    for (written, expected) in [
        ("result_value: 'True'", "[ResultValue(true)]"),
        ("result_value: 0", "[ResultValue(false)]"),
        ("result_status: '1', token_locked: FALSE", "[ResultStatus(true), TokenLocked(false)]"),
        ("result_authentication: reject", "[ResultAuthentication(Reject)]"),
        ("logged_in_user: user", "[LoggedInUser(User)]"),
        ("tokentype: 'hotp, totp'", r#"[TokenType(["hotp", "totp"])]"#),
        ("resolver: [a, b]", r#"[Resolver(["a", "b"])]"#),
        ("failcounter: 5", "[FailCounter(Comparison { operator: Equal, number: 5 })]"),
        ("failcounter: -1", "[FailCounter(Comparison { operator: Equal, number: -1 })]"),
        ("otp_counter: ' < 5'", "[OtpCounter(Comparison { operator: Less, number: 5 })]"),
        ("count_auth: '=>3'", "[CountAuth(Comparison { operator: AtLeast, number: 3 })]"),
        ("count_auth: '=<3'", "[CountAuth(Comparison { operator: AtMost, number: 3 })]"),
        ("count_auth: '==3'", "[CountAuth(Comparison { operator: Equal, number: 3 })]"),
        ("count_auth: '!= 3'", "[CountAuth(Comparison { operator: NotEqual, number: 3 })]"),
        ("user_token_number: '=0'", "[UserTokenNumber(Comparison { operator: Equal, number: 0 })]"),
        ("last_auth: 10d", "[LastAuth(864000s)]"),
        ("last_auth: 2y", "[LastAuth(63072000s)]"),
        ("last_auth: 1h 30m", "[LastAuth(5400s)]"),
        ("rollout_state: ''", r#"[RolloutState("")]"#),
        ("tokeninfo: 'a == b c'", r#"[TokenInfo("a", Equal, "b c")]"#),
        ("tokeninfo: 'a!='", r#"[TokenInfo("a", NotEqual, "")]"#),
        ("tokeninfo: a > 3", r#"[TokenInfo("a", Greater, "3")]"#),
    ] {
        assert_eq!(condition(written), expected, "{written}");
    }
}

#[test]
fn patterns_know_where_they_may_match() {
    let shown = condition("serial: OATH|TOTP, detail_message: wrong");
    assert_eq!(shown, r#"[DetailMessage(Regex("wrong")), Serial(Regex("\\A(?:OATH|TOTP)"))]"#);
}

#[test]
fn networks_may_be_left_out_of_others() {
    let shown = condition("client_ip: ['10.0.0.0/8, !10.1.0.0/16', '-10.2.0.0/16 192.0.2.1']");
    assert_eq!(
        shown,
        "[ClientIp(Networks([10.0.0.0/8, 192.0.2.1/32]), Networks([10.1.0.0/16, 10.2.0.0/16]))]"
    );
}

#[test]
fn a_node_may_be_on_this_machine_but_not_be_this_daemon() {
    // F8.
    let own = |listen: &str, url: &str| {
        let text = format!(
            "{GOOD}\nlisten: {{ public: '{listen}' }}\nmfa: {{ servers: {{ a: {{ url: '{url}' }} }} }}"
        );
        parse(&text).is_err()
    };
    for (listen, url, is_own) in [
        ("127.0.0.1:9080", "http://127.0.0.1:9080/x", true),
        ("127.0.0.1:9080", "http://localhost:9080", true),
        ("127.0.0.1:9080", "http://127.0.0.2:9080", false),
        ("127.0.0.1:9080", "http://127.0.0.1:9081", false),
        ("0.0.0.0:9080", "http://127.0.0.2:9080", true),
        ("10.0.0.1:443", "https://10.0.0.1", true),
        ("10.0.0.1:9080", "http://localhost:9080", false),
        ("[::1]:9080", "http://[0:0::1]:9080", true),
        ("127.0.0.1:0", "http://127.0.0.1:9080", false),
        ("unix:/run/a.sock", "http://127.0.0.1:9080", false),
        ("127.0.0.1:9080", "https://auth.example.com:443/sub", true),
        ("127.0.0.1:9080", "https://auth.example.com:8443/", false),
    ] {
        assert_eq!(own(listen, url), is_own, "{listen} {url}");
    }
}

#[test]
fn applications_take_factors_in_requests_only_if_they_say_so() {
    let rides = |text: &str| {
        let settings = good(text);
        settings.policy.applications.find("a.example.com").unwrap().factor_in_request
    };
    assert!(!rides(GOOD));
    let text = GOOD.replace("name: a\n", "name: a\n    factor_in_request: true\n");
    assert!(rides(&format!("{text}\nmfa: {{ base: local }}")));
}

// === Files ===

/// What `mfa.local.users` says, with this file beside the configuration.
fn with_users(name: &str, content: &str, more: &str) -> Result<Settings, Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    parse_in(folder.path(), &format!("  local: {{ users: {name}{more} }}"))
}

fn user(name: &str, realm: &str, resolver: &str, attributes: &[(&str, &str)]) -> User {
    let attributes = attributes.iter().map(|(key, value)| ((*key).into(), (*value).into()));
    User {
        name: name.into(),
        realm: realm.into(),
        resolver: resolver.into(),
        attributes: attributes.collect(),
    }
}

#[test]
fn users_come_from_yaml_or_csv_alike() {
    let yaml = "- { user: dwho, realm: Home, resolver: passwd, attributes: { mail: d@x, phone: \"1\" } }\n\
                - user: rtyler\n  attributes: { phone: \"2,3\" }\n";
    let csv = "\u{feff}user,realm,resolver,mail,phone\r\ndwho, Home ,passwd,d@x,1\r\nrtyler,,,,\"2,3\"\r\n";
    for (name, content) in [("users.yaml", yaml), ("users.yml", yaml), ("users.CSV", csv)] {
        let mfa = with_users(name, content, "").unwrap().mfa.unwrap();
        let local = mfa.local.unwrap().settings;
        let expected = [
            user("dwho", "home", "passwd", &[("mail", "d@x"), ("phone", "1")]),
            user("rtyler", "home", "", &[("phone", "2,3")]),
        ];
        assert_eq!(local.users.unwrap().0, expected, "{name}");
        assert_eq!(&*local.default_realm, "home");
        assert_eq!(mfa.federation.realms, ["home"].map(Box::from));
    }
    let mfa = with_users("users.csv", csv, ", default_realm: Other").unwrap();
    assert_eq!(mfa.warnings.len(), 0, "{:?}", mfa.warnings);
    let local = mfa.mfa.unwrap().local.unwrap().settings;
    assert_eq!(&*local.users.unwrap().0[1].realm, "other");
    let unknown = with_users("users.csv", "user,realm\na,b\n", ", default_realm: c").unwrap();
    assert!(unknown.warnings[0].contains("no user has this realm"), "{:?}", unknown.warnings);
}

#[test]
fn what_is_wrong_with_a_user_is_told_with_the_files_own_line() {
    let long = "x".repeat(257);
    for (name, content, said) in [
        (
            "u.yaml",
            "- { user: a }\n- { user: a }\n",
            "u.yaml line 2: the user 'a' of this realm stands in line 1",
        ),
        ("u.yaml", "- { user: a }\n- { usr: b }\n", "u.yaml line 2: unknown key `usr`"),
        ("u.yaml", "- { user: a, user: b }\n", "line 1: the key `user` stands twice"),
        ("u.yaml", "- { realm: b }\n", "line 1: there is no `user`"),
        ("u.yaml", "- { user: 5 }\n", "line 1: integer `5` does not fit here"),
        ("u.yaml", "users: []\n", "u.yaml: a mapping does not fit here"),
        ("u.yaml", "- {\n", "not YAML"),
        ("u.csv", "name,realm\na,b\n", "line 1: there is no column `user`"),
        ("u.csv", "", "line 1: there is no column `user`"),
        ("u.csv", "user,realm,realm\n", "line 1: the column `realm` stands twice"),
        ("u.csv", "user,\n", "line 1: a column has no name"),
        ("u.csv", "user,realm\na,b\nc,d,e\n", "u.csv line 3: 3 fields where the first line has 2"),
        ("u.csv", "user,realm\na,b\n,d\n", "line 3: there is no `user`"),
        ("u.csv", "user,realm\na,A\na,a\n", "line 3: the user 'a' of this realm stands in line 2"),
        ("u.csv", &format!("user\n{long}\n"), "line 2: not a login; use at most 256"),
        ("u.csv", &format!("user,realm\na,{long}\n"), "line 2: not a realm"),
    ] {
        let errors = with_users(name, content, "").map(|_| ()).unwrap_err();
        let flat = errors.to_string().replace("\nhelp: ", "; ");
        let wanted: Vec<&str> = said.split("; ").collect();
        assert!(wanted.iter().all(|part| flat.contains(part)), "{content:?}: {errors}");
        assert!(errors.iter().all(|found| found.path == "mfa.local.users" && found.help.is_some()));
    }
}

#[test]
fn a_file_of_many_faults_does_not_bury_the_others() {
    let many = format!("user,realm\n{}", ",x\n".repeat(5_000));
    let errors = with_users("u.csv", &many, ", window: 0").map(|_| ()).unwrap_err();
    assert!(errors.iter().count() < 110);
}

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new(programs::debian("/usr/bin/openssl", "openssl"));
    let made = command.args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn the_files_of_a_servers_tls_are_read_and_fit_together() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.issue("own");
    let folder = authority.cert().parent().unwrap().to_owned();
    std::fs::copy(other.issue("own").key, folder.join("other.key")).unwrap();
    let with = |tls: &str| {
        format!("  servers: {{ lab: {{ url: https://lab.example.com, tls: {{ {tls} }} }} }}")
    };
    let pair = "client_certificate: own.pem, client_key: own.key";
    let mfa = settings_in(&folder, &with(&format!("ca: authority.pem, {pair}")));
    let tls = &mfa.federation.servers[0].tls;
    assert!(!tls.is_unverified && tls.ca.as_ref().unwrap().starts_with(b"-----BEGIN CERT"));
    let (certificate, key) = tls.client.as_ref().unwrap();
    assert!(certificate.starts_with(b"-----BEGIN CERT") && key.expose().starts_with(b"-----BEGIN"));
    let at = |key: &str| format!("mfa.servers.lab.tls.{key}");
    let foreign = "client_certificate: own.pem, client_key: other.key";
    for (tls, key, said) in [
        (foreign, "client_key", "does not belong"),
        (
            "client_certificate: own.key, client_key: own.key",
            "client_certificate",
            "no certificate",
        ),
        ("client_certificate: own.pem, client_key: own.pem", "client_key", "no private key"),
        ("client_certificate: own.pem", "client_key", "is missing"),
        ("client_key: own.key", "client_certificate", "is missing"),
        ("ca: own.key", "ca", "no certificate"),
        ("ca: gone.pem", "ca", "cannot be read"),
    ] {
        refused(&folder, &with(tls), &at(key), said);
    }
}

#[test]
fn keys_of_signatures_are_rsa_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::new();
    let folder = authority.cert().parent().unwrap().to_owned();
    openssl(&folder, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem");
    openssl(&folder, "pkey -in rsa.pem -pubout -out rsa.pub");
    openssl(&folder, "pkey -in authority.key -pubout -out ec.pub");
    let server = |key: &str| {
        format!("  servers: {{ lab: {{ url: https://lab.example.com, signature_key: {key} }} }}")
    };
    let mfa = settings_in(&folder, &server("rsa.pub"));
    let key = mfa.federation.servers[0].signature_key.as_deref().unwrap();
    assert!(key.starts_with("-----BEGIN PUBLIC KEY-----"));
    for wrong in ["rsa.pem", "ec.pub", "authority.pem"] {
        let at = "mfa.servers.lab.signature_key";
        refused(&folder, &server(wrong), at, "there is no public RSA key");
    }
    let own = |key: &str| format!("  signing_key: {{ file: {key} }}");
    let mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.join("rsa.pem"), permissions).unwrap();
    };
    mode(0o600);
    let mfa = settings_in(&folder, &own("rsa.pem"));
    assert_eq!(mfa.signing_key, Some(folder.join("rsa.pem")));
    mode(0o644);
    let open = parse_in(&folder, &own("rsa.pem")).unwrap().warnings;
    assert!(open.len() == 1 && open[0].contains("chmod 600"), "{open:?}");
    refused(&folder, &own("authority.key"), "mfa.signing_key.file", "no RSA key");
    refused(&folder, &own("rsa.pub"), "mfa.signing_key.file", "no private key");
}

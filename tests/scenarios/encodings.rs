//! How values are written: by a master, to an application, and those that must not be written at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envoy_types::ext_authz::v3::pb::HeaderValue;

use super::grpc::{Asked as Check, Here, sent_on, told};
use super::*;

const ENCODINGS: [&str; 5] = ["utf8", "latin1", "percent", "base64", "rfc8187"];
const TEXT: &str = "Amélie £5";
/// The same in each encoding.
const WRITTEN: [(&str, &[u8]); 5] = [
    ("utf8", "Amélie £5".as_bytes()),
    ("latin1", b"Am\xe9lie \xa35"),
    ("percent", b"Am%C3%A9lie%20%C2%A35"),
    ("base64", b"QW3DqWxpZSDCozU="),
    ("rfc8187", b"UTF-8''Am%C3%A9lie%20%C2%A35"),
];

/// One piece of text for each pair of encodings, one behind the other.
fn for_each_pair(text: impl Fn(&str, &str) -> String) -> String {
    let pairs = ENCODINGS.iter().flat_map(|from| ENCODINGS.iter().map(move |to| (from, to)));
    pairs.map(|(from, to)| text(from, to)).collect()
}

/// A variable for each encoding, and an export of each in each; and groups that are escaped.
fn configured(config: &str) -> String {
    let variables = ENCODINGS
        .map(|from| format!("\n    {from}: {{ header: Master-{from}, encoding: {from} }}"))
        .concat();
    let keys = format!("  exported_vars:{variables}");
    let config = replace(config, "  exported_vars:", &keys);
    let list = "header: Auth-Groups,";
    let config = replace(&config, list, &format!("{list} encoding: percent,"));
    let exports = for_each_pair(|from, to| {
        format!(", App-{from}-{to}: {{ variable: {from}, encoding: {to} }}")
    });
    let escaped = ", App-Groups: { variable: groups, encoding: percent }";
    let list = "exports: { Auth-User: uid";
    replace(&config, list, &[list, &exports, escaped].concat())
}

fn world() -> World {
    World::around_with(Daemon::start_with(|config| configured(&config)), |file, text| {
        let lines = match file {
            "auth.conf" => {
                let set = for_each_pair(|from, to| {
                    format!("auth_request_set $a_{from}_{to} $upstream_http_app_{from}_{to};\n")
                });
                [&set, "auth_request_set $a_groups $upstream_http_app_groups;\n"].concat()
            }
            "to_app.conf" => {
                let set = for_each_pair(|from, to| {
                    format!("proxy_set_header App-{from}-{to} $a_{from}_{to};\n")
                });
                let masters =
                    ENCODINGS.map(|from| format!("proxy_set_header Master-{from} \"\";\n"));
                [&set, "proxy_set_header App-Groups $a_groups;\n", &masters.concat()].concat()
            }
            _ => String::new(),
        };
        [text, lines].concat()
    })
}

/// The bytes of what the master sends for `user`, with header lines that are no text.
fn asserting(user: &str, lines: &[(&str, &[u8])]) -> Vec<u8> {
    let request = stranger("GET", "/page").headers(&[("CN", user), ("control", "password")]);
    let mut bytes = request.bytes();
    bytes.truncate(bytes.len() - 2);
    for (name, value) in lines {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes
}

#[track_caller]
fn passed(front: SocketAddr, bytes: &[u8]) -> Asked {
    let answer = support::client::exchange(front, bytes).unwrap();
    Asked::from(&answer).unwrap_or_else(|| panic!("not the application's answer: {answer}"))
}

fn dropped(daemon: &Daemon, reason: &str) -> u32 {
    let admin = daemon.admin;
    let metrics = Request::new("GET", &admin.to_string(), "/metrics").send(admin);
    let text = String::from_utf8(metrics.body).unwrap();
    let start =
        format!("vouchsafe_exports_dropped_total{{application=\"wiki\",reason=\"{reason}\"}} ");
    let count = text.lines().find_map(|line| line.strip_prefix(&start));
    count.unwrap_or_else(|| panic!("no {start} in {text}")).parse().unwrap()
}

fn warnings(daemon: &Daemon) -> usize {
    daemon.log().matches("is not sent to an application").count()
}

#[test]
fn an_application_gets_each_value_as_it_wants_it_however_the_master_writes_it() {
    let world = world();
    let lines: Vec<(String, &[u8])> =
        WRITTEN.iter().map(|(from, value)| (format!("Master-{from}"), *value)).collect();
    let lines: Vec<(&str, &[u8])> = lines.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    world.behind_each(|front| {
        let asked = passed(front, &asserting("dwho", &lines));
        for from in ENCODINGS {
            for (to, value) in WRITTEN {
                // Of what is not UTF-8 the application tells the bytes.
                let expected = std::str::from_utf8(value)
                    .map_or_else(|_| value.escape_ascii().to_string(), str::to_owned);
                assert_eq!(asked.all(&format!("App-{from}-{to}")), [expected], "{from} as {to}");
            }
        }
        assert!(asked.names().iter().all(|name| !name.starts_with("master-")), "{asked:?}");
    });
    assert_eq!(warnings(&world.daemon), 0, "{}", world.daemon.log());
}

#[test]
fn line_breaks_inside_of_an_encoded_value_never_reach_an_application() {
    let world = world();
    let injected = "dwho\r\nX-Inject: evil";
    let base64 = STANDARD.encode(injected);
    let lines: [(&str, &[u8]); 5] = [
        ("Master-base64", base64.as_bytes()),
        ("Master-percent", b"dwho%0D%0AX-Inject:%20evil"),
        ("Master-rfc8187", b"UTF-8''dwho%0d%0aX-Inject%3a%20evil"),
        // A line break to some programs, U+0085, in one byte and in two.
        ("Master-latin1", b"dwho\x85X-Inject: evil"),
        ("Master-utf8", b"dwho\xc2\x85X-Inject: evil"),
    ];
    let users = ["dwho", "rtyler"];
    for (sent, user) in (1..).zip(users) {
        world.behind_each(|front| {
            let asked = passed(front, &asserting(user, &lines));
            assert_eq!(asked.all("Auth-User"), [user]);
            let names = asked.names();
            let alien = names.iter().find(|name| name.starts_with("app-") || *name == "x-inject");
            assert_eq!(alien, None, "{asked:?}");
            let text = asked.text();
            assert!(!text.contains("evil") && !text.contains(base64.as_str()), "{text}");
        });
        // Rendered once a session, whatever it is asked for; told once at all.
        assert_eq!(dropped(&world.daemon, "control_bytes"), 25 * sent);
        assert_eq!(warnings(&world.daemon), 25, "{}", world.daemon.log());
    }
    let log = world.daemon.log();
    let line = log.lines().find(|line| line.contains("app-base64-rfc8187")).unwrap();
    for part in ["WARN", "wiki", "base64", "control_bytes"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!log.contains("evil"), "{log}");
}

#[test]
fn what_is_not_in_its_encoding_is_refused_and_what_cannot_be_written_is_left_out() {
    let world = world();
    world.behind_each(|front| {
        for (name, value) in [
            ("Master-utf8", &b"Am\xe9lie"[..]),
            ("Master-percent", b"100%"),
            ("Master-percent", b"%e9"),
            ("Master-base64", b"QQ"),
            ("Master-rfc8187", b"Amelie"),
        ] {
            let answer = support::client::exchange(front, &asserting("dwho", &[(name, value)]));
            let answer = answer.unwrap();
            assert_eq!(answer.status, 403, "{name}: {answer}");
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("master-refused"));
        }
        let lines: [(&str, &[u8]); 2] =
            [("Master-percent", b"%E2%82%AC"), ("Auth-Groups", b"users;x%3Badmins")];
        let asked = passed(front, &asserting("dwho", &lines));
        assert_eq!(asked.all("App-percent-latin1"), [""; 0]);
        assert_eq!(asked.all("App-percent-utf8"), ["€"]);
        // Joined as they are, two groups would be three.
        assert_eq!(asked.all("Auth-Groups"), [""; 0]);
        assert_eq!(asked.all("App-Groups"), ["users;x%3Badmins"]);
    });
    assert_eq!(dropped(&world.daemon, "not_latin1"), 1);
    assert_eq!(dropped(&world.daemon, "separator"), 1);
}

#[test]
fn what_grpc_cannot_carry_is_removed_and_not_left_to_the_client() {
    let here = Here::start_with(|config| configured(&config));
    let ask = |lines: &[(&str, &[u8])]| {
        let client = Check::about("/page").header("App-latin1-latin1", "evil");
        let asserted = client.headers(&[("CN", "dwho"), ("control", "password")]);
        let mut request = asserted.request();
        let http = request.attributes.as_mut().unwrap().request.as_mut().unwrap();
        let map = http.http.as_mut().unwrap().header_map.as_mut().unwrap();
        map.headers.extend(lines.iter().map(|(name, value)| HeaderValue {
            key: name.to_ascii_lowercase(),
            raw_value: value.to_vec(),
            ..HeaderValue::default()
        }));
        let answer = here.check(request).unwrap();
        assert_eq!(told(&answer).0, 200, "{answer:?}");
        sent_on(&answer)
    };
    let (set, removed) = ask(&[("Master-latin1", b"Am\xe9lie \xa35")]);
    assert_eq!(set["app-latin1-utf8"], TEXT);
    assert_eq!(set["app-latin1-rfc8187"], "UTF-8''Am%C3%A9lie%20%C2%A35");
    assert!(!set.contains_key("app-latin1-latin1"));
    assert!(removed.iter().any(|name| name == "app-latin1-latin1"), "{removed:?}");
    assert_eq!(dropped(&here.daemon, "not_utf8"), 1);
    assert_eq!(warnings(&here.daemon), 1, "{}", here.daemon.log());

    // Nobody parses HTTP here, so even a plain value may hold a line break.
    let (set, removed) =
        ask(&[("Master-utf8", b"a\r\nX-Inject: evil"), ("Master-base64", b"YQ0KYg==")]);
    for from in ["utf8", "base64"] {
        for to in ENCODINGS {
            let name = format!("app-{from}-{to}");
            assert!(!set.contains_key(&name) && removed.contains(&name), "{name}");
        }
    }
    assert_eq!(dropped(&here.daemon, "control_bytes"), 10);
}

//! What a client cannot smuggle in when there are many exports, and what a large answer costs.

use super::*;

/// As many exported variables as attack A25 has.
const VARIABLES: usize = 20;

/// One piece of text for each variable, one behind the other.
fn for_each(text: impl Fn(usize) -> String) -> String {
    (1..=VARIABLES).map(text).collect::<Vec<_>>().concat()
}

/// A world with twenty more exports, in config.yaml and in the shipped files as their comments tell.
fn many_exports() -> World {
    let daemon = Daemon::start_with(|config| {
        let exported = for_each(|n| format!("\n    var{n}: Master-{n}"));
        let exports = for_each(|n| format!(", App-{n}: var{n}"));
        let keys = format!("  exported_vars:{exported}");
        let config = replace(&config, "  exported_vars:", &keys);
        let list = format!("exports: {{ Auth-User: uid{exports}");
        replace(&config, "exports: { Auth-User: uid", &list)
    });
    World::around_with(daemon, |file, text| match file {
        "auth.conf" => {
            [text, for_each(|n| format!("auth_request_set $app_{n} $upstream_http_app_{n};\n"))]
                .concat()
        }
        "to_app.conf" => {
            let lines = for_each(|n| {
                format!("proxy_set_header App-{n} $app_{n};\nproxy_set_header Master-{n} \"\";\n")
            });
            [text, lines].concat()
        }
        _ => text,
    })
}

#[test]
fn of_twenty_exports_none_can_be_set_by_a_client_under_any_effect() {
    let world = many_exports();
    let evil: Vec<(String, String)> = (1..=VARIABLES)
        .flat_map(|n| {
            [(format!("App-{n}"), "evil".to_owned()), (format!("Master-{n}"), "evil".to_owned())]
        })
        .collect();
    let evil: Vec<(&str, &str)> = evil.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    world.behind_each(|front| {
        for path in ["/public/x", "/assets/x"] {
            // Without the control header the master's address asserts nothing.
            let asked = allowed(&stranger("GET", path).headers(&evil), front);
            for (name, _) in &evil {
                assert_eq!(asked.all(name), Vec::<&str>::new(), "{name} on {path}");
            }
        }
        let own: Vec<(&str, &str)> =
            evil.iter().copied().filter(|(n, _)| n.starts_with("App-")).collect();
        let asked =
            allowed(&from_master("GET", "/page").headers(&own).header("Master-7", "seven"), front);
        for (name, _) in own {
            let expected: &[&str] = if name == "App-7" { &["seven"] } else { &[] };
            assert_eq!(asked.all(name), expected, "{name}");
        }
    });
}

#[test]
fn an_answer_above_four_kilobytes_passes_and_the_operator_is_told() {
    let world = World::start();
    let long = "x".repeat(4000);
    world.behind_each(|front| {
        let headers = [("CN", "dwho"), ("control", "password"), ("User-Email", long.as_str())];
        let asked = allowed(&stranger("GET", "/page").headers(&headers), front);
        assert_eq!(asked.all("Auth-Mail"), [long.as_str()]);
    });
    let admin = world.daemon.admin;
    let metrics = Request::new("GET", &admin.to_string(), "/metrics").send(admin);
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("vouchsafe_oversized_answers_total{application=\"wiki\"} 2"), "{text}");
    let log = world.daemon.log();
    assert_eq!(log.matches("exceeds 4 KiB").count(), 1, "{log}");
    assert!(log.contains("application=\"wiki\""), "{log}");
}

//! Macros, groups with conditions and exports in CEL, behind nginx.

use super::*;

const MACROS: &str = r#"
macros:
  upn: "user.lowerAscii() + '@example.com'"
  number: "int(mail.replace('@example.com', ''))"
groups:
  staff: "mail.endsWith('@example.com')"
trace_name: upn

"#;

const EXPORTS: &str = r#", App-Upn: upn, App-Number: number, App-Line: { expression: "groups.join(', ') + ' / ' + master" }"#;

static VARIABLES: LazyLock<World> = LazyLock::new(|| {
    let daemon = Daemon::start_with(|config| {
        let sessions = "sessions:\n  cookie:";
        let config = replace(&config, sessions, &[MACROS, sessions].concat());
        let list = "exports: { Auth-User: uid";
        let config = replace(&config, list, &[list, EXPORTS].concat());
        let shipped =
            "    rules:                          # the first match wins; no match is a denial\n";
        let more = "      - { path: /staff, group: staff, effect: allow }
      - { path: /staff, effect: deny }
      - { path: /number, variable: { number: \"7\" }, effect: deny }\n";
        replace(&config, shipped, &[shipped, more].concat())
    });
    World::around_with(daemon, |file, text| match file {
        "auth.conf" => {
            let set = ["upn", "number", "line"]
                .map(|name| format!("auth_request_set $a_{name} $upstream_http_app_{name};\n"));
            [text, set.concat()].concat()
        }
        "to_app.conf" => {
            let set = ["Upn", "Number", "Line"]
                .map(|name| format!("proxy_set_header App-{name} $a_{};\n", name.to_lowercase()));
            [text, set.concat()].concat()
        }
        _ => text,
    })
});

fn asserted(user: &str, mail: &str, target: &str) -> Request {
    let said = [("CN", user), ("User-Email", mail), ("control", "password")];
    stranger("GET", target).headers(&said).header("Auth-Groups", "users;timelords")
}

/// What a client would like to be.
const FORGED: &[(&str, &str)] =
    &[("App-Upn", "root@example.com"), ("App-Number", "7"), ("App-Line", "admins")];

#[test]
fn what_is_made_of_an_identity_reaches_the_application_and_nothing_that_a_client_sends() {
    VARIABLES.behind_each(|front| {
        let asked = allowed(&asserted("DWho", "12@example.com", "/page").headers(FORGED), front);
        assert_eq!(asked.all("App-Upn"), ["dwho@example.com"]);
        assert_eq!(asked.all("App-Number"), ["12"]);
        assert_eq!(asked.all("App-Line"), ["users, timelords, staff / sso"]);
        assert_eq!(asked.all("Auth-Groups"), ["users;timelords;staff"]);
        // No value is an empty one, which nginx does not pass on.
        let asked = allowed(&asserted("DWho", "d@example.org", "/page").headers(FORGED), front);
        assert_eq!(asked.all("App-Number"), [""; 0]);
        assert_eq!(asked.all("App-Line"), ["users, timelords / sso"]);
        for path in ["/public/x", "/assets/x"] {
            let asked = allowed(&stranger("GET", path).headers(FORGED), front);
            for (name, _) in FORGED {
                assert_eq!(asked.all(name), [""; 0], "{name} on {path}");
            }
        }
    });
    support::wait_for("the lines about what failed", || {
        let log = VARIABLES.daemon.log();
        assert!(log.matches("kind=\"macros\" name=\"number\"").count() <= 1, "{log}");
        let is_told = log.contains("kind=\"macros\" name=\"number\"")
            && log.contains("variable=\"number\" reason=\"failed\"");
        is_told.then_some(())
    });
}

#[test]
fn a_condition_opens_a_page_and_what_fails_closes_one() {
    VARIABLES.behind_each(|front| {
        allowed(&asserted("dwho", "12@example.com", "/staff"), front);
        refused(&asserted("dwho", "d@example.org", "/staff"), front, 403, "forbidden");
        refused(&stranger("GET", "/staff"), front, 401, "login");
        allowed(&asserted("dwho", "12@example.com", "/number"), front);
        refused(&asserted("dwho", "7@example.com", "/number"), front, 403, "forbidden");
        refused(&asserted("dwho", "d@example.com", "/number"), front, 403, "forbidden");
    });
}

#[test]
fn the_audit_log_calls_a_user_by_the_trace_name_too() {
    let person = asserted("Traced", "12@example.com", "/page").headers(NAVIGATION);
    allowed(&person, VARIABLES.fronts[0].1.address);
    support::wait_for("the line of the login", || {
        let log = VARIABLES.daemon.log();
        let line = log.lines().find(|line| line.contains("user=\"Traced\""))?;
        assert!(line.contains("trace_name=\"traced@example.com\""), "{line}");
        Some(())
    });
}

#[test]
fn the_access_log_of_nginx_names_the_user_by_the_trace_name_and_the_application_is_not_told() {
    for (name, nginx) in &VARIABLES.fronts {
        let page = format!("/page/{}", marker());
        let asked = allowed(&asserted("Logged", "l@example.com", &page), nginx.address);
        assert_eq!(asked.all("X-Vouchsafe-User"), [""; 0], "{name}");
        let line = support::wait_for("the access log's line", || {
            let log = nginx.server.file("access.log");
            log.lines().find(|line| line.contains(&page)).map(str::to_owned)
        });
        assert!(line.contains("user=\"logged@example.com\""), "{name}: {line}");
    }
}

//! Why (SEMANTICS R6): an explanation says what the decision would be, and changes nothing.

use proptest::prelude::*;
use vouchsafe::domain::decision::Decision;
use vouchsafe::domain::explanation::{Explanation, Held, Stage};
use vouchsafe::edge::http::nginx;

use crate::installation::{Ask, Installation, Wish, at, exports, set_cookies};

async fn explained(here: &Installation, ask: &Ask, millis: u64) -> Explanation {
    let (list, cookies) = (ask.list(), ask.cookie_lines());
    here.authority.explain(&nginx::ask(&list, &cookies, ask.from()), at(millis)).await
}

/// The decision, its reason and what the application gets, in words.
fn said(decision: &Decision) -> (&'static str, &'static str, Vec<String>) {
    let word = match decision {
        Decision::Allow(_) => "allow",
        Decision::Challenge(_) => "challenge",
        Decision::Deny(_) => "deny",
        Decision::Unavailable(_) => "unavailable",
    };
    let sent = if word == "allow" { exports(decision) } else { Vec::new() };
    (word, decision.reason().as_str(), sent)
}

fn explanation_says(explanation: &Explanation) -> (&str, &str, Vec<String>) {
    let sent = explanation.headers.iter().map(|h| format!("{}={}", h.name, h.value));
    (&explanation.decision, &explanation.reason, sent.collect())
}

/// Everything that is counted, and all records.
async fn state(here: &Installation) -> (String, i64) {
    let records = here.records().await;
    (String::from_utf8(here.metrics.exposition().0).unwrap(), records)
}

pub const TARGETS: &[(&str, &[&str])] = &[
    (
        "app.example.com",
        &["/page", "/admin", "/public/x", "/assets/x", "/fresh", "/read", "/no", "/a/../b"],
    ),
    (
        "groups.example.com",
        &[
            "/logout",
            "/closed",
            "/x.png",
            "/secret?key=1",
            "/secret",
            "/admin",
            "/vip",
            "/near",
            "/mail",
            "/vault",
            "/low",
        ],
    ),
    (
        "when.example.com",
        &[
            "/hook?token=1",
            "/admin",
            "/broken",
            "/near",
            "/known",
            "/anybody",
            "/crash?n=7",
            "/crash?n=x",
        ],
    ),
    ("signed.example.com", &["/public/x", "/x", "/admin"]),
    ("factors.example.com", &["/quarter", "/strong", "/master", "/level", "/"]),
    ("lenient.example.com", &["/group%2Fsecret", "/admin;x", "/assets;x/y", "/x"]),
    ("variables.example.com", &["/board", "/when", "/group", "/page"]),
    ("closed.example.com", &["/"]),
    ("nobody.example.com", &["/"]),
];

pub fn target() -> impl Strategy<Value = (&'static str, &'static str)> {
    let all: Vec<_> = TARGETS
        .iter()
        .flat_map(|(host, paths)| paths.iter().map(move |path| (*host, *path)))
        .collect();
    prop::sample::select(all)
}

/// Who asks: a cookie's user if any, a second cookie, and whom the master asserts with which group, if any.
type Asker = (Option<&'static str>, bool, Option<(&'static str, &'static str)>);

fn asker() -> impl Strategy<Value = Asker> {
    let user = || prop::sample::select(vec!["dwho", "rtyler", "davros"]);
    let group = prop::sample::select(vec!["", "admins", "readers;admins", "x"]);
    (prop::option::of(user()), prop::bool::weighted(0.1), prop::option::of((user(), group)))
}

fn asked(
    (host, path): (&str, &str),
    (_, _, asserted): Asker,
    method: &str,
    scheme: &str,
    navigates: bool,
) -> Ask {
    let ask = match asserted {
        Some((user, groups)) => Ask::asserted(path, user).header("auth-groups", groups),
        None => Ask::page(path),
    };
    let ask = ask
        .set("x-forwarded-host", host)
        .set("x-original-method", method)
        .set("x-forwarded-proto", scheme);
    if navigates { ask.navigation() } else { ask }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn an_explanation_says_what_is_decided_and_does_nothing(
        secured in 0..4_u8,
        steps in prop::collection::vec(
            (
                target(),
                asker(),
                prop::sample::select(vec!["GET", "POST"]),
                prop::sample::select(vec!["http", "https"]),
                any::<bool>(),
                prop::option::weighted(0.1, prop::sample::select(vec!["cn", "c.n", "control", "x-vouchsafe-x"])),
            ),
            1..12,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let here = Installation::new(&Wish { secured, ..Wish::default() });
            let mut sessions = std::collections::HashMap::new();
            for (millis, (target, asker, method, scheme, navigates, spoiled)) in (1..).zip(steps) {
                let mut ask = asked(target, asker, method, scheme, navigates);
                if let Some(header) = spoiled {
                    ask = ask.header(header, "x");
                }
                if let Some(user) = asker.0 {
                    if !sessions.contains_key(user) {
                        sessions.insert(user, here.login(user, at(0)).await);
                    }
                    ask = ask.cookie(format!("sid={}", sessions[user]));
                    if asker.1 {
                        ask = ask.cookie(format!("sid={}", here.login("davros", at(0)).await));
                    }
                }
                let before = state(&here).await;
                let explanation = explained(&here, &ask, millis).await;
                assert_eq!(state(&here).await, before);
                let decision = here.decide(&ask, at(millis)).await;
                assert_eq!(explanation_says(&explanation), said(&decision), "{explanation:#?}");
            }
        });
    }
}

#[tokio::test]
async fn an_explanation_names_every_rule_that_was_asked_its_clauses_and_its_line() {
    let here = Installation::usual();
    let ask = Ask::asserted("/near", "dwho")
        .set("x-forwarded-host", "groups.example.com")
        .header("auth-groups", "users");
    let explanation = explained(&here, &ask, 0).await;
    assert_eq!((&*explanation.decision, &*explanation.reason), ("allow", "session"));
    assert_eq!(explanation.application.as_deref(), Some("groups"));
    let rules: Vec<_> = explanation.steps.iter().filter(|s| s.stage == Stage::Rules).collect();
    let last = rules.last().unwrap();
    assert_eq!(last.at, explanation.rule);
    let clauses: Vec<_> = last.clauses.iter().map(|c| (c.clause.as_str(), c.holds)).collect();
    assert_eq!(clauses, [("path", Held::Yes), ("client", Held::Yes), ("master", Held::Yes)]);
    // One line a rule, in the order of the file.
    let lines: Vec<u32> = rules.iter().filter_map(|rule| rule.at).map(|at| at.line).collect();
    let second_look = lines.iter().rposition(|line| *line == lines[0]).unwrap();
    assert!(lines[second_look..].is_sorted_by(|a, b| a < b), "{lines:?}");
    let identity = explanation.identity.unwrap();
    assert_eq!((identity.user.as_str(), identity.level), ("dwho", 2));
    assert!(identity.variables.iter().any(|v| v.name == "groups" && v.values == ["users"]));
}

#[tokio::test]
async fn an_explanation_shows_no_secret() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    for content in ["opensesame", "0pensesame"] {
        let ask = Ask::asserted("/page?token=hush", "dwho")
            .set("control", content)
            .header("authorization", "Basic hush")
            .cookie(format!("sid={id}"));
        let text = serde_json::to_string(&explained(&here, &ask, 0).await).unwrap();
        for secret in [content, "hush", &*id] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_kept_by_its_request_id_without_values() {
    let here = Installation::usual();
    let id = here.login("dwho", at(0)).await;
    let ask = Ask::page("/admin/x?token=hush")
        .header("x-request-id", "4711")
        .header("user-agent", "hush")
        .cookie(format!("sid={id}"));
    let decision = here.decide(&ask, at(1)).await;
    let kept = here.authority.refusal("4711").unwrap();
    assert_eq!(kept.explanation.reason, decision.reason().as_str());
    assert_eq!(kept.request, "GET app.example.com/admin/x");
    assert!(kept.header_names.contains(&"user-agent".to_owned()));
    let step = kept.explanation.steps.iter().rfind(|step| step.stage == Stage::Rules).unwrap();
    assert_eq!(step.at, kept.explanation.rule);
    let text = serde_json::to_string(&kept).unwrap();
    for secret in ["hush", &id] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(here.authority.refusal("4712").is_none());
}

#[tokio::test]
async fn values_of_variables_are_kept_only_where_the_operator_lets_them_be_shown() {
    let here = Installation::usual();
    let ask = Ask::asserted("/admin", "dwho")
        .header("x-request-id", "1")
        .header("user-email", "dwho@example.com")
        .header("auth-groups", "doctors");
    let _ = here.decide(&ask, at(1)).await;
    let text = serde_json::to_string(&here.authority.refusal("1").unwrap()).unwrap();
    assert!(text.contains("doctors") && !text.contains("dwho@example.com"), "{text}");
}

#[tokio::test]
async fn a_refusal_that_changed_the_session_says_so() {
    let here = Installation::usual();
    let ask = Ask::page("/page")
        .header("x-request-id", "1")
        .cookie(format!("sid={}", here.login("dwho", at(0)).await))
        .cookie(format!("sid={}", here.login("rtyler", at(0)).await));
    let decision = here.decide(&ask, at(1)).await;
    let kept = here.authority.refusal("1").unwrap();
    assert_eq!(kept.explanation.reason, decision.reason().as_str());
    let last = kept.explanation.steps.last().unwrap();
    assert!(last.said.contains("changed the session"), "{}", last.said);
}

#[tokio::test]
async fn explaining_a_navigation_opens_no_session_and_the_next_one_gets_its_cookie() {
    let here = Installation::usual();
    let ask = Ask::asserted("/page", "dwho").navigation();
    let explanation = explained(&here, &ask, 0).await;
    assert_eq!(explanation.decision, "allow");
    assert_eq!(here.records().await, 0);
    assert!(!set_cookies(&here.decide(&ask, at(1)).await).is_empty());
}

#[tokio::test]
async fn an_explanation_shows_what_macros_and_groups_make_of_somebody_and_what_fails() {
    let here = Installation::usual();
    let ask = |mail: &str| {
        let ask = Ask::asserted("/page", "dwho").set("x-forwarded-host", "variables.example.com");
        ask.header("user-email", mail).header("auth-groups", "users")
    };
    let identity = explained(&here, &ask("dwho@board.example.com"), 0).await.identity.unwrap();
    let shown = |name: &str| {
        let found = identity.variables.iter().find(|variable| variable.name == name);
        found.unwrap_or_else(|| panic!("{name} is not shown: {identity:?}"))
    };
    assert_eq!(shown("mail").values, ["dwho@board.example.com"]);
    assert!(shown("groups").values.starts_with(&["users".to_owned()]));
    assert!(shown("groups").values.len() > 1, "{identity:?}");
    assert!(identity.variables.iter().any(|variable| variable.failed), "{identity:?}");
}

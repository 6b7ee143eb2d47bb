//! Rules that ask who it is, and what logout, maintenance and a level too low look like behind nginx.

use super::*;

/// The shipped rules with some of every kind in front.
static RULES: LazyLock<World> = LazyLock::new(|| {
    World::around(Daemon::start_with(|config| {
        let shipped =
            "    rules:                          # the first match wins; no match is a denial\n";
        let more = [
            "{ path: /tardis, group: timelords, effect: allow }",
            "{ path: /tardis, effect: deny }",
            "{ path: /leave, effect: logout }",
            "{ path: /closed, effect: maintenance }",
            "{ path: /vault, level: 5 }",
            "{ path: /mine, user: dwho, effect: unprotect }",
            "{ path: /mine, effect: skip }",
        ];
        let more: String = more.iter().map(|rule| ["      - ", rule, "\n"].concat()).collect();
        replace(&config, shipped, &[shipped, &more].concat())
    }))
});

fn asserted(user: &str, groups: &str, target: &str) -> Request {
    let said = [("CN", user), ("Auth-Groups", groups), ("control", "password")];
    stranger("GET", target).headers(&said)
}

#[test]
fn a_page_for_a_group_opens_for_its_members_only() {
    RULES.behind_each(|front| {
        let asked = allowed(&asserted("dwho", "users;timelords", "/tardis"), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        refused(&asserted("rtyler", "users", "/tardis"), front, 403, "forbidden");
        refused(&stranger("GET", "/tardis"), front, 401, "login");
        // A client's word about its groups is nobody's.
        let claim = stranger("GET", "/tardis").header("Auth-Groups", "timelords");
        refused(&claim, front, 401, "login");
    });
}

#[test]
fn a_rule_for_one_user_is_none_of_the_others() {
    RULES.behind_each(|front| {
        assert_eq!(allowed(&asserted("dwho", "", "/mine"), front).all("Auth-User"), ["dwho"]);
        assert_eq!(allowed(&asserted("rtyler", "", "/mine"), front).all("Auth-User"), [""; 0]);
        assert_eq!(allowed(&stranger("GET", "/mine"), front).all("Auth-User"), [""; 0]);
    });
}

#[test]
fn a_page_that_logs_out_leads_to_the_portal_and_the_session_ends_there() {
    RULES.behind_each(|front| {
        let person = asserted("dwho", "", "/leave").headers(NAVIGATION);
        let answer = refused(&person, front, 302, "login");
        assert_eq!(answer.one("Location"), Some("https://auth.example.com/logout"));
        refused(&asserted("dwho", "", "/leave"), front, 401, "login");
    });
}

#[test]
fn maintenance_is_503_for_everybody() {
    RULES.behind_each(|front| {
        for request in [asserted("dwho", "timelords", "/closed"), stranger("GET", "/closed")] {
            let answer = refused(&request, front, 503, "unavailable");
            assert!(answer.one("Retry-After").is_some(), "{answer}");
        }
    });
}

#[test]
fn a_level_that_the_session_does_not_have_needs_a_factor() {
    RULES.behind_each(|front| {
        refused(&asserted("dwho", "", "/vault"), front, 403, "factor-needed");
        refused(&stranger("GET", "/vault"), front, 401, "login");
    });
}

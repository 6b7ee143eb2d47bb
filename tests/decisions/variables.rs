//! Macros, groups with conditions, exports in CEL and the trace name: R1, R4, S1.

use proptest::prelude::*;
use vouchsafe::authority::login::Login;
use vouchsafe::domain::decision::{Decision, Reason};
use vouchsafe::domain::encoding::DropReason;

use crate::installation::{Ask, Installation, Wish, at, exports, set_cookies};

fn page(target: &str) -> Ask {
    Ask::page(target).set("x-forwarded-host", "variables.example.com")
}

fn asserted(target: &str, user: &str, mail: &str) -> Ask {
    let ask = Ask::asserted(target, user).set("x-forwarded-host", "variables.example.com");
    if mail.is_empty() { ask } else { ask.header("user-email", mail) }
}

const BOARD: &str = "DWho@Board.Example.com";

/// The value of one export.
#[track_caller]
fn export(decision: &Decision, name: &str) -> String {
    let all = exports(decision);
    let found = all.iter().find_map(|line| line.strip_prefix(&format!("{name}=")));
    found.unwrap_or_else(|| panic!("no {name}: {all:?}")).to_owned()
}

#[tokio::test]
async fn a_macro_is_asked_by_clauses_and_expressions_and_sent_by_exports() {
    let here = Installation::usual();
    let board = "dwho@board.example.com";
    for (ask, expected) in [
        (asserted("/board", "dwho", board), Reason::Session),
        (asserted("/board", "dwho", BOARD), Reason::NoRuleMatched),
        (asserted("/board", "dwho", ""), Reason::NoRuleMatched),
        (page("/board"), Reason::LoginRequired),
        (asserted("/when", "dwho", board), Reason::Session),
        (asserted("/when", "dwho", ""), Reason::NoRuleMatched),
        (page("/when"), Reason::LoginRequired),
    ] {
        assert_eq!(here.reason(&ask).await, expected);
    }
    let groups = asserted("/page", "dwho", BOARD).header("auth-groups", "users; timelords");
    let decision = here.decide(&groups, at(0)).await;
    assert_eq!(export(&decision, "auth-called"), "dwho@board.example.com");
    assert_eq!(export(&decision, "auth-ranks"), "rank; elsewhere; users; timelords");
    assert_eq!(export(&decision, "auth-groups-text"), "users, timelords at 2");
    let decision = here.decide(&asserted("/page", "rtyler", ""), at(0)).await;
    assert_eq!(export(&decision, "auth-called"), "rtyler");
    assert_eq!(export(&decision, "auth-ranks"), "rank; elsewhere");
}

#[tokio::test]
async fn whoever_meets_a_condition_is_in_the_group_behind_those_that_the_master_sent() {
    let here = Installation::usual();
    let board = "dwho@board.example.com";
    assert_eq!(here.reason(&asserted("/group", "dwho", board)).await, Reason::Session);
    assert_eq!(here.reason(&asserted("/group", "dwho", "")).await, Reason::NoRuleMatched);
    assert_eq!(here.reason(&asserted("/group", "years900", "")).await, Reason::Session);
    assert_eq!(here.reason(&asserted("/group", "years899", "")).await, Reason::NoRuleMatched);
    assert_eq!(here.reason(&asserted("/when", "years900", "")).await, Reason::Session);
    let groups = |sent: &str| asserted("/page", "years900", board).header("auth-groups", sent);
    let decision = here.decide(&groups("users; elders"), at(0)).await;
    assert_eq!(export(&decision, "auth-groups"), "users;elders;board");
    // Macros see what the master sent, and nothing of the conditions.
    assert_eq!(export(&decision, "auth-ranks"), "rank; board; users; elders");
}

/// R4: whoever asks for what failed is refused, or told nothing.
#[tokio::test]
async fn what_depends_on_a_failed_macro_denies_or_is_not_sent() {
    let here = Installation::usual();
    // `age` has no value for somebody whose name is no number.
    for (target, user, expected) in [
        ("/age", "dwho", Reason::RuleFailed),
        ("/age", "years900", Reason::RuleDenied),
        ("/age", "years12", Reason::Session),
        // Nobody is kept out by a rule that is not about them anyway.
        ("/both", "dwho", Reason::Session),
        // The condition of `elders` looks at the name first, so it does not fail.
        ("/group", "dwho", Reason::NoRuleMatched),
        ("/group", "yearsold", Reason::RuleFailed),
        ("/when", "yearsold", Reason::RuleFailed),
    ] {
        assert_eq!(here.reason(&asserted(target, user, "")).await, expected, "{target} {user}");
    }
    assert_eq!(here.records().await, 2);
    let decision = here.decide(&asserted("/page", "yearsold", ""), at(0)).await;
    for (name, expected) in [
        ("auth-user", "yearsold"),
        ("auth-called", "yearsold"),
        ("auth-age", ""),
        ("auth-groups", ""),
        ("auth-groups-text", ""),
        ("auth-older", ""),
        ("auth-ranks", "rank; elsewhere"),
    ] {
        assert_eq!(export(&decision, name), expected, "{name}");
    }
    let (text, _) = here.authority.exposition().await;
    let text = String::from_utf8(text).unwrap();
    let labels = format!("application=\"variables\",reason=\"{}\"", DropReason::Failed.as_str());
    // Four of `yearsold`; of the two sessions before, `age` of one and `older` of both.
    let line = format!("vouchsafe_exports_dropped_total{{{labels}}} 7");
    assert!(text.contains(&line), "{text}");
}

#[tokio::test]
async fn what_a_master_says_now_changes_macros_and_groups_at_once() {
    let here = Installation::usual();
    let board = "dwho@board.example.com";
    let login = asserted("/group", "dwho", board).navigation();
    let decision = here.decide(&login, at(0)).await;
    assert_eq!(export(&decision, "auth-called"), board);
    let cookie = set_cookies(&decision)[0].clone();
    let by_cookie = |target: &str| page(target).cookie(&cookie);
    let decision = here.decide(&by_cookie("/group"), at(1)).await;
    assert_eq!(export(&decision, "auth-groups"), "board");
    let moved = |target: &str| asserted(target, "dwho", "d@example.org").cookie(&cookie);
    assert_eq!(here.decide(&moved("/group"), at(2)).await, Decision::Deny(Reason::NoRuleMatched));
    // A denial changes no session (S9); an allow does.
    assert_eq!(here.decide(&by_cookie("/group"), at(3)).await.reason(), Reason::Session);
    let decision = here.decide(&moved("/page"), at(4)).await;
    assert_eq!(export(&decision, "auth-called"), "d@example.org");
    assert_eq!(
        here.decide(&by_cookie("/group"), at(5)).await,
        Decision::Deny(Reason::NoRuleMatched)
    );
}

#[tokio::test]
async fn a_changed_definition_counts_for_sessions_that_are_there() {
    let wish = Wish { embedded: true, ..Wish::default() };
    let here = Installation::new(&wish);
    let login = asserted("/page", "dwho", "dwho@board.example.com").navigation();
    let decision = here.decide(&login, at(0)).await;
    assert_eq!(export(&decision, "auth-groups"), "board");
    let ask = page("/page").cookie(&set_cookies(&decision)[0]);
    let here = here.restarted(&Wish { board_site: "elsewhere", ..wish }).await;
    let decision = here.decide(&ask, at(1)).await;
    assert_eq!(export(&decision, "auth-user"), "dwho");
    assert_eq!(export(&decision, "auth-groups"), "");
}

#[tokio::test]
async fn logs_call_a_user_by_the_trace_name_or_else_by_the_login() {
    let here = Installation::usual();
    let subject = async |ask: Ask| {
        let Decision::Allow(grant) = here.decide(&ask, at(0)).await else { panic!() };
        String::from_utf8(grant.exports.subject.clone().unwrap().user.to_vec()).unwrap()
    };
    assert_eq!(subject(asserted("/page", "dwho", BOARD)).await, "dwho@board.example.com");
    // Unset it is the login here, by the macro itself.
    assert_eq!(subject(asserted("/page", "rtyler", "")).await, "rtyler");
    // What no log line should hold is not said.
    assert_eq!(subject(asserted("/page", "dwho", "a\u{85}b")).await, "dwho");
}

/// The menu asks the rules as a request would.
#[tokio::test]
async fn the_menu_knows_macros_and_groups() {
    let here = Installation::usual();
    let now = at(0);
    for (user, is_shown) in [("years900", true), ("years899", false), ("yearsold", false)] {
        let ask = asserted("/page", user, "").navigation();
        let cookie = set_cookies(&here.decide(&ask, now).await)[0].clone();
        let Login::AlreadyAuthenticated(arrival) = here.try_login(user, &[cookie], now).await
        else {
            panic!("{user}")
        };
        let menu = here.authority.menu(&arrival.session, now);
        assert_eq!(menu.iter().any(|entry| entry.name == "variables"), is_shown, "{user}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Rules are asked before there is a session, and exports are rendered from it.
    #[test]
    fn rules_see_before_a_session_what_exports_say_afterwards(
        user in "[a-z]{1,8}|years[0-9]{1,4}",
        mail in "[a-z]{0,3}(@board[.]example)?",
        groups in prop::collection::vec("board|elders|[a-z]{1,4}", 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let here = Installation::usual();
            let sent = groups.join("; ");
            let ask = |target: &str| {
                let ask = asserted(target, &user, &mail);
                if sent.is_empty() { ask } else { ask.header("auth-groups", &sent) }
            };
            let (board, group) = (here.reason(&ask("/board")).await, here.reason(&ask("/group")).await);
            let decision = here.decide(&ask("/page").navigation(), at(0)).await;
            let ranks = export(&decision, "auth-ranks");
            let is_board = ranks.split("; ").nth(1) == Some("board");
            assert_eq!(board == Reason::Session, is_board, "{ranks}");
            let all = export(&decision, "auth-groups");
            let is_in = all.split(';').any(|group| group == "board" || group == "elders");
            assert_eq!(group == Reason::Session, is_in, "{all}");
            let cookie = set_cookies(&decision)[0].clone();
            for (target, expected) in [("/board", board), ("/group", group)] {
                assert_eq!(here.reason(&page(target).cookie(&cookie)).await, expected);
            }
        });
    }
}

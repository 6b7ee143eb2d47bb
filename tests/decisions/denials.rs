//! Everything that is refused, each with its own reason.

use vouchsafe::authority::login::Login;
use vouchsafe::domain::decision::{Decision, Reason};
use vouchsafe::domain::limits::{ATTRIBUTE_BYTES, TARGET_BYTES};

use crate::installation::{Ask, Installation, MASTER, STRANGER, at};

async fn denied(installation: &Installation, ask: Ask, reason: Reason) {
    let decision = installation.decide(&ask, at(0)).await;
    assert_eq!(decision, Decision::Deny(reason));
}

#[tokio::test]
async fn a_question_that_is_wrong_is_denied_with_its_reason() {
    let here = Installation::usual();
    let page = || Ask::page("/page");
    denied(&here, page().peer("203.0.113.1"), Reason::UntrustedPeer).await;
    denied(&here, page().without("x-forwarded-for"), Reason::NoClientAddress).await;
    for malformed in ["unknown", "1.2.3.4:5", "", "1.2.3.4,", "::1%eth0"] {
        denied(&here, page().set("x-forwarded-for", malformed), Reason::MalformedForwardedFor)
            .await;
    }
    for input in ["x-original-method", "x-original-uri", "x-forwarded-host"] {
        denied(&here, page().without(input), Reason::MissingInput).await;
    }
    for input in [
        "x-original-method",
        "x-original-uri",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-for",
    ] {
        denied(&here, page().header(input, "/page"), Reason::DuplicateHeader).await;
        denied(&here, page().header(&input.replace('-', "_"), "x"), Reason::AliasedHeader).await;
    }
    denied(&here, page().set("x-original-method", "GE T"), Reason::MalformedMethod).await;
    denied(&here, page().set("x-original-method", "G".repeat(33)), Reason::MalformedMethod).await;
    denied(&here, page().set("x-forwarded-proto", "ftp"), Reason::MalformedScheme).await;
    denied(&here, page().set("x-forwarded-host", "a,b"), Reason::MalformedHost).await;
    denied(&here, page().set("x-forwarded-host", "u@app.example.com"), Reason::MalformedHost).await;
    denied(&here, page().set("x-forwarded-host", "evil.example"), Reason::UnknownHost).await;
    denied(&here, page().set("x-forwarded-host", "evilapp.example.com"), Reason::UnknownHost).await;
    denied(&here, page().header("x-vouchsafe-evil", "1"), Reason::ReservedHeader).await;
    denied(&here, page().header("X_Vouchsafe_Reason", "1"), Reason::ReservedHeader).await;
}

#[tokio::test]
async fn a_target_without_one_meaning_is_denied() {
    let here = Installation::usual();
    for target in ["", "page", "http://app.example.com/page", "/pa ge", "/%", "/a\u{7f}", "/%zz"] {
        denied(&here, Ask::page(target), Reason::MalformedTarget).await;
    }
    let long = format!("/{}", "a".repeat(TARGET_BYTES));
    denied(&here, Ask::page(&long), Reason::MalformedTarget).await;
    for target in [
        "/page/../admin",
        "/page/%2e%2e/admin",
        "/x%2fadmin",
        "/page;x",
        "/x\\admin",
        "/%2561dmin",
        "/page#x",
        "/assets/../admin",
        "/public/..%2fadmin",
    ] {
        denied(&here, Ask::asserted(target, "dwho"), Reason::AmbiguousPath).await;
    }
}

#[tokio::test]
async fn a_master_that_is_not_exact_is_denied_whatever_the_cookie() {
    // A01-A07, A21, A22, A27, A28.
    let here = Installation::usual();
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    let with = |name: &str, value: &[u8]| {
        Ask::asserted("/page", "dwho").cookie(&cookie).header(name, value)
    };
    denied(&here, with("cn", b"evil"), Reason::DuplicateHeader).await;
    denied(&here, with("control", b"opensesame"), Reason::DuplicateHeader).await;
    denied(&here, with("user-email", b"a").header("USER-EMAIL", "b"), Reason::DuplicateHeader)
        .await;
    denied(&here, with("user_email", b"a"), Reason::AliasedHeader).await;
    denied(&here, with("auth.groups", b"a"), Reason::AliasedHeader).await;
    denied(&here, with("c_n", b"x").set("cn", "dwho").header("CN", "x"), Reason::DuplicateHeader)
        .await;
    denied(&here, with("x", b"y").set("control", "wrong"), Reason::ControlMismatch).await;
    denied(&here, with("x", b"y").set("control", ".*"), Reason::ControlMismatch).await;
    denied(&here, with("x", b"y").set("cn", "a b"), Reason::MalformedLogin).await;
    denied(&here, with("x", b"y").set("cn", b"Am\xe9lie"), Reason::MalformedLogin).await;
    denied(&here, with("user-email", b"\xe9"), Reason::MalformedAttribute).await;
    denied(&here, with("user-email", &[b'a'; ATTRIBUTE_BYTES + 1]), Reason::OversizedAttribute)
        .await;
}

#[tokio::test]
async fn refusals_of_a_master_come_before_a_skip_and_an_unprotect() {
    let here = Installation::usual();
    for path in ["/assets/x", "/public/x", "/page", "/admin"] {
        denied(&here, Ask::asserted(path, "dwho").set("control", "x"), Reason::ControlMismatch)
            .await;
        denied(&here, Ask::asserted(path, "dwho").header("CN", "x"), Reason::DuplicateHeader).await;
    }
}

#[tokio::test]
async fn what_a_stranger_asserts_counts_as_absent() {
    // A15, A16, A18: neither headers nor addresses of a stranger make a master.
    let here = Installation::usual();
    let asserted = Ask::asserted("/page", "dwho").set("x-forwarded-for", STRANGER);
    assert_eq!(here.reason(&asserted).await, Reason::LoginRequired);
    let in_front = asserted.clone().set("x-forwarded-for", format!("{MASTER}, {STRANGER}"));
    assert_eq!(here.reason(&in_front).await, Reason::LoginRequired);
    for header in [
        "x-real-ip",
        "forwarded",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-cluster-client-ip",
    ] {
        assert_eq!(
            here.reason(&asserted.clone().header(header, MASTER)).await,
            Reason::LoginRequired
        );
    }
    for header in ["x-forwarded-uri", "x-original-url", "x-rewrite-url", "x-envoy-original-path"] {
        let spoofed = Ask::page("/admin").header(header, "/public/x");
        assert_eq!(here.reason(&spoofed).await, Reason::LoginRequired, "{header}");
    }
}

#[tokio::test]
async fn no_parameter_comes_from_a_client() {
    // A107.
    let here = Installation::usual();
    let mut ask = Ask::page("/page?level=9&realm=x&user=root");
    for header in [
        "x-realm",
        "x-resolver",
        "x-auth-level",
        "x-cookiename",
        "x-node",
        "x-slave-master-ip",
        "x-forwarded-user",
        "remote-user",
    ] {
        ask = ask.header(header, "9");
    }
    assert_eq!(here.reason(&ask).await, Reason::LoginRequired);
}

#[tokio::test]
async fn the_portal_refuses_in_the_references_order() {
    let here = Installation::usual();
    let refused = |login: Login| match login {
        Login::Refused { reason, has_session, .. } => (reason, has_session),
        other @ (Login::Opened { .. }
        | Login::AlreadyAuthenticated(_)
        | Login::Loop { .. }
        | Login::Unavailable(_)) => {
            panic!("{other:?}")
        }
    };
    assert_eq!(refused(here.try_login("", &[], at(0)).await), (Reason::LoginMissing, false));
    assert_eq!(refused(here.try_login("a b", &[], at(0)).await), (Reason::MalformedLogin, false));
    let cookie = format!("sid={}", here.login("dwho", at(0)).await);
    assert_eq!(
        refused(here.try_login("a b", &[cookie], at(0)).await),
        (Reason::MalformedLogin, true)
    );
}

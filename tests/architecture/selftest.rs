//! Breaks each rule of the architecture on purpose, to show that it is found.

use super::*;

/// The violations of a documented file.
fn violations(file: &str, source: &str) -> Vec<String> {
    let (found, _) = read(file, &format!("//! A test.\n{source}"));
    found.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(file: &str, source: &str, expected: &str) {
    let found = violations(file, source);
    assert!(found.iter().any(|v| v.contains(expected)), "{source}\nfound: {found:#?}");
}

#[track_caller]
fn accepted(file: &str, source: &str) {
    let found = violations(file, source);
    assert!(found.is_empty(), "{source}\nfound: {found:#?}");
}

#[test]
fn a_message_says_where_what_and_what_is_allowed() {
    assert_eq!(
        violations("authority/decide.rs", "\nuse crate::store::Store;"),
        ["src/authority/decide.rs:3: names store (`crate::store::Store`); \
          authority may name domain, policy, telemetry, session, mfa"]
    );
}

#[test]
fn imports_that_point_up_or_sideways_are_found() {
    refused("domain/a.rs", "use crate::policy::Policy;", "domain may name no other floor");
    refused("policy/a.rs", "use crate::store::Store;", "policy may name domain");
    refused("telemetry/a.rs", "use crate::policy::Policy;", "names policy");
    refused(
        "store/mod.rs",
        "use crate::{domain::time::Timestamp, session::codec};",
        "names session",
    );
    refused("session/a.rs", "use crate::mfa::Federation;", "names mfa");
    refused("session/a.rs", "use crate::policy::Policy;", "names policy");
    refused("mfa/a.rs", "use crate::session::Sessions;", "names session");
    refused("authority/a.rs", "use crate::edge::clock;", "names edge");
    for floor in ["config", "session", "store", "policy"] {
        refused("edge/http/a.rs", &format!("use crate::{floor}::X;"), &format!("names {floor}"));
    }
    refused("config/a.rs", "use crate::app::App;", "names app");
    refused("import/a.rs", "use crate::policy::Policy;", "names policy");
    refused("app/a.rs", "use crate::cli::serve;", "names cli");
    refused("cli/a.rs", "use crate::session::Sessions;", "names session");
    refused("main.rs", "use vouchsafe::store::Store;", "names store");
    refused("lib.rs", "pub use policy::Policy;", "names policy");
}

#[test]
fn what_the_table_allows_is_accepted() {
    accepted(
        "policy/a.rs",
        "use crate::domain::decision::Reason;\nuse crate::policy::trust::Trust;",
    );
    accepted("edge/http/a.rs", "use crate::authority::Authority;\nuse super::super::clock::Clock;");
    accepted("config/a.rs", "use crate::{edge::X, session::settings::Y, policy};");
    accepted("app/mod.rs", "use crate::{config, edge, store::Store};");
    accepted("cli/check.rs", "use crate::config;\nuse super::Arguments;");
    accepted("main.rs", "mod cli;\nuse vouchsafe::{app, config};\nfn main() { cli::run() }");
    accepted("lib.rs", "pub mod domain;\npub mod policy;");
}

#[test]
fn paths_without_an_import_are_found() {
    refused("policy/a.rs", "fn f() { crate::session::open(); }", "names session");
    refused("policy/a.rs", "struct S(Vec<Option<crate::store::Key>>);", "names store");
    refused("policy/a.rs", "impl crate::edge::Dialect for S {}", "names edge");
    refused(
        "policy/a.rs",
        "fn f(x: u8) { match x { crate::store::X => {} _ => {} } }",
        "names store",
    );
    refused("policy/a.rs", "fn f(x: impl Iterator<Item = crate::store::Key>) {}", "names store");
}

#[test]
fn paths_in_macros_and_attributes_are_found() {
    refused("policy/a.rs", "fn f() { println!(\"{}\", crate::store::KIND); }", "names store");
    refused(
        "policy/a.rs",
        "macro_rules! m { () => { use $crate::{domain::X, store::Y}; } }",
        "names store",
    );
    refused("policy/a.rs", "#[derive(crate::edge::Dialect)] struct S;", "names edge");
    refused(
        "policy/a.rs",
        "struct S { #[serde(with = \"crate::session::codec\")] x: u8 }",
        "names session",
    );
    refused(
        "domain/a.rs",
        "fn f() { assert!(std::fs::exists(\"x\")); }",
        "names `std::fs::exists`",
    );
}

#[test]
fn chains_of_super_that_leave_the_floor_are_found() {
    refused("policy/mod.rs", "use super::store::Store;", "names store");
    refused("policy/trust.rs", "use super::super::store::Store;", "names store");
    refused("policy/trust.rs", "mod inner { use super::super::super::store::X; }", "names store");
    refused("policy/trust.rs", "fn f() { self::super::super::store::x(); }", "names store");
    refused("edge/http/mod.rs", "use super::{super::policy::X, clock};", "names policy");
    accepted("policy/trust.rs", "use super::super::domain::time::Timestamp;\nuse super::Policy;");
    accepted("policy/trust.rs", "mod inner { use super::*; }");
}

#[test]
fn the_root_cannot_be_smuggled_in() {
    refused("policy/a.rs", "use crate::*;", "imports the crate's root");
    refused("policy/mod.rs", "use super::*;", "imports the crate's root");
    refused("policy/a.rs", "use crate as root;", "imports the crate's root");
    refused("policy/a.rs", "use crate::{self as root};", "imports the crate's root");
    refused("policy/a.rs", "use super::super as root;", "imports the crate's root");
    refused("policy/a.rs", "extern crate self as root;", "imports the crate's root");
    refused("policy/a.rs", "use crate::shortcuts::Store;", "`shortcuts` is no floor");
    refused("policy/mod.rs", "#[path = \"../store/mod.rs\"] mod engine;", "#[path]");
    accepted("policy/a.rs", "pub(crate) struct S;\npub(super) fn f() {}");
}

#[test]
fn test_code_is_exempt_and_only_test_code() {
    accepted("policy/a.rs", "#[cfg(test)] mod tests { use crate::store::Store; }");
    accepted("policy/a.rs", "#[cfg(test)] use crate::store::Store;");
    accepted("domain/a.rs", "enum E { #[cfg(test)] Faulty(std::time::Instant) }");
    refused("policy/a.rs", "#[cfg(not(test))] mod m { use crate::store::Store; }", "names store");
    refused("policy/a.rs", "#[cfg(any(test, unix))] use crate::store::Store;", "names store");
    refused("policy/a.rs", "mod tests { use crate::store::Store; }", "names store");

    let (_, exempt) = read("policy/trust.rs", "//! A test.\n#[cfg(test)] mod tests;");
    assert_eq!(exempt, [PathBuf::from("policy/trust/tests")]);
}

#[test]
fn io_async_and_clocks_on_a_pure_floor_are_found() {
    for name in ["actix_web::HttpRequest", "http::HeaderMap", "tokio::sync::Mutex", "std::fs::File"]
    {
        refused("domain/a.rs", &format!("use {name};"), "domain knows no IO");
    }
    refused("domain/a.rs", "use std::time::{Duration, Instant};", "names `std::time::Instant`");
    refused("domain/a.rs", "use std::time;\nfn f() { time::SystemTime::now(); }", "SystemTime");
    refused("domain/a.rs", "use std::{collections::HashMap, net::TcpStream};", "TcpStream");
    refused("policy/a.rs", "async fn f() { tokio::task::yield_now().await }", "policy knows no IO");
    accepted("domain/a.rs", "use std::net::IpAddr;\nuse std::time::Duration;\nuse bytes::Bytes;");
    accepted("edge/clock.rs", "use std::time::{Instant, SystemTime};");
    accepted("domain/a.rs", "fn f() { log!(target: \"vouchsafe::audit\", \"std::fs::File\"); }");
}

#[test]
fn crates_outside_the_one_place_that_may_name_them_are_found() {
    refused("policy/a.rs", "use serde_saphyr::Spanned;", "only src/config may name serde_saphyr");
    refused("telemetry/log.rs", "use prometheus::Registry;", "only src/telemetry/metrics");
    refused("store/memory.rs", "fn f(_: &::redb::Database) {}", "only src/store/embedded");
    refused("app/mod.rs", "extern crate redb;", "only src/store/embedded");
    accepted("config/raw.rs", "use serde_saphyr::Spanned;");
    accepted("telemetry/metrics.rs", "use prometheus::{IntCounter, Registry};");
    accepted("store/embedded.rs", "use redb::Database;");
}

#[test]
fn files_without_a_doc_on_no_floor_too_long_or_badly_named_are_found() {
    let file = |file, source: &str| {
        read(file, source).0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(file("policy/a.rs", "fn f() {}").contains("has no `//!`"));
    assert!(file("billing/mod.rs", "//! X.").contains("stands on no floor"));
    assert!(
        file("policy/a.rs", "//! X.\nfn f( {}").contains("src/policy/a.rs:2: cannot be parsed")
    );
    for name in ["policy/util.rs", "edge/http_helpers.rs", "edge/common/mod.rs", "app/misc.rs"] {
        assert!(file(name, "//! X.").contains("name it after what is in it"), "{name}");
    }

    let code = "const X: u8 = 0;\n".repeat(CODE_LINES);
    let around = "\n// why\n#[cfg(test)]\nmod tests {\n    const Y: u8 = 0;\n}\n";
    accepted("policy/a.rs", &format!("{code}{around}"));
    refused("policy/a.rs", &format!("{code}const Y: u8 = 0;"), "has 401 lines of code");
}

//! Documentation that is generated from the code is the code's: a difference fails.
//!
//! `UPDATE_DOCS=1 cargo test --test generated_docs` rewrites it.
#![expect(clippy::disallowed_methods, reason = "UPDATE_DOCS is this test's switch")]

use std::fmt::Write as _;
use std::path::Path;

use vouchsafe::config;
use vouchsafe::domain::decision::Reason;
use vouchsafe::domain::limits::LIMITS;
use vouchsafe::edge::admin::openapi;
use vouchsafe::edge::http::headers::{ASSERTION, RESERVED_HEADERS};
use vouchsafe::policy::expr::names::{FUNCTIONS, NAMES};
use vouchsafe::telemetry::metrics::Metrics;

use crate::differences::DIFFERENCES;

#[path = "golden_node/aspects.rs"]
#[expect(
    dead_code,
    reason = "tests/golden_node compares answers; here only the name of one is needed"
)]
mod aspects;
#[path = "replay/differences.rs"]
#[expect(dead_code, reason = "tests/replay compares what is only told here")]
mod differences;
#[path = "golden_node/differences.rs"]
#[expect(dead_code, reason = "tests/golden_node compares what is only told here")]
mod edumfa_differences;

const NOTE: &str = "<!-- Generated from the code; UPDATE_DOCS=1 cargo test --test generated_docs rewrites it. -->\n\n";

/// The part of `file` between the lines `<!-- name -->` and `<!-- /name -->` is `expected`.
#[track_caller]
fn part_is_fresh(file: &str, name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{file}: no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{file}: no {end}"));
    is_fresh(file, &[before, &begin, expected, &end, after].concat());
}

#[track_caller]
fn is_fresh(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == expected,
        "{file} is not what the code says; run UPDATE_DOCS=1 cargo test --test generated_docs"
    );
}

#[test]
fn reasons_are_documented_as_they_are() {
    let mut text = format!(
        "# Reasons\n\n{NOTE}Why a decision is what it is: label `reason` of metrics, field of audit lines. Clients see the class only, in `X-Vouchsafe-Reason`.\n\n| reason | class | what happened, what to do |\n| --- | --- | --- |\n"
    );
    for reason in Reason::ALL {
        writeln!(
            text,
            "| `{}` | {} | {} |",
            reason.as_str(),
            reason.class().as_str(),
            reason.meaning()
        )
        .unwrap();
    }
    is_fresh("docs/reasons.md", &text);
}

#[test]
fn the_admin_api_is_documented_as_it_is() {
    is_fresh("docs/openapi.json", &format!("{:#}\n", openapi::document()));
}

#[test]
fn limits_are_documented_as_they_are() {
    let mut text = format!(
        "# Limits\n\n{NOTE}Every bound on foreign input.\n\n| limit | value | unit | what it bounds |\n| --- | --- | --- | --- |\n"
    );
    for limit in LIMITS {
        writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            limit.name, limit.value, limit.unit, limit.meaning
        )
        .unwrap();
    }
    is_fresh("docs/limits.md", &text);
}

#[test]
fn expressions_are_documented_as_they_are() {
    let mut text = format!(
        "# Expressions\n\n{NOTE}Expressions in [CEL](https://cel.dev) stand in four places of config.yaml:\n\n- `when` of a rule must be true besides the rule's other clauses, and is asked last. A rule whose expression has no value for\n  a request (an entry that is not there, a division by zero) denies, whatever stands below it (`rule_failed`); the log says\n  once which rule and why.\n- `macros` make variables: texts, numbers, `true` or `false` (as texts), or lists of texts. An empty text is an unset variable.\n- Conditions of `groups` must be true of whoever is in the group.\n- `expression` of an export makes a header's value.\n\nThere are no headers in them. Macros and conditions are made of an identity alone, so `client`, `request` and `session` do not\nexist there, nor do `client`, `request` and `session.known` in an export, which is made once for a session and an application.\nAn expression that names a macro without a value, or `groups` of which a condition has none, has no value either, whatever\nelse it says; neither have clauses `variable` and `group` that ask for one (`rule_failed`), and exports of it are not sent (`failed`).\n\n| name | is a | which is |\n| --- | --- | --- |\n"
    );
    for (written, name, meaning) in NAMES {
        writeln!(text, "| `{written}` | {} | {meaning} |", name.kind().as_str()).unwrap();
    }
    text.push_str(
        "| `vars.NAME`, `vars['NAME']` | text, or list of texts if it has a `separator` or its expression is one | an exported variable or a macro, empty if absent; also just `NAME`, where nothing above is called so. A macro sees those above it |\n\n| function | says |\n| --- | --- |\n",
    );
    for (_, usage, meaning) in FUNCTIONS {
        writeln!(text, "| `{usage}` | {meaning} |").unwrap();
    }
    text.push_str(
        "\nOperators: `&& || ! ? : == != < <= > >= in + - * / %` and `[]`. Patterns, networks and the group of `inGroup` are\nliteral texts, and so are the arguments of `join` and `replace`. Bounds: [limits.md](limits.md). An expression that names nothing of an identity (`request`, `client`) is\ndecided without a session; then `effect: skip` looks nobody up.\n",
    );
    is_fresh("docs/expressions.md", &text);
}

#[test]
fn metrics_are_documented_as_they_are() {
    let mut text = format!(
        "# Metrics\n\n{NOTE}On the admin listener under `/metrics`.\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n"
    );
    let metrics = Metrics::new(&["wiki".into()]);
    let _nodes = metrics.nodes(&["local".into()]);
    let _shared = metrics.shared_store();
    for [name, kind, labels, help] in metrics.table() {
        writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    is_fresh("docs/metrics.md", &text);
}

#[test]
fn differences_from_the_reference_are_documented_as_they_are() {
    let mut text = NOTE.to_owned();
    text.push_str("| rule | LemonLDAP::NG | Vouchsafe | recordings |\n| --- | --- | --- | --- |\n");
    for row in DIFFERENCES {
        let recordings: Vec<String> =
            row.recordings.iter().map(|pattern| format!("`{pattern}`")).collect();
        let recordings = recordings.join(" ");
        writeln!(text, "| {} | {} | {} | {recordings} |", row.rule, row.reference, row.vouchsafe)
            .unwrap();
    }
    part_is_fresh("docs/semantics.md", "differences", &text);
    // In one test, because it is one file.
    part_is_fresh("docs/semantics.md", "edumfa differences", &edumfa_differences_table());
}

/// The table of differences from eduMFA.
fn edumfa_differences_table() -> String {
    let mut rows: Vec<([&str; 3], Vec<String>)> = Vec::new();
    for row in edumfa_differences::DIFFERENCES {
        let recordings = row.recordings.iter().map(|pattern| format!("`{pattern}`"));
        let told = [row.rule, row.edumfa, row.vouchsafe];
        // What is told once may need several rows, as answers differ in their values.
        match rows.last_mut() {
            Some((before, all)) if *before == told => all.extend(recordings),
            _ => rows.push((told, recordings.collect())),
        }
    }
    let mut text = NOTE.to_owned();
    text.push_str("| rule | eduMFA | Vouchsafe | recordings |\n| --- | --- | --- | --- |\n");
    for ([rule, edumfa, vouchsafe], recordings) in rows {
        let recordings = recordings.join(" ");
        writeln!(text, "| {rule} | {edumfa} | {vouchsafe} | {recordings} |").unwrap();
    }
    text
}

#[test]
fn the_configurations_schema_is_the_codes() {
    is_fresh("config.schema.json", &format!("{:#}\n", config::schema()));
}

/// SEMANTICS M6: what the daemon tolerates from clients is what the shipped file removes.
#[test]
fn the_shipped_file_removes_every_reserved_header_that_is_tolerated() {
    let shipped = include_str!("../nginx/snippets/to_app.conf").to_lowercase();
    for name in RESERVED_HEADERS {
        // The one that the daemon sends: set from its answer, which removes it where there is none.
        let said = "$vouchsafe_assertion";
        let line = shipped.lines().any(|line| {
            let words: Vec<_> = line.trim().trim_end_matches(';').split_whitespace().collect();
            words.first() == Some(&"proxy_set_header")
                && words.get(1) == Some(name)
                && words.get(2) == Some(if *name == ASSERTION { &said } else { &"\"\"" })
        });
        assert!(line, "nginx/snippets/to_app.conf must set or remove {name}");
    }
}

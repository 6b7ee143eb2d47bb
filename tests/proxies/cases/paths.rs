//! Spellings of paths and hosts (attack class path-host-canonicalisation), and the property of canonical targets
//! held against what each front really passes on.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vouchsafe::domain::target::{PathForms, Target, TargetError};

use crate::asking::{about, allowed, from_master, marker, never_arrives, stranger};
use crate::fronts::Front;
use crate::support::client::Request;
use crate::support::disguises::DISGUISED;
use crate::support::echo::Asked;
use crate::world::{MASTER, World};

pub fn disguised(world: &World, front: &Front) {
    for path in DISGUISED {
        never_arrives(world, front, path, |target| from_master("POST", target).body("x"));
        // Without an identity only what is free may arrive, and only as what it looks like.
        let marker = marker();
        let answer = stranger("GET", &format!("{path}?{marker}")).try_send(front.address);
        if let Some(asked) = answer.ok().as_ref().and_then(Asked::from) {
            let read = lenient_application(asked.target());
            assert!(
                read.starts_with(b"/public/") || read.starts_with(b"/assets/"),
                "{path}: {asked:?}"
            );
        }
    }
    // A prefix ends at a segment (A41), and what is no path at all is refused (A42).
    for path in ["/publicx", "/public.", "/PUBLIC/", "/assetsx/y"] {
        never_arrives(world, front, path, |target| stranger("GET", target));
    }
    for target in ["http://evil.test/public/", "https://h:bad/", "a", "*", "http://[::1"] {
        let marker = marker();
        let request = stranger("GET", target).header("X-Marker", &marker);
        if let Some(asked) = request.try_send(front.address).ok().as_ref().and_then(Asked::from) {
            assert!(asked.target().contains("/public/"), "{target}: {asked:?}");
            assert_eq!(asked.all("Host"), [crate::asking::APP], "{target}: {asked:?}");
        }
    }
    let long = format!("/public/{}", "a".repeat(9000));
    never_arrives(world, front, &long, |target| stranger("GET", target));
}

pub fn ordinary(_: &World, front: &Front) {
    for target in ["/caf%C3%A9", "/a%20b?c=%2F..%2F", "/100%25", "/?x=;y", "/a.b/c..d/e", "/~x/-_"]
    {
        let asked = allowed(front, &from_master("GET", target));
        let (sent, got) = (strict(target).unwrap(), asked.target().to_owned());
        let got = strict(&got).unwrap();
        assert_eq!(sent.path(), got.path(), "{target}");
        let query = |target: &Target<'_>| {
            percent_encoding::percent_decode(target.query().unwrap_or_default())
                .collect::<Vec<u8>>()
        };
        assert_eq!(query(&sent), query(&got), "{target}");
    }
    let asked = allowed(front, &from_master("GET", "/a//b/"));
    assert!(["/a//b/", "/a/b/"].contains(&asked.target()), "{asked:?}");
}

/// R2's property, end to end: what arrives has one canonical form, a lenient application reads nothing else in it,
/// and so it is not what the rules deny.
pub fn canonical(_: &World, front: &Front) {
    let pieces = prop::sample::select(vec![
        "/", "//", "admin", "public", "assets", "x", ".", "..", "%2e", "%2E", "%2f", "%5c", "%61",
        "%64min", "%25", "%3b", ";", ";a=b", "\\", "%00", "%c0%af", "é", "%C3%A9", "~", "A", "?",
        "?a=/../", "&", "#",
    ]);
    let target =
        prop::collection::vec(pieces, 1..8).prop_map(|parts| format!("/{}", parts.concat()));
    let mut runner =
        TestRunner::new(Config { cases: 250, failure_persistence: None, ..Config::default() });
    let result = runner.run(&target, |target| {
        let answer = from_master("POST", &target).body("x").try_send(front.address);
        let Some(asked) = answer.ok().as_ref().and_then(Asked::from) else { return Ok(()) };
        let arrived = asked.target();
        let canonical = strict(arrived);
        prop_assert!(
            canonical.is_ok(),
            "{target} arrived as {arrived}, which has no canonical form"
        );
        let read = lenient_application(arrived);
        let canonical = canonical.unwrap();
        prop_assert_eq!(canonical.path(), read.as_slice(), "{} arrived as {}", target, arrived);
        let admin = read.strip_prefix(b"/admin");
        prop_assert!(
            !admin.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")),
            "{target}"
        );
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

pub fn hosts(world: &World, front: &Front) {
    for host in ["APP.example.com", "app.example.com:80", "App.Example.Com:8443"] {
        let request = Request::new("GET", host, "/page").headers(&about("dwho")).from(MASTER);
        assert_eq!(allowed(front, &request).all("Auth-User"), ["dwho"], "{host}");
        // The same rules hold.
        never_arrives(world, front, "/admin", |target| {
            Request::new("POST", host, target).headers(&about("dwho")).from(MASTER).body("x")
        });
    }
    for host in
        ["app.example.com.", "u@app.example.com", "app.example.com%00", "app.example.com,x", ""]
    {
        never_arrives(world, front, "/admin", |target| {
            Request::new("POST", host, target).headers(&about("dwho")).from(MASTER).body("x")
        });
    }
}

fn strict(target: &str) -> Result<Target<'_>, TargetError> {
    Target::parse(target.as_bytes(), PathForms::STRICT)
}

/// Decodes, folds backslashes, drops parameters, resolves dots, merges slashes.
fn lenient_application(target: &str) -> Vec<u8> {
    let path = target.split('?').next().unwrap_or_default();
    let mut decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    decoded.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|&b| b == b'/') {
        match segment.split(|&b| b == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            plain => segments.push(plain),
        }
    }
    let mut read = [b"/", segments.join(&b'/').as_slice()].concat();
    if decoded.ends_with(b"/") && read != b"/" {
        read.push(b'/');
    }
    read
}

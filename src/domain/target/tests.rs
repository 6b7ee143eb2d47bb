use proptest::prelude::*;

use super::*;

/// Every combination of what an application may read.
const FLAGS: [PathForms; 4] = [
    PathForms::STRICT,
    PathForms { parameters: true, encoded_slash: false },
    PathForms { parameters: false, encoded_slash: true },
    PathForms::ALL,
];
const PARAMETERS: PathForms = FLAGS[1];
const SLASHES: PathForms = FLAGS[2];

fn strict(raw: &str) -> Result<Target<'_>, TargetError> {
    Target::parse(raw.as_bytes(), PathForms::STRICT)
}

#[track_caller]
fn path(raw: &str, expected: &str) {
    assert_eq!(strict(raw).unwrap().path(), expected.as_bytes(), "{raw}");
}

#[track_caller]
fn refused(raw: &str, why: TargetError) {
    assert_eq!(strict(raw), Err(why), "{raw}");
}

#[test]
fn spellings_of_one_resource_have_one_path() {
    for spelling in ["/admin", "//admin", "/%61dmin", "///admin", "/%61%64%6D%69n", "/admin?a=/x"] {
        path(spelling, "/admin");
    }
    path("/", "/");
    path("/a//b/", "/a/b/");
    path("/100%25", "/100%");
    path("/a%3Fb", "/a?b");
    path("/caf%C3%A9", "/café");
}

#[test]
fn what_programs_disagree_about_is_refused() {
    for raw in [
        "/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x/.%2E/admin",
        "/..",
        "/x/.",
        "/admin%2f",
        "/admin%2F",
        "/x/..%5cadmin",
        "/\\admin",
        "/admin;x",
        "/x/..;/admin",
        "/;/admin",
        "/admin%3bx",
        "/%2561dmin",
        "/%252e%252e/",
        "/%25%36%31dmin",
        "/%25%32%66admin",
        "/a%25%32e%2532e",
        "/a%00b",
        "/a%0ab",
        "/a%7f",
        "/public/#/../admin",
        "/admin#",
        "/x?y#z",
        "/%c0%ae%c0%ae/admin",
        "/%c0%af",
        "/%e0%80%af",
    ] {
        refused(raw, TargetError::Ambiguous);
    }
}

#[test]
fn what_is_not_a_path_is_refused() {
    for raw in [
        "",
        "a",
        "admin",
        "http://evil.test/",
        "https://h/%",
        "*",
        "?x",
        "/a b",
        "/a\tb",
        "/%",
        "/%4",
        "/%zz",
        "/%u002e",
        "/a\r\nX: y",
        "\u{7f}",
    ] {
        refused(raw, TargetError::Malformed);
    }
    refused(&format!("/{}", "a".repeat(TARGET_BYTES)), TargetError::Malformed);
    assert!(strict(&format!("/{}", "a".repeat(TARGET_BYTES - 1))).is_ok());
    let no_text = Target::parse(b"/\xff", PathForms::ALL);
    assert_eq!(no_text, Err(TargetError::Malformed));
}

#[track_caller]
fn forms(raw: &str, accepted: PathForms, expected: &[&str]) {
    let target = Target::parse(raw.as_bytes(), accepted).unwrap();
    let forms: Vec<_> = target.forms().map(String::from_utf8_lossy).collect();
    assert_eq!(forms, expected, "{raw}");
    assert_eq!(target.path(), expected[0].as_bytes());
    assert_eq!(target.raw(), raw);
}

#[test]
fn parameters_are_kept_and_dropped() {
    forms("/a;x=1/b?c;d", PARAMETERS, &["/a;x=1/b", "/a/b"]);
    forms("/%61;x;y=%20", PARAMETERS, &["/a;x;y= ", "/a"]);
    forms("/;x/admin", PARAMETERS, &["/;x/admin", "/admin"]);
    forms("/a/;x", PARAMETERS, &["/a/;x", "/a/"]);
    forms("/;", PARAMETERS, &["/;", "/"]);
    forms("//a;.../b", PARAMETERS, &["/a;.../b", "/a/b"]);
    forms("/a/b", PathForms::ALL, &["/a/b"]);
}

#[test]
fn encoded_slashes_are_kept_in_one_spelling_and_split() {
    forms("/group%2Fname", SLASHES, &["/group%2Fname", "/group/name"]);
    forms("/group%2fname", SLASHES, &["/group%2Fname", "/group/name"]);
    forms("/a%2F/%2Fb%2f", SLASHES, &["/a%2F/%2Fb%2F", "/a/b/"]);
    forms("/100%25%2f", SLASHES, &["/100%%2F", "/100%/"]);
}

#[test]
fn with_both_all_orders_count() {
    let expected = ["/a;x%2Fadmin", "/a;x/admin", "/a/admin", "/a"];
    forms("/a;x%2Fadmin", PathForms::ALL, &expected);
    let expected = ["/b%2Fc;x%2Fd", "/b/c;x/d", "/b/c/d", "/b%2Fc", "/b/c"];
    forms("/b%2Fc;x%2Fd", PathForms::ALL, &expected);
}

#[test]
fn no_flag_accepts_what_leads_elsewhere() {
    for raw in [
        "/x/..;/admin",
        "/..;x",
        "/x/.;/admin",
        "/a;x/../admin",
        "/a%3bx",
        "/a%3Bx",
        "/x%2f..%2fadmin",
        "/..%2fadmin",
        "/%2e%2e%2fadmin",
        "/.%2fadmin",
        "/a;x%2f..;y/admin",
        "/a;%2f../admin",
        "/a%5cb",
        "/a%00b",
        "/a%252fb",
        "/a%25%32fb",
        "/a%2\\x",
        "/a;#",
        "/%c0%ae%c0%ae;x/admin",
    ] {
        let parsed = Target::parse(raw.as_bytes(), PathForms::ALL);
        assert!(parsed.is_err(), "{raw}: {parsed:?}");
    }
    assert_eq!(Target::parse(b"/a%2fb", PARAMETERS), Err(TargetError::Ambiguous));
    assert_eq!(Target::parse(b"/a;x", SLASHES), Err(TargetError::Ambiguous));
}

#[test]
fn the_raw_form_is_kept_for_the_way_back() {
    let target = strict("/file%23a?x=1").unwrap();
    assert_eq!(target.raw(), "/file%23a?x=1");
    assert_eq!(target.query(), Some(&b"x=1"[..]));
}

proptest! {
    /// R2's property: decode and clean up as a lenient application would, whatever it drops or splits
    /// first; what it reads is what rules saw, or the target must have been refused.
    #[test]
    fn no_accepted_path_can_be_read_differently(raw in disguised()) {
        for accepted in FLAGS {
            let Ok(target) = Target::parse(raw.as_bytes(), accepted) else { continue };
            let forms: Vec<&[u8]> = target.forms().collect();
            for reading in readings(raw.as_bytes()) {
                prop_assert!(
                    forms.contains(&reading.as_slice()),
                    "{} of {raw} is none of {target:?}", String::from_utf8_lossy(&reading)
                );
            }
        }
    }

    #[test]
    fn what_is_accepted_without_a_flag_is_the_same_with_it(raw in disguised()) {
        for fewer in FLAGS {
            let Ok(before) = Target::parse(raw.as_bytes(), fewer) else { continue };
            for more in FLAGS {
                let is_more = more.parameters >= fewer.parameters
                    && more.encoded_slash >= fewer.encoded_slash;
                if is_more {
                    let after = Target::parse(raw.as_bytes(), more);
                    prop_assert_eq!(after.as_ref(), Ok(&before));
                }
            }
        }
    }

    #[test]
    fn encoding_letters_never_changes_the_path(path in "/[a-z]{1,8}(/[a-z]{1,8}){0,3}", mask: u64) {
        let encoded: String = path.chars().enumerate().map(|(i, c)| {
            if c != '/' && mask >> (i % 64) & 1 == 1 { format!("%{:02x}", c as u32) } else { c.to_string() }
        }).collect();
        let canonical = strict(&encoded).unwrap();
        prop_assert_eq!(canonical.path(), path.as_bytes());
    }

    #[test]
    fn nothing_panics(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        for accepted in FLAGS {
            let _ = Target::parse(&raw, accepted);
        }
    }
}

/// Paths made of the parts that programs disagree about.
fn disguised() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "/", "/", "/", "a", "b", ".", "..", ";", ";x", ";x=1", "%2F", "%2f", "%5c", "%3b", "%25",
        "%32", "%46", "%66", "%2e", "%", "2", "F", "e", "//", "\\", "%c0", "%af", "%61", "#",
        "%00",
    ];
    /// Few of which are refused, so that all forms come up.
    const MILD: &[&str] = &["/", "a", "b", ";x", ";", "%2F", "%2f", "%61", ".a", "..", "%2e"];
    let path_of = |parts: &'static [&str]| {
        prop::collection::vec(prop::sample::select(parts), 0..10)
            .prop_map(|parts| format!("/{}", parts.concat()))
    };
    prop_oneof![path_of(PARTS), path_of(MILD), "/[a-c/.%;\\\\2356eEfFcC0#]{0,24}",]
}

/// All that lenient applications could read in `raw`: they drop parameters before they split at
/// encoded slashes, or after it, or not at all, and they split there or not.
fn readings(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = Vec::new();
    for path in [raw.to_vec(), dropping(raw)] {
        for splits in [false, true] {
            let decoded = decoded(&path, splits);
            readings.push(lenient_application(&decoded, splits));
            readings.push(lenient_application(&dropping(&decoded), splits));
        }
    }
    readings
}

/// Percent-decoded; an application that does not split at encoded slashes leaves them, as `%2F`.
fn decoded(path: &[u8], splits: bool) -> Vec<u8> {
    let text = std::str::from_utf8(path).map(|text| text.replace("%2f", "%2F"));
    let parts = text.as_deref().map_or_else(
        |_| vec![path],
        |text| {
            if splits {
                vec![text.as_bytes()]
            } else {
                text.split("%2F").map(str::as_bytes).collect()
            }
        },
    );
    let decode = |part: &&[u8]| percent_encoding::percent_decode(part).collect::<Vec<u8>>();
    parts.iter().map(decode).collect::<Vec<_>>().join(&b"%2F"[..])
}

fn dropping(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|&b| b == b'/');
    let names = segments.map(|s| s.split(|&b| b == b';').next().unwrap_or_default());
    names.collect::<Vec<_>>().join(&b'/')
}

/// Decodes again, folds backslashes, resolves dots, merges slashes.
fn lenient_application(path: &[u8], splits: bool) -> Vec<u8> {
    let mut again = decoded(path, splits);
    again.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in again.split(|&b| b == b'/') {
        match segment.split(|&b| b == b';').next().unwrap_or_default() {
            b"." => {}
            b".." => {
                segments.pop();
            }
            _ if segment.is_empty() => {}
            _ => segments.push(segment),
        }
    }
    let mut resolved = [b"/", segments.join(&b'/').as_slice()].concat();
    if again.ends_with(b"/") && resolved != b"/" {
        resolved.push(b'/');
    }
    resolved
}

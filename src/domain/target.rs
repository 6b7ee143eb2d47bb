//! The canonical target: one spelling for everything that an application could serve as one resource.
//!
//! What cannot be brought into that form without guessing how the application reads it is refused
//! (SEMANTICS R2), so a rule never sees a path that the application would take for another. Where an
//! application is known to read more than that, rules see every form that it may read.

use std::borrow::Cow;

use crate::domain::limits::TARGET_BYTES;

/// Why a target has no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a path at all, too long, or with bytes that no URL has.
    #[error("malformed target")]
    Malformed,
    /// Programs disagree about which resource it names.
    #[error("ambiguous path")]
    Ambiguous,
}

/// What an application reads in paths besides the canonical spelling (SEMANTICS R2); by default nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathForms {
    /// `;x=1` at the end of a segment: programs keep it or drop it.
    pub parameters: bool,
    /// `%2F` inside a segment: programs keep it or take it for a slash.
    pub encoded_slash: bool,
}

impl PathForms {
    /// The canonical spelling only.
    pub const STRICT: Self = Self { parameters: false, encoded_slash: false };
    /// Whatever any application may be configured to read.
    pub const ALL: Self = Self { parameters: true, encoded_slash: true };
}

/// A request target in canonical form, borrowing from the request wherever it already was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    forms: Forms<'a>,
    query: Option<&'a [u8]>,
    raw: &'a str,
}

/// All that one path may be read as.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Forms<'a> {
    kept: Cow<'a, [u8]>,
    /// The others; empty, and so without an allocation, for all usual paths.
    resolved: Vec<Vec<u8>>,
}

impl<'a> Target<'a> {
    /// Canonicalises `raw`, the path and query exactly as the client sent them.
    ///
    /// Percent-encodings are decoded once and `//` is merged; the query stays as it is.
    ///
    /// # Errors
    /// Deny the request with the class that the variant names; never decide about a part of it.
    pub fn parse(raw: &'a [u8], accepted: PathForms) -> Result<Self, TargetError> {
        if raw.first() != Some(&b'/') || raw.len() > TARGET_BYTES {
            return Err(TargetError::Malformed);
        }
        if raw.iter().any(|&b| b <= b' ' || b == 0x7f) {
            return Err(TargetError::Malformed);
        }
        if raw.contains(&b'#') {
            return Err(TargetError::Ambiguous);
        }
        let raw_text = std::str::from_utf8(raw).map_err(|_| TargetError::Malformed)?;
        let (path, query) = match raw.iter().position(|&b| b == b'?') {
            Some(at) => (raw.get(..at).unwrap_or(raw), raw.get(at + 1..)),
            None => (raw, None),
        };
        Ok(Self { forms: canonical_path(path, accepted)?, query, raw: raw_text })
    }

    /// The decoded path with single slashes; parameters and encoded slashes (as `%2F`) stand in it.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.forms.kept
    }

    /// All that the path may be read as, each once and [`Target::path`] first: what rules match.
    pub fn forms(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.path()).chain(self.forms.resolved.iter().map(Vec::as_slice))
    }

    /// The query without `?`, undecoded.
    #[must_use]
    pub const fn query(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// The target exactly as the client sent it; the only form that may be sent back.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }
}

/// Stands for an accepted `%2F` between decoding and writing the forms: no decoded path has it.
const ENCODED_SLASH: u8 = 0;

fn canonical_path(path: &[u8], accepted: PathForms) -> Result<Forms<'_>, TargetError> {
    if path.iter().any(|&b| b == b'\\' || (b == b';' && !accepted.parameters)) {
        return Err(TargetError::Ambiguous);
    }
    let decoded = if path.contains(&b'%') {
        Cow::Owned(decode_once(path, accepted.encoded_slash)?)
    } else {
        Cow::Borrowed(path)
    };
    if is_overlong(&decoded) {
        return Err(TargetError::Ambiguous);
    }
    if decoded.iter().any(|b| matches!(*b, b';' | ENCODED_SLASH)) {
        return all_forms(&decoded);
    }
    Ok(Forms { kept: clean(decoded)?, resolved: Vec::new() })
}

/// Programs differ in whether they drop parameters, whether they decode slashes, and which they do
/// first: `/a;x%2Fb;y` ends in one with `a`, in the next with `b`.
fn all_forms(decoded: &[u8]) -> Result<Forms<'static>, TargetError> {
    let dropped = without_parameters(decoded);
    let split = with_slashes(decoded, b"/");
    let dropped_after = without_parameters(&split);
    let kept = clean(Cow::Owned(with_slashes(decoded, b"%2F")))?;
    let mut resolved: Vec<Vec<u8>> = Vec::new();
    for form in [split, dropped_after, with_slashes(&dropped, b"%2F"), with_slashes(&dropped, b"/")]
    {
        // A form that would be refused alone refuses them all: `/..;/`, `/..%2F`.
        let form = clean(Cow::Owned(form))?.into_owned();
        if form != *kept && !resolved.contains(&form) {
            resolved.push(form);
        }
    }
    Ok(Forms { kept, resolved })
}

fn with_slashes(decoded: &[u8], slash: &[u8]) -> Vec<u8> {
    decoded.split(|&b| b == ENCODED_SLASH).collect::<Vec<_>>().join(slash)
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let name = |segment| <[u8]>::split(segment, |&b| b == b';').next().unwrap_or_default();
    path.split(|&b| b == b'/').map(name).collect::<Vec<_>>().join(&b'/')
}

/// Refuses segments that lead elsewhere, merges slashes.
fn clean(path: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, TargetError> {
    if path.split(|&b| b == b'/').any(|segment| matches!(segment, b"." | b"..")) {
        return Err(TargetError::Ambiguous);
    }
    if path.windows(2).any(|pair| pair == b"//") {
        let mut merged = path.into_owned();
        merged.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
        return Ok(Cow::Owned(merged));
    }
    Ok(path)
}

fn decode_once(path: &[u8], encoded_slash: bool) -> Result<Vec<u8>, TargetError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match hex_pair(rest.next(), rest.next()).ok_or(TargetError::Malformed)? {
            b'/' if encoded_slash => decoded.push(ENCODED_SLASH),
            // Decoding these would change how the path is split, or where a program thinks it ends.
            b'/' | b'\\' | b';' | 0..=0x1f | 0x7f => return Err(TargetError::Ambiguous),
            other => decoded.push(other),
        }
    }
    if is_encoded(&decoded) {
        return Err(TargetError::Ambiguous);
    }
    Ok(decoded)
}

/// "%25" is a percent sign; before two hex digits, in whatever spelling, it is an encoding of an encoding.
fn is_encoded(decoded: &[u8]) -> bool {
    decoded
        .windows(3)
        .any(|part| matches!(part, [b'%', high, low] if hex_pair(Some(high), Some(low)).is_some()))
}

fn hex_pair(high: Option<&u8>, low: Option<&u8>) -> Option<u8> {
    let digit = |b: Option<&u8>| char::from(*b?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Overlong UTF-8: bytes that sloppy decoders turn into ASCII, `/` and `.` among it.
fn is_overlong(path: &[u8]) -> bool {
    path.windows(2).any(|pair| {
        matches!(pair, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f])
    })
}

#[cfg(test)]
mod tests {
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
        for spelling in
            ["/admin", "//admin", "/%61dmin", "///admin", "/%61%64%6D%69n", "/admin?a=/x"]
        {
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
            "/", "/", "/", "a", "b", ".", "..", ";", ";x", ";x=1", "%2F", "%2f", "%5c", "%3b",
            "%25", "%32", "%46", "%66", "%2e", "%", "2", "F", "e", "//", "\\", "%c0", "%af", "%61",
            "#", "%00",
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
}

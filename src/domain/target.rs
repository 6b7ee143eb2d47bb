//! The canonical target: one spelling for everything that an application could serve as one resource.
//!
//! What cannot be brought into that form without guessing how the application reads it is refused
//! (SEMANTICS R2), so a rule never sees a path that the application would take for another.

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

/// A request target in canonical form, borrowing from the request wherever it already was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    path: Cow<'a, [u8]>,
    query: Option<&'a [u8]>,
    raw: &'a str,
}

impl<'a> Target<'a> {
    /// Canonicalises `raw`, the path and query exactly as the client sent them.
    ///
    /// Percent-encodings are decoded once and `//` is merged; the query stays as it is.
    ///
    /// # Errors
    /// Deny the request with the class that the variant names; never decide about a part of it.
    pub fn parse(raw: &'a [u8]) -> Result<Self, TargetError> {
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
        Ok(Self { path: canonical_path(path)?, query, raw: raw_text })
    }

    /// The decoded path with single slashes; what rules match.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
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

fn canonical_path(path: &[u8]) -> Result<Cow<'_, [u8]>, TargetError> {
    if path.iter().any(|b| matches!(b, b'\\' | b';')) {
        return Err(TargetError::Ambiguous);
    }
    let decoded =
        if path.contains(&b'%') { Cow::Owned(decode_once(path)?) } else { Cow::Borrowed(path) };
    if is_overlong(&decoded) {
        return Err(TargetError::Ambiguous);
    }
    if decoded.split(|&b| b == b'/').any(|segment| matches!(segment, b"." | b"..")) {
        return Err(TargetError::Ambiguous);
    }
    if decoded.windows(2).any(|pair| pair == b"//") {
        let mut merged = decoded.into_owned();
        merged.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
        return Ok(Cow::Owned(merged));
    }
    Ok(decoded)
}

fn decode_once(path: &[u8]) -> Result<Vec<u8>, TargetError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let value = hex_pair(rest.next(), rest.next()).ok_or(TargetError::Malformed)?;
        match value {
            // Decoding these would change how the path is split, or where a program thinks it ends.
            b'/' | b'\\' | b';' | 0..=0x1f | 0x7f => return Err(TargetError::Ambiguous),
            // "%25" is a percent sign; before two hex digits it is an encoding of an encoding.
            b'%' if hex_pair(rest.as_slice().first(), rest.as_slice().get(1)).is_some() => {
                return Err(TargetError::Ambiguous);
            }
            other => decoded.push(other),
        }
    }
    Ok(decoded)
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

    #[track_caller]
    fn path(raw: &str, expected: &str) {
        assert_eq!(Target::parse(raw.as_bytes()).unwrap().path(), expected.as_bytes(), "{raw}");
    }

    #[track_caller]
    fn refused(raw: &str, why: TargetError) {
        assert_eq!(Target::parse(raw.as_bytes()), Err(why), "{raw}");
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
        assert!(Target::parse(format!("/{}", "a".repeat(TARGET_BYTES - 1)).as_bytes()).is_ok());
        assert_eq!(Target::parse(b"/\xff"), Err(TargetError::Malformed));
    }

    #[test]
    fn the_raw_form_is_kept_for_the_way_back() {
        let target = Target::parse(b"/file%23a?x=1").unwrap();
        assert_eq!(target.raw(), "/file%23a?x=1");
        assert_eq!(target.query(), Some(&b"x=1"[..]));
    }

    proptest! {
        /// R2's property: decode and clean up as a lenient application would; if that changes the
        /// path that rules saw, the target must have been refused.
        #[test]
        fn no_accepted_path_can_be_read_differently(raw in "/[a-c/.%;\\\\2eEfF5cC0#]{0,24}") {
            if let Ok(target) = Target::parse(raw.as_bytes()) {
                let lenient = lenient_application(target.path());
                prop_assert_eq!(lenient.as_slice(), target.path());
            }
        }

        #[test]
        fn encoding_letters_never_changes_the_path(path in "/[a-z]{1,8}(/[a-z]{1,8}){0,3}", mask: u64) {
            let encoded: String = path.chars().enumerate().map(|(i, c)| {
                if c != '/' && mask >> (i % 64) & 1 == 1 { format!("%{:02x}", c as u32) } else { c.to_string() }
            }).collect();
            let canonical = Target::parse(encoded.as_bytes()).unwrap();
            prop_assert_eq!(canonical.path(), path.as_bytes());
        }

        #[test]
        fn nothing_panics(raw in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Target::parse(&raw);
        }
    }

    /// Decodes again, folds backslashes, drops parameters, resolves dots, merges slashes.
    fn lenient_application(path: &[u8]) -> Vec<u8> {
        let mut again: Vec<u8> = percent_encoding::percent_decode(path).collect();
        again.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        let mut segments: Vec<&[u8]> = Vec::new();
        for segment in again.split(|&b| b == b'/') {
            match segment.split(|&b| b == b';').next().unwrap_or_default() {
                b"" | b"." => {}
                b".." => {
                    segments.pop();
                }
                plain => segments.push(plain),
            }
        }
        let mut resolved = [b"/", segments.join(&b'/').as_slice()].concat();
        if again.ends_with(b"/") && resolved != b"/" {
            resolved.push(b'/');
        }
        resolved
    }
}

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
mod tests;

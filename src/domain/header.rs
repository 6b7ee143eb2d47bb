//! How headers are read: by name, once, or not at all.

use std::fmt;

use smallvec::SmallVec;

/// Read access to the headers of one request.
///
/// There is no method that takes the first of two values: a master's header that stands twice (the
/// client's and the proxy's) is an attack, and this type makes everybody say what happens then.
pub trait HeaderView: Sync {
    /// The value of the header called `name` (lower case), if it is there.
    ///
    /// # Errors
    /// The header stands twice, or another header's name could be taken for it by a program that
    /// folds `_` and `.` into `-`. Refuse the request: nobody can tell which one is meant.
    fn unique(&self, name: &str) -> Result<Option<&[u8]>, AmbiguousHeader>;

    /// The names of all headers as they came, for a person who asks why. No decision is made of them.
    fn names(&self) -> Vec<&str>;
}

/// Why a header cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousHeader {
    /// The same name twice (case does not matter).
    #[error("a header stands twice")]
    Doubled,
    /// A look-alike: `Auth_User` or `Auth.User` for `Auth-User`.
    #[error("a header has a look-alike")]
    Aliased,
}

/// Headers in the order they came in; the view for both edges and for tests.
#[derive(Debug, Default, Clone)]
pub struct HeaderList<'a> {
    headers: SmallVec<[(&'a str, &'a [u8]); 24]>,
    /// A bit for each length that a name has. A look-alike has the length of what it looks like, so
    /// most headers that are absent are known to be absent without looking at any name.
    lengths: u64,
}

impl<'a> HeaderList<'a> {
    /// Adds a header behind the others.
    pub fn push(&mut self, name: &'a str, value: &'a [u8]) {
        self.lengths |= length_bit(name);
        self.headers.push((name, value));
    }

    /// Whether any header's name starts with `prefix` (lower case) and is not one of `known`.
    #[must_use]
    pub fn foreign(&self, prefix: &str, known: &[&str]) -> bool {
        self.headers.iter().any(|(name, _)| {
            name.get(..prefix.len()).is_some_and(|start| looks_like(start, prefix))
                && !known.iter().any(|known| name.eq_ignore_ascii_case(known))
        })
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for HeaderList<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(headers: I) -> Self {
        let mut list = Self::default();
        headers.into_iter().for_each(|(name, value)| list.push(name, value));
        list
    }
}

impl HeaderView for HeaderList<'_> {
    fn unique(&self, name: &str) -> Result<Option<&[u8]>, AmbiguousHeader> {
        if self.lengths & length_bit(name) == 0 {
            return Ok(None);
        }
        let mut found = None;
        for (candidate, value) in &self.headers {
            // Servers hand names over in lower case, so nearly always one comparison finds it.
            if *candidate != name {
                if !looks_like(candidate, name) {
                    continue;
                }
                if !candidate.eq_ignore_ascii_case(name) {
                    return Err(AmbiguousHeader::Aliased);
                }
            }
            if found.replace(*value).is_some() {
                return Err(AmbiguousHeader::Doubled);
            }
        }
        Ok(found)
    }

    fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| *name).collect()
    }
}

/// Lengths above 63 share the last bit.
const fn length_bit(name: &str) -> u64 {
    if name.len() < 63 { 1 << name.len() } else { 1 << 63 }
}

/// Whether a program that folds case, `_` and `.` takes `candidate` for `name`.
fn looks_like(candidate: &str, name: &str) -> bool {
    let fold = |byte: u8| match byte {
        b'_' | b'.' => b'-',
        other => other.to_ascii_lowercase(),
    };
    candidate.len() == name.len()
        && candidate.bytes().zip(name.bytes()).all(|(a, b)| fold(a) == fold(b))
}

/// A header's name as configured: a token of RFC 9110, kept in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderName {
    lower: Box<str>,
    written: Box<str>,
}

/// A text that cannot be a header's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a header name; use letters, digits and '-' (proxies drop or confuse '_' and '.')"
)]
pub struct MalformedHeaderName(String);

impl HeaderName {
    /// Reads a name from the configuration.
    ///
    /// # Errors
    /// Anything but letters, digits and `-`, or more than 64 bytes. `_` and `.` are refused because
    /// nginx drops such names and other programs take them for `-` (attacks A21, A22).
    pub fn parse(written: &str) -> Result<Self, MalformedHeaderName> {
        let good = (1..=64).contains(&written.len())
            && written.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if good {
            Ok(Self { lower: written.to_ascii_lowercase().into(), written: written.into() })
        } else {
            Err(MalformedHeaderName(written.to_owned()))
        }
    }

    /// The name in lower case, as [`HeaderView::unique`] wants it.
    #[must_use]
    pub fn lower(&self) -> &str {
        &self.lower
    }

    /// The name as the operator wrote it.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<'a>(headers: &[(&'a str, &'a str)]) -> HeaderList<'a> {
        headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect()
    }

    #[test]
    fn one_header_is_read_whatever_its_case() {
        let headers = list(&[("AUTH-User", "dwho"), ("x", "y")]);
        assert_eq!(headers.unique("auth-user"), Ok(Some(&b"dwho"[..])));
        assert_eq!(headers.unique("auth-mail"), Ok(None));
    }

    #[test]
    fn a_header_that_stands_twice_is_refused() {
        let headers = list(&[("auth-user", "a"), ("Auth-User", "a")]);
        assert_eq!(headers.unique("auth-user"), Err(AmbiguousHeader::Doubled));
    }

    #[test]
    fn a_look_alike_is_refused_even_alone() {
        for alias in ["auth_user", "Auth.User", "AUTH_USER"] {
            let headers = list(&[(alias, "evil")]);
            assert_eq!(headers.unique("auth-user"), Err(AmbiguousHeader::Aliased), "{alias}");
        }
    }

    #[test]
    fn foreign_reserved_names_are_found_in_every_spelling() {
        let known = &["x-vouchsafe-reason"][..];
        assert!(!list(&[("X-Vouchsafe-Reason", "x")]).foreign("x-vouchsafe-", known));
        assert!(list(&[("X-Vouchsafe-Evil", "x")]).foreign("x-vouchsafe-", known));
        assert!(list(&[("x_vouchsafe_reason", "x")]).foreign("x-vouchsafe-", known));
        assert!(!list(&[("x-other", "x")]).foreign("x-vouchsafe-", known));
    }

    #[test]
    fn names_of_every_length_are_found() {
        for length in [1, 2, 62, 63, 64, 65, 200] {
            let (name, other) = ("a".repeat(length), "b".repeat(length + 1));
            let headers = list(&[(&name, "x")]);
            assert_eq!(headers.unique(&name), Ok(Some(&b"x"[..])), "{length}");
            assert_eq!(headers.unique(&other), Ok(None), "{length}");
            assert_eq!(
                list(&[(&name, ""), (&name, "")]).unique(&name),
                Err(AmbiguousHeader::Doubled)
            );
        }
    }

    #[test]
    fn configured_names_are_plain_tokens() {
        assert_eq!(HeaderName::parse("Auth-User").unwrap().lower(), "auth-user");
        for bad in ["", "Auth_User", "Auth.User", "Auth User", "Auth:User", "Äuth"] {
            assert!(HeaderName::parse(bad).is_err(), "{bad}");
        }
    }
}

//! How a text stands in a header: read from a master's, written into an application's.
//!
//! Must not know: which variable, which header, which proxy. Everything here is a pure function of bytes;
//! foreign ones cannot make it fail other than by [`Malformed`].

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What `percent` writes as escapes: everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What `rfc8187` writes as escapes: everything but an `attr-char`.
const NO_ATTR_CHAR: &AsciiSet = &RESERVED
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'^')
    .remove(b'`')
    .remove(b'|');

/// An encoding of texts in headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// The text's own bytes.
    #[default]
    Utf8,
    /// ISO-8859-1, a byte a character. Not windows-1252: 0x80 to 0x9F are control characters.
    Latin1,
    /// UTF-8 with `%C3%A9` for what is not an unreserved character of RFC 3986.
    Percent,
    /// UTF-8 in base64 of RFC 4648, section 4, in the one spelling that it has for each text: padded,
    /// its last bits zero, no line breaks. Whoever accepts more accepts two headers for one value.
    Base64,
    /// `UTF-8''%C3%A9`: an `ext-value` of RFC 8187. Read in ISO-8859-1 too, as RFC 5987 had it.
    Rfc8187,
}

/// Bytes that are no text in the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a text in this encoding")]
pub struct Malformed;

/// Why a value is not sent to an application. Label of a metric, field of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum DropReason {
    /// Judged on the text: an application that decodes it would be hit by what the wire did not carry.
    #[error("it holds control characters")]
    ControlBytes,
    /// A character beyond U+00FF; a `?` in its place would be another value.
    #[error("it holds characters that latin1 does not have")]
    NotLatin1,
    /// An item of a list holds what separates items, so the application would read two of it.
    #[error("an item of the list holds the separator")]
    Separator,
    /// gRPC carries nothing else.
    #[error("it is not UTF-8, which gRPC demands")]
    NotUtf8,
    /// What it is made of has no value for this identity; an empty one could be another.
    #[error("its expression, or a macro or group that it asks for, has no value")]
    Failed,
}

// === impl DropReason ===

impl DropReason {
    /// All of them, in the order of their discriminants.
    pub const ALL: &[Self] =
        &[Self::ControlBytes, Self::NotLatin1, Self::Separator, Self::NotUtf8, Self::Failed];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlBytes => "control_bytes",
            Self::NotLatin1 => "not_latin1",
            Self::Separator => "separator",
            Self::NotUtf8 => "not_utf8",
            Self::Failed => "failed",
        }
    }
}

// === impl Encoding ===

impl Encoding {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Utf8, Self::Latin1, Self::Percent, Self::Base64, Self::Rfc8187];

    /// The text if `raw` is it already and nothing needs to be decoded: always with `utf8`, mostly with
    /// `latin1` and `percent`. Allocates nothing.
    #[must_use]
    pub fn plain(self, raw: &[u8]) -> Option<&str> {
        let is_plain = match self {
            Self::Utf8 => true,
            Self::Latin1 => raw.is_ascii(),
            Self::Percent => raw.is_ascii() && !raw.contains(&b'%'),
            Self::Base64 | Self::Rfc8187 => raw.is_empty(),
        };
        std::str::from_utf8(raw).ok().filter(|_| is_plain)
    }

    /// The text that `raw` stands for; an empty value is an empty text in every encoding.
    ///
    /// # Errors
    /// There is none: refuse whoever sent it, because nobody can tell what was meant.
    pub fn decode(self, raw: &[u8]) -> Result<Cow<'_, str>, Malformed> {
        if let Some(text) = self.plain(raw) {
            return Ok(Cow::Borrowed(text));
        }
        let text = match self {
            Self::Utf8 => return Err(Malformed),
            Self::Latin1 => latin1(raw),
            Self::Percent => utf8(unescaped(ascii(raw)?)?)?,
            Self::Base64 => utf8(STANDARD.decode(raw).map_err(|_| Malformed)?)?,
            Self::Rfc8187 => ext_value(ascii(raw)?)?,
        };
        Ok(Cow::Owned(text))
    }

    /// The bytes that stand for `text`. Empty for an empty one: that is how an unset variable is said.
    ///
    /// # Errors
    /// The text must not be sent, or cannot be sent in this encoding: send no value at all.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, DropReason> {
        // C1 too: they are two bytes in UTF-8 and line breaks to some programs (U+0085).
        if text.contains(char::is_control) {
            return Err(DropReason::ControlBytes);
        }
        if text.is_empty() {
            return Ok(Vec::new());
        }
        Ok(match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Latin1 => to_latin1(text).ok_or(DropReason::NotLatin1)?,
            Self::Percent => utf8_percent_encode(text, RESERVED).to_string().into_bytes(),
            Self::Base64 => STANDARD.encode(text).into_bytes(),
            Self::Rfc8187 => {
                let escaped = utf8_percent_encode(text, NO_ATTR_CHAR);
                format!("UTF-8''{escaped}").into_bytes()
            }
        })
    }

    /// The bytes that separate values in this encoding; `None` if one could stand inside of a value,
    /// so that nobody could tell where the next begins, or cannot be written.
    #[must_use]
    pub fn separator(self, text: &str) -> Option<Vec<u8>> {
        let apart = |is_used: fn(u8) -> bool| {
            let is_apart = text.bytes().all(|byte| byte.is_ascii() && !is_used(byte));
            is_apart.then(|| text.as_bytes().to_vec())
        };
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Latin1 => to_latin1(text),
            Self::Percent => apart(|byte| byte == b'%' || is_as_it_is(byte, RESERVED)),
            Self::Base64 => {
                apart(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
            }
            Self::Rfc8187 => {
                apart(|byte| matches!(byte, b'%' | b'\'') || is_as_it_is(byte, NO_ATTR_CHAR))
            }
        }
    }

    /// Whether an encoded value can hold what separates values.
    #[must_use]
    pub const fn can_hold_separators(self) -> bool {
        match self {
            Self::Utf8 | Self::Latin1 => true,
            Self::Percent | Self::Base64 | Self::Rfc8187 => false,
        }
    }
}

/// Whether `byte` is no escape in what is written with this set.
fn is_as_it_is(byte: u8, escaped: &'static AsciiSet) -> bool {
    let byte = char::from(byte);
    utf8_percent_encode(byte.encode_utf8(&mut [0; 4]), escaped).eq([byte.encode_utf8(&mut [0; 4])])
}

fn ascii(raw: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(raw).ok().filter(|text| text.is_ascii()).ok_or(Malformed)
}

fn utf8(bytes: Vec<u8>) -> Result<String, Malformed> {
    String::from_utf8(bytes).map_err(|_| Malformed)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn to_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

/// Decodes once; `%2541` is `%41`. The crate would leave a broken escape as it is.
fn unescaped(text: &str) -> Result<Vec<u8>, Malformed> {
    let is_escape = |rest: &str| {
        rest.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    if text.split('%').skip(1).all(is_escape) {
        Ok(percent_decode_str(text).collect())
    } else {
        Err(Malformed)
    }
}

/// `charset'language'value`. The language is no part of the text.
fn ext_value(text: &str) -> Result<String, Malformed> {
    let (charset, rest) = text.split_once('\'').ok_or(Malformed)?;
    let (language, value) = rest.split_once('\'').ok_or(Malformed)?;
    let is_good = language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && value.bytes().all(|byte| byte == b'%' || is_as_it_is(byte, NO_ATTR_CHAR));
    if !is_good {
        return Err(Malformed);
    }
    let bytes = unescaped(value)?;
    if charset.eq_ignore_ascii_case("UTF-8") {
        utf8(bytes)
    } else if charset.eq_ignore_ascii_case("ISO-8859-1") {
        Ok(latin1(&bytes))
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Encoding::*;
    use super::*;

    #[track_caller]
    fn is(encoding: Encoding, raw: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(encoding.decode(raw.as_ref()).as_deref(), Ok(expected), "{encoding:?}");
    }

    #[track_caller]
    fn is_not(encoding: Encoding, raw: impl AsRef<[u8]>) {
        assert_eq!(encoding.decode(raw.as_ref()), Err(Malformed), "{encoding:?}");
    }

    fn written(encoding: Encoding, text: &str) -> Result<String, DropReason> {
        encoding.encode(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn the_examples_of_the_rfc_are_read_and_written() {
        // RFC 8187, section 3.2, and RFC 5987, section 3.2.2, which had one in ISO-8859-1.
        is(Rfc8187, "UTF-8'en'%C2%A3%20rates", "£ rates");
        is(Rfc8187, "UTF-8''%c2%a3%20and%20%e2%82%ac%20rates", "£ and € rates");
        is(Rfc8187, "iso-8859-1'en'%A3%20rates", "£ rates");
        let expected = "UTF-8''%C2%A3%20and%20%E2%82%AC%20rates";
        assert_eq!(written(Rfc8187, "£ and € rates").as_deref(), Ok(expected));
    }

    #[test]
    fn each_encoding_has_its_spelling() {
        for (encoding, expected) in [
            (Utf8, "Amélie+d'Or~|".to_owned()),
            (Latin1, "Am\u{fffd}lie+d'Or~|".to_owned()),
            (Percent, "Am%C3%A9lie%2Bd%27Or~%7C".to_owned()),
            (Base64, "QW3DqWxpZStkJ09yfnw=".to_owned()),
            (Rfc8187, "UTF-8''Am%C3%A9lie+d%27Or~|".to_owned()),
        ] {
            assert_eq!(written(encoding, "Amélie+d'Or~|"), Ok(expected), "{encoding:?}");
        }
        is(Latin1, b"Am\xe9lie", "Amélie");
    }

    #[test]
    fn an_escape_is_decoded_once_and_a_broken_one_is_refused() {
        is(Percent, "a%2541+b c", "a%41+b c");
        for broken in ["%", "a%4", "%4g", "%%41", "%-1", "%+1", "%c3", "%ff", "é", "%C3\u{a9}"] {
            is_not(Percent, broken);
        }
        is_not(Percent, b"\xc3%A9");
    }

    #[test]
    fn base64_has_one_spelling() {
        is(Base64, "QW3DqWxpZQ==", "Amélie");
        // Without padding, with bits that count for nothing, in the alphabet of URLs, in lines, blanks;
        // and what is not UTF-8 inside.
        for other in ["QW3DqWxpZQ", "QW3DqWxpZR==", "8J-YgA==", "QQ==\n", " QQ==", "=", "6Q=="] {
            is_not(Base64, other);
        }
    }

    #[test]
    fn an_ext_value_has_a_charset_that_is_known_and_no_other_characters() {
        is(Rfc8187, "utf-8'de-CH-1996'a", "a");
        is(Rfc8187, "UTF-8''", "");
        for other in [
            "a",
            "a'b",
            "''a",
            "UTF-8'a",
            "UTF-16''a",
            "UTF-8'e n'a",
            "UTF-8''a b",
            "UTF-8''a'b",
            "UTF-8''a;b",
            "UTF-8''%E9",
            "UTF-8''%",
            "\"UTF-8''a\"",
            "UTF-8''\u{e9}",
            "ISO-8859-15''a",
        ] {
            is_not(Rfc8187, other);
        }
    }

    #[test]
    fn control_characters_are_written_in_no_encoding() {
        for &encoding in Encoding::ALL {
            for bad in ["a\r\nb", "\0", "\t", "\x7f", "\u{80}", "\u{85}", "\u{9f}"] {
                assert_eq!(encoding.encode(bad), Err(DropReason::ControlBytes), "{bad:?}");
            }
        }
        assert_eq!(Latin1.encode("€"), Err(DropReason::NotLatin1));
    }

    #[test]
    fn a_separator_is_told_from_a_value() {
        for &encoding in Encoding::ALL {
            for good in [";", ", ", ":", " "] {
                assert_eq!(encoding.separator(good).as_deref(), Some(good.as_bytes()));
            }
        }
        assert_eq!(Latin1.separator("§").as_deref(), Some(&b"\xa7"[..]));
        assert_eq!(Latin1.separator("€"), None);
        for (encoding, bad) in [
            (Percent, ["%", "a", "-", "~", "§"]),
            (Base64, ["=", "/", "+", "; a", "§"]),
            (Rfc8187, ["'", "|", "&", ";%", "§"]),
        ] {
            for bad in bad {
                assert_eq!(encoding.separator(bad), None, "{encoding:?} {bad}");
            }
        }
    }

    #[test]
    fn labels_stand_at_their_discriminants() {
        for (at, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_as_it_was(text in "\\PC{0,40}|[ -~\u{a0}-\u{ff}]{0,40}") {
            for &encoding in Encoding::ALL {
                match encoding.encode(&text) {
                    Ok(bytes) => {
                        let read = encoding.decode(&bytes);
                        prop_assert_eq!(read.as_deref(), Ok(&*text));
                    }
                    Err(DropReason::ControlBytes) => {
                        prop_assert!(text.contains(char::is_control));
                    }
                    Err(reason) => {
                        prop_assert_eq!((encoding, reason), (Latin1, DropReason::NotLatin1));
                        let is_beyond = text.chars().any(|character| u8::try_from(character).is_err());
                        prop_assert!(is_beyond);
                    }
                }
            }
        }

        #[test]
        fn what_is_escaped_is_visible_ascii_without_any_separator(text in any::<String>()) {
            for encoding in [Percent, Base64, Rfc8187] {
                let Ok(bytes) = encoding.encode(&text) else { continue };
                prop_assert!(bytes.iter().all(u8::is_ascii_graphic));
                for byte in 0..=0x7f {
                    let separator = char::from(byte).to_string();
                    if encoding.separator(&separator).is_some() {
                        prop_assert!(!bytes.contains(&byte), "{encoding:?} {separator:?}");
                    }
                }
            }
        }

        #[test]
        fn any_bytes_are_a_text_or_malformed(raw in prop::collection::vec(any::<u8>(), 0..60)) {
            for &encoding in Encoding::ALL {
                let decoded = encoding.decode(&raw);
                if let Some(plain) = encoding.plain(&raw) {
                    prop_assert_eq!(decoded.as_deref(), Ok(plain));
                }
            }
        }
    }
}

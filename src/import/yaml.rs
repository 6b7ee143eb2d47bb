//! Writes `config.yaml`, and knows for each line what of the source it says.
//!
//! Must not know: what any of it means.

use std::fmt::Write as _;

/// Longest comment about something of the source, in characters.
const COMMENT_CHARS: usize = 160;

/// A file that is being written; a `P` is what a line is about, so that an error in it leads back to its source.
#[derive(Debug)]
pub struct Yaml<P> {
    text: String,
    parts: Vec<P>,
}

impl<P> Default for Yaml<P> {
    fn default() -> Self {
        Self { text: String::new(), parts: Vec::new() }
    }
}

impl<P: Clone> Yaml<P> {
    /// Adds a line about `part`.
    pub fn line(&mut self, part: &P, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.parts.push(part.clone());
    }

    /// Adds a comment that quotes the source.
    pub fn comment(&mut self, part: &P, indent: &str, text: &str) {
        let line = format!("{indent}# {}", shown(text, COMMENT_CHARS));
        self.line(part, &line);
    }

    /// What the line with this number, from 1, is about.
    pub fn part(&self, line: u32) -> Option<&P> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.parts.get(index)
    }

    /// The file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// A text of the source in one line of printable ASCII, cut to so many characters.
pub fn shown(text: &str, most: usize) -> String {
    let mut shown: String = text.escape_default().take(most + 1).collect();
    // Quotes are escaped for Rust's sake; nobody needs that here.
    for quote in ["\\'", "\\\""] {
        shown = shown.replace(quote, quote.trim_start_matches('\\'));
    }
    shown = shown.replace("\\\\", "\\");
    if shown.chars().count() > most {
        shown = shown.chars().take(most).chain("...".chars()).collect();
    }
    shown
}

/// `text` as a scalar that YAML reads as this text, in any place.
pub fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    if text.chars().all(|c| matches!(c, ' '..='~')) && !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            c => {
                let written = write!(quoted, "\\U{:08X}", u32::from(c));
                debug_assert!(written.is_ok(), "a String takes everything");
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Plain words that some reader of YAML takes for something else than a text.
const WORDS: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scalars_are_quoted_where_they_must_be() {
        for (text, expected) in [
            ("uid", "uid"),
            ("no", "'no'"),
            ("1", "'1'"),
            ("", "''"),
            ("^/a: #b", "'^/a: #b'"),
            ("it's", "\"it's\""),
            ("a\n\u{e9}\"", "\"a\\U0000000A\\U000000E9\\\"\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }

    #[test]
    fn what_is_shown_is_one_line() {
        assert_eq!(shown("a\nb\u{2028}'\"\\d", 80), "a\\nb\\u{2028}'\"\\d");
        assert_eq!(shown("abcdef", 3), "abc...");
    }

    proptest! {
        #[test]
        fn a_scalar_is_one_line_of_ascii(text in any::<String>()) {
            let written = scalar(&text);
            prop_assert!(written.chars().all(|c| matches!(c, ' '..='~')));
        }
    }
}

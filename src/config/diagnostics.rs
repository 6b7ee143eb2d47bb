//! What is wrong with a configuration file: where, why and what to do about it.
//!
//! Must not know: keys of the configuration. Texts follow one convention of the whole crate: what is
//! wrong, then `"; "`, then the remedy. Secrets are masked before a line of the file is kept here.

use std::fmt;

use crate::config::mask::Mask;
use crate::domain::location::Location;

/// Longest part of a line that a snippet shows, in characters.
const SNIPPET_CHARS: usize = 120;
/// Longest message that is shown, in characters.
const MESSAGE_CHARS: usize = 600;
/// So many diagnostics are shown; a file with more errors is the wrong file.
pub(super) const MOST_DIAGNOSTICS: usize = 100;

/// Whether a diagnostic keeps the daemon from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The daemon does not start.
    Error,
    /// Allowed, but probably not meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One line of the file, masked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    number: u32,
    text: String,
}

/// One thing that is wrong. Its `Display` is what `vouchsafe check` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it matters now.
    pub severity: Severity,
    /// The key, e.g. `slave.masters[0].ips`; empty if there is none.
    pub path: String,
    /// The place in the file; `0:0` if there is none.
    pub at: Location,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    snippet: Vec<Line>,
    caret: usize,
}

impl Diagnostic {
    /// `text` is what is wrong, and after the last `"; "` the remedy.
    pub(super) fn new(severity: Severity, path: String, at: Location, text: &str) -> Self {
        let (message, help) = match text.rsplit_once("; ") {
            Some((message, help)) => (message, Some(help.chars().map(visible).collect())),
            None => (text, None),
        };
        let message = message.chars().map(visible).collect();
        Self { severity, path, at, message, help, snippet: Vec::new(), caret: 0 }
    }

    /// An error about the file as a whole.
    pub(super) fn of_file(text: &str) -> Self {
        Self::new(Severity::Error, String::new(), Location::default(), text)
    }

    /// Hides secrets in what is said, and only then cuts it: half a secret is one too.
    fn conceal(&mut self, mask: &Mask<'_>) {
        self.message = cut(&mask.conceal(std::mem::take(&mut self.message)));
        self.help = self.help.take().map(|help| cut(&mask.conceal(help)));
        self.path = cut(&mask.conceal(std::mem::take(&mut self.path)));
    }

    fn add_snippet(&mut self, mask: &Mask<'_>) {
        let first = self.at.line.saturating_sub(1).max(1);
        let column = (self.at.column as usize).saturating_sub(1);
        // A long line is shown around the place, not from its start.
        let skip = if column > SNIPPET_CHARS * 2 / 3 { column - SNIPPET_CHARS / 3 } else { 0 };
        for number in first..=self.at.line {
            let Some(text) = mask.line(number) else { continue };
            let long = text.chars().count() > SNIPPET_CHARS;
            let skip = if long && number == self.at.line { skip } else { 0 };
            self.caret = column - skip;
            let text = text.chars().skip(skip).take(SNIPPET_CHARS).map(visible).collect();
            self.snippet.push(Line { number, text });
        }
    }
}

/// A control byte of the file must not reach the terminal.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS).collect()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity)?;
        if self.at != Location::default() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.message)?;
        let width = self.snippet.last().map_or(0, |line| line.number.to_string().len());
        for Line { number, text } in &self.snippet {
            write!(f, "\n{number:width$} | {text}")?;
        }
        if !self.snippet.is_empty() {
            write!(f, "\n{:width$} | {:indent$}^", "", "", indent = self.caret)?;
            if !self.path.is_empty() {
                write!(f, " {}", self.path)?;
            }
        }
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a file, in the order of its lines; at least one is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// All of them, warnings too.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// How many are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// About a file that could not be read; there is nothing in it to hide.
    pub(super) fn one(mut diagnostic: Diagnostic) -> Self {
        diagnostic.message = cut(&diagnostic.message);
        Self(vec![diagnostic])
    }

    /// Sorts, drops repetitions and keeps the lines that are shown.
    pub(super) fn of(mut list: Vec<Diagnostic>, mask: &Mask<'_>) -> Self {
        // Stable: what is found first at one place is reported first.
        list.sort_by_key(|found| found.at);
        list.dedup_by(|a, b| a.at == b.at && a.message == b.message);
        let more = list.len().saturating_sub(MOST_DIAGNOSTICS);
        if more > 0 {
            // Errors first, so that warnings never push the one error out.
            list.sort_by_key(|found| found.severity == Severity::Warning);
            list.truncate(MOST_DIAGNOSTICS);
        }
        for found in &mut list {
            found.conceal(mask);
            found.add_snippet(mask);
        }
        if more > 0 {
            let errors = list.iter().any(|found| found.severity == Severity::Error);
            let severity = if errors { Severity::Error } else { Severity::Warning };
            let text = format!("{more} more; repair these first");
            list.push(Diagnostic::new(severity, String::new(), Location::default(), &text));
        }
        Self(list)
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        self.0.into_iter().map(|found| found.to_string()).collect()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{found}")?;
        }
        Ok(())
    }
}

/// The entry of `known` that `written` was probably meant to be.
pub(super) fn did_you_mean<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    let near = |candidate: &str| distance(&written, &candidate.to_lowercase());
    let bound = written.chars().count().div_ceil(3).clamp(1, 3);
    let (closeness, candidate) =
        known.into_iter().map(|candidate| (near(candidate), candidate)).min_by_key(|c| c.0)?;
    (closeness <= bound).then_some(candidate)
}

/// Levenshtein's distance; texts that are far apart in length are just far apart.
fn distance(a: &str, b: &str) -> usize {
    let (long, other) = (a.chars().count(), b.chars().count());
    if long.abs_diff(other) > 3 || long > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y)).min(left + 1).min(above + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("wen", "when", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_typo_finds_its_key_and_nonsense_finds_none() {
        let keys = ["user_header", "user_pattern", "roles"];
        assert_eq!(did_you_mean("usr_header", keys), Some("user_header"));
        assert_eq!(did_you_mean("Roles", keys), Some("roles"));
        assert_eq!(did_you_mean("nonsense", keys), None);
    }

    #[test]
    fn the_remedy_stands_after_the_last_semicolon() {
        let found = Diagnostic::new(
            Severity::Warning,
            "a.b".into(),
            Location { line: 2, column: 4 },
            "'x; y' is bad\u{1b}; write z",
        );
        assert_eq!(
            found.to_string(),
            "warning: line 2 column 4: 'x; y' is bad\u{fffd}\nhelp: write z"
        );
    }
}

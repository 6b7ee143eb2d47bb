//! What an operator has to know about a translation.
//!
//! Must not know: values. Places and reasons are enough, and secrets are values.

use std::collections::BTreeSet;
use std::fmt;

use crate::import::yaml::shown;

/// Longest name of a place, in characters.
const PLACE_CHARS: usize = 120;

/// How something was translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is not, and so it denies.
    Denies,
    /// It is not, or means something else there, and so what it belongs to is switched off.
    Inactive,
    /// It is not, and so it is missing.
    Missing,
    /// To something that is not quite the same.
    Approximately,
    /// As it is, and there is something to know about it.
    Note,
}

impl Kind {
    const ALL: &[(Self, &'static str)] = &[
        (Self::Denies, "not translated, and denies instead"),
        (Self::Inactive, "not translated, and switched off instead"),
        (Self::Missing, "not translated, and left out"),
        (Self::Approximately, "translated approximately"),
        (Self::Note, "to know"),
    ];
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// How it was translated.
    pub kind: Kind,
    /// Where it stands in the source, e.g. `locationRules.app.example.com.^/admin`.
    pub place: String,
    /// Why, and what to do.
    pub text: String,
}

/// Everything to know; its `Display` is for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    entries: Vec<Entry>,
    known: BTreeSet<Entry>,
}

impl Report {
    /// Adds an entry, once.
    pub fn add(&mut self, kind: Kind, place: &str, text: impl Into<String>) {
        let place = shown(place, PLACE_CHARS);
        let entry = Entry { kind, place, text: text.into() };
        if self.known.insert(entry.clone()) {
            self.entries.push(entry);
        }
    }

    /// All of it.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, title) in Kind::ALL {
            let mut entries = self.entries.iter().filter(|entry| entry.kind == *kind).peekable();
            if entries.peek().is_some() {
                writeln!(f, "{title}:")?;
            }
            for Entry { place, text, .. } in entries {
                writeln!(f, "  {place}\n      {text}")?;
            }
        }
        Ok(())
    }
}

//! What recordings ask for that this version does not have yet, each with the issue that brings it.
//!
//! These aspects are not compared. One that is answered as recorded all the same fails: then it works.

use std::fmt;

use crate::differences::matches;

/// Aspects of some recordings that wait for a feature.
pub struct Later {
    pub recordings: &'static str,
    pub aspects: &'static [&'static str],
    pub feature: &'static str,
}

impl Later {
    /// Whether it speaks about the recording called `name`.
    pub fn is_about(&self, name: &str) -> bool {
        matches(self.recordings, name)
    }
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recordings, aspects, feature } = self;
        write!(f, "{recordings} ({}): {feature}", aspects.join(", "))
    }
}

pub const LATER: &[Later] = &[];

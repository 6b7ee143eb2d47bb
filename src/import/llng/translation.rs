//! One attempt to translate, and what of it was refused by those who check configurations.
//!
//! What is refused is left out or denies in the next attempt, so the last one is good.

use std::collections::BTreeMap;

use crate::import::llng::part::Part;
use crate::import::llng::perl::Unsupported;

/// What was refused, how often, and why.
#[derive(Debug, Default)]
pub struct Refusals(BTreeMap<Part, (u8, String)>);

impl Refusals {
    /// Adds one.
    pub fn add(&mut self, part: &Part, why: &str) {
        let (times, _) = self.0.entry(part.clone()).or_insert_with(|| (0, why.to_owned()));
        *times = times.saturating_add(1);
    }

    /// Why this was refused.
    pub fn why(&self, part: &Part) -> Option<&str> {
        self.0.get(part).map(|(_, why)| why.as_str())
    }

    /// How often.
    pub fn times(&self, part: &Part) -> u8 {
        self.0.get(part).map_or(0, |(times, _)| *times)
    }

    /// `translated`, unless it was refused before.
    pub fn or_refused<T>(
        &self,
        part: &Part,
        translated: Result<T, Unsupported>,
    ) -> Result<T, Unsupported> {
        match (translated, self.why(part)) {
            (Ok(_), Some(why)) => Err(Unsupported::because(format!("cannot be used: {why}"))),
            (translated, _) => translated,
        }
    }
}

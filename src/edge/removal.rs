//! What Envoy is told to take off a request on its way to an application (SEMANTICS M6).
//!
//! The other proxies do it by their shipped files. Removal beats setting, so what an answer sets must not
//! be among what it removes.

use std::sync::Arc;

use crate::domain::decision::Grant;
use crate::edge::http::headers::{ASSERTION, RESERVED_HEADERS};

/// Headers that carry nothing but a factor.
const FACTOR_HEADERS: &[&str] = &["x-otp"];

/// What may carry a factor of an application's users, where that is allowed; else it is the application's own.
const CREDENTIALS: &str = "authorization";

/// For each application the names that are always removed: the master's, ours, and the exports of others.
#[derive(Debug)]
pub struct Removals(Vec<Box<[Box<str>]>>);

impl Removals {
    /// `trust_headers` are what masters send, `exports` the export names of each application, and `riding` tells for
    /// each whether factors may ride along with its requests.
    pub fn new(trust_headers: &[String], exports: &[Vec<Arc<str>>], riding: &[bool]) -> Self {
        let always = trust_headers.iter().map(String::as_str);
        let always =
            always.chain(RESERVED_HEADERS.iter().copied()).chain(FACTOR_HEADERS.iter().copied());
        let all: Vec<&str> = always.chain(exports.iter().flatten().map(|name| &**name)).collect();
        let of = |(own, riding): (&Vec<Arc<str>>, &bool)| {
            let mut names: Vec<Box<str>> = all
                .iter()
                .chain(riding.then_some(&CREDENTIALS))
                .filter(|name| !own.iter().any(|own| own.eq_ignore_ascii_case(name)))
                .map(|name| Box::from(*name))
                .collect();
            names.sort();
            names.dedup();
            names.into()
        };
        Self(exports.iter().zip(riding).map(of).collect())
    }

    /// Every name to remove with this grant: the application's list without what the grant sets, and its exports
    /// without a value.
    pub fn of<'r>(&'r self, grant: &'r Grant) -> impl Iterator<Item = &'r str> {
        let always = self.0.get(grant.application as usize).map_or(&[][..], |names| names);
        let unset = grant.exports.headers.iter().filter(|export| export.value.is_empty());
        let is_set = |name: &&str| grant.assertion.is_some() && *name == ASSERTION;
        let always = always.iter().map(|name| &**name).filter(move |name| !is_set(name));
        always.chain(unset.map(|export| &*export.name))
    }
}

//! The clauses of a rule: what of a request, and of whoever sends it, must be so.
//!
//! Everything was compiled at load; asking allocates nothing but for encoded query parameters and for
//! expressions.

use std::borrow::Cow;
use std::net::IpAddr;

use globset::GlobMatcher;

use crate::domain::identity::IdentityView;
use crate::domain::network::Networks;
use crate::domain::request::Scheme;
use crate::domain::time::Timestamp;
use crate::policy::expr::{Expression, Failure};
use crate::policy::rule::hours::Hours;

/// Who sends the request.
#[derive(Clone, Copy)]
pub enum Who<'a> {
    /// Nobody has looked yet.
    Unasked,
    /// Nobody that is known.
    Nobody,
    /// A session's user, or whom a master asserts.
    Somebody(&'a dyn IdentityView),
}

/// What clauses are asked about, besides the path.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a str,
    /// The host, canonical.
    pub host: &'a str,
    /// The scheme.
    pub scheme: Scheme,
    /// The query without `?`, undecoded.
    pub query: Option<&'a [u8]>,
    /// The client's address.
    pub client: IpAddr,
    /// When.
    pub now: Timestamp,
    /// Who it is.
    pub who: Who<'a>,
}

/// Whether clauses hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// All of them.
    Yes,
    /// At least one does not, whoever it may be.
    No,
    /// It depends on who it is.
    Unknown,
    /// All others do, and the expression cannot be asked.
    Failed(Failure),
}

/// What a path must be like.
#[derive(Debug, Clone)]
pub enum PathClause {
    /// A prefix of whole segments: `/admin` is itself and everything below, `/admin/` only what is below.
    Prefix(Box<[u8]>),
    /// Just this one.
    Exact(Box<[u8]>),
    /// `*` within a segment, `**` across segments.
    Glob(GlobMatcher),
    /// Something in it matches.
    Regex(regex::bytes::Regex),
}

impl PathClause {
    fn holds(&self, path: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => match path.strip_prefix(&**prefix) {
                None => false,
                Some(rest) => {
                    rest.is_empty() || prefix.last() == Some(&b'/') || rest.first() == Some(&b'/')
                }
            },
            Self::Exact(exact) => path == &**exact,
            Self::Glob(glob) => {
                let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path);
                glob.is_match(path)
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// A name, and values of which one is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOf {
    /// The name.
    pub name: Box<str>,
    /// The values.
    pub values: Box<[Box<str>]>,
}

/// What must be so of whoever sends the request; nobody has none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityClauses {
    /// The master is one of these.
    pub masters: Option<Box<[Box<str>]>>,
    /// The user is one of these.
    pub users: Option<Box<[Box<str>]>>,
    /// Each of these variables has one of the values.
    pub variables: Box<[OneOf]>,
    /// The session has at least this level.
    pub level: u8,
}

impl IdentityClauses {
    fn hold(&self, who: &dyn IdentityView) -> bool {
        let owner = who.owner();
        let among = |list: &Option<Box<[Box<str>]>>, name: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|one| &**one == name))
        };
        let has =
            |variable: &OneOf| variable.values.iter().any(|value| who.has(&variable.name, value));
        who.level() >= self.level
            && among(&self.masters, owner.master)
            && among(&self.users, owner.user)
            && self.variables.iter().all(has)
    }
}

/// The clauses of a rule; all must hold. None is "always".
#[derive(Debug, Clone, Default)]
pub struct Clauses {
    /// The canonical path is like each of these.
    pub paths: Box<[PathClause]>,
    /// The method is one of these, exactly.
    pub methods: Option<Box<[Box<str>]>>,
    /// Each of these parameters is there with one of the values.
    pub query: Box<[OneOf]>,
    /// The client is in one of these networks.
    pub client: Option<Networks>,
    /// It is within these hours.
    pub hours: Option<Box<Hours>>,
    /// What must be so of whoever sends it; boxed, because most rules ask nothing.
    pub identity: Option<Box<IdentityClauses>>,
    /// This is true; asked last, when everything else holds.
    pub when: Option<Expression>,
}

impl Clauses {
    /// Whether all of them hold for a request with this path.
    #[must_use]
    pub fn hold(&self, path: &[u8], facts: &Facts<'_>) -> Truth {
        let of_the_request = self.paths.iter().all(|clause| clause.holds(path))
            && self.methods.as_ref().is_none_or(|list| list.iter().any(|m| &**m == facts.method))
            && self.hours.as_ref().is_none_or(|hours| hours.contain(facts.now))
            && self.client.as_ref().is_none_or(|networks| networks.contains(facts.client))
            && self.query.iter().all(|parameter| has_parameter(facts.query, parameter));
        match (of_the_request, &self.identity, facts.who) {
            (true, None, _) => self.expression_holds(path, facts),
            (true, Some(_), Who::Unasked) => Truth::Unknown,
            (true, Some(clauses), Who::Somebody(who)) if clauses.hold(who) => {
                self.expression_holds(path, facts)
            }
            (false, _, _) | (true, Some(_), Who::Nobody | Who::Somebody(_)) => Truth::No,
        }
    }

    fn expression_holds(&self, path: &[u8], facts: &Facts<'_>) -> Truth {
        match (&self.when, facts.who) {
            (None, _) => Truth::Yes,
            (Some(when), Who::Unasked) if when.asks_who() => Truth::Unknown,
            (Some(when), _) => match when.holds(path, facts) {
                Ok(true) => Truth::Yes,
                Ok(false) => Truth::No,
                Err(failure) => Truth::Failed(failure),
            },
        }
    }

    /// Whether they hold for every request with such a path and method.
    #[must_use]
    pub fn ask_no_more_than_path_and_method(&self) -> bool {
        self.query.is_empty()
            && self.client.is_none()
            && self.hours.is_none()
            && self.identity.is_none()
            && self.when.is_none()
    }
}

/// Whether any of the parameter's values, decoded as a form's are, is one of those wanted.
fn has_parameter(query: Option<&[u8]>, wanted: &OneOf) -> bool {
    let is_wanted = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
        name == *wanted.name && wanted.values.iter().any(|one| **one == *value)
    };
    form_urlencoded::parse(query.unwrap_or_default()).any(is_wanted)
}

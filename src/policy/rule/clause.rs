//! The clauses of a rule: what of a request, and of whoever sends it, must be so.
//!
//! Everything was compiled at load; asking allocates nothing but for encoded query parameters and for
//! expressions.

use std::borrow::Cow;
use std::net::IpAddr;

use globset::GlobMatcher;

use crate::domain::explanation::{Held, Recorder};
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
    /// All others do, and the expression or a variable cannot be asked.
    Failed(Failure),
}

impl From<Truth> for Held {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::Yes => Self::Yes,
            Truth::No => Self::No,
            Truth::Unknown => Self::Unknown,
            Truth::Failed(_) => Self::Failed,
        }
    }
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
    /// Its key in a rule.
    const fn key(&self) -> &'static str {
        match self {
            Self::Prefix(_) => "path",
            Self::Exact(_) => "path_exact",
            Self::Glob(_) => "path_glob",
            Self::Regex(_) => "path_regex",
        }
    }

    /// How every path begins that it can hold for, if that is known.
    pub(super) fn beginning(&self) -> Option<&[u8]> {
        match self {
            Self::Prefix(beginning) | Self::Exact(beginning) => Some(beginning),
            Self::Glob(_) | Self::Regex(_) => None,
        }
    }

    fn holds(&self, path: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => starts_with_segments(path, prefix),
            Self::Exact(exact) => path == &**exact,
            Self::Glob(glob) => {
                let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path);
                glob.is_match(path)
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Whether `path` is below `prefix`, or is it; an empty prefix is above everything.
pub(super) fn starts_with_segments(path: &[u8], prefix: &[u8]) -> bool {
    match (path.strip_prefix(prefix), prefix.last()) {
        (None, _) => false,
        (Some(_), None | Some(b'/')) => true,
        (Some(rest), Some(_)) => matches!(rest.first(), None | Some(b'/')),
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
    /// A variable that failed counts only where everything else holds.
    fn hold(&self, who: &dyn IdentityView, recorder: &mut impl Recorder) -> Result<bool, Failure> {
        let owner = who.owner();
        let mut told = |clause, about: Option<&str>, holds: bool| {
            recorder.clause(clause, about, holds.into());
            holds
        };
        let among = |list: &[Box<str>], name: &str| list.iter().any(|one| &**one == name);
        let holds = (self.level == 0 || told("session_level", None, who.level() >= self.level))
            && self
                .masters
                .as_ref()
                .is_none_or(|list| told("master", None, among(list, owner.master)))
            && self.users.as_ref().is_none_or(|list| told("user", None, among(list, owner.user)));
        if !holds {
            return Ok(false);
        }
        let mut failed = None;
        for OneOf { name, values } in &self.variables {
            let mut found = false;
            let read = who.values(name, &mut |one| {
                found = found || values.iter().any(|value| **value == *one);
            });
            let truth = match read {
                Ok(()) if found => Truth::Yes,
                Ok(()) => Truth::No,
                Err(undefined) => Truth::Failed(undefined.into()),
            };
            recorder.clause("variable", Some(name), truth.into());
            match truth {
                Truth::No | Truth::Unknown => return Ok(false),
                Truth::Failed(failure) => failed = Some(failure),
                Truth::Yes => {}
            }
        }
        failed.map_or(Ok(true), Err)
    }

    /// Tells that all of this depends on who it is.
    fn wait(&self, recorder: &mut impl Recorder) {
        let asked = [
            ("session_level", self.level > 0),
            ("master", self.masters.is_some()),
            ("user", self.users.is_some()),
        ];
        for (clause, _) in asked.into_iter().filter(|(_, is_asked)| *is_asked) {
            recorder.clause(clause, None, Held::Unknown);
        }
        for variable in &self.variables {
            recorder.clause("variable", Some(&variable.name), Held::Unknown);
        }
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
    pub fn hold(&self, path: &[u8], facts: &Facts<'_>, recorder: &mut impl Recorder) -> Truth {
        let of_the_request = self.of_the_request_hold(path, facts, recorder);
        match (of_the_request, &self.identity, facts.who) {
            (true, None, _) => self.expression_holds(path, facts, recorder),
            (true, Some(clauses), Who::Unasked) => {
                clauses.wait(recorder);
                Truth::Unknown
            }
            (true, Some(clauses), Who::Somebody(who)) => match clauses.hold(who, recorder) {
                Ok(true) => self.expression_holds(path, facts, recorder),
                Ok(false) => Truth::No,
                Err(failure) => Truth::Failed(failure),
            },
            (true, Some(_), Who::Nobody) => {
                recorder.clause("anybody at all", None, Held::No);
                Truth::No
            }
            (false, _, _) => Truth::No,
        }
    }

    fn of_the_request_hold(
        &self,
        path: &[u8],
        facts: &Facts<'_>,
        recorder: &mut impl Recorder,
    ) -> bool {
        let mut told = |clause, about: Option<&str>, holds: bool| {
            recorder.clause(clause, about, holds.into());
            holds
        };
        self.paths.iter().all(|clause| told(clause.key(), None, clause.holds(path)))
            && self.methods.as_ref().is_none_or(|list| {
                told("method", None, list.iter().any(|method| &**method == facts.method))
            })
            && self.hours.as_ref().is_none_or(|hours| told("time", None, hours.contain(facts.now)))
            && self
                .client
                .as_ref()
                .is_none_or(|networks| told("client", None, networks.contains(facts.client)))
            && self.query.iter().all(|parameter| {
                told("query", Some(&parameter.name), has_parameter(facts.query, parameter))
            })
    }

    fn expression_holds(
        &self,
        path: &[u8],
        facts: &Facts<'_>,
        recorder: &mut impl Recorder,
    ) -> Truth {
        let truth = match (&self.when, facts.who) {
            (None, _) => return Truth::Yes,
            (Some(when), Who::Unasked) if when.asks_who() => Truth::Unknown,
            (Some(when), _) => match when.holds(path, facts) {
                Ok(true) => Truth::Yes,
                Ok(false) => Truth::No,
                Err(failure) => Truth::Failed(failure),
            },
        };
        recorder.clause("when", None, truth.into());
        truth
    }

    /// Whether they hold for every request with such a path.
    #[must_use]
    pub fn ask_no_more_than_the_path(&self) -> bool {
        self.methods.is_none() && self.ask_no_more_than_path_and_method()
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

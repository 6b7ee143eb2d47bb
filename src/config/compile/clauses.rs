//! The clauses of a rule, compiled (SEMANTICS R1): paths, methods, parameters, networks, identities, expressions.

use globset::GlobBuilder;

use crate::config::compile::variables::Variables;
use crate::config::compile::{Compiler, expressions, hours, patterns};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawRule, RawSlave};
use crate::config::raw_value::{OneOrMany, Ordered};
use crate::config::reader::suggestion;
use crate::domain::limits::{METHOD_BYTES, PATTERN_BYTES};
use crate::domain::target::{PathForms, Target, TargetError};
use crate::policy::definitions::GROUPS;
use crate::policy::expr::names::Reach;
use crate::policy::rule::clause::{Clauses, IdentityClauses, OneOf, PathClause};

type Names = Box<[Box<str>]>;

/// Compiles all clauses of one rule; `None` if any of them is wrong, because half a rule would match
/// more than was meant.
pub fn clauses(
    raw: &RawRule,
    forms: PathForms,
    variables: &Variables<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Clauses> {
    let paths = paths(raw, forms, path, compiler);
    let methods = match &raw.method {
        None => Some(None),
        Some(written) => methods(written, &path.key("method"), compiler).map(Some),
    };
    let query = pairs(raw.query.as_ref(), &path.key("query"), "parameter", compiler);
    let client = match &raw.client {
        None => Some(None),
        Some(written) => listed(written, &path.key("client"), compiler)
            .and_then(|()| compiler.networks(&path.key("client"), written))
            .map(Some),
    };
    let hours = match &raw.time {
        None => Some(None),
        Some(written) => hours::hours(written, &path.key("time"), compiler).map(Some),
    };
    let identity = identity(raw, variables, path, compiler);
    let when = match &raw.when {
        None => Some(None),
        Some(written) => {
            let scope = variables.scope(Reach::Request);
            expressions::condition(written, scope, &path.key("when"), compiler).map(Some)
        }
    };
    // What was refused while it was read must not turn into "always" either.
    let refused = KEYS
        .iter()
        .any(|(key, is_there)| !is_there(raw) && compiler.document.wrote(&path.key(key)));
    let clauses = Clauses {
        paths: paths?,
        methods: methods?,
        query: query?,
        client: client?,
        hours: hours?.map(Box::new),
        identity: identity?,
        when: when?,
    };
    (!refused).then_some(clauses)
}

/// Whether a key of a rule was read.
type IsThere = fn(&RawRule) -> bool;

/// Every key that is a clause.
const KEYS: &[(&str, IsThere)] = &[
    ("path", |raw| raw.path.is_some()),
    ("path_exact", |raw| raw.path_exact.is_some()),
    ("path_glob", |raw| raw.path_glob.is_some()),
    ("path_regex", |raw| raw.path_regex.is_some()),
    ("method", |raw| raw.method.is_some()),
    ("query", |raw| raw.query.is_some()),
    ("client", |raw| raw.client.is_some()),
    ("time", |raw| raw.time.is_some()),
    ("master", |raw| raw.master.is_some()),
    ("user", |raw| raw.user.is_some()),
    ("group", |raw| raw.group.is_some()),
    ("variable", |raw| raw.variable.is_some()),
    ("session_level", |raw| raw.session_level.is_some()),
    ("when", |raw| raw.when.is_some()),
];

fn paths(
    raw: &RawRule,
    forms: PathForms,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Box<[PathClause]>> {
    let mut paths = Some(Vec::new());
    let mut add = |clause: Option<PathClause>| match (clause, &mut paths) {
        (Some(clause), Some(paths)) => paths.push(clause),
        _ => paths = None,
    };
    if let Some(written) = raw.path.as_deref() {
        let prefix = compiler.checked(&path.key("path"), canonical_prefix(written, forms));
        add(prefix.map(|prefix| PathClause::Prefix(prefix.into())));
    }
    if let Some(written) = raw.path_exact.as_deref() {
        let exact = compiler.checked(&path.key("path_exact"), canonical_prefix(written, forms));
        add(exact.map(|exact| PathClause::Exact(exact.into())));
    }
    if let Some(written) = raw.path_glob.as_deref() {
        add(glob(written, &path.key("path_glob"), compiler));
    }
    if let Some(written) = raw.path_regex.as_deref() {
        let at = path.key("path_regex");
        if !written.starts_with('^') {
            let text = "this pattern may match in the middle of a path; begin it with `^` unless that is meant";
            compiler.warn(&at, text);
        }
        add(patterns::anywhere(&at, written, compiler).map(PathClause::Regex));
    }
    paths.map(Into::into)
}

fn glob(written: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<PathClause> {
    if !written.starts_with(['/', '*']) || written.len() > PATTERN_BYTES {
        let text = format!("'{written}' is no pattern of a path; begin it with '/' or '**'");
        compiler.error(path, &text);
        return None;
    }
    let glob = GlobBuilder::new(written).literal_separator(true).backslash_escape(false).build();
    match glob {
        Ok(glob) => Some(PathClause::Glob(glob.compile_matcher())),
        Err(error) => {
            compiler.error(path, &format!("not a pattern: {}; see docs.rs/globset", error.kind()));
            None
        }
    }
}

/// What the rule asks of whoever sends the request; `Some(None)` if nothing.
#[expect(clippy::option_option, reason = "one says wrong, the other says nothing asked")]
fn identity(
    raw: &RawRule,
    known: &Variables<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Option<Box<IdentityClauses>>> {
    let mut names = |key: &str, written: Option<&OneOrMany>| match written {
        None => Some(None),
        Some(written) => listed(written, &path.key(key), compiler).map(|()| Some(texts(written))),
    };
    let users = names("user", raw.user.as_ref());
    let groups = names("group", raw.group.as_ref());
    let masters = names("master", raw.master.as_ref());
    let masters_exist =
        masters_exist(raw.master.as_ref(), known.slave, &path.key("master"), compiler);
    let variables = pairs(raw.variable.as_ref(), &path.key("variable"), "variable", compiler);
    let mut exist = true;
    for (name, _) in raw.variable.iter().flat_map(|variables| &variables.0) {
        exist &= known.exists(name, &path.key("variable").key(name), compiler);
    }
    if raw.group.is_some() {
        exist &= known.exists(GROUPS, &path.key("group"), compiler);
    }
    let mut variables = variables?.into_vec();
    variables.extend(groups?.map(|values| OneOf { name: GROUPS.into(), values }));
    let clauses = IdentityClauses {
        masters: masters?,
        users: users?,
        variables: variables.into(),
        level: raw.session_level.unwrap_or_default(),
    };
    if !(exist && masters_exist) {
        return None;
    }
    let asks = clauses != IdentityClauses::default() || raw.session_level.is_some();
    Some(asks.then(|| Box::new(clauses)))
}

fn masters_exist(
    written: Option<&OneOrMany>,
    slave: &RawSlave,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> bool {
    let known: Vec<&str> =
        slave.masters.iter().filter_map(|master| master.name.as_deref()).collect();
    let mut names = written.iter().flat_map(|list| &list.items);
    let unknown = names.find(|name| !known.contains(&name.as_str()));
    if let Some(name) = unknown {
        let text = format!("there is no master `{name}`; {}", suggestion(name, &known));
        compiler.error(path, &text);
    }
    unknown.is_none()
}

/// Names with their values, each name with at least one.
fn pairs(
    written: Option<&Ordered<OneOrMany>>,
    path: &KeyPath,
    what: &str,
    compiler: &mut Compiler<'_>,
) -> Option<Box<[OneOf]>> {
    let mut pairs = Some(Vec::new());
    let Some(written) = written else { return Some(Box::default()) };
    if written.0.is_empty() && compiler.document.wrote(path) {
        compiler.error(path, &format!("no {what} is listed; remove the key"));
        return None;
    }
    for (name, values) in &written.0 {
        match (listed(values, &path.key(name), compiler), &mut pairs) {
            (Some(()), Some(pairs)) => {
                pairs.push(OneOf { name: name.as_str().into(), values: texts(values) });
            }
            _ => pairs = None,
        }
    }
    pairs.map(Into::into)
}

/// `None`, reported, if nothing is listed: then the rule would never match.
fn listed(written: &OneOrMany, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<()> {
    if written.items.is_empty() {
        if !compiler.document.wrote(&path.index(0)) {
            compiler.error(path, "nothing is listed, so the rule never matches; remove the key");
        }
        return None;
    }
    Some(())
}

fn texts(written: &OneOrMany) -> Names {
    written.items.iter().map(|item| item.as_str().into()).collect()
}

/// Why a text is not a path prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum PrefixError {
    #[error("'{0}' is not a path; start it with '/'")]
    Relative(String),
    #[error("'{0}' has a query, and this clause matches the path alone; remove what follows '?'")]
    Query(String),
    #[error("'{0}' holds what no URL has; encode it with %")]
    Malformed(String),
    #[error("no request ever has the path '{0}'; write it without encoded or dotted segments")]
    Ambiguous(String),
    #[error(
        "this application gets no request with '{found}' in its path, as in '{written}'; set its \
         `{key}: true` or remove the rule"
    )]
    NotAccepted { written: String, found: &'static str, key: &'static str },
}

/// The prefix in the one spelling that requests are brought into, with what the application keeps.
fn canonical_prefix(written: &str, forms: PathForms) -> Result<Vec<u8>, PrefixError> {
    if !written.starts_with('/') {
        return Err(PrefixError::Relative(written.to_owned()));
    }
    let target = Target::parse(written.as_bytes(), forms).map_err(|error| match error {
        TargetError::Malformed => PrefixError::Malformed(written.to_owned()),
        TargetError::Ambiguous => ambiguous(written, forms),
    })?;
    if target.query().is_some() {
        return Err(PrefixError::Query(written.to_owned()));
    }
    Ok(target.path().to_vec())
}

/// Why no request ever has this path: perhaps only because a key is missing.
fn ambiguous(written: &str, forms: PathForms) -> PrefixError {
    let would_do = |forms| Target::parse(written.as_bytes(), forms).is_ok();
    let missing = |found, key| PrefixError::NotAccepted { written: written.to_owned(), found, key };
    match would_do(PathForms::ALL) {
        // With both missing, the second is told once the first is there.
        true if !forms.parameters && written.contains(';') => missing(";", "allow_path_parameters"),
        true => missing("%2F", "allow_encoded_slash"),
        false => PrefixError::Ambiguous(written.to_owned()),
    }
}

fn methods(
    written: &OneOrMany,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Box<[Box<str>]>> {
    if written.items.is_empty() && !compiler.document.wrote(&path.index(0)) {
        compiler.error(path, "no method is listed, so the rule never matches; remove the key");
        return None;
    }
    let token =
        |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    let mut methods = Some(Vec::new());
    for (index, method) in written.items.iter().enumerate() {
        if (1..=METHOD_BYTES).contains(&method.len()) && method.bytes().all(token) {
            if let Some(methods) = &mut methods {
                methods.push(method.as_str().into());
            }
            continue;
        }
        let at = if written.is_list { path.index(index) } else { path.clone() };
        let text = format!("'{method}' is not a method; write e.g. GET, in upper case");
        compiler.error(&at, &text);
        methods = None;
    }
    methods.map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_canonical() {
        let canonical_prefix = |written| canonical_prefix(written, PathForms::STRICT);
        assert_eq!(canonical_prefix("//admin/%61").as_deref(), Ok(&b"/admin/a"[..]));
        assert!(matches!(canonical_prefix("admin"), Err(PrefixError::Relative(_))));
        assert!(matches!(canonical_prefix("/a?b"), Err(PrefixError::Query(_))));
        assert!(matches!(canonical_prefix("/a b"), Err(PrefixError::Malformed(_))));
        for bad in ["/a/../b", "/a%252fb", "/a%3bb", "/a;%2f../b", "/a#b", "/%2e%2e/"] {
            assert!(matches!(canonical_prefix(bad), Err(PrefixError::Ambiguous(_))), "{bad}");
        }
    }

    #[test]
    fn a_prefix_keeps_what_its_application_accepts_and_names_the_key_that_is_missing() {
        let slashes = PathForms { encoded_slash: true, ..PathForms::STRICT };
        let parameters = PathForms { parameters: true, ..PathForms::STRICT };
        assert_eq!(canonical_prefix("/a%2fb", slashes).as_deref(), Ok(&b"/a%2Fb"[..]));
        assert_eq!(canonical_prefix("/a;x/b", parameters).as_deref(), Ok(&b"/a;x/b"[..]));
        for (written, forms, missing) in [
            ("/a%2fb", PathForms::STRICT, "allow_encoded_slash"),
            ("/a%2fb", parameters, "allow_encoded_slash"),
            ("/a;b", PathForms::STRICT, "allow_path_parameters"),
            ("/a;b", slashes, "allow_path_parameters"),
            ("/a;b%2Fc", PathForms::STRICT, "allow_path_parameters"),
            ("/a;b%2Fc", parameters, "allow_encoded_slash"),
        ] {
            match canonical_prefix(written, forms) {
                Err(PrefixError::NotAccepted { key, .. }) => assert_eq!(key, missing, "{written}"),
                other => panic!("{written}: {other:?}"),
            }
        }
    }
}

//! `applications[].rules`: clauses, effects, and which rules can never be reached (SEMANTICS R1).

use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawEffect, RawRule};
use crate::config::raw_value::OneOrMany;
use crate::domain::limits::METHOD_BYTES;
use crate::domain::target::{PathForms, Target, TargetError};
use crate::policy::rule::{Effect, Matcher, PathPrefix, Requirement, Rule, Rules};

/// What a rule matches, for comparison with the rules below it.
struct Coverage {
    path: Option<Vec<u8>>,
    methods: Option<Box<[Box<str>]>>,
    line: u32,
}

/// Checks the rules of one application, which reads `forms` in paths.
pub fn rules(
    raw: &[RawRule],
    forms: PathForms,
    list: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Rules {
    if raw.is_empty() && !compiler.document.wrote(&list.index(0)) {
        let text = "this application has no rule, so every request is denied; add `rules`";
        compiler.warn(list, text);
    }
    let mut rules = Vec::with_capacity(raw.len());
    let mut above: Vec<Coverage> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let path = list.index(index);
        let Some((coverage, effect)) = rule(raw, forms, &path, compiler) else { continue };
        if let Some(earlier) = above.iter().find(|earlier| earlier.covers(&coverage)) {
            let text = format!(
                "this rule is never reached: the one at line {} takes all its requests; move it up \
                 or remove it",
                earlier.line
            );
            compiler.warn(&path, &text);
        }
        let matcher = Matcher {
            path: coverage.path.as_deref().map(PathPrefix::new),
            methods: coverage.methods.clone(),
        };
        above.push(coverage);
        rules.push(Rule { matcher, effect, at: compiler.place(&path) });
    }
    Rules(rules.into())
}

fn rule(
    raw: &RawRule,
    forms: PathForms,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<(Coverage, Effect)> {
    let prefix = match raw.path.as_deref() {
        None => Some(None),
        Some(written) => {
            compiler.checked(&path.key("path"), canonical_prefix(written, forms)).map(Some)
        }
    };
    let methods = match &raw.method {
        None => Some(None),
        Some(written) => methods(written, &path.key("method"), compiler).map(Some),
    };
    let effect = effect(raw, path, compiler);
    // A clause that was refused must not turn into "always".
    let wrote = |key| compiler.document.wrote(&path.key(key));
    let refused =
        (raw.path.is_none() && wrote("path")) || (raw.method.is_none() && wrote("method"));
    let coverage = Coverage { path: prefix?, methods: methods?, line: compiler.place(path).line };
    (!refused).then_some((coverage, effect?))
}

fn effect(raw: &RawRule, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Effect> {
    let effect_at = path.key("effect");
    let requirement = Requirement { master: raw.require_master == Some(true) };
    let effect = match (raw.effect, raw.require_master) {
        (Some(effect), _) => effect,
        (None, Some(_)) if !compiler.document.wrote(&effect_at) => RawEffect::Allow,
        (None, _) => {
            let text = "this rule has no effect; add allow, deny, skip or unprotect";
            // Requirements of later versions stand for `allow` too; they were refused already.
            let later = ["effect", "level", "factor_max_age"];
            if !later.into_iter().any(|key| compiler.document.wrote(&path.key(key))) {
                compiler.key_error(&effect_at, text);
            }
            return None;
        }
    };
    if raw.require_master.is_some() && effect != RawEffect::Allow {
        let text = "`require_master` has a meaning only with `effect: allow`; remove it";
        compiler.key_error(&path.key("require_master"), text);
        return None;
    }
    Some(match effect {
        RawEffect::Allow => Effect::Allow(requirement),
        RawEffect::Deny => Effect::Deny,
        RawEffect::Skip => Effect::Skip,
        RawEffect::Unprotect => Effect::Unprotect,
    })
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

impl Coverage {
    /// Whether every request of `later` is this rule's.
    fn covers(&self, later: &Self) -> bool {
        let paths = match (self.path.as_deref(), later.path.as_deref()) {
            (None | Some(b"/"), _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => match theirs.strip_prefix(mine) {
                None => false,
                Some(rest) => rest.is_empty() || mine.ends_with(b"/") || rest.starts_with(b"/"),
            },
        };
        let methods = match (&self.methods, &later.methods) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs.iter().all(|method| mine.contains(method)),
        };
        paths && methods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(path: Option<&str>, methods: Option<&[&str]>) -> Coverage {
        Coverage {
            path: path.map(|path| path.as_bytes().to_vec()),
            methods: methods.map(|list| list.iter().map(|&method| method.into()).collect()),
            line: 1,
        }
    }

    #[track_caller]
    fn covers(earlier: Option<&str>, later: Option<&str>, expected: bool) {
        assert_eq!(coverage(earlier, None).covers(&coverage(later, None)), expected);
    }

    #[test]
    fn a_rule_covers_what_lies_wholly_below_it() {
        covers(None, Some("/a"), true);
        covers(Some("/"), None, true);
        covers(Some("/a"), Some("/a/b"), true);
        covers(Some("/a"), Some("/a/"), true);
        covers(Some("/a/"), Some("/a"), false);
        covers(Some("/a"), Some("/ab"), false);
        covers(Some("/a"), None, false);
        let get = coverage(None, Some(&["GET"]));
        assert!(coverage(None, Some(&["GET", "HEAD"])).covers(&get));
        assert!(!get.covers(&coverage(Some("/a"), None)));
    }

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

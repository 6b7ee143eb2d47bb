//! `applications[].rules`: effects, and which rules can never be reached (SEMANTICS R1).

use std::time::Duration;

use crate::config::compile::variables::Variables;
use crate::config::compile::{Compiler, clauses};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawEffect, RawRule};
use crate::config::units;
use crate::domain::target::PathForms;
use crate::policy::rule::clause::{Clauses, PathClause};
use crate::policy::rule::{Effect, Requirement, Rule, Rules};

/// What a rule takes for sure, for comparison with the rules below it.
struct Coverage {
    path: Option<Box<[u8]>>,
    methods: Option<Box<[Box<str>]>>,
    line: u32,
}

/// Checks the rules of one application, which reads `forms` in paths.
pub fn rules(
    raw: &[RawRule],
    forms: PathForms,
    variables: &Variables<'_>,
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
        let clauses = clauses::clauses(raw, forms, variables, &path, compiler);
        let effect = effect(raw, &path, compiler);
        let (Some(clauses), Some(effect)) = (clauses, effect) else { continue };
        let line = compiler.place(&path).line;
        let (taken, takes_all) = Coverage::of(&clauses, line);
        if let Some(earlier) = above.iter().find(|earlier| earlier.covers(&taken)) {
            let text = format!(
                "this rule is never reached: the one at line {} takes all its requests; move it up \
                 or remove it",
                earlier.line
            );
            compiler.warn(&path, &text);
        }
        if takes_all {
            above.push(taken);
        }
        rules.push(Rule { clauses, effect, at: compiler.place(&path) });
    }
    Rules::new(rules.into())
}

fn effect(raw: &RawRule, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Effect> {
    let effect_at = path.key("effect");
    let demands = [
        ("require_master", raw.require_master.is_some()),
        ("level", raw.level.is_some()),
        ("factor_max_age", raw.factor_max_age.is_some()),
    ];
    let demand = demands.into_iter().find(|(_, is_there)| *is_there);
    let effect = match (raw.effect, demand) {
        (Some(effect), _) => effect,
        (None, Some(_)) if !compiler.document.wrote(&effect_at) => RawEffect::Allow,
        (None, _) => {
            let text =
                "this rule has no effect; add allow, deny, skip, unprotect, logout or maintenance";
            // A requirement stands for `allow` too; one that could not be read was refused already.
            let written = ["effect", "level", "require_master", "factor_max_age"];
            if !written.into_iter().any(|key| compiler.document.wrote(&path.key(key))) {
                compiler.key_error(&effect_at, text);
            }
            return None;
        }
    };
    if let Some((key, _)) = demand.filter(|_| effect != RawEffect::Allow) {
        let text = format!("`{key}` has a meaning only with `effect: allow`; remove it");
        compiler.key_error(&path.key(key), &text);
        return None;
    }
    let requirement = Requirement {
        master: raw.require_master == Some(true),
        level: raw.level.unwrap_or_default(),
        factor_max_age: factor_max_age(raw, path, compiler)?,
    };
    Some(match effect {
        RawEffect::Allow => Effect::Allow(requirement),
        RawEffect::Deny => Effect::Deny,
        RawEffect::Skip => Effect::Skip,
        RawEffect::Unprotect => Effect::Unprotect,
        RawEffect::Logout => Effect::Logout,
        RawEffect::Maintenance => Effect::Maintenance,
    })
}

/// The age that a rule demands, if it does; nothing if it is not an age.
#[expect(clippy::option_option, reason = "what is not demanded is not what cannot be read")]
fn factor_max_age(
    raw: &RawRule,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Option<Duration>> {
    let Some(written) = &raw.factor_max_age else { return Some(None) };
    let path = path.key("factor_max_age");
    let age = compiler.checked(&path, units::duration(&written.0))?;
    if age.is_zero() {
        let text = "no factor is ever that fresh; write the time for which one counts, e.g. 15m";
        compiler.error(&path, text);
        return None;
    }
    Some(Some(age))
}

impl Coverage {
    /// Of these clauses, and whether they leave nothing of it to others.
    fn of(clauses: &Clauses, line: u32) -> (Self, bool) {
        let prefixes = clauses.paths.iter().map(|path| match path {
            PathClause::Prefix(prefix) => Some(prefix.clone()),
            PathClause::Exact(_) | PathClause::Glob(_) | PathClause::Regex(_) => None,
        });
        let prefixes: Vec<Option<Box<[u8]>>> = prefixes.collect();
        let is_plain =
            clauses.ask_no_more_than_path_and_method() && prefixes.iter().all(Option::is_some);
        let path = prefixes.into_iter().flatten().next();
        (Self { path, methods: clauses.methods.clone(), line }, is_plain)
    }

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
            path: path.map(|path| path.as_bytes().into()),
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
}

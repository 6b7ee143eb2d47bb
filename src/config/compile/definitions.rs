//! `macros`, `groups` and `trace_name`: variables that are made of others.

use std::sync::Arc;

use crate::config::compile::variables::Variables;
use crate::config::compile::{Compiler, expressions, slave};
use crate::config::key_path::KeyPath;
use crate::config::raw::RawConfig;
use crate::config::raw_value::Ordered;
use crate::config::reader::suggestion;
use crate::domain::limits::DEFINITIONS;
use crate::policy::definitions::{Definitions, GROUPS, Group, Macro};
use crate::policy::export::Variable;
use crate::policy::expr::names::{NAMES, NAMESPACES, Reach};
use crate::policy::expr::{ExpressionError, ValueExpression};

/// Checks all definitions, and adds what they define to `variables`.
pub fn definitions(
    raw: &RawConfig,
    variables: &mut Variables<'_>,
    compiler: &mut Compiler<'_>,
) -> Arc<Definitions> {
    if raw.macros.0.len() + raw.groups.0.len() > DEFINITIONS {
        let at = if raw.macros.0.len() > raw.groups.0.len() { "macros" } else { "groups" };
        let text = format!("more than {DEFINITIONS} macros and groups; remove some");
        compiler.key_error(&KeyPath::of(at), &text);
    }
    let macros = macros(&raw.macros, variables, compiler);
    let groups = groups(&raw.groups, variables, compiler);
    let trace_name = trace_name(raw.trace_name.as_deref(), variables, compiler);
    Arc::new(Definitions::new(macros.into(), groups.into(), trace_name))
}

fn macros(
    raw: &Ordered<String>,
    variables: &mut Variables<'_>,
    compiler: &mut Compiler<'_>,
) -> Vec<Macro> {
    let parent = KeyPath::of("macros");
    let mut macros = Vec::new();
    for (at, (name, written)) in raw.0.iter().enumerate() {
        let path = parent.key(name);
        let is_free = is_free(name, variables, &path, compiler);
        let value = match ValueExpression::compile(written, variables.scope(Reach::Identity)) {
            Ok(value) => Some(value),
            Err(error) => {
                let below = raw.0.iter().skip(at).map(|(name, _)| name.as_str());
                compiler.error(
                    &path,
                    &later(&error, below).unwrap_or_else(|| expressions::remedy(&error)),
                );
                None
            }
        };
        // One that is wrong has been reported; whoever names it is not.
        if is_free {
            variables.define(name, value.as_ref().is_some_and(ValueExpression::is_list));
        }
        macros.extend(value.map(|value| Macro { name: name.as_str().into(), value }));
    }
    macros
}

/// What is wrong if a macro names itself or one of those below it.
fn later<'a>(error: &ExpressionError, mut below: impl Iterator<Item = &'a str>) -> Option<String> {
    let ExpressionError::UnknownName { written, .. } = error else { return None };
    let name = written.strip_prefix("vars.").unwrap_or(written);
    below.find(|later| *later == name)?;
    Some(format!("the macro `{name}` is not defined above this one; move it up"))
}

/// Whether a macro can be called so.
fn is_free(
    name: &str,
    variables: &Variables<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> bool {
    if !slave::variable_name(name, path, compiler) {
        return false;
    }
    let is_exported = variables.slave.exported_vars.0.iter().any(|(exported, _)| exported == name);
    let is_fixed = NAMESPACES.contains(&name) || NAMES.iter().any(|(written, ..)| *written == name);
    let why = match (is_exported, is_fixed) {
        (true, _) => "is an exported variable",
        (false, true) => "means something else in expressions",
        (false, false) => return true,
    };
    compiler.key_error(path, &format!("`{name}` {why}; give the macro another name"));
    false
}

fn groups(
    raw: &Ordered<String>,
    variables: &mut Variables<'_>,
    compiler: &mut Compiler<'_>,
) -> Vec<Group> {
    let parent = KeyPath::of(GROUPS);
    let joiner = variables.joiner(GROUPS).to_owned();
    let mut groups = Vec::new();
    for (name, written) in &raw.0 {
        let path = parent.key(name);
        let is_name = !name.trim().is_empty()
            && name.trim_matches(' ') == name
            && !name.contains(char::is_control);
        if !is_name {
            let text = format!(
                "'{name}' is not a group's name; write it without control characters and outer blanks"
            );
            compiler.key_error(&path, &text);
        } else if name.contains(&joiner) {
            let text = format!(
                "the name '{name}' holds the separator '{joiner}' of `groups`, so it would pass for two; \
                 give the group another name"
            );
            compiler.key_error(&path, &text);
        }
        let scope = variables.scope(Reach::Identity);
        let condition = expressions::condition(written, scope, &path, compiler);
        groups.extend(condition.map(|condition| Group { name: name.as_str().into(), condition }));
    }
    if !raw.0.is_empty() {
        if variables.find(GROUPS).is_some_and(|groups| !groups.is_list) {
            let text = "a master's `groups` are one text, so they count as one group beside these; give the \
                        variable a `separator`";
            compiler.warn(&KeyPath::of("slave.exported_vars").key(GROUPS), text);
        }
        variables.define(GROUPS, true);
    }
    groups
}

/// The variable that names a user; `None` for the login.
fn trace_name(
    written: Option<&str>,
    variables: &Variables<'_>,
    compiler: &mut Compiler<'_>,
) -> Option<Box<str>> {
    let name = written?;
    let is_known = variables.find(name).is_some();
    if !is_known && name != Variable::User.name() && !variables.was_refused(name, compiler) {
        let known: Vec<&str> = variables.names().chain([Variable::User.name()]).collect();
        let text = format!(
            "`{name}` is neither an exported variable nor a macro; {}",
            suggestion(name, &known)
        );
        compiler.error(&KeyPath::of("trace_name"), &text);
    }
    is_known.then(|| name.into())
}

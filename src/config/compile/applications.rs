//! `applications`: hosts, exports and rules of the protected virtual hosts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::compile::portal::Origin;
use crate::config::compile::variables::Variables;
use crate::config::compile::{
    Compiler, assertion, encodings, expressions, headers, hosts, rules, urls,
};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawApplication, RawConfig};
use crate::config::raw_variable::RawExport;
use crate::config::reader::suggestion;
use crate::config::{defaults, units};
use crate::domain::encoding::Encoding;
use crate::domain::limits::{APPLICATIONS, EXPORTS_PER_APPLICATION};
use crate::domain::target::PathForms;
use crate::policy::application::Applications;
use crate::policy::export::{Export, Exports, Source, Variable};
use crate::policy::expr::names::Reach;

/// How long an allow may be reused, in seconds. One second is none: see `edge::http::nginx`.
const CACHE_SECONDS: std::ops::RangeInclusive<u64> = 2..=60;

/// Names that were given, with the line of each.
type Lines = HashMap<String, u32>;

/// Checks all applications; those that are wrong are left out and reported.
pub fn applications(
    raw: &RawConfig,
    variables: &Variables<'_>,
    portal: Option<&Origin>,
    compiler: &mut Compiler<'_>,
) -> Applications {
    let list = KeyPath::of("applications");
    if raw.applications.is_empty() && !compiler.document.wrote(&list.index(0)) {
        compiler.warn(&list, "there is no application, so every request is denied; add one");
    }
    if raw.applications.len() > APPLICATIONS {
        compiler.error(&list, &format!("more than {APPLICATIONS} applications; use wildcards"));
    }
    let mut applications = Applications::default();
    let (mut names, mut hosts) = (Lines::new(), Lines::new());
    for (index, application) in raw.applications.iter().enumerate() {
        let path = list.index(index);
        let name = name(application, &path, &mut names, compiler);
        let mine = canonical_hosts(application, &path, &mut hosts, compiler);
        let exports = exports(application, variables, &path.key("exports"), compiler);
        let forms = PathForms {
            parameters: application.allow_path_parameters,
            encoded_slash: application.allow_encoded_slash,
        };
        let rules =
            rules::rules(&application.rules, forms, variables, &path.key("rules"), compiler);
        let url = url(application, &path, &mine, portal, compiler);
        let id = applications.add(name.unwrap_or_default(), forms, rules, exports, url);
        applications.place(id, compiler.place(&path));
        if let Some(time) = cache(application, &path, compiler) {
            applications.let_reuse(id, time);
        }
        if application.maintenance {
            applications.suspend(id);
        }
        if application.assertion {
            let wrote = compiler.document.wrote(&KeyPath::of("assertion.keys"));
            if !assertion::has_keys(raw) && !wrote {
                let text = "there is no key to sign assertions with; add `assertion: { keys: \
                            [{ file: data/assertion.pem }] }` and make it with `vouchsafe key new \
                            data/assertion.pem`";
                compiler.error(&path.key("assertion"), text);
            }
            applications.let_assert(id);
        }
        if application.factor_in_request {
            if raw.mfa.is_none() && !compiler.document.wrote(&KeyPath::of("mfa")) {
                let text = "there is nobody to check a factor; add `mfa: { base: local }`";
                compiler.error(&path.key("factor_in_request"), text);
            }
            applications.let_factors_ride(id);
        }
        for (host, at) in mine {
            let added = applications.add_host(id, &host);
            compiler.checked(&at, added);
        }
    }
    applications
}

fn name(
    raw: &RawApplication,
    parent: &KeyPath,
    names: &mut Lines,
    compiler: &mut Compiler<'_>,
) -> Option<Arc<str>> {
    let name = compiler.required(parent, "name", raw.name.as_deref())?;
    let path = parent.key("name");
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        let text =
            format!("'{name}' is not an application's name; use 1 to 64 of A-Z a-z 0-9 . _ -");
        compiler.error(&path, &text);
        return None;
    }
    if let Some(line) = names.get(name) {
        let text = format!(
            "the name '{name}' is taken by the application at line {line}; choose \
                            another"
        );
        compiler.error(&path, &text);
        return None;
    }
    names.insert(name.to_owned(), compiler.place(&path).line);
    Some(name.into())
}

/// The application's own hosts, each once, with the place of each.
fn canonical_hosts(
    raw: &RawApplication,
    parent: &KeyPath,
    taken: &mut Lines,
    compiler: &mut Compiler<'_>,
) -> Vec<(String, KeyPath)> {
    let path = parent.key("hosts");
    if raw.hosts.items.is_empty() && !compiler.document.wrote(&path.index(0)) {
        compiler.key_error(&path, "this application has no host; add `hosts`");
    }
    let mut mine = Vec::new();
    for (index, written) in raw.hosts.items.iter().enumerate() {
        let at = if raw.hosts.is_list { path.index(index) } else { path.clone() };
        let Some(host) = compiler.checked(&at, hosts::canonical(written)) else { continue };
        if let Some(line) = taken.get(&host) {
            let text = format!(
                "the host '{host}' is already taken at line {line}; give each host to \
                                one application"
            );
            compiler.error(&at, &text);
            continue;
        }
        taken.insert(host.clone(), compiler.place(&at).line);
        mine.push((host, at));
    }
    mine
}

/// Where people begin: as written, or the first exact host as the portal's own browsers reach it.
fn url(
    raw: &RawApplication,
    parent: &KeyPath,
    hosts: &[(String, KeyPath)],
    portal: Option<&Origin>,
    compiler: &mut Compiler<'_>,
) -> Option<Url> {
    let Some(written) = raw.url.as_deref() else {
        let (host, _) = hosts.iter().find(|(host, _)| !host.starts_with("*."))?;
        let mut url = portal?.url.clone();
        url.set_path("/");
        return url.set_host(Some(host)).is_ok().then_some(url);
    };
    let path = parent.key("url");
    let place = compiler.checked(&path, urls::absolute(written))?;
    let is_ours = |host: &str| match host.strip_prefix('*') {
        Some(suffix) => place.host.ends_with(suffix),
        None => *host == *place.host,
    };
    if !hosts.iter().any(|(host, _)| is_ours(host)) {
        let text = format!("'{}' is not among the application's hosts; add it there", place.host);
        compiler.error(&path, &text);
    }
    Some(place.url)
}

fn cache(raw: &RawApplication, parent: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Duration> {
    let path = parent.key("cache");
    let time = compiler.checked(&path, units::duration(&raw.cache.as_ref()?.0))?;
    if time.subsec_nanos() > 0 || !CACHE_SECONDS.contains(&time.as_secs()) {
        let text = "an allow is reused for whole seconds, 2s to 60s; write one of these, or leave \
                    the key out";
        compiler.error(&path, text);
        return None;
    }
    Some(time)
}

fn exports(
    raw: &RawApplication,
    variables: &Variables<'_>,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Exports {
    if raw.exports.0.len() > EXPORTS_PER_APPLICATION {
        let text = format!("more than {EXPORTS_PER_APPLICATION} exports; remove some");
        compiler.key_error(parent, &text);
    }
    let mut seen: HashMap<Box<str>, &str> = HashMap::new();
    let mut exports = Vec::new();
    for (header, source) in &raw.exports.0 {
        let path = parent.key(header);
        let name = headers::exported(&path, header, compiler);
        let export = export(source, variables, &path, compiler);
        let (Some(name), Some((source, encoding))) = (name, export) else { continue };
        if let Some(first) = seen.insert(name.lower().into(), header) {
            let text = format!("'{header}' and '{first}' are one header; remove one of them");
            compiler.key_error(&path, &text);
        }
        let is_control =
            |written: &str| !written.is_empty() && written.eq_ignore_ascii_case(name.lower());
        if variables.slave.masters.iter().any(|master| is_control(&master.control_header)) {
            let text = "the control header must never reach an application; use another header";
            compiler.key_error(&path, text);
        }
        exports.push(Export { header: name.lower().into(), source, encoding });
    }
    Exports::new(exports.into())
}

fn export(
    raw: &RawExport,
    variables: &Variables<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<(Source, Encoding)> {
    let encoding = encodings::encoding(raw.encoding);
    let at = path.key("expression");
    if compiler.document.wrote(&at) {
        if compiler.document.wrote(&path.key("variable")) {
            let text = "an export is a variable or an expression; remove one of them";
            compiler.key_error(&at, text);
        }
        let scope = variables.scope(Reach::Session);
        let value = expressions::value(raw.expression.as_deref()?, scope, &at, compiler)?;
        return Some((Source::Expression(value, defaults::JOINER.into()), encoding));
    }
    let written = compiler.required(path, "variable", raw.variable.as_deref())?;
    // The short form has no key `variable`: then the place is the export's own value.
    let long = path.key("variable");
    let at = if compiler.document.find(&long).is_some() { long } else { path.clone() };
    let variable = variable(written, variables, &at, compiler)?;
    if let Variable::Attribute { joiner, is_list: true, .. } = &variable {
        let remedy = "use another encoding, or another separator for the variable";
        if !encodings::separates(encoding, joiner, &path.key("encoding"), remedy, compiler) {
            return None;
        }
    }
    Some((Source::Variable(variable), encoding))
}

fn variable(
    written: &str,
    variables: &Variables<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Variable> {
    if let Some(variable) = Variable::built_in(written) {
        return Some(variable);
    }
    if let Some(known) = variables.find(written) {
        let joiner = variables.joiner(written).into();
        let is_list = known.is_list;
        return Some(Variable::Attribute { name: known.name.clone(), joiner, is_list });
    }
    let slave = variables.slave;
    if slave.exported_vars.0.iter().any(|(name, _)| name == written) {
        let text = format!(
            "the variable `{written}` is off without the role `users`; add the role to slave.roles"
        );
        compiler.error(path, &text);
        return None;
    }
    // Written there and refused there: one message is enough.
    if !variables.was_refused(written, compiler) {
        let names = variables.names().filter(|name| !Variable::BUILT_IN.contains(name));
        let known: Vec<&str> = names.chain(Variable::BUILT_IN.iter().copied()).collect();
        let text = format!("there is no variable `{written}`; {}", suggestion(written, &known));
        compiler.error(path, &text);
    }
    None
}

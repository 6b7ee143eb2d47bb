//! `slave` without its masters: the login header, roles and exported variables.

use crate::config::compile::{Compiler, encodings, headers, patterns};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawRole, RawSlave};
use crate::config::raw_value::Ordered;
use crate::config::raw_variable::RawVariable;
use crate::domain::header::HeaderName;
use crate::policy::export::Variable;
use crate::policy::slave::{ExportedVariable, SlaveBackend};

/// The backend as compiled.
pub struct Backend {
    /// What reads headers.
    pub backend: SlaveBackend,
}

impl Backend {
    /// Login and exported variables, which count as trust headers.
    pub fn trust_headers(&self) -> Vec<HeaderName> {
        let variables = self.backend.exported_vars.iter().map(|variable| variable.header.clone());
        std::iter::once(self.backend.user_header.clone()).chain(variables).collect()
    }
}

/// Checks everything of `slave` but its masters.
pub fn backend(raw: &RawSlave, compiler: &mut Compiler<'_>) -> Option<Backend> {
    let parent = KeyPath::of("slave");
    roles(raw, &parent, compiler);
    let user_header = compiler
        .required(&parent, "user_header", raw.user_header.as_deref())
        .and_then(|written| headers::from_master(&parent.key("user_header"), written, compiler));
    let user_pattern = patterns::whole(&parent.key("user_pattern"), &raw.user_pattern, compiler);
    let variables = variables(&raw.exported_vars, &parent.key("exported_vars"), compiler);
    let exported_vars = if reads_variables(raw) { variables } else { Vec::new() };
    Some(Backend {
        backend: SlaveBackend {
            auth_level: raw.auth_level,
            user_header: user_header?,
            user_pattern: user_pattern?,
            exported_vars,
        },
    })
}

/// Whether the role `users` is on.
pub fn reads_variables(raw: &RawSlave) -> bool {
    raw.roles.contains(&RawRole::Users)
}

fn roles(raw: &RawSlave, parent: &KeyPath, compiler: &mut Compiler<'_>) {
    let path = parent.key("roles");
    if !raw.roles.contains(&RawRole::Authentication) {
        let text = "the role `authentication` is missing, and `users` alone opens no session; \
                    write [authentication, users]";
        compiler.error(&path, text);
    }
    if !reads_variables(raw) && !raw.exported_vars.0.is_empty() {
        let text = "exported_vars are off without the role `users`; add it or remove them";
        compiler.warn(&parent.key("exported_vars"), text);
    }
}

fn variables(
    raw: &Ordered<RawVariable>,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Vec<ExportedVariable> {
    let one =
        |(name, raw): &(String, RawVariable)| variable(name, raw, &parent.key(name), compiler);
    raw.0.iter().filter_map(one).collect()
}

fn variable(
    name: &str,
    raw: &RawVariable,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<ExportedVariable> {
    let good = variable_name(name, path, compiler);
    let separator = match raw.separator.as_deref() {
        Some(separator) if separator.is_empty() || separator.contains(char::is_control) => {
            let text = "a separator is at least one visible character or blank; leave the key out \
                        if the value is one text";
            compiler.error(&path.key("separator"), text);
            return None;
        }
        separator => separator,
    };
    let encoding = encodings::encoding(raw.encoding);
    if let Some(separator) = separator {
        let (at, remedy) = (path.key("separator"), "use another one, e.g. ';'");
        if !encodings::separates(encoding, separator, &at, remedy, compiler) {
            return None;
        }
    }
    let written = compiler.required(path, "header", raw.header.as_deref())?;
    // The short form has no key `header`: then the place is the variable's own value.
    let long = path.key("header");
    let at = if compiler.document.find(&long).is_some() { long } else { path.clone() };
    let header = headers::from_master(&at, written, compiler)?;
    good.then(|| ExportedVariable {
        name: name.into(),
        header,
        encoding,
        separator: separator.map(Into::into),
    })
}

/// Whether a variable can be called so; reported if not.
pub fn variable_name(name: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.bytes().next().is_none_or(|b| b.is_ascii_digit());
    if !plain {
        let text = format!(
            "'{name}' is not a variable's name; use letters, digits and '_', no \
                            digit first"
        );
        compiler.key_error(path, &text);
    } else if Variable::BUILT_IN.contains(&name) {
        compiler.key_error(path, &format!("the variable `{name}` is built in; use another name"));
    } else {
        return true;
    }
    false
}

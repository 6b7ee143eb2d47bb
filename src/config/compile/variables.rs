//! Every variable that there is: exported, defined in `macros`, or `groups` with conditions.

use crate::config::compile::{Compiler, slave};
use crate::config::defaults;
use crate::config::key_path::KeyPath;
use crate::config::raw::RawSlave;
use crate::config::reader::suggestion;
use crate::policy::expr::names::{Reach, Scope, Variable};

/// The variables of a configuration, and where they come from.
pub struct Variables<'a> {
    /// The masters and what they send.
    pub slave: &'a RawSlave,
    list: Vec<Variable>,
}

impl<'a> Variables<'a> {
    /// Those that masters send.
    pub fn exported(slave: &'a RawSlave) -> Self {
        let exported = slave.exported_vars.0.iter().filter(|_| slave::reads_variables(slave));
        let variable = |(name, raw): &(String, _)| {
            let raw: &crate::config::raw_variable::RawVariable = raw;
            Variable { name: name.as_str().into(), is_list: raw.separator.is_some() }
        };
        Self { slave, list: exported.map(variable).collect() }
    }

    /// One more, or another view of one that is there.
    pub fn define(&mut self, name: &str, is_list: bool) {
        match self.list.iter_mut().find(|known| *known.name == *name) {
            Some(known) => known.is_list = is_list,
            None => self.list.push(Variable { name: name.into(), is_list }),
        }
    }

    /// What an expression about `reach` can name.
    pub fn scope(&self, reach: Reach) -> Scope<'_> {
        Scope { variables: &self.list, reach }
    }

    /// The variable called `name`.
    pub fn find(&self, name: &str) -> Option<&Variable> {
        self.list.iter().find(|known| *known.name == *name)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|known| &*known.name)
    }

    /// What stands between the values of the variable called `name` where they become one text.
    pub fn joiner(&self, name: &str) -> &str {
        let mut exported = self.slave.exported_vars.0.iter();
        let raw = exported.find(|(known, _)| known == name);
        raw.and_then(|(_, raw)| raw.separator.as_deref()).unwrap_or(defaults::JOINER)
    }

    /// Whether there is a variable called `name`; reported at `path` if not.
    pub fn exists(&self, name: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> bool {
        let is_known = self.find(name).is_some();
        if !is_known && !self.was_refused(name, compiler) {
            let known: Vec<&str> = self.names().collect();
            let text = format!(
                "there is no variable `{name}` in `slave.exported_vars` or `macros`; {}",
                suggestion(name, &known)
            );
            compiler.error(path, &text);
        }
        is_known
    }

    /// Whether it was written and refused where it stands: then one message is enough.
    pub fn was_refused(&self, name: &str, compiler: &Compiler<'_>) -> bool {
        let exported = slave::reads_variables(self.slave)
            && compiler.document.wrote(&KeyPath::of("slave.exported_vars").key(name));
        exported || compiler.document.wrote(&KeyPath::of("macros").key(name))
    }
}

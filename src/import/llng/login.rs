//! What a session holds: exported variables, macros and groups.
//!
//! Must not know: rules and applications.

use crate::import::llng::cel::{Cel, Side, Translator};
use crate::import::llng::names::{self, GROUPS, Session, Stage};
use crate::import::llng::part::{Part, Yaml};
use crate::import::llng::perl::{self, Node, Unsupported};
use crate::import::llng::source::{Problem, Source, Table};
use crate::import::llng::translation::Refusals;
use crate::import::report::{Kind, Report};
use crate::import::yaml::scalar;

/// What the configuration says about sessions, translated.
#[derive(Debug, Default)]
pub struct Login {
    /// Variables, each with the master's header.
    headers: Vec<(String, String)>,
    macros: Vec<Named>,
    groups: Vec<Named>,
    /// What expressions can name.
    pub session: Session,
}

/// A macro or a group.
#[derive(Debug)]
struct Named {
    name: String,
    written: String,
    /// As LemonLDAP::NG has it.
    source: String,
}

impl Named {
    fn new(name: &str, translated: &Cel, source: &str) -> Self {
        let written = translated.text().to_owned();
        Self { name: name.to_owned(), written, source: source.to_owned() }
    }
}

/// Whether the master's headers are read for variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// They are.
    Slave,
    /// Another module of LemonLDAP::NG fills sessions.
    Others,
}

impl Login {
    /// Translates it.
    ///
    /// # Errors
    /// A key is of the wrong kind.
    pub fn read(
        source: &Source,
        users: Users,
        refusals: &Refusals,
        report: &mut Report,
    ) -> Result<Self, Problem> {
        let (macros, groups) = (source.table("macros")?, source.table("groups")?);
        let mut login = Self::default();
        login.session.separator = source.text("multiValuesSeparator")?;
        if users == Users::Slave {
            login.add_exported(source, &macros, report)?;
        }
        login.add_headers_of(&macros, &groups);
        login.drop_refused(refusals, report);
        let lower = |(name, header): &(String, String)| (name.clone(), header.to_ascii_lowercase());
        login.session.headers = login.headers.iter().map(lower).collect();
        for (name, value) in &macros {
            login.add_macro(name, value, refusals, report);
        }
        // Only now: a macro sees no group, and no other macro that comes after it.
        for (name, condition) in &groups {
            login.add_group(name, condition, refusals, report);
        }
        Ok(login)
    }

    fn add_exported(
        &mut self,
        source: &Source,
        macros: &Table,
        report: &mut Report,
    ) -> Result<(), Problem> {
        for key in ["exportedVars", "slaveExportedVars"] {
            for (name, written) in source.table(key)? {
                let place = format!("{key}.{name}");
                let header = if written.starts_with("HTTP_") {
                    names::header(&written)
                } else {
                    (!written.is_empty() && !names::is_nobodys(&written)).then_some(written)
                };
                match header {
                    // A macro of that name replaces it.
                    Some(_) if macros.contains_key(&name) => {}
                    Some(header) => {
                        report.add(Kind::Note, &place, NEVER_STORED);
                        self.set_header(&name, &header);
                    }
                    None => {
                        let text = "is no header of a master's own; send it in one, and add it to slave.exported_vars";
                        report.add(Kind::Missing, &place, text);
                    }
                }
            }
        }
        Ok(())
    }

    fn set_header(&mut self, name: &str, header: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), header.to_owned()));
        self.session.variables.insert(name.to_owned());
        self.session.sends_groups |= name == GROUPS;
    }

    /// A macro that is a header, and the headers that macros and groups name, are variables, too.
    fn add_headers_of(&mut self, macros: &Table, groups: &Table) {
        let mut inside = Vec::new();
        for (name, value) in macros {
            match perl::parse(value) {
                Ok(Node::Environment(variable)) => {
                    if let Some(header) = names::header(&variable) {
                        self.set_header(name, &header);
                    }
                }
                Ok(node) => collect(&node, &mut inside),
                Err(_) => {}
            }
        }
        for condition in groups.values() {
            if let Ok(node) = perl::parse(condition) {
                collect(&node, &mut inside);
            }
        }
        for variable in inside {
            let Some(header) = names::header(&variable) else { continue };
            let name = variable.to_ascii_lowercase();
            let is_taken = macros.contains_key(&name) || self.session.variables.contains(&name);
            let is_read = |(_, known): &(String, String)| known.eq_ignore_ascii_case(&header);
            if !is_taken && !self.headers.iter().any(is_read) {
                self.set_header(&name, &header);
            }
        }
    }

    fn drop_refused(&mut self, refusals: &Refusals, report: &mut Report) {
        let session = &mut self.session;
        self.headers.retain(|(name, _)| {
            let Some(why) = refusals.why(&Part::Variable(name.clone())) else { return true };
            report.add(Kind::Missing, &format!("exported variable {name}"), why);
            session.variables.remove(name);
            session.sends_groups &= name != GROUPS;
            false
        });
    }

    fn add_macro(&mut self, name: &str, value: &str, refusals: &Refusals, report: &mut Report) {
        if self.headers.iter().any(|(known, _)| known == name) {
            return;
        }
        let translator = Translator { session: &self.session, stage: Stage::Macro };
        let part = Part::Macro(name.to_owned());
        let translated = perl::parse(value).and_then(|node| translator.text(&node));
        match refusals.or_refused(&part, translated) {
            Ok(text) => {
                self.macros.push(Named::new(name, &text, value));
                self.session.variables.insert(name.to_owned());
            }
            Err(Unsupported(why)) => {
                // A variable of that name is not what LemonLDAP::NG would have.
                self.session.variables.remove(name);
                let text = format!("it {why}; whatever uses it denies or is empty");
                report.add(Kind::Missing, &format!("macros.{name}"), text);
            }
        }
    }

    fn add_group(&mut self, name: &str, condition: &str, refusals: &Refusals, report: &mut Report) {
        let translator = Translator { session: &self.session, stage: Stage::Group };
        let part = Part::Group(name.to_owned());
        let translated =
            perl::parse(condition).and_then(|node| translator.truth(&node, Side::Narrow));
        match refusals.or_refused(&part, translated) {
            Ok(text) => {
                self.groups.push(Named::new(name, &text, condition));
                self.session.groups.insert(name.to_owned());
            }
            Err(Unsupported(why)) => {
                self.session.lost_groups.insert(name.to_owned());
                let text =
                    format!("its condition {why}; nobody is in it, and rules that ask for it deny");
                report.add(Kind::Missing, &format!("groups.{name}"), text);
            }
        }
    }

    /// Writes `slave.exported_vars`, within `slave`.
    pub fn write_variables(&self, yaml: &mut Yaml) {
        let known = |name: &str| self.session.variables.contains(name);
        let headers: Vec<_> = self.headers.iter().filter(|(name, _)| known(name)).collect();
        if headers.is_empty() {
            return;
        }
        yaml.line(&Part::Setting("slaveExportedVars"), "  exported_vars:");
        for (name, header) in headers {
            let (key, header) = (scalar(name), scalar(header));
            let line = if name == GROUPS {
                format!("    {key}: {{ header: {header}, separator: ';' }}")
            } else {
                format!("    {key}: {header}")
            };
            yaml.line(&Part::Variable(name.clone()), &line);
        }
    }

    /// Writes `macros` and `groups`.
    pub fn write_macros_and_groups(&self, yaml: &mut Yaml) {
        let of_macro: fn(String) -> Part = Part::Macro;
        let kinds = [("macros", &self.macros, of_macro), ("groups", &self.groups, Part::Group)];
        for (key, all, part) in kinds {
            let Some(first) = all.first() else { continue };
            yaml.line(&part(first.name.clone()), &format!("{key}:"));
            for Named { name, written, source } in all {
                let part = part(name.clone());
                yaml.comment(&part, "  ", &format!("{name}: {source}"));
                yaml.line(&part, &format!("  {}: {}", scalar(name), scalar(written)));
            }
        }
    }
}

/// Every version that was tried reads the headers too early and stores none of them.
const NEVER_STORED: &str = "LemonLDAP::NG 2.16 to 2.23 documents it and never stores it, Vouchsafe does; if rules or \
    applications must not see it, remove it from slave.exported_vars";

/// The names of the environment that `node` uses.
fn collect(node: &Node, found: &mut Vec<String>) {
    match node {
        Node::Environment(name) => found.push(name.clone()),
        Node::Variable(_) | Node::Text(_) | Node::Number(_) | Node::Word(_) => {}
        Node::Joined(parts) | Node::Call(_, parts) => {
            for part in parts {
                collect(part, found);
            }
        }
        Node::Not(one) | Node::Matched { of: one, .. } => collect(one, found),
        Node::And(one, other) | Node::Or(one, other) | Node::Compared(_, one, other) => {
            collect(one, found);
            collect(other, found);
        }
        Node::Choice(condition, yes, no) => {
            collect(condition, found);
            collect(yes, found);
            collect(no, found);
        }
    }
}

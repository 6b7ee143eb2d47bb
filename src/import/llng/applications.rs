//! Virtual hosts as applications: their names, exports and options.
//!
//! Must not know: how rules are written.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::limits::EXPORTS_PER_APPLICATION;
use crate::import::llng::cel::{Cel, Translator};
use crate::import::llng::names::{Session, Stage};
use crate::import::llng::part::{Part, Yaml};
use crate::import::llng::perl::{self, Node, Unsupported};
use crate::import::llng::rules::{self, Common, Level};
use crate::import::llng::source::{Problem, Source, Table};
use crate::import::llng::translation::Refusals;
use crate::import::report::{Kind, Report};
use crate::import::yaml::scalar;

/// Longest name of an application that is made of a host's.
const NAME_CHARS: usize = 56;

/// All that is written of virtual hosts.
pub struct Applications<'a> {
    /// By their names.
    rules: BTreeMap<String, Table>,
    headers: BTreeMap<String, Table>,
    options: BTreeMap<String, Table>,
    session: &'a Session,
    grant: &'a Cel,
    refusals: &'a Refusals,
    /// The portal's host, which is no application.
    portal: Option<&'a str>,
}

impl<'a> Applications<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// A key is of the wrong kind.
    pub fn read(
        source: &Source,
        session: &'a Session,
        grant: &'a Cel,
        refusals: &'a Refusals,
        portal: Option<&'a str>,
    ) -> Result<Self, Problem> {
        let rules = source.tables("locationRules")?;
        let headers = source.tables("exportedHeaders")?;
        let options = source.tables("vhostOptions")?;
        Ok(Self { rules, headers, options, session, grant, refusals, portal })
    }

    /// Writes `applications`.
    pub fn write(&self, yaml: &mut Yaml, report: &mut Report) {
        let start = Part::Setting("locationRules");
        let taken_twice = self.taken_twice();
        let mut names = BTreeSet::new();
        let mut is_first = true;
        for (vhost, rules) in &self.rules {
            if self.is_portal(vhost) {
                let text = "is the portal, which is no application here";
                report.add(Kind::Note, &format!("locationRules.{vhost}"), text);
                continue;
            }
            let hosts = self.hosts(vhost, &taken_twice, report);
            let part = Part::Application(vhost.clone());
            let refusal = self.refusals.why(&part);
            if hosts.is_empty() || refusal.is_some() {
                let text =
                    refusal.unwrap_or("no name of it can be used, so its requests are refused");
                report.add(Kind::Denies, &format!("locationRules.{vhost}"), text);
                continue;
            }
            if std::mem::take(&mut is_first) {
                yaml.line(&start, "applications:");
            }
            self.write_one(vhost, &name(vhost, &mut names), &hosts, rules, yaml, report);
        }
        if is_first {
            yaml.line(&start, "applications: []");
        }
        for vhost in self.headers.keys().filter(|vhost| !self.rules.contains_key(*vhost)) {
            let text = "has no rules, so LemonLDAP::NG refuses its requests, and Vouchsafe does";
            report.add(Kind::Note, &format!("exportedHeaders.{vhost}"), text);
        }
    }

    fn is_portal(&self, host: &str) -> bool {
        self.portal.is_some_and(|portal| portal.eq_ignore_ascii_case(host))
    }

    fn option(&self, vhost: &str, key: &str) -> &str {
        self.options.get(vhost).and_then(|options| options.get(key)).map_or("", |text| text.trim())
    }

    /// The virtual host's own name and its aliases.
    fn names_of<'b>(&'b self, vhost: &'b str) -> impl Iterator<Item = &'b str> {
        let aliases = self.option(vhost, "vhostAliases");
        std::iter::once(vhost).chain(aliases.split_whitespace())
    }

    /// Names that several virtual hosts have; which one LemonLDAP::NG takes is not certain.
    fn taken_twice(&self) -> BTreeSet<String> {
        let mut owners = BTreeMap::<String, BTreeSet<&str>>::new();
        for vhost in self.rules.keys() {
            for name in self.names_of(vhost) {
                let name = name.trim_end_matches('.').to_lowercase();
                owners.entry(name).or_default().insert(vhost);
            }
        }
        owners.into_iter().filter(|(_, owners)| owners.len() > 1).map(|(name, _)| name).collect()
    }

    fn hosts(
        &self,
        vhost: &str,
        taken_twice: &BTreeSet<String>,
        report: &mut Report,
    ) -> Vec<String> {
        let mut hosts = Vec::<String>::new();
        for name in self.names_of(vhost) {
            let place = format!("locationRules.{vhost}, name {name}");
            let part = Part::Host(vhost.to_owned(), name.to_owned());
            if hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) || self.is_portal(name) {
                continue;
            }
            if name != vhost && name.contains(['*', '%']) {
                // It knows no patterns in aliases, so such a one never matched.
                let text = "is an alias with a wildcard, which LemonLDAP::NG takes for a name; add it to \
                            `hosts` if it is meant";
                report.add(Kind::Missing, &place, text);
            } else if taken_twice.contains(&name.trim_end_matches('.').to_lowercase()) {
                let text = "several virtual hosts have this name, so none has it here; add it to the right one";
                report.add(Kind::Denies, &place, text);
            } else if let Some(why) = self.refusals.why(&part) {
                report.add(Kind::Denies, &place, why);
            } else {
                hosts.push(name.to_owned());
            }
        }
        hosts
    }

    fn write_one(
        &self,
        vhost: &str,
        name: &str,
        hosts: &[String],
        rules: &Table,
        yaml: &mut Yaml,
        report: &mut Report,
    ) {
        let part = Part::Application(vhost.to_owned());
        yaml.line(&part, &format!("  - name: {}", scalar(name)));
        yaml.line(&part, "    hosts:");
        for host in hosts {
            let part = Part::Host(vhost.to_owned(), host.clone());
            yaml.line(&part, &format!("      - {}", scalar(host)));
        }
        if !matches!(self.option(vhost, "vhostMaintenance"), "" | "0") {
            yaml.line(&part, "    maintenance: true");
        }
        self.write_exports(vhost, yaml, report);
        self.note_options(vhost, report);
        let common = Common {
            vhost,
            level: Level::of(self.option(vhost, "vhostAuthnLevel")),
            session: self.session,
            grant: self.grant,
            refusals: self.refusals,
        };
        yaml.line(&part, "    rules:");
        if self.has_rules_elsewhere(vhost, report) {
            yaml.line(&part, "      - { effect: deny }");
        } else {
            rules::write(rules, &common, yaml, report);
        }
    }

    /// Whether an application of this type brings its own rules.
    fn has_rules_elsewhere(&self, vhost: &str, report: &mut Report) -> bool {
        let kind = self.option(vhost, "vhostType");
        let place = format!("vhostOptions.{vhost}.vhostType");
        match kind {
            "" | "Main" => false,
            _ if kind.starts_with("DevOps") => {
                let text = "its rules are the application's, and are not here; write them";
                report.add(Kind::Denies, &place, text);
                true
            }
            _ => {
                let text = "only the session's cookie and the master open this application here";
                report.add(Kind::Approximately, &place, text);
                false
            }
        }
    }

    fn note_options(&self, vhost: &str, report: &mut Report) {
        for key in ["vhostHttps", "vhostPort"] {
            if !matches!(self.option(vhost, key), "" | "-1") {
                let text = "scheme and port are what the proxy reports; let it report these";
                report.add(Kind::Note, &format!("vhostOptions.{vhost}.{key}"), text);
            }
        }
        if !self.option(vhost, "vhostAccessToTrace").is_empty() {
            let text = "the log names people by trace_name, for all applications alike";
            report.add(Kind::Missing, &format!("vhostOptions.{vhost}.vhostAccessToTrace"), text);
        }
    }

    // === Exports ===

    fn write_exports(&self, vhost: &str, yaml: &mut Yaml, report: &mut Report) {
        let mut lines = Vec::new();
        for (header, value) in self.headers.get(vhost).into_iter().flatten() {
            let place = format!("exportedHeaders.{vhost}.{header}");
            let part = Part::Export(vhost.to_owned(), header.clone());
            let refusal = self.refusals.why(&part);
            if self.refusals.times(&part) > 1 || lines.len() >= EXPORTS_PER_APPLICATION {
                let text = refusal.unwrap_or("there are too many headers");
                let text = format!("{text}; the proxy must remove what clients send in it");
                report.add(Kind::Missing, &place, text);
                continue;
            }
            let translated = perl::parse(value).and_then(|node| self.export(&node, &place, report));
            let export = match self.refusals.or_refused(&part, translated) {
                Ok(export) => export,
                Err(Unsupported(why)) => {
                    let text = format!("it {why}; it is always empty");
                    report.add(Kind::Missing, &place, text);
                    EMPTY.to_owned()
                }
            };
            lines.push((
                part,
                format!("{header}: {value}"),
                format!("{}: {export}", scalar(header)),
            ));
        }
        if lines.is_empty() {
            return;
        }
        yaml.line(&Part::Application(vhost.to_owned()), "    exports:");
        for (part, source, line) in lines {
            yaml.comment(&part, "      ", &source);
            yaml.line(&part, &format!("      {line}"));
        }
    }

    /// What stands behind the header's name.
    fn export(&self, node: &Node, place: &str, report: &mut Report) -> Result<String, Unsupported> {
        let (node, encoding) = encoded(node);
        let source = if let Some(variable) = self.variable(node, place, report) {
            ("variable", variable.to_owned())
        } else {
            let translator = Translator { session: self.session, stage: Stage::Export };
            ("expression", translator.text(node)?.text().to_owned())
        };
        Ok(match (source, encoding) {
            (("variable", variable), None) => scalar(&variable),
            ((key, source), None) => format!("{{ {key}: {} }}", scalar(&source)),
            ((key, source), Some(encoding)) => {
                format!("{{ {key}: {}, encoding: {encoding} }}", scalar(&source))
            }
        })
    }

    /// The variable that says it alone.
    fn variable<'b>(&self, node: &'b Node, place: &str, report: &mut Report) -> Option<&'b str> {
        let name = if let Node::Variable(name) = node {
            name.as_str()
        } else if matches!(node, Node::Environment(name) if name == "REMOTE_ADDR") {
            "ip"
        } else {
            return None;
        };
        // Names that mean something else here are written as expressions.
        let is_free = !["user", "realm", "master", "groups", "auth_level", "ipAddr", "created"]
            .contains(&name);
        if self.session.variables.contains(name) {
            return is_free.then_some(name);
        }
        match name {
            "_user" => Some("user"),
            "authenticationLevel" => Some("auth_level"),
            "ipAddr" => Some("ipAddr"),
            "_utime" => Some("created"),
            "ip" => {
                let text = "is the address at the login, not that of each request";
                report.add(Kind::Approximately, place, text);
                Some("ipAddr")
            }
            _ => None,
        }
    }
}

/// What is exported, and how it is written.
fn encoded(node: &Node) -> (&Node, Option<&'static str>) {
    let Node::Call(name, arguments) = node else { return (node, None) };
    match (name.as_str(), arguments.as_slice()) {
        ("encode_base64", [node]) => (node, Some("base64")),
        ("encode_base64", [node, Node::Text(end)]) if end.is_empty() => (node, Some("base64")),
        ("unicode2iso", [node]) => (node, Some("latin1")),
        _ => (node, None),
    }
}

/// An export that is there and says nothing, so that a client's own header does not pass for it.
const EMPTY: &str = "{ expression: \"''\" }";

/// A name for metrics and logs, like the host's.
fn name(vhost: &str, taken: &mut BTreeSet<String>) -> String {
    let written =
        vhost.strip_prefix("*.").map_or_else(|| vhost.to_owned(), |rest| format!("all.{rest}"));
    let letter =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let base: String = written.chars().map(letter).take(NAME_CHARS).collect();
    let base = if base.is_empty() { "unnamed".to_owned() } else { base };
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let mut all = std::iter::once(base.clone()).chain(numbered);
    let name = all.find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// `trustedDomains`, `.example.com` being everything below it.
pub fn write_trusted_domains(
    written: Option<&str>,
    refusals: &Refusals,
    yaml: &mut Yaml,
    report: &mut Report,
) {
    for domain in written.unwrap_or_default().split_whitespace() {
        let part = Part::TrustedDomain(domain.to_owned());
        let place = format!("trustedDomains, {domain}");
        if let Some(why) = refusals.why(&part) {
            report.add(Kind::Missing, &place, why);
            continue;
        }
        let name = if domain.starts_with('.') { format!("*{domain}") } else { domain.to_owned() };
        yaml.line(&part, &format!("    - {}", scalar(&name)));
    }
}

//! Everything but virtual hosts: the portal, the slave backend, cookies and times.
//!
//! What keeps somebody out there and has no counterpart here refuses the whole configuration: left out in
//! silence, it would let them in.

use crate::import::llng::applications::write_trusted_domains;
use crate::import::llng::cel::{Cel, Side, Translator};
use crate::import::llng::login::{Login, Users};
use crate::import::llng::names::{self, Session, Stage};
use crate::import::llng::part::{Part, Yaml};
use crate::import::llng::pattern;
use crate::import::llng::perl;
use crate::import::llng::source::{Problem, Source};
use crate::import::llng::translation::Refusals;
use crate::import::report::{Kind, Report};
use crate::import::yaml::scalar;

/// What of the settings others need.
pub struct Choice {
    /// Values of `lmAuth` that mean the slave backend; `None`: it is not asked for.
    pub values: Option<Vec<String>>,
    /// Who fills sessions.
    pub users: Users,
}

/// Which authentication module is used, and for what.
///
/// # Errors
/// It is not the slave backend.
pub fn choice(source: &Source, report: &mut Report) -> Result<Choice, Problem> {
    let not_slave = || {
        let text = "does not use the slave backend, the only one that Vouchsafe has; set it to Slave, or to Choice \
                    with a module that begins with `Slave;`";
        Problem::new("authentication", text)
    };
    let is_slave = |users: Option<String>| match users.as_deref() {
        None | Some("Slave" | "Same") => Users::Slave,
        Some(_) => Users::Others,
    };
    match source.text("authentication")?.as_deref() {
        Some("Slave") => Ok(Choice { values: None, users: is_slave(source.text("userDB")?) }),
        Some("Choice") => {
            let mut values = Vec::new();
            let mut users = Users::Slave;
            for (value, module) in source.table("authChoiceModules")? {
                let place = format!("authChoiceModules.{value}");
                let parts: Vec<&str> = module.split(';').map(str::trim).collect();
                let condition = parts.get(4).copied().unwrap_or_default();
                if parts.first() != Some(&"Slave") {
                    report.add(Kind::Missing, &place, "only the slave backend exists here");
                } else if !matches!(condition, "" | "1") {
                    let text = "is only offered under a condition, which does not exist here";
                    report.add(Kind::Missing, &place, text);
                } else {
                    if parts.get(1).is_some_and(|users| !matches!(*users, "Slave" | "Same")) {
                        users = Users::Others;
                    }
                    values.push(value);
                }
            }
            if values.is_empty() {
                return Err(not_slave());
            }
            let parameter = source.text("authChoiceParam")?;
            if parameter.is_some_and(|name| name != "lmAuth") {
                let text = "the parameter is called lmAuth here; change programs that log in";
                report.add(Kind::Approximately, "authChoiceParam", text);
            }
            Ok(Choice { values: Some(values), users })
        }
        _ => Err(not_slave()),
    }
}

/// What LemonLDAP::NG demands besides the master's word, and Vouchsafe cannot.
///
/// # Errors
/// There is something.
pub fn demands(source: &Source) -> Result<(), Vec<Problem>> {
    let is_factor = |key: &str| key.ends_with("2fActivation") || key == "sfRequired";
    let found = source.keys().filter(|key| is_factor(key) && source.is_set(key));
    let problems: Vec<Problem> = found
        .map(|key| {
            let text = "asks for a second factor, which this version of Vouchsafe cannot; take the key out of a \
                        copy of the file if people may come in without it";
            Problem::new(key, text)
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Whom LemonLDAP::NG gives a session: `grantSessionRules` as one condition.
///
/// # Errors
/// The key is of the wrong kind.
pub fn grant(source: &Source, session: &Session, report: &mut Report) -> Result<Cel, Problem> {
    let translator = Translator { session, stage: Stage::Rule };
    let mut all = Cel::atom("true");
    for (name, condition) in source.table("grantSessionRules")? {
        let condition = if condition.is_empty() { name.clone() } else { condition };
        let condition = condition.split("##").next().unwrap_or_default().trim();
        let translated =
            perl::parse(condition).and_then(|node| translator.truth(&node, Side::Narrow));
        let place = format!("grantSessionRules.{name}");
        match translated {
            Ok(written) => {
                let text = "everybody gets a session here; the condition stands in each rule that lets sessions in";
                report.add(Kind::Approximately, &place, text);
                all = all.and(&written);
            }
            Err(perl::Unsupported(why)) => {
                let text = format!("it {why}; so no rule lets a session in");
                report.add(Kind::Denies, &place, text);
                all = Cel::atom("false");
            }
        }
    }
    Ok(all)
}

/// Writes settings one by one.
pub struct Settings<'a> {
    /// What is translated.
    pub source: &'a Source,
    /// What was refused before.
    pub refusals: &'a Refusals,
    /// Where it is written.
    pub yaml: &'a mut Yaml,
    /// Where it is told.
    pub report: &'a mut Report,
}

type Done = Result<(), Problem>;

impl Settings<'_> {
    fn line(&mut self, key: &'static str, line: &str) {
        self.yaml.line(&Part::Setting(key), line);
    }

    /// `portal`, for these values of `lmAuth`.
    pub fn portal(&mut self, choice: &Choice) -> Done {
        let url = self.source.text("portal")?;
        let url =
            url.ok_or_else(|| Problem::new("portal", "is not set; write the portal's URL"))?;
        self.line("portal", "portal:");
        self.line("portal", &format!("  url: {}", scalar(&url)));
        if let Some(domain) = self.source.text("domain")? {
            self.line("domain", &format!("  domain: {}", scalar(&domain)));
        }
        let trusted = self.source.text("trustedDomains")?;
        if trusted.as_deref().is_some_and(|trusted| {
            trusted
                .split_whitespace()
                .any(|one| self.refusals.why(&Part::TrustedDomain(one.to_owned())).is_none())
        }) {
            self.line("trustedDomains", "  trusted_domains:");
        }
        write_trusted_domains(trusted.as_deref(), self.refusals, self.yaml, self.report);
        if let Some(values) = &choice.values {
            self.line("authChoiceModules", "  choice:");
            for value in values {
                self.line("authChoiceModules", &format!("    {}: slave", scalar(value)));
            }
        }
        Ok(())
    }

    /// `slave`, with what sessions hold.
    pub fn slave(&mut self, login: &Login) -> Done {
        let user_header = self.source.text("slaveUserHeader")?.ok_or_else(|| {
            Problem::new(
                "slaveUserHeader",
                "is not set, so nobody can log in; name the header with the login",
            )
        })?;
        self.line("slaveUserHeader", "slave:");
        if let Some(level) = self.source.number("slaveAuthnLevel")? {
            self.line("slaveAuthnLevel", &format!("  auth_level: {level}"));
        }
        self.line("slaveUserHeader", &format!("  user_header: {}", scalar(&user_header)));
        if let Some(written) = self.source.text("userControl")? {
            let pattern = read_pattern("userControl", &written)?;
            self.line("userControl", &format!("  user_pattern: {}", scalar(&pattern)));
        }
        if self.source.is_set("slaveDisplayLogo") {
            self.line("slaveDisplayLogo", "  display_logo: true");
        }
        self.master()?;
        login.write_variables(self.yaml);
        Ok(())
    }

    fn master(&mut self) -> Done {
        let ips = self.source.text("slaveMasterIP")?;
        let header = self.source.text("slaveHeaderName")?;
        let content = self.source.text("slaveHeaderContent")?;
        if header.is_some() != content.is_some() {
            let key = if header.is_some() { "slaveHeaderContent" } else { "slaveHeaderName" };
            let text = "is not set, and LemonLDAP::NG then checks neither name nor content; set both, or none";
            return Err(Problem::new(key, text));
        }
        self.line("slaveMasterIP", "  masters:");
        self.line("slaveMasterIP", "    - name: sso");
        if let Some(ips) = &ips {
            self.line("slaveMasterIP", &format!("      ips: {}", scalar(ips)));
        }
        match (&header, &content) {
            (Some(header), Some(content)) => {
                self.line("slaveHeaderName", &format!("      control_header: {}", scalar(header)));
                self.line(
                    "slaveHeaderContent",
                    &format!("      control_content: {}", scalar(content)),
                );
                let text =
                    "stands in the new file as it is; keep the file secret, or write { file: ... }";
                self.report.add(Kind::Note, "slaveHeaderContent", text);
            }
            _ if ips.is_none() => {
                self.line("slaveMasterIP", "      anyone: true");
                let text = "neither it nor slaveHeaderName is set, so ANYBODY can log in as ANYBODY, here as in \
                            LemonLDAP::NG; set one";
                self.report.add(Kind::Note, "slaveMasterIP", text);
            }
            _ => {}
        }
        self.certificate()
    }

    fn certificate(&mut self) -> Done {
        let key = "slaveCertificateField";
        let Some(field) = self.source.text(key)? else { return Ok(()) };
        let header = names::header(&field).ok_or_else(|| {
            Problem::new(key, "is no header of the master (HTTP_...), and Vouchsafe sees headers only; let the proxy \
                               in front send it in one")
        })?;
        let key = "slaveCertificateRegexp";
        let written = self.source.text(key)?;
        let written = written
            .ok_or_else(|| Problem::new(key, "is not set; write a pattern for the field"))?;
        let pattern = read_pattern(key, &written)?;
        self.line("slaveCertificateField", "      certificate:");
        self.line("slaveCertificateField", &format!("        header: {}", scalar(&header)));
        self.line("slaveCertificateRegexp", &format!("        pattern: {}", scalar(&pattern)));
        Ok(())
    }

    /// `sessions`.
    pub fn sessions(&mut self) -> Done {
        self.line("cookieName", "sessions:");
        self.line("cookieName", "  cookie:");
        let name = self.source.text("cookieName")?.unwrap_or_else(|| "lemonldap".to_owned());
        self.line("cookieName", &format!("    name: {}", scalar(&name)));
        let secured = self.source.number("securedCookie")?.unwrap_or_default();
        self.line("securedCookie", &format!("    secured: {secured}"));
        if let Some(same_site) = self.source.text("sameSite")? {
            let same_site = same_site.to_lowercase();
            self.line("sameSite", &format!("    same_site: {}", scalar(&same_site)));
        }
        self.line("timeout", "  key: { file: data/sessions.key }  # created if absent");
        let timeout = self.source.number("timeout")?.unwrap_or(TIMEOUT);
        self.line("timeout", &format!("  timeout: {timeout}s"));
        match self.source.number("timeoutActivity")?.unwrap_or_default() {
            0 => self.line("timeoutActivity", &format!("  idle_timeout: {timeout}s")),
            idle => {
                // As here, a session ends with the first of both.
                let idle = idle.min(timeout);
                self.line("timeoutActivity", &format!("  idle_timeout: {idle}s"));
                let interval = self.source.number("timeoutActivityInterval")?.unwrap_or(INTERVAL);
                let interval = interval.min(idle / 4);
                if interval > 0 {
                    let line = format!("  touch_interval: {interval}s");
                    self.line("timeoutActivityInterval", &line);
                }
            }
        }
        self.line("timeout", "  store: { kind: embedded, path: data/sessions.redb }");
        Ok(())
    }

    /// `trace_name`.
    pub fn trace_name(&mut self, session: &Session) -> Done {
        let Some(written) = self.source.text("whatToTrace")? else { return Ok(()) };
        let name = written.trim().trim_start_matches('$');
        let name = if name == "_user" { "user" } else { name };
        let why = self.refusals.why(&Part::TraceName);
        if why.is_none() && (name == "user" || session.variables.contains(name)) {
            self.yaml.line(&Part::TraceName, &format!("trace_name: {}", scalar(name)));
        } else {
            let text =
                why.unwrap_or("names nothing that sessions have here; the log has the login");
            self.report.add(Kind::Missing, "whatToTrace", text);
        }
        Ok(())
    }
}

/// `timeout` where it is not set, in seconds.
const TIMEOUT: u32 = 72_000;
/// `timeoutActivityInterval` where it is not set, in seconds.
const INTERVAL: u32 = 60;

fn read_pattern(key: &str, written: &str) -> Result<String, Problem> {
    let pattern = pattern::read(written).map_err(|unreadable| {
        Problem::new(key, format!("{}; write a plainer pattern", unreadable.why))
    })?;
    Ok(pattern.rust)
}

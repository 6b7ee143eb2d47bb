//! What a name in an expression means: variables of the session, groups, and the request.
//!
//! Must not know: how expressions are put together.

use std::collections::BTreeSet;

use crate::import::llng::cel::{Cel, Value};
use crate::import::llng::perl::Unsupported;

/// Where an expression stands, and so what it can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In a macro: what the master sent, and macros before it.
    Macro,
    /// In the condition of a group: and all macros.
    Group,
    /// In an exported header: and groups.
    Export,
    /// In a rule: and the request.
    Rule,
}

/// What a session can hold.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Exported variables and macros that stand in the configuration.
    pub variables: BTreeSet<String>,
    /// Exported variables by their headers, lower case.
    pub headers: Vec<(String, String)>,
    /// Groups that stand in the configuration.
    pub groups: BTreeSet<String>,
    /// Groups whose conditions are not translated.
    pub lost_groups: BTreeSet<String>,
    /// Whether a master sends groups, too.
    pub sends_groups: bool,
    /// What stands between groups in `$groups`, if it is not `; `.
    pub separator: Option<String>,
}

/// The variable that groups are.
pub const GROUPS: &str = "groups";

impl Session {
    /// What `$name` is.
    pub fn variable(&self, name: &str, stage: Stage) -> Result<Value, Unsupported> {
        if name == GROUPS {
            return self.joined_groups(stage).map(Value::Text);
        }
        if self.variables.contains(name) {
            return Ok(Value::Text(Cel::atom(format!("vars.{name}"))));
        }
        match (name, stage) {
            ("_user", _) => Ok(Value::Text(Cel::atom("user"))),
            ("_auth" | "_userDB", _) => Ok(Value::Text(Cel::literal("Slave"))),
            ("authenticationLevel", Stage::Rule | Stage::Export) => {
                Ok(Value::Number(Cel::atom("session.level")))
            }
            ("ip", Stage::Rule) => Ok(Value::Text(Cel::atom("client"))),
            ("vhost", Stage::Rule) => Ok(Value::Text(Cel::atom("request.host"))),
            ("authenticationLevel" | "ip" | "vhost", _) => Err(Unsupported::because(format!(
                "computes something of `${name}` where it is not known yet"
            ))),
            _ => Err(Unsupported::because(format!(
                "uses `${name}`, which the slave backend does not set here"
            ))),
        }
    }

    /// What `$ENV{name}` is.
    pub fn environment(&self, name: &str, stage: Stage) -> Result<Value, Unsupported> {
        let text = |name: &str| Ok(Value::Text(Cel::atom(name)));
        match (name, stage) {
            ("REMOTE_ADDR", Stage::Rule) => text("client"),
            ("REQUEST_METHOD", Stage::Rule) => text("request.method"),
            ("HTTP_HOST" | "SERVER_NAME", Stage::Rule) => text("request.host"),
            ("REQUEST_URI" | "X_ORIGINAL_URI", Stage::Rule) => {
                Err(Unsupported::because(format!("uses `$ENV{{{name}}}` otherwise than with `=~`")))
            }
            (name, Stage::Macro | Stage::Group) => {
                let sent = header(name).and_then(|header| {
                    let header = header.to_ascii_lowercase();
                    let mut sent = self.headers.iter().filter(|(_, known)| *known == header);
                    sent.find(|(variable, _)| self.variables.contains(variable))
                });
                match sent {
                    Some((variable, _)) => text(&format!("vars.{variable}")),
                    None => Err(Unsupported::because(format!(
                        "uses `$ENV{{{name}}}`, which no master sends"
                    ))),
                }
            }
            (name, Stage::Rule) if name.starts_with("HTTP_") => Err(Unsupported::because(format!(
                "uses the header `{name}` of the request, and rules see no headers"
            ))),
            (name, _) => Err(Unsupported::because(format!("uses `$ENV{{{name}}}`"))),
        }
    }

    /// The text that LemonLDAP::NG makes of all groups.
    fn joined_groups(&self, stage: Stage) -> Result<Cel, Unsupported> {
        have_groups(stage)?;
        if let Some(lost) = self.lost_groups.first() {
            return Err(Unsupported::because(format!(
                "uses `$groups`, and the group `{}` is not translated",
                lost.escape_default()
            )));
        }
        let separator = Cel::literal(self.separator.as_deref().unwrap_or("; "));
        let joined = || Cel::atom(GROUPS).method("join", separator.text());
        Ok(if self.any_group() { joined() } else { Cel::literal("") })
    }

    /// Whether somebody is in a group; case does not matter to LemonLDAP::NG.
    pub fn in_group(&self, name: &str, stage: Stage) -> Result<Cel, Unsupported> {
        have_groups(stage)?;
        let same = |group: &&String| group.eq_ignore_ascii_case(name);
        if self.lost_groups.iter().any(|group| same(&group)) {
            return Err(Unsupported::because("asks for a group that is not translated"));
        }
        if self.sends_groups {
            let lower = Cel::literal(&name.to_ascii_lowercase());
            let all = format!("groups.exists(g, g.lowerAscii() == {})", lower.text());
            return Ok(Cel::atom(all));
        }
        let known = self.groups.iter().filter(same);
        let asked =
            known.map(|group| Cel::relation(&Cel::literal(group), "in", &Cel::atom(GROUPS)));
        Ok(asked.reduce(|one, other| one.or(&other)).unwrap_or_else(|| Cel::atom("false")))
    }

    /// Whether `groups` exists.
    fn any_group(&self) -> bool {
        self.sends_groups || !self.groups.is_empty()
    }
}

/// Whether groups are known at that place.
fn have_groups(stage: Stage) -> Result<(), Unsupported> {
    if matches!(stage, Stage::Macro | Stage::Group) {
        return Err(Unsupported::because("uses groups before there are any"));
    }
    Ok(())
}

/// Headers that belong to every request; if a variable were read of one, applications would not get it any more.
const NOBODYS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "dnt",
    "forwarded",
    "host",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "range",
    "referer",
    "te",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-real-ip",
    "x-requested-with",
];

/// The header that a CGI variable shows, if a master could send it.
pub fn header(name: &str) -> Option<String> {
    let written = name.strip_prefix("HTTP_").filter(|rest| !rest.is_empty())?;
    let words = written.split('_').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        [first.to_ascii_uppercase(), rest.to_ascii_lowercase()].concat()
    });
    let header = words.collect::<Vec<_>>().join("-");
    (!is_nobodys(&header)).then_some(header)
}

/// Whether every client sends it for itself.
pub fn is_nobodys(header: &str) -> bool {
    let lower = header.to_ascii_lowercase();
    NOBODYS.contains(&lower.as_str())
        || lower.starts_with("x-forwarded-")
        || lower.starts_with("sec-")
        || lower.starts_with("proxy-")
}

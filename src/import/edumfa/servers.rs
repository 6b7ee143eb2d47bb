//! Servers: under which name each is written, and which one a handler means.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::import::edumfa::{Part, Refusals};
use crate::import::report::{Kind, Report};
use crate::import::yaml::{Yaml, scalar};

/// Longest name, in bytes.
const NAME_BYTES: usize = 64;
/// What the embedded node is called.
const LOCAL: &str = "local";

/// The servers that are written.
#[derive(Debug, Default)]
pub struct Servers(Vec<Server>);

#[derive(Debug)]
struct Server {
    index: usize,
    /// As eduMFA calls it.
    original: String,
    /// As we do.
    name: String,
    url: String,
    is_verified: bool,
    description: String,
}

impl Servers {
    /// Reads all servers; what is left out is reported.
    pub fn read(source: &[(String, Value)], refusals: &Refusals, report: &mut Report) -> Self {
        let mut servers = Vec::new();
        let mut taken = BTreeSet::from([LOCAL.to_owned()]);
        for (index, (original, value)) in source.iter().enumerate() {
            let place = place(original);
            let url = value.get("url").and_then(Value::as_str).map(str::trim);
            let reason = match (refusals.get(&Part::Server(index)), url) {
                (Some(why), _) => why.clone(),
                (None, None) => "its URL is no text; correct it".to_owned(),
                (None, Some(url)) => {
                    let name = free_name(original, &mut taken);
                    let server = Server {
                        index,
                        original: original.clone(),
                        name,
                        url: url.to_owned(),
                        is_verified: is_verified(value.get("tls")),
                        description: text(value.get("description")),
                    };
                    server.tell(&place, report);
                    servers.push(server);
                    continue;
                }
            };
            let text = format!("left out, and with it every handler that asks it: {reason}");
            report.add(Kind::Missing, &place, text);
        }
        Self(servers)
    }

    /// What the server is called here that eduMFA calls so.
    pub fn name_of(&self, original: &str) -> Option<&str> {
        let server = self.0.iter().find(|server| server.original == original)?;
        Some(&server.name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes `servers`.
    pub fn write(&self, yaml: &mut Yaml<Part>) {
        if self.0.is_empty() {
            return;
        }
        yaml.line(&Part::Frame, "  servers:");
        for server in &self.0 {
            let part = Part::Server(server.index);
            if !server.description.is_empty() {
                yaml.comment(&part, "    ", &server.description);
            }
            yaml.line(&part, &format!("    {}:", scalar(&server.name)));
            yaml.line(&part, &format!("      url: {}", scalar(&server.url)));
            yaml.line(&part, "      role: child");
            if server.is_https() && !server.is_verified {
                yaml.line(&part, "      tls: { verify: false }");
            }
        }
    }
}

impl Server {
    fn is_https(&self) -> bool {
        self.url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    fn tell(&self, place: &str, report: &mut Report) {
        if self.name != self.original {
            let text = format!("is called {} here", self.name);
            report.add(Kind::Approximately, place, text);
        }
        if self.is_https() && !self.is_verified {
            let text = "its certificate is not checked, as in eduMFA: whoever is in between reads PINs and OTPs; \
                        write `tls: { ca: FILE }` instead of `tls: { verify: false }`";
            report.add(Kind::Note, place, text);
        }
        if !self.is_https() {
            report.add(Kind::Note, place, "PINs and OTPs go there in the clear; use https");
        }
    }
}

/// How the report calls a server.
fn place(original: &str) -> String {
    format!("server {original}")
}

/// Only what says so turns the check off.
fn is_verified(tls: Option<&Value>) -> bool {
    match tls {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => {
            !["0", "false", "no", "off"].iter().any(|word| word.eq_ignore_ascii_case(text))
        }
        None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => true,
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

/// `original` in the characters that names have here, not taken yet.
fn free_name(original: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String =
        original.chars().map(|c| if plain(c) { c } else { '_' }).take(NAME_BYTES).collect();
    let name = if name.is_empty() { "server".to_owned() } else { name };
    if taken.insert(name.clone()) {
        return name;
    }
    let numbered = |number: usize| {
        let end = format!("-{number}");
        let start: String = name.chars().take(NAME_BYTES - end.len()).collect();
        format!("{start}{end}")
    };
    // One was taken before all others, so the second server has the number 2.
    let free = (taken.len()..=usize::MAX).map(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or_default();
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_few_characters_and_once() {
        let mut taken = BTreeSet::from([LOCAL.to_owned()]);
        let names = [
            "my server",
            "my_server",
            "local",
            "",
            "Ä/b",
            "my server",
            &"x".repeat(70),
            &"x".repeat(71),
        ];
        let free = names.map(|name| free_name(name, &mut taken));
        let (long, numbered) = ("x".repeat(64), format!("{}-8", "x".repeat(62)));
        assert_eq!(
            free,
            [
                "my_server",
                "my_server-2",
                "local-3",
                "server",
                "__b",
                "my_server-6",
                &long,
                &numbered
            ]
        );
    }
}

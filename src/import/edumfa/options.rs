//! How a handler forwards.

use serde_json::Value;

use crate::import::edumfa::Part;
use crate::import::edumfa::conditions::is_true;
use crate::import::edumfa::servers::Servers;
use crate::import::report::{Kind, Report};
use crate::import::yaml::{Yaml, scalar, shown};

/// Most options of a handler; eduMFA knows fewer.
const MOST: usize = 64;
/// Longest part of a name that a reason quotes, in characters.
const QUOTED_CHARS: usize = 80;

/// The options that are written.
#[derive(Debug)]
pub struct Options {
    server: String,
    realm: Option<String>,
    resolver: Option<String>,
    client_ip: bool,
    forward_authorization: bool,
    on_error: Option<&'static str>,
}

impl Options {
    /// Reads the options of the handler at `place`; what eduMFA ignores is reported.
    ///
    /// # Errors
    /// Why the handler cannot be written at all.
    pub fn read(
        value: Option<&Value>,
        servers: &Servers,
        place: &str,
        report: &mut Report,
    ) -> Result<Self, String> {
        let map = value.and_then(Value::as_object).filter(|map| map.len() <= MOST);
        let map =
            map.ok_or("its options are no table, or too many, so nobody knows what it asks")?;
        let mut options = Self {
            server: String::new(),
            realm: None,
            resolver: None,
            client_ip: false,
            forward_authorization: false,
            on_error: None,
        };
        let mut server = None;
        for (key, value) in map {
            match key.strip_prefix("option.").unwrap_or(key) {
                "eduMFA" | "privacyIDEA" => server = value.as_str(),
                "realm" => options.realm = other("realm", value)?,
                "resolver" => options.resolver = other("resolver", value)?,
                "forward_client_ip" => options.client_ip = is_true(value),
                "forward_authorization_token" => options.forward_authorization = is_true(value),
                "abort_on_error" => {
                    options.on_error = Some(if is_true(value) { "fail" } else { "next" });
                }
                other => {
                    let text = format!(
                        "the option {} is ignored, as in eduMFA",
                        shown(other, QUOTED_CHARS)
                    );
                    report.add(Kind::Missing, place, text);
                }
            }
        }
        let server = server.ok_or("it names no server")?;
        let known = servers.name_of(server).ok_or_else(|| {
            format!(
                "it asks the server {}, which is in none of the files, or was left out",
                shown(server, QUOTED_CHARS)
            )
        })?;
        known.clone_into(&mut options.server);
        if options.forward_authorization {
            let text = "the Authorization of callers of /validate/* goes along, unless it is one of our own keys; of \
                        a login page's users there is none";
            report.add(Kind::Approximately, place, text);
        }
        Ok(options)
    }

    /// Writes what follows the conditions of a handler.
    pub fn write(&self, part: &Part, yaml: &mut Yaml<Part>) {
        if let Some(on_error) = self.on_error {
            yaml.line(part, &format!("      on_error: {on_error}"));
        }
        yaml.line(part, "      action: forward");
        yaml.line(part, "      options:");
        yaml.line(part, &format!("        server: {}", scalar(&self.server)));
        for (key, value) in [("realm", &self.realm), ("resolver", &self.resolver)] {
            if let Some(value) = value {
                yaml.line(part, &format!("        {key}: {}", scalar(value)));
            }
        }
        for (key, is_on) in
            [("client_ip", self.client_ip), ("forward_authorization", self.forward_authorization)]
        {
            if is_on {
                yaml.line(part, &format!("        {key}: true"));
            }
        }
    }
}

/// A realm or resolver instead of the question's; empty is none for eduMFA.
fn other(key: &str, value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok((!text.is_empty()).then(|| text.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("its option {key} is no text"))
        }
    }
}

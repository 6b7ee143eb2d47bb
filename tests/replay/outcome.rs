//! What is compared of an answer: aspects with values, whoever gave it.
//!
//! LemonLDAP::NG and Vouchsafe write the same thing in different ways (`HttpOnly=1`, `domain=.example.com`, an
//! error number in a page); here both become one spelling.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::differences::ABSENT;
use crate::recordings::Role;
use crate::support::client::Answer;
use crate::support::echo::Asked;

/// The portal's URL, in both configurations.
pub const PORTAL_URL: &str = "https://auth.example.com:19876/";

/// An answer's aspects. One that is not there is [`ABSENT`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome(BTreeMap<String, String>);

impl Outcome {
    /// An outcome with one aspect.
    pub fn only(aspect: &str, value: impl Into<String>) -> Self {
        let mut outcome = Self::default();
        outcome.set(aspect, value);
        outcome
    }

    /// The value of `aspect`.
    pub fn get(&self, aspect: &str) -> &str {
        self.0.get(aspect).map_or(ABSENT, String::as_str)
    }

    /// Sets `aspect`, or takes it away.
    pub fn set(&mut self, aspect: &str, value: impl Into<String>) {
        let value = value.into();
        if value == ABSENT {
            self.0.remove(aspect);
        } else {
            self.0.insert(aspect.to_owned(), value);
        }
    }

    /// The names of all aspects that are there.
    pub fn aspects(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is compared of `answer`.
    pub fn of(to: Role, answer: &Answer) -> Self {
        let mut outcome = Self::only("status", answer.status.to_string());
        outcome.add_headers(answer);
        match to {
            Role::Portal | Role::PortalOverHttp => outcome.add_portal_body(answer),
            Role::Application | Role::ApplicationOverTls => {
                if let Some(asked) = Asked::from(answer) {
                    outcome.add_application(&asked);
                }
            }
            Role::Handler | Role::Forward => {
                let lines = answer.headers.iter().map(|(name, value)| (name.as_str(), &**value));
                outcome.add_exports(lines);
            }
        }
        outcome
    }

    fn add_headers(&mut self, answer: &Answer) {
        for (name, aspect) in [("Location", "location"), ("WWW-Authenticate", "www-authenticate")] {
            let lines = answer.all(name);
            if !lines.is_empty() {
                self.set(aspect, readable(&lines.join(" and ")));
            }
        }
        let is_cors = |name: &str| name.to_ascii_lowercase().starts_with("access-control-");
        if answer.headers.iter().any(|(name, _)| is_cors(name)) {
            self.set("cors", answer.all("Access-Control-Allow-Origin").join(" and "));
        }
        for line in answer.all("Set-Cookie") {
            let (name, state) = cookie(line);
            let aspect = format!("cookie {name}");
            let state = match self.get(&aspect) {
                ABSENT => state,
                first => format!("{first} and {state}"),
            };
            self.set(&aspect, state);
        }
    }

    fn add_portal_body(&mut self, answer: &Answer) {
        let is = |kind| answer.all("Content-Type").iter().any(|media| media.contains(kind));
        if is("json") {
            match serde_json::from_slice(&answer.body) {
                Ok(Value::Object(members)) => self.add_json(&members),
                _ => self.set("json", "malformed"),
            }
        } else if is("html") {
            match error_number(&String::from_utf8_lossy(&answer.body)) {
                Some(number) => self.set("page", format!("error {number}")),
                None if answer.status == 200 => self.set("page", "menu"),
                None => {}
            }
        }
    }

    fn add_json(&mut self, members: &Map<String, Value>) {
        for (key, value) in members {
            match (key.as_str(), value) {
                ("result" | "error", value) => self.set(key, plain(value)),
                ("id" | "id_http", Value::String(id)) if is_hex(id) => {
                    self.set(key, format!("{} hex digits", id.len()));
                }
                ("status", value) => self.set("ping", plain(value)),
                // A one-time token against forged forms, with every refusal since 2.21.
                ("token", _) => {}
                (key, value) => self.set(&format!("json {key}"), plain(value)),
            }
        }
    }

    fn add_application(&mut self, asked: &Asked) {
        self.set("application", format!("{} {}", asked.method(), asked.target()));
        self.set("application host", asked.all("Host").join(" and "));
        let cookies = asked.all("Cookie").join("; ");
        let cookies: Vec<&str> =
            cookies.split(';').map(str::trim).filter(|pair| !pair.is_empty()).collect();
        if !cookies.is_empty() {
            self.set("application cookie", cookies.join("; "));
        }
        let lines: Vec<(String, String)> = asked
            .names()
            .into_iter()
            .map(|name| (name.clone(), asked.all(&name).join(" and ")))
            .collect();
        self.add_exports(lines.iter().map(|(name, value)| (&**name, &**value)));
    }

    /// An empty export and none at all are the same to an application behind nginx.
    fn add_exports<'a>(&mut self, lines: impl Iterator<Item = (&'a str, &'a str)>) {
        for (name, value) in lines {
            let name = name.to_ascii_lowercase();
            let is_export =
                ["auth-", "x-h", "x-inject"].iter().any(|start| name.starts_with(start));
            if is_export && !value.is_empty() {
                let aspect = format!("export {name}");
                let value = match self.get(&aspect) {
                    ABSENT => value.to_owned(),
                    // Once more is seen.
                    first => format!("{first} and {value}"),
                };
                self.set(&aspect, value);
            }
        }
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
        Ok(Self(values.into_iter().map(|(aspect, value)| (aspect, plain(&value))).collect()))
    }
}

/// A number, whether it is written as a number or as a text.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The number in a page: LemonLDAP::NG's, or ours. A menu has none, or 0.
fn error_number(page: &str) -> Option<u16> {
    let markers = ["trmsg=\"", "name=\"vouchsafe-error\" content=\""];
    let rest = markers.iter().find_map(|marker| page.split(marker).nth(1))?;
    rest.split('"').next()?.parse().ok().filter(|&number| number != 0)
}

/// A way to the portal with its return URL in clear.
fn readable(location: &str) -> String {
    let decoded = || {
        // The portal's path may be missing.
        let rest = location.strip_prefix(PORTAL_URL.trim_end_matches('/'))?;
        let (_, encoded) = rest.split_once("url=")?;
        let encoded = encoded.split('&').next()?;
        let text = percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?;
        let url = String::from_utf8(STANDARD.decode(&*text).ok()?).ok()?;
        Some(location.replace(encoded, &format!("base64({url})")))
    };
    decoded().unwrap_or_else(|| location.to_owned())
}

/// A cookie's name, and whether it is set or deleted and with which attributes, in one spelling.
fn cookie(line: &str) -> (&str, String) {
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).unwrap_or((line, ""));
    let mut is_over = false;
    let mut attributes = Vec::new();
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        match attribute.to_ascii_lowercase().as_str() {
            "domain" => attributes.push(format!("Domain={}", value.trim_start_matches('.'))),
            "path" => attributes.push(format!("Path={value}")),
            "samesite" => attributes.push(format!("SameSite={value}")),
            "httponly" => attributes.push("HttpOnly".to_owned()),
            "secure" => attributes.push("Secure".to_owned()),
            "expires" => is_over |= ["1970", "2015"].iter().any(|year| value.contains(year)),
            "max-age" if value == "0" => is_over = true,
            "max-age" => attributes.push(format!("Max-Age={value}")),
            _ => attributes.push(part.to_owned()),
        }
    }
    attributes.sort();
    let state = if is_over && matches!(value, "" | "0") { "deleted" } else { "set" };
    attributes.insert(0, state.to_owned());
    (name, attributes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Answer { status, headers: headers.iter().map(owned).collect(), body: body.into() }
    }

    #[test]
    fn a_cookie_is_the_same_in_both_spellings() {
        let set = "set; Domain=example.com; HttpOnly; Path=/; SameSite=Lax; Secure".to_owned();
        let gone = "deleted; Domain=example.com; HttpOnly; Path=/; SameSite=Lax".to_owned();
        for (line, expected) in [
            ("a=16fe; domain=.example.com; path=/; HttpOnly=1; SameSite=Lax; secure", &set),
            ("a=16fe; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com", &set),
            (
                "a=0; domain=.example.com; path=/; expires=Wed, 21 Oct 2015 00:00:00 GMT; HttpOnly=1; SameSite=Lax",
                &gone,
            ),
            ("a=; HttpOnly; SameSite=Lax; Path=/; Domain=example.com; Max-Age=0", &gone),
        ] {
            assert_eq!(cookie(line), ("a", expected.clone()), "{line}");
        }
        assert_eq!(cookie("a=0; Path=/").1, "set; Path=/", "an empty cookie that stays");
        assert_eq!(cookie("a=16fe; Max-Age=0").1, "set", "a deletion that says an id");
    }

    #[test]
    fn a_page_is_a_menu_or_has_an_error_number_in_both_spellings() {
        for (status, page, expected) in [
            (200, r#"<span trmsg="75"></span>"#, "error 75"),
            (401, r#"<meta name="vouchsafe-error" content="75">"#, "error 75"),
            (200, r#"<meta name="vouchsafe-error" content="0">"#, "menu"),
            (200, "<p>applications</p>", "menu"),
            (400, "<h1>400 Bad Request</h1>", ABSENT),
        ] {
            let answer = answer(status, &[("Content-Type", "text/html; charset=utf-8")], page);
            assert_eq!(Outcome::of(Role::Portal, &answer).get("page"), expected, "{page}");
        }
    }

    #[test]
    fn a_number_is_the_same_as_a_text() {
        for body in [r#"{"result":0,"error":9}"#, r#"{"error":"9","result":0,"token":"1_2"}"#] {
            let answer = answer(401, &[("Content-Type", "application/json")], body);
            let outcome = Outcome::of(Role::Portal, &answer);
            assert_eq!(outcome.aspects().collect::<Vec<_>>(), ["error", "result", "status"]);
            assert_eq!((outcome.get("error"), outcome.get("result")), ("9", "0"));
        }
    }

    #[test]
    fn a_way_to_the_portal_shows_its_return_url() {
        let written = "https://auth.example.com:19876/?url=aHR0cDovL2EvP3g9MQ%3D%3D&logout=1";
        let shown = "https://auth.example.com:19876/?url=base64(http://a/?x=1)&logout=1";
        assert_eq!(readable(written), shown);
        for other in ["http://a/?url=aHR0cDovL2Ev", "https://auth.example.com:19876/?url=%"] {
            assert_eq!(readable(other), other);
        }
    }
}

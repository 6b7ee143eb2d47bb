//! Policy tests: requests with the decision that is expected of each, read like the configuration.
//!
//! Must not know: how a request is decided.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::config::diagnostics::{Diagnostic, Diagnostics, Severity};
use crate::config::document::{Document, Part};
use crate::config::key_path::KeyPath;
use crate::config::raw_value::{OneOrMany, Ordered, RawDuration};
use crate::config::reader::suggestion;
use crate::config::{Written, text_of, units};
use crate::domain::decision::Reason;
use crate::domain::location::Location;

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTest {
    /// What it holds, in a sentence.
    pub name: String,
    /// Where it stands in its file.
    pub at: Location,
    /// The request.
    pub request: TestRequest,
    /// What must come of it.
    pub expected: Expected,
}

/// The request of a test, and who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRequest {
    /// The host.
    pub host: String,
    /// The path with its query.
    pub path: String,
    /// The method.
    pub method: String,
    /// `https` or `http`.
    pub scheme: String,
    /// The client's address.
    pub client: IpAddr,
    /// Headers besides, each `Name: value`.
    pub headers: Vec<String>,
    /// When it is sent, in RFC 3339; now if it does not matter.
    pub at: Option<String>,
    /// The user; nobody if absent.
    pub user: Option<String>,
    /// The master that asserts the user; the first one if absent.
    pub master: Option<String>,
    /// The user's variables.
    pub variables: Vec<(String, Vec<String>)>,
    /// The level of the user's session; the master's word instead if absent.
    pub session: Option<u8>,
    /// How long ago a second factor was checked for that session.
    pub factor_age: Option<Duration>,
}

/// What is expected of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// `allow`, `challenge`, `deny` or `unavailable`.
    pub decision: &'static str,
    /// The exact reason, if it matters.
    pub reason: Option<String>,
    /// Headers that the application gets, with their values; others do not matter.
    pub exports: Vec<(String, String)>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPolicyTests {
    tests: Vec<RawPolicyTest>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPolicyTest {
    name: Option<String>,
    host: Option<String>,
    path: Option<String>,
    method: Option<String>,
    scheme: Option<RawScheme>,
    client: Option<String>,
    headers: Vec<String>,
    at: Option<String>,
    user: Option<String>,
    master: Option<String>,
    variables: Ordered<OneOrMany>,
    session: Option<u8>,
    factor_age: Option<RawDuration>,
    expect: Option<RawDecision>,
    reason: Option<String>,
    exports: Ordered<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawScheme {
    Https,
    Http,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawDecision {
    Allow,
    Challenge,
    Deny,
    Unavailable,
}

impl RawDecision {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Reads a file of policy tests.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines.
pub fn load(path: &Path) -> Result<Vec<PolicyTest>, Diagnostics> {
    parse(&text_of(path)?)
}

/// Reads policy tests.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str) -> Result<Vec<PolicyTest>, Diagnostics> {
    let Written { document, mask, mut found, raw } = Written::<RawPolicyTests>::read(text)?;
    let mut reading = Reading { document: &document, found: &mut found };
    let tests = raw.map(|raw| reading.tests(raw)).unwrap_or_default();
    if found.is_empty() { Ok(tests) } else { Err(Diagnostics::of(found, &mask)) }
}

struct Reading<'a> {
    document: &'a Document,
    found: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    fn error(&mut self, path: &KeyPath, part: Part, text: &str) {
        let written = self.document.written(path).to_string();
        let at = self.document.place(path, part);
        self.found.push(Diagnostic::new(Severity::Error, written, at, text));
    }

    /// The value of a key that must be there.
    fn required<T>(&mut self, parent: &KeyPath, key: &str, value: Option<T>) -> Option<T> {
        let path = parent.key(key);
        if value.is_none() && !self.document.wrote(&path) {
            self.error(&path, Part::Key, &format!("the key `{key}` is missing; add it"));
        }
        value
    }

    fn tests(&mut self, raw: RawPolicyTests) -> Vec<PolicyTest> {
        let list = KeyPath::of("tests");
        if raw.tests.is_empty() && !self.document.wrote(&list.index(0)) {
            self.error(&list, Part::Value, "there is no test; add one to `tests`");
        }
        let tests = raw.tests.into_iter().enumerate();
        tests.filter_map(|(index, test)| self.test(test, &list.index(index))).collect()
    }

    fn test(&mut self, raw: RawPolicyTest, path: &KeyPath) -> Option<PolicyTest> {
        let name = self.required(path, "name", raw.name);
        let host = self.required(path, "host", raw.host);
        let decision = self.required(path, "expect", raw.expect);
        let client = raw.client.as_deref().unwrap_or("127.0.0.1").parse::<IpAddr>();
        if client.is_err() {
            self.error(&path.key("client"), Part::Value, "not an address; write e.g. 192.0.2.1");
        }
        self.reason_exists(raw.reason.as_deref(), path);
        let factor_age = self.factor_age(raw.factor_age, raw.session, path);
        for key in ["master", "variables", "session"] {
            if raw.user.is_none()
                && self.document.wrote(&path.key(key))
                && !self.document.wrote(&path.key("user"))
            {
                let text = format!("`{key}` is about a user; add `user`");
                self.error(&path.key(key), Part::Key, &text);
            }
        }
        if !raw.exports.0.is_empty() && decision.is_some_and(|one| one != RawDecision::Allow) {
            let text = "nothing is exported unless the request is allowed; remove `exports`";
            self.error(&path.key("exports"), Part::Key, text);
        }
        let variables = raw.variables.0.into_iter().map(|(name, values)| (name, values.items));
        let scheme = match raw.scheme {
            None | Some(RawScheme::Https) => "https",
            Some(RawScheme::Http) => "http",
        };
        Some(PolicyTest {
            name: name?,
            at: self.document.place(path, Part::Value),
            request: TestRequest {
                host: host?,
                path: raw.path.unwrap_or_else(|| "/".to_owned()),
                method: raw.method.unwrap_or_else(|| "GET".to_owned()),
                scheme: scheme.to_owned(),
                client: client.ok()?,
                headers: raw.headers,
                at: raw.at,
                user: raw.user,
                master: raw.master,
                variables: variables.collect(),
                session: raw.session,
                factor_age,
            },
            expected: Expected {
                decision: decision?.as_str(),
                reason: raw.reason,
                exports: raw.exports.0,
            },
        })
    }

    fn factor_age(
        &mut self,
        written: Option<RawDuration>,
        session: Option<u8>,
        path: &KeyPath,
    ) -> Option<Duration> {
        let written = written?;
        let path_of_age = path.key("factor_age");
        if session.is_none() && !self.document.wrote(&path.key("session")) {
            let text = "`factor_age` is about a session; add `session`";
            self.error(&path_of_age, Part::Key, text);
        }
        let age = units::duration(&written.0);
        if let Err(error) = &age {
            self.error(&path_of_age, Part::Value, &error.to_string());
        }
        age.ok()
    }

    fn reason_exists(&mut self, written: Option<&str>, path: &KeyPath) {
        let Some(written) = written else { return };
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        if !known.contains(&written) {
            let remedy = match suggestion(written, &known) {
                near if near.starts_with("did you mean") => near,
                _ => "see docs/reasons.md".to_owned(),
            };
            let text = format!("there is no reason `{written}`; {remedy}");
            self.error(&path.key("reason"), Part::Value, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_needs_a_name_a_host_and_what_is_expected() {
        let tests = parse("tests: [{ name: a, host: b.example, expect: deny }]").unwrap();
        assert_eq!(tests.len(), 1);
        assert_eq!((&*tests[0].request.path, tests[0].expected.decision), ("/", "deny"));
        for missing in
            ["host: b.example, expect: deny", "name: a, expect: deny", "name: a, host: b"]
        {
            let error = parse(&format!("tests: [{{ {missing} }}]")).unwrap_err().to_string();
            assert!(
                error.contains("is missing; add it") || error.contains("is missing\n"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_all_at_once() {
        let text = "\
tests:
  - { name: a, host: b, expect: alow }
  - { name: b, host: b, expect: deny, reason: rule_deny }
  - { name: c, host: b, expect: deny, exports: { A: b } }
  - { name: d, host: b, expect: allow, session: 2 }
  - { name: e, host: b, expect: allow, client: home }
  - { name: f, host: b, expect: allow, paht: /x }
  - { name: g, host: b, expect: allow, user: dwho, factor_age: 5m }
  - { name: h, host: b, expect: allow, user: dwho, session: 2, factor_age: 5 }
";
        let errors = parse(text).unwrap_err();
        let lines: Vec<u32> = errors.iter().map(|error| error.at.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9], "{errors}");
    }

    #[test]
    fn no_test_at_all_is_an_error() {
        assert!(parse("{}").is_err() && parse("tests: []").is_err() && parse("tests").is_err());
    }
}

//! An answer as what is compared of it: everything that a client looks at, and nothing that changes each time.

use std::collections::BTreeMap;

use serde_json::Value;

/// The value of an aspect that is not there.
pub const ABSENT: &str = "absent";

/// Aspects by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aspects(BTreeMap<&'static str, String>);

impl Aspects {
    /// Those of an answer; `document` is null if it was no JSON.
    pub fn of(status: Option<u16>, document: &Value) -> Self {
        let mut aspects = Self::default();
        aspects.set("HTTP", &status.map_or("none".to_owned(), |status| status.to_string()));
        if document.is_null() {
            return aspects;
        }
        let result = &document["result"];
        let value = &result["value"];
        aspects.take("result.status", &result["status"]);
        aspects.take("authentication", &result["authentication"]);
        aspects.take("error", &result["error"]["code"]);
        aspects.take("error message", &result["error"]["message"]);
        if value.is_object() {
            aspects.take("auth", &value["auth"]);
            aspects.take("attributes", &value["attributes"]);
        } else {
            aspects.take("value", value);
        }
        aspects.take("nonce", &document["nonce"]);
        aspects.detail(document);
        aspects
    }

    fn detail(&mut self, document: &Value) {
        let detail = &document["detail"];
        let kind = match document.get("detail") {
            None => "left out",
            Some(Value::Null) => "null",
            Some(_) => "object",
        };
        self.set("detail", kind);
        for (aspect, name) in [
            ("message", "message"),
            ("messages", "messages"),
            ("serial", "serial"),
            ("type", "type"),
            ("otplen", "otplen"),
            ("origin", "origin"),
            ("challenge_status", "challenge_status"),
            ("client_mode", "client_mode"),
            ("preferred_client_mode", "preferred_client_mode"),
        ] {
            self.take(aspect, &detail[name]);
        }
        let challenges: Vec<String> = detail["multi_challenge"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                let text = |name: &str| one[name].as_str().unwrap_or(ABSENT);
                let is_of_all = one["transaction_id"] == detail["transaction_id"];
                assert!(is_of_all && detail["transaction_id"].as_str().unwrap().len() == 20);
                let shown = ["serial", "type", "client_mode", "message"].map(text);
                shown.join(",")
            })
            .collect();
        if !challenges.is_empty() {
            self.set("challenges", &challenges.join("; "));
            let ids = detail["transaction_ids"].as_array().unwrap();
            assert_eq!(ids.len(), challenges.len());
        }
    }

    fn take(&mut self, aspect: &'static str, value: &Value) {
        match value {
            Value::Null => {}
            Value::String(text) => self.set(aspect, text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.set(aspect, &value.to_string());
            }
        }
    }

    /// Replaces one.
    pub fn set(&mut self, aspect: &'static str, value: &str) {
        if value == ABSENT {
            self.0.remove(aspect);
        } else {
            self.0.insert(aspect, value.to_owned());
        }
    }

    pub fn get(&self, aspect: &str) -> &str {
        self.0.get(aspect).map_or(ABSENT, String::as_str)
    }

    /// What is otherwise in `other`, a line each.
    pub fn compare(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        names
            .filter(|name| self.get(name) != other.get(name))
            .map(|name| format!("{name} must be `{}` and is `{}`", self.get(name), other.get(name)))
            .collect()
    }
}

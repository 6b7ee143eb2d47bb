//! A recording's configuration as `config.yaml` says it: LemonLDAP::NG's keys, translated one by one.
//!
//! JSON is YAML, so no text has to be quoted by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::outcome::PORTAL_URL;
use crate::recordings::Recording;

/// Exports of test1.example.com with the variable that each one shows, or an expression in brackets. A
/// variable of LemonLDAP::NG that nobody sends is `unknown`, which is always empty.
pub const EXPORTS: &[(&str, &str)] = &[
    ("Auth-User", "uid"),
    ("Auth-Mail", "mail"),
    ("Auth-Groups", "groups"),
    ("Auth-Level", "auth_level"),
    ("Auth-Upn", "upn"),
    ("Auth-Static", "('static')"),
    ("Auth-Missing", "unknown"),
    ("Auth-Ip", "ipAddr"),
    ("Auth-B64", "user"),
];

/// The exports that are not written as they are.
const ENCODED: &[(&str, &str)] = &[("Auth-B64", "base64")];

/// Keys that are left out, and why.
const WITHOUT_COUNTERPART: &[(&str, &str)] = &[
    ("userDB", "said by `authentication`: the slave backend does both"),
    ("passwordDB", "there are no passwords"),
    ("httpOnly", "cookies always are (S7)"),
    ("cookieExpiration", "cookies end with the browser (S7)"),
    ("checkXSS", "what a return URL may hold is fixed (P3)"),
    (
        "macros",
        "`upn` is that of `base`; `uid` and `mail` are exported, `_whatToTrace` is for logs",
    ),
];

/// A host that shows what a session knows, to ask what a login has stored.
pub const SESSION_HOST: &str = "session.example.com";

/// The configuration of `recording`, for these addresses of a daemon.
pub fn of(recording: &Recording, public: SocketAddr, admin: SocketAddr) -> String {
    let mut config = base(public, admin);
    if recording.needs("{expired}") {
        config["sessions"]["timeout"] = json!("300ms");
        config["sessions"]["idle_timeout"] = json!("300ms");
    }
    translate(&recording.config, &mut config);
    format!("{config:#}\n")
}

/// What `_base_config.json` of the recordings says, as far as they use it.
fn base(public: SocketAddr, admin: SocketAddr) -> Value {
    json!({
        "listen": { "public": public, "admin": admin },
        "trusted_proxies": ["127.0.0.0/8", "::1/128"],
        "portal": {
            "url": PORTAL_URL, "domain": "example.com", "choice": { "2_Slave": "slave" }
        },
        "slave": {
            "auth_level": 2,
            "user_header": "CN",
            "masters": [{
                "name": "sso", "ips": "127.0.0.1",
                "control_header": "control", "control_content": "password"
            }],
            "exported_vars": { "uid": "Auth-User", "mail": "User-Email", "unknown": "Not-Sent" },
        },
        "macros": { "upn": "user + '@example.com'" },
        "groups": {
            "mailers": "mail != ''", "never": "false", "timelords": "user.matches('^(dwho|rtyler)$')",
        },
        "sessions": {
            "cookie": { "name": "lemonldap", "secured": 2, "same_site": "lax" },
            "key": { "file": "sessions.key" },
            "store": { "kind": "memory" },
        },
        "applications": applications(),
        "log": { "level": "warn" },
    })
}

fn applications() -> Value {
    let exports: BTreeMap<&str, Value> =
        EXPORTS.iter().map(|(header, shown)| (*header, export(header, shown))).collect();
    let rule = |effect: &str| json!([{ "effect": effect }]);
    let plain = |name: &str, host: &str, effect: &str| json!({ "name": name, "hosts": host, "rules": rule(effect) });
    json!([
        {
            "name": "test1",
            "hosts": ["test1.example.com", "alias1.example.com"],
            "exports": exports,
            "rules": [
                { "path": "/deny", "effect": "deny" },
                { "path": "/public", "effect": "unprotect" },
                { "path": "/static", "effect": "skip" },
                { "effect": "allow" },
            ],
        },
        plain("test2", "test2.example.com", "deny"),
        plain("test4", "test4.example.com", "allow"),
        plain("test5", "test5.example.com", "allow"),
        plain("test6", "test6.example.com", "skip"),
        plain("test7", "test7.example.com", "unprotect"),
        plain("wild", "*.wild.example.com", "allow"),
        {
            "name": "session",
            "hosts": SESSION_HOST,
            "exports": { "Session-User": "user", "Session-Level": "auth_level", "Session-Ip": "ipAddr" },
            "rules": rule("allow"),
        },
    ])
}

fn export(header: &str, shown: &str) -> Value {
    let key = if shown.starts_with('(') { "expression" } else { "variable" };
    let encoding = ENCODED.iter().find(|(encoded, _)| *encoded == header);
    json!({ key: shown, "encoding": encoding.map_or("utf8", |(_, encoding)| encoding) })
}

fn translate(overrides: &BTreeMap<String, Value>, config: &mut Value) {
    for (key, value) in overrides {
        let text = || value.as_str().unwrap();
        let master = &mut config["slave"]["masters"][0];
        match key.as_str() {
            "slaveMasterIP" => master["ips"] = value.clone(),
            "slaveHeaderName" => master["control_header"] = value.clone(),
            "slaveHeaderContent" => master["control_content"] = value.clone(),
            "slaveCertificateField" => {
                // The name of a CGI variable.
                let name = text().strip_prefix("HTTP_").unwrap().replace('_', "-");
                master["certificate"]["header"] = json!(name);
            }
            "slaveCertificateRegexp" => master["certificate"]["pattern"] = value.clone(),
            "slaveUserHeader" => config["slave"]["user_header"] = value.clone(),
            "userControl" => config["slave"]["user_pattern"] = value.clone(),
            "slaveAuthnLevel" => set_or_remove(&mut config["slave"], "auth_level", value),
            "slaveExportedVars" | "exportedVars" => {
                for (variable, header) in value.as_object().unwrap() {
                    config["slave"]["exported_vars"][variable] = header.clone();
                }
            }
            "securedCookie" => config["sessions"]["cookie"]["secured"] = value.clone(),
            "cookieName" => config["sessions"]["cookie"]["name"] = value.clone(),
            "sameSite" => {
                config["sessions"]["cookie"]["same_site"] = json!(text().to_lowercase());
            }
            "domain" => set_or_remove(&mut config["portal"], "domain", value),
            "trustedDomains" => {
                // A leading dot is LemonLDAP::NG's way to write "everything below".
                config["portal"]["trusted_domains"] = json!([format!("*{}", text())]);
            }
            "authentication" => {
                assert_eq!(value, "Slave");
                set_or_remove(&mut config["portal"], "choice", &Value::Null);
            }
            "exportedHeaders" => {
                // Of expressions in Perl only texts are recorded that mean the same in CEL.
                let shown = |perl: &Value| match perl.as_str().unwrap() {
                    text if text.starts_with('"') => format!("({})", text.replace('\n', "\\n")),
                    _ => "unknown".to_owned(),
                };
                let headers = value["test1.example.com"].as_object().unwrap().iter();
                let exports: BTreeMap<&String, Value> =
                    headers.map(|(header, perl)| (header, export(header, &shown(perl)))).collect();
                config["applications"][0]["exports"] = json!(exports);
            }
            key => {
                let known = WITHOUT_COUNTERPART.iter().any(|(name, _)| *name == key);
                assert!(known, "{key} has no translation");
            }
        }
    }
}

/// LemonLDAP::NG writes "not set" as null or as an empty text.
fn set_or_remove(mapping: &mut Value, key: &str, value: &Value) {
    if value.is_null() || value == "" {
        mapping.as_object_mut().unwrap().remove(key);
    } else {
        mapping[key] = value.clone();
    }
}

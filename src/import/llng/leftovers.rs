//! Keys that nothing is made of: which of them an operator should hear about.

use crate::import::llng::source::Source;
use crate::import::report::{Kind, Report};

/// Keys that are read elsewhere.
const TRANSLATED: &[&str] = &[
    "authChoiceModules",
    "authChoiceParam",
    "authentication",
    "cookieName",
    "domain",
    "exportedHeaders",
    "exportedVars",
    "grantSessionRules",
    "groups",
    "locationRules",
    "macros",
    "portal",
    "sameSite",
    "securedCookie",
    "slaveAuthnLevel",
    "slaveCertificateField",
    "slaveCertificateRegexp",
    "slaveDisplayLogo",
    "slaveExportedVars",
    "slaveHeaderContent",
    "slaveHeaderName",
    "slaveMasterIP",
    "slaveUserHeader",
    "timeout",
    "timeoutActivity",
    "timeoutActivityInterval",
    "trustedDomains",
    "userControl",
    "userDB",
    "vhostOptions",
    "whatToTrace",
];

/// Keys that say nothing about who may do what, or whose work Vouchsafe does in another way.
const SILENT: &[&str] = &[
    "captcha",
    "cfgAuthor",
    "cfgAuthorIP",
    "cfgDate",
    "cfgLog",
    "cfgNum",
    "cfgVersion",
    "globalStorage",
    "globalStorageOptions",
    "handlerInternalCache",
    "key",
    "localSessionStorage",
    "localSessionStorageOptions",
    "passwordDB",
    "persistentStorage",
    "persistentStorageOptions",
    "reloadUrls",
];

/// Keys whose absence an operator would notice.
const TOLD: &[(&str, &str)] = &[
    (
        "applicationList",
        "the menu has every application that has a name; `applications[].url` says where it leads",
    ),
    ("checkXSS", "what a return URL may hold is fixed"),
    ("cookieExpiration", "cookies end with the browser, sessions with sessions.timeout"),
    ("customFunctions", "functions of your own do not exist here; whatever calls them denies"),
    ("customToTrace", "the log has one name; trace_name"),
    (
        "groupsBeforeMacros",
        "macros are always made before groups; those that ask for groups are left out",
    ),
    ("https", "the scheme is what the proxy reports"),
    ("port", "the port is part of the host that the proxy reports"),
    ("singleIP", "a user may have sessions at several addresses here"),
    ("singleSession", "a user may have several sessions here"),
    ("singleUserByIP", "several users may come from one address here"),
    ("upgradeSession", "a level that is too low is a login, not an upgrade"),
    ("useRedirectOnError", "maintenance is 503"),
    ("useRedirectOnForbidden", "a refusal is 403"),
];

/// Most keys that are told by their names.
const NAMED: usize = 40;

/// Tells of them.
pub fn tell(source: &Source, report: &mut Report) {
    for (key, text) in TOLD.iter().filter(|(key, _)| source.is_set(key)) {
        report.add(Kind::Missing, key, *text);
    }
    let is_http_only_off = source.keys().any(|key| key == "httpOnly") && !source.is_set("httpOnly");
    if is_http_only_off {
        report.add(Kind::Approximately, "httpOnly", "session cookies always are");
    }
    let is_known = |key: &&str| {
        TRANSLATED.contains(key)
            || SILENT.contains(key)
            || *key == "httpOnly"
            || TOLD.iter().any(|(told, _)| told == key)
    };
    let others: Vec<&str> =
        source.keys().filter(|key| !is_known(key) && source.is_set(key)).collect();
    if others.is_empty() {
        return;
    }
    let mut names = others.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if others.len() > NAMED {
        names.push_str(", ...");
    }
    let place = format!("{} other keys", others.len());
    report.add(Kind::Missing, &place, format!("have no counterpart: {}", names.escape_default()));
}

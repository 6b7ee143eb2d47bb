//! Which header names may be configured.

use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;
use crate::domain::header::HeaderName;

/// Headers of one connection, or of the protocol itself.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers by which proxies talk to the daemon.
const DIALECT: &[&str] = &[
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-uri",
];

/// Headers of an answer that an export must not replace.
const ANSWER: &[&str] = &[
    "host",
    "cookie",
    "set-cookie",
    "location",
    "www-authenticate",
    "cache-control",
    "date",
    "forwarded",
    "x-otp",
    "x-set-cookie",
];

/// A header that a master sends.
pub fn from_master(
    path: &KeyPath,
    written: &str,
    compiler: &mut Compiler<'_>,
) -> Option<HeaderName> {
    let name = compiler.checked(path, HeaderName::parse(written))?;
    let lower = name.lower();
    let reserved = ["host", "cookie"].contains(&lower)
        || HOP_BY_HOP.contains(&lower)
        || DIALECT.contains(&lower)
        || lower.starts_with("x-vouchsafe-")
        || lower.starts_with("x-original-");
    if reserved {
        let text = format!("'{written}' means something else to proxies; use a header of its own");
        compiler.error(path, &text);
        return None;
    }
    Some(name)
}

/// A header that an application gets; its name is a key.
pub fn exported(path: &KeyPath, written: &str, compiler: &mut Compiler<'_>) -> Option<HeaderName> {
    let name = match HeaderName::parse(written) {
        Ok(name) => name,
        Err(error) => {
            compiler.key_error(path, &error.to_string());
            return None;
        }
    };
    let lower = name.lower();
    let prefixes = ["content-", "x-forwarded-", "x-original-", "x-vouchsafe-", "x-set-cookie-"];
    let reserved = ANSWER.contains(&lower)
        || HOP_BY_HOP.contains(&lower)
        || prefixes.iter().any(|prefix| lower.starts_with(prefix));
    if reserved {
        let text = format!(
            "'{written}' cannot be exported: it means something to proxies and \
                            browsers; use a header of its own, e.g. Auth-User"
        );
        compiler.key_error(path, &text);
        return None;
    }
    Some(name)
}

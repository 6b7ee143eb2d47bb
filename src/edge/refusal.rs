//! Refusals in no proxy's words: what a client is told when a request does not pass (SEMANTICS D1, D2, D4).
//!
//! A browser that navigates is sent to the portal or shown a page, everybody else gets a status and JSON.
//! Nothing here carries an identity.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::decision::{Class, Decision, Grant, Reason};
use crate::domain::header::HeaderView;
use crate::domain::host;
use crate::domain::limits::RETURN_URL_BYTES;
use crate::domain::request::{AuthRequest, Dialect, Purpose, reference};
use crate::domain::target::{PathForms, Target};
use crate::edge::Edge;
use crate::edge::http::pages::Page;
use crate::edge::http::portal::{LOOP_MARK, MFA};

/// A refusal, ready to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Its headers, lower case; no value holds control bytes.
    pub headers: Vec<(&'static str, String)>,
    /// What the client sees, perhaps nothing.
    pub body: String,
}

impl Refusal {
    /// The grant of an allow, else how the decision is refused to whoever sent `request`.
    ///
    /// # Errors
    /// The refusal: say it.
    pub fn unless_allowed(
        edge: &Edge,
        request: &AuthRequest<'_>,
        decision: Decision,
    ) -> Result<Grant, Self> {
        let (reason, class) = (decision.reason(), decision.reason().class());
        let status = match decision {
            Decision::Allow(grant) => return Ok(grant),
            Decision::Challenge(_) => None,
            Decision::Deny(_) if class == Class::Throttled => Some(429),
            Decision::Deny(_) => Some(403),
            Decision::Unavailable(_) => Some(503),
        };
        let purpose = Purpose::of(method(request), request.headers);
        let mut refusal =
            status.map_or_else(|| challenge(edge, request, purpose, reason), Self::with);
        refusal.headers.push(("x-vouchsafe-reason", class.as_str().to_owned()));
        if let Some(seconds) = retry_after(class) {
            refusal.headers.push(("retry-after", seconds.to_owned()));
        }
        match (request.dialect, purpose) {
            (Dialect::Nginx, _) => {
                // nginx makes a 500 of everything else, and shows no body of ours.
                if refusal.status == 429 {
                    refusal.status = 403;
                }
                if refusal.status == 302 {
                    refusal.status = 401;
                }
                refusal.headers.push(("cache-control", "no-store".to_owned()));
            }
            (_, Purpose::Navigation) if refusal.status != 302 => {
                page(edge, request, class, &mut refusal);
            }
            (_, Purpose::Navigation) => {
                refusal.headers.push(("cache-control", "no-store".to_owned()));
            }
            (_, Purpose::Call) => {
                refusal.headers.push(("cache-control", "no-store".to_owned()));
                call(request, &mut refusal);
            }
        }
        Err(refusal)
    }

    fn with(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }
}

/// After how many seconds another try may be worth it.
pub const fn retry_after(class: Class) -> Option<&'static str> {
    match class {
        Class::Throttled => Some("60"),
        Class::Unavailable => Some("5"),
        Class::Allowed
        | Class::Login
        | Class::MasterRefused
        | Class::FactorNeeded
        | Class::FactorRefused
        | Class::FactorPending
        | Class::Forbidden
        | Class::BadRequest => None,
    }
}

/// What a program sees: JSON, or the status of a gRPC call.
fn call(request: &AuthRequest<'_>, refusal: &mut Refusal) {
    let word = error_word(refusal.status);
    match (speaks_grpc(request.headers), request.dialect) {
        (false, _) => {
            refusal.headers.push(("content-type", "application/json".to_owned()));
            refusal.body = format!(r#"{{"error":"{word}"}}"#);
        }
        // Envoy makes a gRPC status of the HTTP status itself, and the message of the body.
        (true, Dialect::EnvoyHttp | Dialect::EnvoyGrpc) => word.clone_into(&mut refusal.body),
        // A body would be read as a message of the call.
        (true, Dialect::Forward | Dialect::Nginx | Dialect::Portal | Dialect::Validate) => {
            refusal.headers.push(("content-type", "application/grpc".to_owned()));
            refusal.headers.push(("grpc-status", grpc_status(refusal.status).to_owned()));
            refusal.headers.push(("grpc-message", word.to_owned()));
        }
    }
}

/// Whether the client makes a gRPC call. Not grpc-web: that is a script's, and reads the HTTP status.
fn speaks_grpc(headers: &dyn HeaderView) -> bool {
    let media_type = headers.unique("content-type").ok().flatten().unwrap_or_default();
    let rest = media_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The gRPC status of a refusal. Source: gRPC, "HTTP to gRPC Status Code Mapping".
const fn grpc_status(status: u16) -> &'static str {
    match status {
        401 => "16",
        429 => "8",
        503 => "14",
        _ => "7",
    }
}

/// A word for programs; the class says more, in its header.
const fn error_word(status: u16) -> &'static str {
    match status {
        401 => "unauthenticated",
        429 => "throttled",
        503 => "unavailable",
        _ => "forbidden",
    }
}

/// A browser is sent to the portal with the way back; a program gets a status and a scheme.
fn challenge(edge: &Edge, request: &AuthRequest<'_>, purpose: Purpose, reason: Reason) -> Refusal {
    match purpose {
        // Without a way back: it would only lead to the next logout.
        Purpose::Navigation if reason == Reason::LogoutByRule => {
            let location = format!("{}logout", edge.portal_url);
            Refusal { headers: vec![("location", location)], ..Refusal::with(302) }
        }
        Purpose::Navigation if reason.class() == Class::FactorNeeded => {
            let back = return_url(request).map(|url| escape_base64(&STANDARD.encode(url)));
            let query = back.map_or_else(String::new, |url| format!("?url={url}"));
            let location = format!("{}{MFA}{query}", edge.portal_url);
            Refusal { headers: vec![("location", location)], ..Refusal::with(302) }
        }
        Purpose::Navigation => {
            let query =
                return_url(request).map_or_else(String::new, |url| query(edge, request, &url));
            let location = format!("{}{query}", edge.portal_url);
            Refusal { headers: vec![("location", location)], ..Refusal::with(302) }
        }
        Purpose::Call => {
            let path = if reason.class() == Class::FactorNeeded { MFA } else { "" };
            let scheme = format!("SSO {}{path}", edge.portal_url);
            Refusal { headers: vec![("www-authenticate", scheme)], ..Refusal::with(401) }
        }
    }
}

/// What a person sees instead of the application, on the application's own host.
fn page(edge: &Edge, request: &AuthRequest<'_>, class: Class, refusal: &mut Refusal) {
    let reference = reference(request.headers).unwrap_or("-");
    let page = Page::Denied { class, reference, portal: &edge.portal_url };
    let languages = request.headers.unique("accept-language").ok().flatten();
    let written = edge.pages.write(&page, languages, &[]);
    refusal.headers.extend(written.headers);
    refusal.body = written.html;
}

fn method<'a>(request: &AuthRequest<'a>) -> &'a str {
    let method = request.method.ok().flatten().and_then(|method| std::str::from_utf8(method).ok());
    method.unwrap_or_default()
}

/// The way back, and a mark once this client was sent to log in for this page suspiciously often.
fn query(edge: &Edge, request: &AuthRequest<'_>, url: &str) -> String {
    let client = request.addresses.fingerprint();
    let mark = edge.authority.challenged(&client, url, edge.clock.now());
    let mark = mark.map_or_else(String::new, |mark| format!("&{LOOP_MARK}={mark}"));
    format!("?url={}{mark}", escape_base64(&STANDARD.encode(url)))
}

/// The URL that the client asked for, raw: never the decoded path (P3). One that the portal would not
/// take back because of its length leads to the front page instead.
fn return_url(request: &AuthRequest<'_>) -> Option<String> {
    let raw_host = request.host.ok().flatten()?;
    let name = host::canonical(raw_host).ok()?;
    let port = std::str::from_utf8(raw_host).ok()?.rsplit_once(':');
    let (scheme, usual) = match request.scheme.ok().flatten() {
        Some(b"http") => ("http", 80),
        _ => ("https", 443),
    };
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port != usual);
    // Whatever an application may read can be gone back to; only its raw text is.
    let target = Target::parse(request.target.ok().flatten()?, PathForms::ALL).ok()?;
    let authority = port.map_or_else(|| name.to_string(), |port| format!("{name}:{port}"));
    let url = format!("{scheme}://{authority}{}", target.raw());
    Some(if url.len() > RETURN_URL_BYTES { format!("{scheme}://{authority}/") } else { url })
}

/// Base64's own characters that mean something in a query.
fn escape_base64(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

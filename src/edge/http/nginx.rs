//! The dialect of nginx `auth_request`: what is asked, and how each decision is said.
//!
//! nginx understands 2xx, 401 and 403; it makes a 500 of everything else, which is what the shipped
//! `error_page 500` turns into a 503 for the client. Source: SEMANTICS T2, D2-D6.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::decision::{Decision, Grant, Reason};
use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::host;
use crate::domain::limits::{ANSWER_HEAD_BYTES, RETURN_URL_BYTES};
use crate::domain::request::{AuthRequest, Dialect, Purpose};
use crate::domain::target::Target;
use crate::edge::http::portal::LOOP_MARK;
use crate::edge::http::{Edge, headers};

const REASON: HeaderName = HeaderName::from_static("x-vouchsafe-reason");
/// nginx 1.22 passes on the first of several `Set-Cookie`, newer ones join them; so each has its own name too.
const NUMBERED_COOKIES: [HeaderName; 3] = [
    HeaderName::from_static("x-set-cookie-1"),
    HeaderName::from_static("x-set-cookie-2"),
    HeaderName::from_static("x-set-cookie-3"),
];
/// Status line, `content-length`, `cache-control`, `date` and the blank line.
const FIXED_HEAD_BYTES: usize = 120;
const RETRY_SOON: HeaderValue = HeaderValue::from_static("5");
const RETRY_NEXT_MINUTE: HeaderValue = HeaderValue::from_static("60");

/// What nginx asks: only its own inputs, and the headers that the client sent.
#[must_use]
pub fn ask<'a>(
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
    peer: IpAddr,
) -> AuthRequest<'a> {
    AuthRequest {
        dialect: Dialect::Nginx,
        peer,
        forwarded_for: headers.unique("x-forwarded-for"),
        method: headers.unique("x-original-method"),
        host: headers.unique("x-forwarded-host"),
        target: headers.unique("x-original-uri"),
        scheme: headers.unique("x-forwarded-proto"),
        headers,
        cookies,
        reserved_header: headers::writes_reserved(headers),
    }
}

/// How a decision is said.
pub fn say(edge: &Edge, request: &AuthRequest<'_>, decision: Decision) -> HttpResponse {
    let reason = decision.reason();
    let mut response = match decision {
        Decision::Allow(grant) => return allow(edge, &grant),
        Decision::Challenge(_) => challenge(edge, request),
        Decision::Deny(_) => HttpResponse::new(StatusCode::FORBIDDEN),
        Decision::Unavailable(_) => HttpResponse::new(StatusCode::SERVICE_UNAVAILABLE),
    };
    let headers = response.headers_mut();
    headers.insert(REASON, HeaderValue::from_static(reason.class().as_str()));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    retry_after(headers, reason);
    response
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn allow(edge: &Edge, grant: &Grant) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    let mut size = FIXED_HEAD_BYTES;
    for (name, export) in edge.export_names(grant.application).iter().zip(&grant.exports.0) {
        // Exports hold no control bytes, so this always is a value; if not, an empty one is safe.
        let value = HeaderValue::from_maybe_shared(export.value.clone())
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        size += name.as_str().len() + value.len() + 4;
        headers.append(name.clone(), value);
    }
    for (cookie, numbered) in grant.cookies.iter().zip(NUMBERED_COOKIES) {
        if let Ok(value) = HeaderValue::try_from(cookie.0.as_str()) {
            size += 2 * value.len() + 32;
            headers.append(header::SET_COOKIE, value.clone());
            headers.insert(numbered, value);
        }
    }
    if size > ANSWER_HEAD_BYTES {
        warn_oversized(edge, grant.application, size);
    }
    response
}

/// A browser is sent to the portal with the way back; a program gets a status and a scheme.
fn challenge(edge: &Edge, request: &AuthRequest<'_>) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::UNAUTHORIZED);
    let method = request.method.ok().flatten().and_then(|method| std::str::from_utf8(method).ok());
    let (name, value) = match Purpose::of(method.unwrap_or_default(), request.headers) {
        Purpose::Navigation => {
            let query =
                return_url(request).map_or_else(String::new, |url| query(edge, request, &url));
            (header::LOCATION, format!("{}{query}", edge.portal_url))
        }
        Purpose::Call => (header::WWW_AUTHENTICATE, format!("SSO {}", edge.portal_url)),
    };
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The way back, and a mark once this client was sent to log in for this page suspiciously often.
fn query(edge: &Edge, request: &AuthRequest<'_>, url: &str) -> String {
    let client = request.forwarded_for.ok().flatten().unwrap_or_default();
    let mark = edge.authority.challenged(client, url, edge.clock.now());
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
    let target = Target::parse(request.target.ok().flatten()?).ok()?;
    let authority = port.map_or_else(|| name.to_string(), |port| format!("{name}:{port}"));
    let url = format!("{scheme}://{authority}{}", target.raw());
    Some(if url.len() > RETURN_URL_BYTES { format!("{scheme}://{authority}/") } else { url })
}

/// Base64's own characters that mean something in a query.
fn escape_base64(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

fn retry_after(headers: &mut HeaderMap, reason: Reason) {
    use crate::domain::decision::Class;
    match reason.class() {
        Class::Throttled => headers.insert(header::RETRY_AFTER, RETRY_NEXT_MINUTE),
        Class::Unavailable => headers.insert(header::RETRY_AFTER, RETRY_SOON),
        Class::Allowed
        | Class::Login
        | Class::MasterRefused
        | Class::Forbidden
        | Class::BadRequest => return,
    };
}

fn warn_oversized(edge: &Edge, application: u32, size: usize) {
    edge.authority.oversized_answer(application as usize);
    let first = edge
        .warned
        .get(application as usize)
        .is_some_and(|warned| !warned.swap(true, Ordering::Relaxed));
    if first {
        tracing::warn!(
            application = edge.authority.application_name(application),
            bytes = size,
            "an answer's head exceeds 4 KiB, nginx's default buffer; keep proxy_buffer_size 16k or export less"
        );
    }
}

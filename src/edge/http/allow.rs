//! What the HTTP dialects have in common when a request may pass.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use crate::domain::decision::Grant;
use crate::edge::Edge;
use crate::edge::http::headers;

/// Status line, `content-length`, `cache-control`, `date` and the blank line.
const FIXED_HEAD_BYTES: usize = 120;
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const ASSERTION: HeaderName = HeaderName::from_static(headers::ASSERTION);
const NUMBERED_COOKIES: [HeaderName; 3] = [
    HeaderName::from_static("x-set-cookie-1"),
    HeaderName::from_static("x-set-cookie-2"),
    HeaderName::from_static("x-set-cookie-3"),
];

/// Names of every application's exports, parsed once.
#[derive(Debug)]
pub struct ExportNames(Vec<Box<[HeaderName]>>);

impl ExportNames {
    /// Parses the names of each application's exports.
    #[must_use]
    pub fn new(names: &[Vec<Arc<str>>]) -> Self {
        let parse = |names: &Vec<Arc<str>>| {
            names.iter().filter_map(|name| HeaderName::try_from(&**name).ok()).collect()
        };
        Self(names.iter().map(parse).collect())
    }

    /// The names of one application's exports, in order.
    fn of(&self, application: u32) -> &[HeaderName] {
        self.0.get(application as usize).map_or(&[], |names| names)
    }
}

/// 200 and no body: the one status that every proxy takes for a yes. Also about how large its head is.
pub fn yes() -> (HttpResponse, usize) {
    let mut response = HttpResponse::new(StatusCode::OK);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    (response, FIXED_HEAD_BYTES)
}

/// The same with every export of the application and the assertion, each exactly once: empty where there is none.
pub fn every_export(edge: &Edge, grant: &Grant) -> (HttpResponse, usize) {
    let (mut response, mut size) = yes();
    for (name, value) in exports(edge, grant) {
        size += name.as_str().len() + value.len() + 4;
        response.headers_mut().append(name, value);
    }
    let (name, value) = assertion(grant).unwrap_or((ASSERTION, HeaderValue::from_static("")));
    size += name.as_str().len() + value.len() + 4;
    response.headers_mut().insert(name, value);
    (response, size)
}

/// The assertion as HTTP knows it, if there is one.
pub fn assertion(grant: &Grant) -> Option<(HeaderName, HeaderValue)> {
    let token = grant.assertion.as_ref()?.bytes().clone();
    Some((ASSERTION, HeaderValue::from_maybe_shared(token).ok()?))
}

/// The exports as HTTP knows them, empty ones included.
pub fn exports<'e>(
    edge: &'e Edge,
    grant: &'e Grant,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'e {
    let names = edge.export_names.of(grant.application).iter();
    names.zip(&grant.exports.headers).map(|(name, export)| {
        // Exports hold no control bytes, so this always is a value; if not, an empty one is safe.
        let value = HeaderValue::from_maybe_shared(export.value.clone())
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        (name.clone(), value)
    })
}

/// Adds the cookies, one line each.
pub fn set_cookies(response: &mut HttpResponse, grant: &Grant) -> usize {
    let mut size = 0;
    for cookie in &grant.cookies {
        if let Ok(value) = HeaderValue::try_from(cookie.0.as_str()) {
            size += value.len() + 14;
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    size
}

/// The same, and each under a name of its own: proxies pass on the first of several `Set-Cookie`, or join them.
pub fn set_numbered_cookies(response: &mut HttpResponse, grant: &Grant) -> usize {
    let mut size = set_cookies(response, grant);
    for (cookie, numbered) in grant.cookies.iter().zip(NUMBERED_COOKIES) {
        if let Ok(value) = HeaderValue::try_from(cookie.0.as_str()) {
            size += value.len() + 18;
            response.headers_mut().insert(numbered, value);
        }
    }
    size
}

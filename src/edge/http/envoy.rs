//! The dialect of Envoy's `ext_authz` over HTTP (SEMANTICS T2, M6, D2).
//!
//! Envoy asks with the client's own method and host; the target is the tail behind the prefix, or
//! `X-Original-URI` on the path of its own. Only 200 is a yes. What a client sent under a name that this
//! answer does not set is removed by name.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::uri::PathAndQuery;

use crate::domain::decision::{CookiesLeft, Grant};
use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::request::{AuthRequest, Dialect, Input};
use crate::edge::Edge;
use crate::edge::http::headers::Inputs;
use crate::edge::http::{allow, connection, headers};

/// Where `path_prefix` leads; what follows is the target.
pub const PREFIX: &str = "/auth/envoy";

const REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// What Envoy asks with `path_prefix`.
#[must_use]
pub fn ask<'a>(
    request: &'a HttpRequest,
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
) -> AuthRequest<'a> {
    // Raw, as Envoy sent it: the router's own parts are decoded.
    let target = request.uri().path_and_query().map(PathAndQuery::as_str);
    let target = target.and_then(|target| target.strip_prefix(PREFIX)).map(str::as_bytes);
    question(request, Ok(target), headers, cookies)
}

/// What Envoy asks with `path_override` and `x-original-uri`.
#[must_use]
pub fn ask_override<'a>(
    request: &'a HttpRequest,
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
) -> AuthRequest<'a> {
    let target = headers.unique("x-original-uri");
    question(request, target, headers, cookies)
}

fn question<'a>(
    request: &'a HttpRequest,
    target: Input<'a>,
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
) -> AuthRequest<'a> {
    let method = Ok(Some(request.method().as_str().as_bytes()));
    let asked = Inputs { method, host: headers.unique("host"), target };
    headers::question(Dialect::EnvoyHttp, asked, headers, cookies, connection::peer(request))
}

/// The exports that have a value, the assertion, the names to remove, and the Cookie header without our own.
pub fn allowed(edge: &Edge, request: &AuthRequest<'_>, grant: &Grant) -> HttpResponse {
    let (mut response, mut size) = allow::yes();
    let headers = response.headers_mut();
    let exports = allow::exports(edge, grant).filter(|(_, value)| !value.is_empty());
    for (name, value) in exports.chain(allow::assertion(grant)) {
        size += name.as_str().len() + value.len() + 4;
        headers.append(name, value);
    }
    let mut remove = edge.removals.of(grant).collect::<Vec<_>>().join(",");
    match edge.authority.cookies_for_application(request.cookies) {
        CookiesLeft::Unchanged => {}
        CookiesLeft::Some(rest) => {
            if let Ok(rest) = HeaderValue::try_from(rest) {
                size += rest.len() + 10;
                headers.insert(header::COOKIE, rest);
            }
        }
        CookiesLeft::Nothing => remove.push_str(",cookie"),
    }
    if let Ok(remove) = HeaderValue::try_from(remove) {
        size += remove.len() + 34;
        headers.insert(REMOVE, remove);
    }
    size += allow::set_cookies(&mut response, grant);
    edge.watch_size(grant, size);
    response
}

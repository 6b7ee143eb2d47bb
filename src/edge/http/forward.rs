//! The dialect of forward auth: Traefik, Caddy, and HAProxy with the shipped Lua (SEMANTICS T2, D2).
//!
//! They relay every refusal as it is, body included. On a yes they copy only headers that they were told the
//! names of, so those are always the same few: the exports, `Cookie`, and the numbered cookies.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};

use crate::domain::decision::{CookiesLeft, Grant};
use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::request::{AuthRequest, Dialect, Peer};
use crate::edge::Edge;
use crate::edge::http::headers::Inputs;
use crate::edge::http::{allow, headers};

/// What the proxy asks: only its own inputs, and the headers that the client sent.
#[must_use]
pub fn ask<'a>(
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
    peer: Peer,
) -> AuthRequest<'a> {
    let input = |name| headers.unique(name);
    let asked = Inputs {
        method: input("x-forwarded-method"),
        host: input("x-forwarded-host"),
        target: input("x-forwarded-uri"),
    };
    headers::question(Dialect::Forward, asked, headers, cookies, peer)
}

/// Every export exactly once, empty where there is none: what a proxy does not get it may leave standing.
/// And the client's cookies but ours, which these proxies cannot take out themselves (SEMANTICS M6).
pub fn allowed(edge: &Edge, request: &AuthRequest<'_>, grant: &Grant) -> HttpResponse {
    let (mut response, size) = allow::every_export(edge, grant);
    let left = match edge.authority.cookies_for_application(request.cookies) {
        CookiesLeft::Unchanged => request.cookies.join(&b"; "[..]),
        CookiesLeft::Some(rest) => rest,
        CookiesLeft::Nothing => Vec::new(),
    };
    if let Ok(left) = HeaderValue::try_from(left)
        && !left.is_empty()
    {
        response.headers_mut().insert(header::COOKIE, left);
    }
    let more = allow::set_numbered_cookies(&mut response, grant);
    edge.watch_size(grant, size + more);
    response
}

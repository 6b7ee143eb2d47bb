//! The dialect of forward auth: Traefik, Caddy, and HAProxy with the shipped Lua (SEMANTICS T2, D2).
//!
//! They relay every refusal as it is, body included.

use std::net::IpAddr;

use actix_web::HttpResponse;

use crate::domain::decision::Grant;
use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::request::{AuthRequest, Dialect};
use crate::edge::Edge;
use crate::edge::http::headers::Inputs;
use crate::edge::http::{allow, headers};

/// What the proxy asks: only its own inputs, and the headers that the client sent.
#[must_use]
pub fn ask<'a>(
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
    peer: IpAddr,
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
pub fn allowed(edge: &Edge, grant: &Grant) -> HttpResponse {
    let (mut response, size) = allow::every_export(edge, grant);
    let more = allow::set_cookies(&mut response, grant);
    edge.watch_size(grant, size + more);
    response
}

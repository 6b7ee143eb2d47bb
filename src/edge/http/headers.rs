//! Headers of actix-web as the domain reads them, borrowed.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use smallvec::SmallVec;

use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::request::{Addresses, AuthRequest, Dialect, Input, Peer, RouteDemands};

/// Our own name space; clients may not write into it.
const RESERVED_PREFIX: &str = "x-vouchsafe-";

/// The header of the signed assertion: of ours the one that an application gets.
pub const ASSERTION: &str = "x-vouchsafe-assertion";

/// Names of the reserved space that the shipped proxy files remove on the way to the application.
/// Any other name would reach it, so a request with one is denied instead (SEMANTICS M6).
pub const RESERVED_HEADERS: &[&str] = &[
    ASSERTION,
    "x-vouchsafe-groups",
    "x-vouchsafe-level",
    "x-vouchsafe-mail",
    "x-vouchsafe-master",
    "x-vouchsafe-origin",
    "x-vouchsafe-realm",
    "x-vouchsafe-reason",
    "x-vouchsafe-request",
    "x-vouchsafe-session",
    "x-vouchsafe-user",
];

/// All headers of a request, in a list that needs no allocation for the usual number of them.
#[must_use]
pub fn list(request: &HttpRequest) -> HeaderList<'_> {
    request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect::<HeaderList<'_>>()
}

/// Whether the client wrote into our name space under a name that nobody would remove.
#[must_use]
pub fn writes_reserved(headers: &HeaderList<'_>) -> bool {
    headers.foreign(RESERVED_PREFIX, RESERVED_HEADERS)
}

/// The Cookie headers, one element a line.
pub fn cookies(request: &HttpRequest) -> SmallVec<[&[u8]; 2]> {
    request.headers().get_all(header::COOKIE).map(HeaderValue::as_bytes).collect()
}

/// Where a dialect has what is asked about; all else it reads like the others.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The method of the request asked about.
    pub method: Input<'a>,
    /// Its host.
    pub host: Input<'a>,
    /// Its path and query, raw.
    pub target: Input<'a>,
}

/// The question of an HTTP dialect: its own inputs, and the headers that the client sent.
#[must_use]
pub fn question<'a>(
    dialect: Dialect,
    asked: Inputs<'a>,
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
    peer: Peer,
) -> AuthRequest<'a> {
    AuthRequest {
        dialect,
        peer,
        addresses: Addresses::Forwarded(headers.unique("x-forwarded-for")),
        method: asked.method,
        host: asked.host,
        target: asked.target,
        scheme: headers.unique("x-forwarded-proto"),
        headers,
        cookies,
        reserved_header: writes_reserved(headers),
        demands: RouteDemands::default(),
    }
}

//! Headers of actix-web as the domain reads them, borrowed.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use smallvec::SmallVec;

use crate::domain::header::HeaderList;
use crate::domain::network::fold;

/// Our own name space; clients may not write into it.
const RESERVED_PREFIX: &str = "x-vouchsafe-";

/// Names of the reserved space that the shipped proxy files remove on the way to the application.
/// Any other name would reach it, so a request with one is denied instead (SEMANTICS M6).
pub const RESERVED_HEADERS: &[&str] = &[
    "x-vouchsafe-assertion",
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

/// The TCP peer. Without one (a unix socket) an address that no list can hold.
#[must_use]
pub fn peer(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| fold(peer.ip()))
}

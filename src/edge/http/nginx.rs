//! The dialect of nginx `auth_request`: what is asked, and how each decision is said.
//!
//! nginx understands 2xx, 401 and 403; it makes a 500 of everything else, which is what the shipped
//! `error_page 500` turns into a 503 for the client. Source: SEMANTICS T2, D2-D6.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use crate::domain::decision::Grant;
use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::request::{AuthRequest, Dialect, Peer};
use crate::edge::Edge;
use crate::edge::http::headers::Inputs;
use crate::edge::http::{allow, headers};

/// The login, or what `trace_name` makes of it.
const USER: HeaderName = HeaderName::from_static("x-vouchsafe-user");

/// `Cache-Control` of an allow that nginx may reuse for `time` (SEMANTICS D5).
///
/// nginx takes an answer until its clock, which has whole seconds, is past the end: for up to a second
/// longer than `max-age`. So that second is left out here. `private` and `no-store` it does not cache.
fn reusable(time: Duration) -> Option<HeaderValue> {
    let seconds = time.as_secs().checked_sub(1).filter(|seconds| *seconds > 0)?;
    HeaderValue::try_from(format!("max-age={seconds}")).ok()
}

/// Says who it is to the access log; the application is never told by this. An export of that name comes first.
fn name_user(response: &mut HttpResponse, grant: &Grant) -> usize {
    let Some(subject) = &grant.exports.subject else { return 0 };
    let Ok(user) = HeaderValue::from_maybe_shared(subject.user.clone()) else { return 0 };
    if response.headers().contains_key(USER) {
        return 0;
    }
    let size = USER.as_str().len() + user.len() + 4;
    response.headers_mut().insert(USER, user);
    size
}

/// What nginx asks: only its own inputs, and the headers that the client sent.
#[must_use]
pub fn ask<'a>(
    headers: &'a HeaderList<'_>,
    cookies: &'a [&'a [u8]],
    peer: Peer,
) -> AuthRequest<'a> {
    let input = |name| headers.unique(name);
    let asked = Inputs {
        method: input("x-original-method"),
        host: input("x-forwarded-host"),
        target: input("x-original-uri"),
    };
    headers::question(Dialect::Nginx, asked, headers, cookies, peer)
}

/// Every export exactly once, empty where there is none, so that nginx overwrites what the client sent.
pub fn allowed(edge: &Edge, grant: &Grant) -> HttpResponse {
    let (mut response, size) = allow::every_export(edge, grant);
    if let Some(reusable) = reusable(grant.reuse).filter(|_| grant.cookies.is_empty()) {
        response.headers_mut().insert(header::CACHE_CONTROL, reusable);
    }
    let more = allow::set_numbered_cookies(&mut response, grant) + name_user(&mut response, grant);
    edge.watch_size(grant, size + more);
    response
}

//! What the portal's answers have in common: refusals, cookies, redirects.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use crate::domain::decision::{Reason, SetCookie};
use crate::edge::Edge;
use crate::edge::http::pages::Page;
use crate::edge::http::portal::asked::Asked;
use crate::edge::http::portal::json;
use crate::edge::refusal::retry_after;

const REASON: HeaderName = HeaderName::from_static("x-vouchsafe-reason");

/// A refusal in the form that the client understands.
pub fn refuse(edge: &Edge, asked: &Asked<'_>, status: StatusCode, reason: Reason) -> HttpResponse {
    if asked.wants_json {
        return classed(json::refusal(status, reason), reason);
    }
    let number = json::error_number(reason);
    let page = Page::Refused { number, class: reason.class(), reference: &asked.reference };
    classed(asked.page(edge, status, &page, &[]), reason)
}

/// We failed; the client may come again.
pub fn unavailable(edge: &Edge, asked: &Asked<'_>, reason: Reason) -> HttpResponse {
    refuse(edge, asked, StatusCode::SERVICE_UNAVAILABLE, reason)
}

/// Says in headers what kind of answer this is, and when another try may be worth it.
pub fn classed(mut response: HttpResponse, reason: Reason) -> HttpResponse {
    let class = HeaderValue::from_static(reason.class().as_str());
    response.headers_mut().insert(REASON, class);
    if let Some(seconds) = retry_after(reason.class()) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    response
}

/// Adds the scheme that a 401 must name.
pub fn challenged(edge: &Edge, mut response: HttpResponse) -> HttpResponse {
    if let Ok(scheme) = HeaderValue::try_from(format!("SSO {}", edge.portal_url)) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

/// Adds cookies to set or to delete.
pub fn with_cookies(mut response: HttpResponse, cookies: Vec<SetCookie>) -> HttpResponse {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::try_from(cookie.0) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// Sends the browser on.
pub fn redirect(to: &str) -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, to))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

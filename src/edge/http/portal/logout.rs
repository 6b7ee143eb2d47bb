//! How the outcome of a logout is said.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::authority::logout::{Logout, LogoutRequest};
use crate::domain::decision::Reason;
use crate::edge::Edge;
use crate::edge::http::headers;
use crate::edge::http::pages::Page;
use crate::edge::http::portal::answers::{classed, redirect, refuse, unavailable, with_cookies};
use crate::edge::http::portal::asked::Asked;
use crate::edge::http::portal::json;

/// Logs out and answers. A page of another site may only make a person be asked (P4).
pub async fn answer(edge: &Edge, asked: &Asked<'_>) -> HttpResponse {
    let return_url = asked.text("url");
    let everywhere = asked.is_set("all");
    if asked.is_cross_site(edge) {
        return confirm(edge, asked, return_url.as_deref(), everywhere);
    }
    let (list, cookies) = (headers::list(asked.request()), headers::cookies(asked.request()));
    let request = LogoutRequest {
        portal: asked.portal(&list, &cookies),
        everywhere,
        return_url: return_url.as_deref(),
    };
    match edge.authority.logout(&request, edge.clock.now()).await {
        Logout::Unavailable(reason) => unavailable(edge, asked, reason),
        Logout::Done { cookies, .. } if asked.wants_json => {
            with_cookies(json::done(json::number::LOGGED_OUT), cookies)
        }
        Logout::Done { cookies, back: Some(back), .. } => {
            with_cookies(redirect(back.as_str()), cookies)
        }
        Logout::Done { cookies, back: None, return_refused } => {
            let page = Page::LoggedOut { everywhere, return_refused };
            with_cookies(asked.page(edge, StatusCode::OK, &page, &[]), cookies)
        }
    }
}

/// Asks the person, who may not know what another site has just tried.
fn confirm(
    edge: &Edge,
    asked: &Asked<'_>,
    return_url: Option<&str>,
    everywhere: bool,
) -> HttpResponse {
    if asked.wants_json || asked.is_post() {
        return refuse(edge, asked, StatusCode::FORBIDDEN, Reason::CrossSite);
    }
    // Browsers hold the redirect after the form against the page's policy.
    let back = return_url.and_then(|url| edge.authority.way_back(url).ok());
    let target = back.map(|back| back.origin());
    let page = Page::ConfirmLogout { return_url, everywhere };
    let response = asked.page(edge, StatusCode::OK, &page, target.as_deref().as_slice());
    classed(response, Reason::CrossSite)
}

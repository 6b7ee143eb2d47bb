//! How the outcome of a login is said.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::authority::login::{Arrival, Login, LoginRequest};
use crate::domain::decision::Reason;
use crate::edge::Edge;
use crate::edge::http::headers;
use crate::edge::http::pages::Page;
use crate::edge::http::portal::answers::{
    challenged, classed, redirect, refuse, unavailable, with_cookies,
};
use crate::edge::http::portal::asked::Asked;
use crate::edge::http::portal::{LOOP_MARK, json};

/// Logs in and answers.
pub async fn answer(edge: &Edge, asked: &Asked<'_>) -> HttpResponse {
    let (lm_auth, return_url) = (asked.parameter("lmAuth"), asked.text("url"));
    let (list, cookies) = (headers::list(asked.request()), headers::cookies(asked.request()));
    let request = LoginRequest {
        portal: asked.portal(&list, &cookies),
        lm_auth: lm_auth.as_deref(),
        return_url: return_url.as_deref(),
        // A link from anywhere may lead here; a form, a picture or a frame of another site may not.
        is_cross_site: (asked.is_post() || asked.is_embedded()) && asked.is_cross_site(edge),
        redirects: !asked.wants_json,
        loop_mark: asked.parameter(LOOP_MARK).and_then(|mark| mark.parse().ok()),
    };
    let return_url = return_url.as_deref().unwrap_or_default();
    match edge.authority.login(&request, edge.clock.now()).await {
        Login::Opened { id, id_http, cookies, arrival } => {
            let response = if asked.wants_json {
                json::opened(id.to_hex(), id_http.map(|id| id.to_hex()))
            } else {
                arrived(edge, asked, &arrival)
            };
            with_cookies(response, cookies)
        }
        Login::AlreadyAuthenticated(_) if asked.wants_json => json::done(json::number::OK),
        Login::AlreadyAuthenticated(arrival) => arrived(edge, asked, &arrival),
        Login::Loop { cause, back } => {
            let reference = &*asked.reference;
            let host = back.host();
            let page = Page::Loop { cause: &cause, host, reference, return_url };
            classed(asked.page(edge, StatusCode::FORBIDDEN, &page, &[]), Reason::LoginLoop)
        }
        Login::Refused { reason, has_session, cookies } => {
            with_cookies(refused(edge, asked, reason, has_session, return_url), cookies)
        }
        Login::Unavailable(reason) => unavailable(edge, asked, reason),
    }
}

/// A person goes back to the page that was asked for, else to the menu. A form is answered with a
/// redirect, so that reloading the menu sends nothing again.
fn arrived(edge: &Edge, asked: &Asked<'_>, arrival: &Arrival) -> HttpResponse {
    if let Some(back) = &arrival.back {
        return redirect(back.as_str());
    }
    if asked.is_post() {
        return redirect(&edge.portal_url);
    }
    let applications = edge.authority.menu(&arrival.session, edge.clock.now());
    let page = Page::Menu { user: arrival.session.user(), applications: &applications };
    asked.page(edge, StatusCode::OK, &page, &[])
}

/// 401 without a session, 400 with one; a first visit is a question rather than a refusal (P1, P2).
fn refused(
    edge: &Edge,
    asked: &Asked<'_>,
    reason: Reason,
    has_session: bool,
    return_url: &str,
) -> HttpResponse {
    let status = if reason == Reason::Throttled {
        StatusCode::TOO_MANY_REQUESTS
    } else if reason == Reason::CrossSite {
        StatusCode::FORBIDDEN
    } else if has_session {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::UNAUTHORIZED
    };
    let number = json::error_number(reason);
    let choices = edge.authority.choices();
    let asks = matches!(number, json::number::FIRST_ACCESS | json::number::SESSION_EXPIRED);
    let response = if asks && !asked.wants_json && !choices.is_empty() {
        let return_url = (!return_url.is_empty()).then_some(return_url);
        let page = Page::Choice { choices, return_url, number };
        classed(asked.page(edge, status, &page, &[]), reason)
    } else {
        refuse(edge, asked, status, reason)
    };
    if status == StatusCode::UNAUTHORIZED { challenged(edge, response) } else { response }
}

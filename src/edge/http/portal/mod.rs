//! The portal: where people and programs log in and out, as LemonLDAP::NG's own portal answers them.
//!
//! `asked` reads a request, `login` and `logout` say what came of it: to programs as JSON (`json`), to
//! people as pages. Source: LemonLDAP::NG, "Slave", example; SEMANTICS M3, P, O3.

mod answers;
mod asked;
mod cross_site;
mod json;
mod login;
mod logout;
mod mfa;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::authority::logout::BackchannelLogout;
use crate::domain::decision::Reason;
use crate::edge::Edge;
use crate::edge::http::headers;
use crate::edge::http::pages::Pages;
use crate::edge::http::portal::answers::{challenged, classed, refuse};
use crate::edge::http::portal::asked::Asked;

/// The parameter by which a suspicious challenge marks the way to the portal.
pub const LOOP_MARK: &str = "again";

/// Where a second factor is asked for, below the portal's URL.
pub const MFA: &str = "mfa";

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");

/// Adds the portal's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/").to(root))
        .service(web::resource("/logout").to(logout_path))
        .service(web::resource("/logout/backchannel").to(backchannel))
        .service(web::resource("/mfa").to(mfa_path))
        .service(web::resource("/mfa/poll").to(mfa_poll))
        .service(web::resource("/ping").to(ping))
        .service(web::resource("/assets/portal.css").to(async || Pages::sheet()))
        .service(web::resource("/assets/icon.svg").to(async || Pages::icon()))
        .service(web::resource("/assets/logo").to(logo));
}

/// `/`: login, menu, and logout where a parameter says so.
async fn root(edge: web::Data<Edge>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    match read(&edge, &request, body).await {
        Ok(asked) if asked.is_set("logout") => logout::answer(&edge, &asked).await,
        Ok(asked) => login::answer(&edge, &asked).await,
        Err(refusal) => refusal,
    }
}

/// `/logout`.
async fn logout_path(
    edge: web::Data<Edge>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    match read(&edge, &request, body).await {
        Ok(asked) => logout::answer(&edge, &asked).await,
        Err(refusal) => refusal,
    }
}

/// `/mfa`: the form for a second factor, and its answer.
async fn mfa_path(edge: web::Data<Edge>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    match read(&edge, &request, body).await {
        Ok(asked) => mfa::form(&edge, &asked).await,
        Err(refusal) => refusal,
    }
}

/// `/mfa/poll`: whether a challenge was answered on another device.
async fn mfa_poll(edge: web::Data<Edge>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    match read(&edge, &request, body).await {
        Ok(asked) => mfa::poll(&edge, &asked).await,
        Err(refusal) => refusal,
    }
}

/// `POST /logout/backchannel`: the master ends a user's sessions. The answer is the same whether there
/// were any (O3).
async fn backchannel(
    edge: web::Data<Edge>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let asked = match read(&edge, &request, body).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    // A page could make a browser behind the master post this, and the master would add its proof.
    if request.method() != Method::POST || asked.is_cross_site(&edge) {
        return refuse(&edge, &asked, StatusCode::FORBIDDEN, Reason::CrossSite);
    }
    let (list, cookies) = (headers::list(&request), headers::cookies(&request));
    let portal = asked.portal(&list, &cookies);
    match edge.authority.backchannel_logout(&portal, edge.clock.now()).await {
        BackchannelLogout::Done => json::done(json::number::LOGGED_OUT),
        BackchannelLogout::Refused(reason) => {
            challenged(&edge, classed(json::refusal(StatusCode::UNAUTHORIZED, reason), reason))
        }
        BackchannelLogout::Unavailable(reason) => failed(reason),
    }
}

/// `/ping`: whether the cookie opens a session.
async fn ping(edge: web::Data<Edge>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let asked = match read(&edge, &request, body).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    let (list, cookies) = (headers::list(&request), headers::cookies(&request));
    match edge.authority.ping(&asked.portal(&list, &cookies), edge.clock.now()).await {
        Ok(alive) => json::status(alive),
        Err(reason) => failed(reason),
    }
}

/// We failed, said to a program.
fn failed(reason: Reason) -> HttpResponse {
    classed(json::refusal(StatusCode::SERVICE_UNAVAILABLE, reason), reason)
}

/// `/assets/logo`.
async fn logo(edge: web::Data<Edge>) -> HttpResponse {
    edge.pages.logo()
}

/// What is asked, or why that cannot be told.
async fn read<'a>(
    edge: &Edge,
    request: &'a HttpRequest,
    body: web::Payload,
) -> Result<Asked<'a>, HttpResponse> {
    if *request.method() == Method::OPTIONS {
        // No Access-Control-* on purpose: a page of another site has no business here (P4).
        let allow = (header::ALLOW, METHODS);
        return Err(HttpResponse::NoContent().insert_header(allow).finish());
    }
    let (asked, refused) = match Asked::read(request, body).await {
        Ok(asked) => (asked, None),
        Err((asked, reason)) => (asked, Some(reason)),
    };
    let is_known = matches!(*request.method(), Method::GET | Method::POST);
    let (status, reason) = match (is_known, refused) {
        (true, None) => return Ok(asked),
        (false, _) => (StatusCode::BAD_REQUEST, Reason::MethodNotAllowed),
        (true, Some(Reason::OversizedForm)) => {
            (StatusCode::PAYLOAD_TOO_LARGE, Reason::OversizedForm)
        }
        (true, Some(reason)) => (StatusCode::BAD_REQUEST, reason),
    };
    let mut response = refuse(edge, &asked, status, reason);
    response.headers_mut().insert(header::ALLOW, METHODS);
    Err(response)
}

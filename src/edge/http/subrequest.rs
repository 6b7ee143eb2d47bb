//! The subrequest handlers: ask the authority in one dialect, answer in the same.
//!
//! A body is never read: whoever waits for one hangs (facts, nginx `auth_request`).

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::decision::Grant;
use crate::domain::request::AuthRequest;
use crate::edge::Edge;
use crate::edge::http::{connection, envoy, forward, headers, nginx};
use crate::edge::refusal::Refusal;

/// `/auth/nginx`.
pub async fn nginx(edge: web::Data<Edge>, request: HttpRequest) -> HttpResponse {
    let (list, cookies) = (headers::list(&request), headers::cookies(&request));
    let question = nginx::ask(&list, &cookies, connection::peer(&request));
    match decide(&edge, &question).await {
        Ok(grant) => nginx::allowed(&edge, &grant),
        Err(refusal) => refuse(refusal),
    }
}

/// `/auth/forward`.
pub async fn forward(edge: web::Data<Edge>, request: HttpRequest) -> HttpResponse {
    let (list, cookies) = (headers::list(&request), headers::cookies(&request));
    let question = forward::ask(&list, &cookies, connection::peer(&request));
    match decide(&edge, &question).await {
        Ok(grant) => forward::allowed(&edge, &question, &grant),
        Err(refusal) => refuse(refusal),
    }
}

/// `/auth/envoy/*`.
pub async fn envoy(edge: web::Data<Edge>, request: HttpRequest) -> HttpResponse {
    let (list, cookies) = (headers::list(&request), headers::cookies(&request));
    ask_envoy(&edge, &envoy::ask(&request, &list, &cookies)).await
}

/// `/auth/envoy-override`.
pub async fn envoy_override(edge: web::Data<Edge>, request: HttpRequest) -> HttpResponse {
    let (list, cookies) = (headers::list(&request), headers::cookies(&request));
    ask_envoy(&edge, &envoy::ask_override(&request, &list, &cookies)).await
}

async fn ask_envoy(edge: &Edge, question: &AuthRequest<'_>) -> HttpResponse {
    match decide(edge, question).await {
        Ok(grant) => envoy::allowed(edge, question, &grant),
        Err(refusal) => refuse(refusal),
    }
}

async fn decide(edge: &Edge, question: &AuthRequest<'_>) -> Result<Grant, Refusal> {
    let decision = edge.authority.decide(question, edge.clock.now()).await;
    Refusal::unless_allowed(edge, question, decision)
}

fn refuse(refusal: Refusal) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = HttpResponse::new(status).set_body(refusal.body).map_into_boxed_body();
    for (name, value) in refusal.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

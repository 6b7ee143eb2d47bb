//! `/api/v1/explain`: why a request would be decided as it would, and why one was refused.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::domain::request::Peer;
use crate::edge::admin::{Admin, json, problem};
use crate::edge::asked::Asked;

/// Which refusal is asked for.
#[derive(Debug, Deserialize)]
pub struct Which {
    /// The proxy's request id.
    request: Option<String>,
}

/// Explains a request that nobody sent. Nothing happens.
pub async fn explain(admin: web::Data<Admin>, body: web::Bytes) -> HttpResponse {
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => {
            let text =
                format!("the body is not a request to explain: {error}; see docs/explain.md");
            return problem(StatusCode::BAD_REQUEST, &text);
        }
    };
    let parts = match asked.parts() {
        Ok(parts) => parts,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let peer = admin.authority.trusted_peer().unwrap_or(Peer::Unknown);
    let question = parts.question(peer);
    json(&admin.authority.explain(&question, admin.clock.now()).await)
}

/// A refusal by its request id, or all that are kept.
pub async fn refusals(admin: web::Data<Admin>, which: web::Query<Which>) -> HttpResponse {
    let Some(id) = &which.request else { return json(&admin.authority.refusals()) };
    match admin.authority.refusal(id) {
        Some(refusal) => json(&refusal),
        None => problem(
            StatusCode::NOT_FOUND,
            "no refusal of this request is kept; it was allowed, is too old, came with many others, or the proxy sends no X-Request-Id",
        ),
    }
}

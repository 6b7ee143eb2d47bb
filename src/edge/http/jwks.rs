//! `/.well-known/jwks.json`: the public keys of assertions, for anyone, applications above all.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, Resource, web};

use crate::edge::Edge;

/// How long a verifier may keep them: a new key is published for as long before it signs.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");
const KEY_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

/// The route. No CORS headers: what verifies is no page.
pub fn resource() -> Resource {
    web::resource("/.well-known/jwks.json")
        .route(web::get().to(key_set))
        .route(web::head().to(key_set))
}

async fn key_set(edge: web::Data<Edge>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, KEPT))
        .insert_header((header::CONTENT_TYPE, KEY_SET))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING))
        .body(edge.authority.key_set())
}

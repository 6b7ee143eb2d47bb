//! The admin listener: metrics and health for everybody who can reach it, the API for whoever has the credential.
//! Its routes do not exist on the public one.

mod explain;
pub mod gate;
mod nodes;
pub mod openapi;
mod sessions;
pub mod store;
mod tokens;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::{StatusCode, header};
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::authority::Authority;
use crate::domain::limits::API_BYTES;
use crate::edge::admin::gate::Gate;
use crate::edge::admin::store::Storage;
use crate::edge::clock::Clock;

/// What the admin handlers need.
#[derive(Debug)]
pub struct Admin {
    /// Who knows.
    pub authority: Arc<Authority>,
    /// The session store, besides its sessions.
    pub storage: Arc<dyn Storage>,
    /// When.
    pub clock: Clock,
    /// Who may use the API.
    pub gate: Gate,
    /// Set once the daemon has begun to stop; readiness turns red first.
    pub stopping: Arc<AtomicBool>,
}

/// Adds the admin routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/metrics").route(web::get().to(metrics)))
        .service(web::resource("/livez").route(web::get().to(live)))
        .service(web::resource("/readyz").route(web::get().to(ready)))
        .service(api());
}

/// The API; its gate stands before what does not exist, too.
fn api() -> impl actix_web::dev::HttpServiceFactory {
    web::scope("/api")
        .wrap(from_fn(gate::guard))
        .app_data(web::PayloadConfig::new(API_BYTES))
        .service(
            web::resource("/v1/explain")
                .route(web::get().to(explain::refusals))
                .route(web::post().to(explain::explain)),
        )
        .configure(sessions::routes)
        .configure(store::routes)
        .configure(tokens::routes)
        .configure(nodes::routes)
        .service(web::resource("/openapi.json").route(web::get().to(openapi::openapi)))
        .default_service(web::to(async || {
            problem(StatusCode::NOT_FOUND, "there is nothing here; see /api/openapi.json")
        }))
}

/// An answer of the API.
fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(value)
}

/// A refusal of the API: what is wrong and what to do.
fn problem(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "error": text }))
}

async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
    admin.storage.gauge().await;
    let (text, media) = admin.authority.exposition().await;
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}

async fn live() -> HttpResponse {
    plain(HttpResponse::Ok().body("live\n"))
}

async fn ready(admin: web::Data<Admin>) -> HttpResponse {
    if admin.stopping.load(Ordering::Relaxed) {
        return plain(HttpResponse::ServiceUnavailable().body("stopping\n"));
    }
    match admin.authority.ready(admin.clock.now()).await {
        Ok(()) => plain(HttpResponse::Ok().body("ready\n")),
        Err(cause) => {
            tracing::warn!(%cause, "not ready");
            plain(HttpResponse::ServiceUnavailable().body(format!("not ready: {cause}\n")))
        }
    }
}

fn plain(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

//! The admin listener: metrics and health. Its routes do not exist on the public one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use crate::authority::Authority;
use crate::edge::clock::Clock;

/// What the admin handlers need.
#[derive(Debug)]
pub struct Admin {
    /// Who knows.
    pub authority: Arc<Authority>,
    /// When.
    pub clock: Clock,
    /// Set once the daemon has begun to stop; readiness turns red first.
    pub stopping: Arc<AtomicBool>,
}

/// Adds the admin routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/metrics").route(web::get().to(metrics)))
        .service(web::resource("/livez").route(web::get().to(live)))
        .service(web::resource("/readyz").route(web::get().to(ready)));
}

async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
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

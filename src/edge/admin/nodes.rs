//! `/api/v1/nodes` and `/api/v1/handlers`: who may be asked about second factors, and when.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::edge::admin::{Admin, json, problem};

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/nodes").route(web::get().to(list)))
        .service(web::resource("/v1/nodes/{name}/test").route(web::post().to(test)))
        .service(web::resource("/v1/handlers").route(web::get().to(handlers)));
}

async fn list(admin: web::Data<Admin>) -> HttpResponse {
    json(&admin.authority.nodes())
}

async fn test(admin: web::Data<Admin>, name: web::Path<String>) -> HttpResponse {
    match admin.authority.test_node(&name, admin.clock.now()).await {
        Ok(tested) => json(&tested),
        Err(error) => problem(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

async fn handlers(admin: web::Data<Admin>) -> HttpResponse {
    json(&admin.authority.handlers())
}

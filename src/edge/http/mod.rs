//! The public HTTP listener: subrequests under `/auth/`, the portal at `/`.

mod allow;
pub mod connection;
pub mod envoy;
pub mod forward;
pub mod headers;
mod jwks;
pub mod nginx;
pub mod pages;
pub mod portal;
pub mod subrequest;
mod validate;

use actix_web::web;

pub use allow::ExportNames;

/// Adds the public routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/auth/nginx").to(subrequest::nginx))
        .service(web::resource("/auth/forward").to(subrequest::forward))
        .service(web::resource("/auth/envoy-override").to(subrequest::envoy_override))
        .service(web::resource("/auth/envoy/{target:.*}").to(subrequest::envoy))
        .service(jwks::resource())
        .configure(validate::routes)
        .configure(portal::routes);
}

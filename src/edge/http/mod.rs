//! The public HTTP listener: subrequests under `/auth/`, the portal at `/`.

pub mod headers;
pub mod nginx;
pub mod pages;
pub mod portal;
pub mod subrequest;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::http::header::HeaderName;
use actix_web::web;

use crate::authority::Authority;
use crate::edge::clock::Clock;
use crate::edge::http::pages::Pages;

/// What every handler needs, made once.
#[derive(Debug)]
pub struct Edge {
    /// Who decides.
    pub authority: Arc<Authority>,
    /// When.
    pub clock: Clock,
    /// The portal's URL, with a trailing slash.
    pub portal_url: Box<str>,
    /// What people see.
    pub pages: Pages,
    /// Names of every application's exports, parsed once.
    export_names: Vec<Box<[HeaderName]>>,
    /// Applications whose too large answers were already warned about.
    warned: Box<[AtomicBool]>,
}

impl Edge {
    /// Prepares what can be prepared before the first request.
    #[must_use]
    pub fn new(
        authority: Arc<Authority>,
        clock: Clock,
        portal_url: Box<str>,
        pages: Pages,
    ) -> Self {
        let parse = |names: &Vec<Arc<str>>| {
            names.iter().filter_map(|name| HeaderName::try_from(&**name).ok()).collect()
        };
        let export_names: Vec<Box<[HeaderName]>> =
            authority.export_names().iter().map(parse).collect();
        let warned = export_names.iter().map(|_| AtomicBool::new(false)).collect();
        Self { authority, clock, portal_url, pages, export_names, warned }
    }

    /// The parsed export names of an application.
    fn export_names(&self, application: u32) -> &[HeaderName] {
        self.export_names.get(application as usize).map_or(&[], |names| names)
    }
}

/// Adds the public routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/auth/nginx").to(subrequest::nginx)).configure(portal::routes);
}

//! The subrequest handlers: ask the authority in one dialect, answer in the same.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::edge::http::{Edge, headers, nginx};

/// `/auth/nginx`. The body is never read: whoever waits for one hangs (facts, nginx `auth_request`).
pub async fn nginx(edge: web::Data<Edge>, request: HttpRequest) -> HttpResponse {
    let list = headers::list(&request);
    let cookies = headers::cookies(&request);
    let question = nginx::ask(&list, &cookies, headers::peer(&request));
    let decision = edge.authority.decide(&question, edge.clock.now()).await;
    nginx::say(&edge, &question, decision)
}

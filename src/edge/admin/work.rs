//! What handlers that change something have in common: their body, who asks, and that they come to an end.

use std::future::Future;
use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;

use crate::edge::admin::problem;

/// What is wrong with a request, before anything was done about it.
pub struct Unread(pub StatusCode, pub String);

impl From<Unread> for HttpResponse {
    fn from(Unread(status, text): Unread) -> Self {
        problem(status, &text)
    }
}

/// Goes on even if whoever asks hangs up, so that no change goes without its line in the audit log.
pub async fn to_the_end(work: impl Future<Output = HttpResponse> + 'static) -> HttpResponse {
    actix_web::rt::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change ended in the middle; report this");
        problem(StatusCode::INTERNAL_SERVER_ERROR, "this ended in the middle; see the daemon's log")
    })
}

/// The body as what it is to be.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unread> {
    serde_json::from_slice(body).map_err(|error| {
        let text = format!("the body is not understood: {error}; see /api/openapi.json");
        Unread(StatusCode::BAD_REQUEST, text)
    })
}

/// Who asks, for the audit log; a unix socket's peer has no address.
pub fn asker(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|address| address.ip())
}

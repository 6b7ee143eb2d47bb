//! `/api/v1/sessions`: who is logged in, and the end of it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::authority::sessions::{EndWish, SessionQuery, SessionsError};
use crate::edge::admin::work::{asker, read, to_the_end};
use crate::edge::admin::{Admin, json, problem};

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let one = web::resource("/v1/sessions/{key}")
        .route(web::get().to(show))
        .route(web::delete().to(end_one));
    config
        .service(web::resource("/v1/sessions").route(web::get().to(list)))
        .service(web::resource("/v1/sessions/end").route(web::post().to(end)))
        .service(one);
}

async fn list(admin: web::Data<Admin>, request: HttpRequest) -> HttpResponse {
    match web::Query::<SessionQuery>::from_query(request.query_string()) {
        Ok(query) => answer(admin.authority.list_sessions(&query, admin.clock.now()).await),
        Err(error) => {
            let text = format!("the query is not understood: {error}; see /api/openapi.json");
            problem(StatusCode::BAD_REQUEST, &text)
        }
    }
}

async fn show(admin: web::Data<Admin>, key: web::Path<String>) -> HttpResponse {
    answer(admin.authority.show_session(&key, admin.clock.now()).await)
}

async fn end_one(
    admin: web::Data<Admin>,
    request: HttpRequest,
    key: web::Path<String>,
) -> HttpResponse {
    let by = asker(&request);
    to_the_end(async move {
        let ended = admin.authority.end_session(&key, by, admin.clock.now()).await;
        answer(ended.map(|()| serde_json::json!({})))
    })
    .await
}

async fn end(admin: web::Data<Admin>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let (wish, by) = match read::<EndWish>(&body) {
        Ok(wish) => (wish, asker(&request)),
        Err(unread) => return unread.into(),
    };
    to_the_end(
        async move { answer(admin.authority.end_sessions(&wish, by, admin.clock.now()).await) },
    )
    .await
}

fn answer(done: Result<impl Serialize, SessionsError>) -> HttpResponse {
    match done {
        Ok(value) => json(&value),
        Err(error) => {
            let status = match error {
                SessionsError::Unknown(_) => StatusCode::NOT_FOUND,
                SessionsError::Invalid(_) => StatusCode::BAD_REQUEST,
                SessionsError::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            problem(status, &error.to_string())
        }
    }
}

//! `/api/v1/tokens`: the local node's tokens. What goes wrong is told to whoever asks; secrets leave once, at creation.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::authority::factor::administration::{
    NewPin, Otps, TokenChange, TokenError, TokenFilter, TokenImport, TokenWish,
};
use crate::domain::limits::TOKEN_IMPORT_BYTES;
use crate::edge::admin::work::{Unread, asker, read, to_the_end};
use crate::edge::admin::{Admin, json, problem};

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let import = web::resource("/v1/tokens/import")
        .app_data(web::PayloadConfig::new(TOKEN_IMPORT_BYTES))
        .route(web::post().to(import));
    let all = web::resource("/v1/tokens").route(web::get().to(list)).route(web::post().to(add));
    config
        .service(all)
        .service(import)
        .service(web::resource("/v1/tokens/{serial}").route(web::delete().to(remove)))
        .service(web::resource("/v1/tokens/{serial}/{action}").route(web::post().to(change)));
}

async fn list(admin: web::Data<Admin>, wanted: web::Query<TokenFilter>) -> HttpResponse {
    answer(admin.authority.list_tokens(&wanted, admin.clock.now()).await)
}

async fn add(admin: web::Data<Admin>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let (wish, by) = match read::<TokenWish>(&body) {
        Ok(wish) => (wish, asker(&request)),
        Err(unread) => return unread.into(),
    };
    to_the_end(async move { answer(admin.authority.add_token(&wish, by, admin.clock.now()).await) })
        .await
}

async fn import(admin: web::Data<Admin>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let (import, by) = match read::<TokenImport>(&body) {
        Ok(import) => (import, asker(&request)),
        Err(unread) => return unread.into(),
    };
    to_the_end(
        async move { answer(admin.authority.import_tokens(import, by, admin.clock.now()).await) },
    )
    .await
}

async fn remove(
    admin: web::Data<Admin>,
    request: HttpRequest,
    serial: web::Path<String>,
) -> HttpResponse {
    let by = asker(&request);
    to_the_end(
        async move { done(admin.authority.remove_token(&serial, by, admin.clock.now()).await) },
    )
    .await
}

async fn change(
    admin: web::Data<Admin>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> HttpResponse {
    let (serial, action) = path.into_inner();
    let change = match action.as_str() {
        "enable" => Ok(TokenChange::Enable),
        "disable" => Ok(TokenChange::Disable),
        "reset" => Ok(TokenChange::Reset),
        "resync" => read::<Otps>(&body).map(TokenChange::Resync),
        "pin" => read::<NewPin>(&body).map(TokenChange::Pin),
        _ => {
            let text = "a token can be enabled, disabled, reset, resynced, or given a pin; see /api/openapi.json";
            Err(Unread(StatusCode::NOT_FOUND, text.to_owned()))
        }
    };
    let (change, by) = match change {
        Ok(change) => (change, asker(&request)),
        Err(unread) => return unread.into(),
    };
    to_the_end(async move {
        done(admin.authority.change_token(&serial, &change, by, admin.clock.now()).await)
    })
    .await
}

fn answer(result: Result<impl Serialize, TokenError>) -> HttpResponse {
    match result {
        Ok(value) => json(&value),
        Err(error) => problem(status(&error), &error.to_string()),
    }
}

fn done(result: Result<(), TokenError>) -> HttpResponse {
    answer(result.map(|()| serde_json::json!({})))
}

const fn status(error: &TokenError) -> StatusCode {
    match error {
        TokenError::NoNode | TokenError::Unknown(_) => StatusCode::NOT_FOUND,
        TokenError::Exists(_) => StatusCode::CONFLICT,
        TokenError::Invalid(_) | TokenError::File(_) | TokenError::NotFound(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        TokenError::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

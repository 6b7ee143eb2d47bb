//! The portal's answers to programs, and the reference's error numbers (SEMANTICS M3, P1).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use serde::Serialize;

use crate::domain::decision::{Class, Reason};

/// Error numbers of LemonLDAP::NG's portal that this version can answer.
pub mod number {
    /// Nothing is wrong.
    pub const OK: u8 = 0;
    /// The cookie opens nothing any more.
    pub const SESSION_EXPIRED: u8 = 1;
    /// The master sent no login.
    pub const USER_NOT_FOUND: u8 = 4;
    /// The store failed.
    pub const STORE_FAILED: u8 = 8;
    /// No backend was chosen yet.
    pub const FIRST_ACCESS: u8 = 9;
    /// Anything else.
    pub const ERROR: u8 = 24;
    /// `url=` is none.
    pub const BAD_URL: u8 = 37;
    /// The login is none.
    pub const MALFORMED_USER: u8 = 40;
    /// No session was opened.
    pub const NOT_GRANTED: u8 = 41;
    /// Logged out.
    pub const LOGGED_OUT: u8 = 47;
    /// The master was not believed.
    pub const FORBIDDEN_IP: u8 = 75;
    /// `url=` leads to a foreign host.
    pub const UNPROTECTED_URL: u8 = 109;
}

/// The body; the order of its members is the reference's.
#[derive(Debug, Default, Serialize)]
struct Answer {
    result: u8,
    error: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

#[derive(Debug, Serialize)]
struct Challenged<'a> {
    result: u8,
    error: u8,
    transaction_id: &'a str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Form<'a> {
    result: u8,
    error: u8,
    token: &'a str,
}

#[derive(Debug, Serialize)]
struct Status {
    status: u8,
}

/// A session was opened.
pub fn opened(id: String, id_http: Option<String>) -> HttpResponse {
    json(StatusCode::OK, &Answer { result: 1, error: number::OK, id_http, id: Some(id) })
}

/// It is as the client wishes; `error` tells what that is.
pub fn done(error: u8) -> HttpResponse {
    json(StatusCode::OK, &Answer { result: 1, error, ..Answer::default() })
}

/// It is not.
pub fn refusal(status: StatusCode, reason: Reason) -> HttpResponse {
    json(status, &Answer { error: error_number(reason), ..Answer::default() })
}

/// A challenge has to be answered first, or still is to be.
pub fn challenged(transaction: &str, message: &str) -> HttpResponse {
    let answer =
        Challenged { result: 0, error: number::ERROR, transaction_id: transaction, message };
    json(StatusCode::UNAUTHORIZED, &answer)
}

/// What the form for a second factor has to carry.
pub fn form(token: &str) -> HttpResponse {
    json(StatusCode::OK, &Form { result: 1, error: number::OK, token })
}

/// Whether there is a session.
pub fn status(alive: bool) -> HttpResponse {
    json(StatusCode::OK, &Status { status: u8::from(alive) })
}

/// The reference's number for a reason; those that it does not have are its general error.
pub const fn error_number(reason: Reason) -> u8 {
    match (reason, reason.class()) {
        (Reason::LoginMissing, _) => number::USER_NOT_FOUND,
        (Reason::MalformedLogin | Reason::MalformedAttribute | Reason::OversizedAttribute, _) => {
            number::MALFORMED_USER
        }
        (Reason::ChoiceMissing, _) => number::FIRST_ACCESS,
        (Reason::BadReturnUrl, _) => number::BAD_URL,
        (Reason::ForeignReturnUrl, _) => number::UNPROTECTED_URL,
        (
            Reason::SessionUnknown
            | Reason::SessionExpired
            | Reason::SessionEnded
            | Reason::ConflictingSessions,
            _,
        ) => number::SESSION_EXPIRED,
        (
            Reason::DuplicateHeader
            | Reason::AliasedHeader
            | Reason::NoClientAddress
            | Reason::MalformedForwardedFor,
            _,
        )
        | (_, Class::MasterRefused) => number::FORBIDDEN_IP,
        (_, Class::Throttled) => number::NOT_GRANTED,
        (_, Class::Unavailable) => number::STORE_FAILED,
        (
            _,
            Class::Allowed
            | Class::Login
            | Class::FactorNeeded
            | Class::FactorRefused
            | Class::FactorPending
            | Class::Forbidden
            | Class::BadRequest,
        ) => number::ERROR,
    }
}

fn json(status: StatusCode, answer: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::VARY, "Accept"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .json(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_shape_of_the_page() {
        let answer =
            Answer { result: 1, error: 0, id_http: Some("5237".into()), id: Some("16fe".into()) };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, r#"{"result":1,"error":0,"id_http":"5237","id":"16fe"}"#);
    }

    #[test]
    fn failures_have_the_references_numbers() {
        let numbers = [
            (Reason::MasterAddress, 75),
            (Reason::ControlMissing, 75),
            (Reason::ControlMismatch, 75),
            (Reason::CertificateMismatch, 75),
            (Reason::LoginMissing, 4),
            (Reason::MalformedLogin, 40),
            (Reason::ChoiceMissing, 9),
            (Reason::SessionExpired, 1),
            (Reason::SessionEnded, 1),
            (Reason::BadReturnUrl, 37),
            (Reason::ForeignReturnUrl, 109),
            (Reason::StoreFailed, 8),
            (Reason::CrossSite, 24),
        ];
        for (reason, number) in numbers {
            assert_eq!(error_number(reason), number, "{reason:?}");
        }
    }
}

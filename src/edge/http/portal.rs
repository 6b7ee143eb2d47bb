//! The portal's JSON: login through the slave backend, as LemonLDAP::NG's own portal answers it.
//!
//! Source: LemonLDAP::NG, "Slave", example; SEMANTICS M3, P1, P2.

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::authority::login::{Login, LoginRequest};
use crate::domain::decision::{Class, Reason};
use crate::domain::header::HeaderView as _;
use crate::domain::limits::LOGIN_FORM_BYTES;
use crate::edge::http::{Edge, headers};

/// The answer's body; the order of its members is the reference's.
#[derive(Debug, Serialize)]
struct Answer {
    result: u8,
    error: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// Error numbers of LemonLDAP::NG's portal that this version can answer.
mod number {
    pub const OK: u8 = 0;
    pub const USER_NOT_FOUND: u8 = 4;
    pub const STORE_FAILED: u8 = 8;
    pub const FIRST_ACCESS: u8 = 9;
    pub const ERROR: u8 = 24;
    pub const MALFORMED_USER: u8 = 40;
    pub const NOT_GRANTED: u8 = 41;
    pub const FORBIDDEN_IP: u8 = 75;
}

/// `GET` and `POST /`.
pub async fn login(
    edge: web::Data<Edge>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::POST) {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, Reason::MethodNotAllowed);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        return response;
    }
    let form = match read_form(&request, body).await {
        Ok(form) => form,
        Err(Reason::OversizedForm) => {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, Reason::OversizedForm);
        }
        Err(reason) => return refusal(StatusCode::BAD_REQUEST, reason),
    };
    let lm_auth = parameter(&form, "lmAuth")
        .or_else(|| parameter(request.query_string().as_bytes(), "lmAuth"));
    let list = headers::list(&request);
    let cookies = headers::cookies(&request);
    let question = LoginRequest {
        peer: headers::peer(&request),
        forwarded_for: list.unique("x-forwarded-for"),
        headers: &list,
        cookies: &cookies,
        lm_auth: lm_auth.as_deref(),
    };
    let login = edge.authority.login(&question, edge.clock.now()).await;
    say(&edge, login)
}

/// Reads a bounded body; one that is not a form is read and ignored, so that the connection stays usable.
async fn read_form(request: &HttpRequest, body: web::Payload) -> Result<Vec<u8>, Reason> {
    let bytes = match body.to_bytes_limited(LOGIN_FORM_BYTES).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(Reason::MalformedForm),
        Err(_) => return Err(Reason::OversizedForm),
    };
    let is_form =
        matches!(headers::list(request).unique("content-type"), Ok(Some(media)) if is_form(media));
    Ok(if is_form { bytes.to_vec() } else { Vec::new() })
}

fn is_form(media: &[u8]) -> bool {
    let essence = media.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// The first value of a form parameter.
fn parameter(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn say(edge: &Edge, login: Login) -> HttpResponse {
    match login {
        Login::Opened { id, id_http, cookies } => {
            let id_http = id_http.map(|id| id.to_hex());
            let answer = Answer { result: 1, error: number::OK, id_http, id: Some(id.to_hex()) };
            let mut response = json(StatusCode::OK, &answer);
            for cookie in cookies {
                if let Ok(value) = HeaderValue::try_from(cookie.0) {
                    response.headers_mut().append(header::SET_COOKIE, value);
                }
            }
            response
        }
        Login::AlreadyAuthenticated => {
            json(StatusCode::OK, &Answer { result: 1, error: number::OK, id_http: None, id: None })
        }
        Login::Refused { reason: Reason::Throttled, .. } => {
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, Reason::Throttled);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        Login::Refused { reason, has_session: true } => refusal(StatusCode::BAD_REQUEST, reason),
        Login::Refused { reason, has_session: false } => {
            let mut response = refusal(StatusCode::UNAUTHORIZED, reason);
            if let Ok(scheme) = HeaderValue::try_from(format!("SSO {}", edge.portal_url)) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
        Login::Unavailable(reason) => {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, reason);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
    }
}

fn refusal(status: StatusCode, reason: Reason) -> HttpResponse {
    let error = error_number(reason);
    let mut response = json(status, &Answer { result: 0, error, id_http: None, id: None });
    let class = HeaderValue::from_static(reason.class().as_str());
    response.headers_mut().insert(header::HeaderName::from_static("x-vouchsafe-reason"), class);
    response
}

/// The reference's number for a reason; those that it does not have are its general error.
const fn error_number(reason: Reason) -> u8 {
    match (reason, reason.class()) {
        (Reason::LoginMissing, _) => number::USER_NOT_FOUND,
        (Reason::MalformedLogin | Reason::MalformedAttribute | Reason::OversizedAttribute, _) => {
            number::MALFORMED_USER
        }
        (Reason::ChoiceMissing, _) => number::FIRST_ACCESS,
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
        (_, Class::Allowed | Class::Login | Class::Forbidden | Class::BadRequest) => number::ERROR,
    }
}

fn json(status: StatusCode, answer: &Answer) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
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
        ];
        for (reason, number) in numbers {
            assert_eq!(error_number(reason), number, "{reason:?}");
        }
    }

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        assert_eq!(parameter(b"lmAuth=2_Slave&lmAuth=x", "lmAuth").as_deref(), Some("2_Slave"));
        assert_eq!(parameter(b"x=1&lmAuth=2%5FSlave", "lmAuth").as_deref(), Some("2_Slave"));
        assert_eq!(parameter(b"\xff%zz&&=", "lmAuth"), None);
    }
}

//! How each decision is said to Envoy over gRPC.
//!
//! Envoy decides by the status alone, and an answer without one is a yes; so [`answer`] sets it, always,
//! and together with the part that fits. Values never hold control bytes: protobuf would carry them to the
//! client (facts, Envoy).

use std::collections::HashMap;

use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption,
    HttpResponse, HttpStatus, OkHttpResponse,
};
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use envoy_types::pb::google::rpc;
use tonic::Code;

use crate::domain::decision::{Class, CookiesLeft, Grant, Reason};
use crate::domain::encoding::DropReason;
use crate::domain::request::AuthRequest;
use crate::edge::Edge;
use crate::edge::http::headers::ASSERTION;
use crate::edge::refusal::Refusal;

/// A yes: the exports that have a value, the assertion, the names to remove, the client's other cookies.
pub fn allowed(edge: &Edge, request: &AuthRequest<'_>, grant: &Grant) -> CheckResponse {
    let overwrite = HeaderAppendAction::OverwriteIfExistsOrAdd;
    let token = grant.assertion.as_ref().and_then(|token| std::str::from_utf8(token.bytes()).ok());
    let mut headers: Vec<HeaderValueOption> =
        token.and_then(|token| header(ASSERTION, token, overwrite)).into_iter().collect();
    let mut remove: Vec<String> = edge.removals.of(grant).map(str::to_owned).collect();
    for (place, export) in grant.exports.headers.iter().enumerate() {
        if export.value.is_empty() {
            continue; // among the removals
        }
        let value = std::str::from_utf8(&export.value).map_err(|_| DropReason::NotUtf8);
        let said = value.and_then(|value| {
            header(&export.name, value, overwrite).ok_or(DropReason::ControlBytes)
        });
        match said {
            Ok(said) => headers.push(said),
            // Neither set nor removed it would be whatever the client has sent.
            Err(reason) => {
                remove.push(export.name.to_string());
                edge.authority.export_dropped(grant.application, place, reason);
            }
        }
    }
    match edge.authority.cookies_for_application(request.cookies) {
        CookiesLeft::Unchanged => {}
        CookiesLeft::Some(rest) => {
            match String::from_utf8(rest).ok().and_then(|rest| header("cookie", &rest, overwrite)) {
                Some(rest) => headers.push(rest),
                None => remove.push("cookie".to_owned()),
            }
        }
        CookiesLeft::Nothing => remove.push("cookie".to_owned()),
    }
    let append = HeaderAppendAction::AppendIfExistsOrAdd;
    let cookies = grant.cookies.iter().filter_map(|cookie| header("set-cookie", &cookie.0, append));
    let ok = OkHttpResponse {
        headers,
        headers_to_remove: remove,
        response_headers_to_add: cookies.collect(),
        ..OkHttpResponse::default()
    };
    answer(Code::Ok, HttpResponse::OkResponse(ok), metadata(grant.reason.class(), Some(grant)))
}

/// A no, or that we failed: then Envoy keeps `Retry-After` and counts an error.
pub fn refused(refusal: Refusal, reason: Reason) -> CheckResponse {
    let overwrite = HeaderAppendAction::OverwriteIfExistsOrAdd;
    let headers: Vec<HeaderValueOption> =
        refusal.headers.iter().filter_map(|(name, value)| header(name, value, overwrite)).collect();
    let status = Some(HttpStatus { code: i32::from(refusal.status) });
    let body = refusal.body;
    let class = reason.class();
    let code = match refusal.status {
        302 | 401 => Code::Unauthenticated,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        _ => Code::PermissionDenied,
    };
    let said = DeniedHttpResponse { status, headers, body };
    let response = if code == Code::Unavailable {
        HttpResponse::ErrorResponse(said)
    } else {
        HttpResponse::DeniedResponse(said)
    };
    answer(code, response, metadata(class, None))
}

/// The one maker of answers: status and part always together.
fn answer(code: Code, response: HttpResponse, metadata: Struct) -> CheckResponse {
    CheckResponse {
        status: Some(rpc::Status { code: code as i32, ..rpc::Status::default() }),
        http_response: Some(response),
        dynamic_metadata: Some(metadata),
    }
}

/// For Envoy's access log: the class, and whose session it is.
fn metadata(class: Class, grant: Option<&Grant>) -> Struct {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let mut fields = HashMap::from([("class".to_owned(), text(class.as_str()))]);
    if let Some(subject) = grant.and_then(|grant| grant.exports.subject.as_ref()) {
        let level = Value { kind: Some(Kind::NumberValue(f64::from(subject.level))) };
        fields.insert("user".to_owned(), text(&String::from_utf8_lossy(&subject.user)));
        fields.insert("session".to_owned(), text(&subject.session));
        fields.insert("level".to_owned(), level);
    }
    Struct { fields }
}

/// A header, unless its value could split it. Always `value`: Envoy takes `raw_value` for an empty one.
fn header(name: &str, value: &str, action: HeaderAppendAction) -> Option<HeaderValueOption> {
    let is_clean = value.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
    let header =
        HeaderValue { key: name.to_owned(), value: value.to_owned(), ..HeaderValue::default() };
    is_clean.then(|| HeaderValueOption {
        header: Some(header),
        append_action: action.into(),
        ..HeaderValueOption::default()
    })
}

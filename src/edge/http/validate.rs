//! eduMFA's API at `/validate/*`, for eduMFA parents and its clients (SEMANTICS F9, F10).
//!
//! Must not know: who may ask; that is the authority's. Without `mfa.api` there is nothing here.

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::authority::factor::validate::{Caller, Validated};
use crate::authority::factor::{Wanted, WhoAsks};
use crate::domain::decision::{Class, Reason};
use crate::domain::header::HeaderView as _;
use crate::domain::limits::VALIDATE_BYTES;
use crate::domain::node::{Answer, Event};
use crate::domain::time::Timestamp;
use crate::edge::Edge;
use crate::edge::http::{connection, headers};
use crate::edge::refusal::retry_after;
use crate::protocol::edumfa::document::{self, Endpoint, Fault, Reply, Said};
use crate::protocol::edumfa::request::{Incoming, Parameters};
use crate::protocol::edumfa::signature::Signer;

/// Adds the API's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let at = |path: &str, endpoint: Endpoint| {
        let answer = move |edge: web::Data<Edge>, request: HttpRequest, body: web::Payload| {
            answer(edge, request, body, endpoint)
        };
        web::resource(path.to_owned()).to(answer)
    };
    config
        .service(at("/validate/check", Endpoint::Check))
        .service(at("/validate/samlcheck", Endpoint::Samlcheck))
        .service(at("/validate/radiuscheck", Endpoint::Radiuscheck))
        .service(at("/validate/triggerchallenge", Endpoint::Trigger))
        .service(at("/validate/polltransaction", Endpoint::Poll))
        .service(at("/validate/polltransaction/{transaction}", Endpoint::Poll));
}

async fn answer(
    edge: web::Data<Edge>,
    request: HttpRequest,
    body: web::Payload,
    endpoint: Endpoint,
) -> HttpResponse {
    if !edge.authority.validates() {
        return HttpResponse::NotFound().finish();
    }
    let methods: &[Method] = match endpoint {
        Endpoint::Poll => &[Method::GET],
        Endpoint::Check | Endpoint::Samlcheck | Endpoint::Radiuscheck | Endpoint::Trigger => {
            // DELETE, because eduMFA forwards it with a form.
            &[Method::GET, Method::POST, Method::DELETE]
        }
    };
    if !methods.contains(request.method()) {
        return HttpResponse::MethodNotAllowed().finish();
    }
    let asking = Asking { edge: &edge, request: &request, endpoint, nonce: None };
    let Ok(Ok(body)) = body.to_bytes_limited(VALIDATE_BYTES).await else {
        let fault = (Fault::malformed("").code, "The body cannot be read.".to_owned());
        let mut answer = asking.fault(fault, Reason::MalformedQuestion).await;
        *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return answer;
    };
    asking.answer(&body).await
}

/// One request.
struct Asking<'a> {
    edge: &'a web::Data<Edge>,
    request: &'a HttpRequest,
    endpoint: Endpoint,
    nonce: Option<Box<str>>,
}

impl Asking<'_> {
    async fn answer(mut self, body: &[u8]) -> HttpResponse {
        let list = headers::list(self.request);
        let text =
            |name| list.unique(name).ok().flatten().and_then(|v| std::str::from_utf8(v).ok());
        let event = match self.endpoint {
            Endpoint::Check | Endpoint::Samlcheck | Endpoint::Radiuscheck => Event::Check,
            Endpoint::Trigger => Event::Trigger,
            Endpoint::Poll => Event::Poll,
        };
        let incoming = Incoming {
            event,
            query: self.request.query_string(),
            content_type: text("content-type"),
            body,
            user_agent: text("user-agent"),
            transaction: self.request.match_info().get("transaction"),
        };
        let parameters = match Parameters::read(&incoming) {
            Ok(parameters) => parameters,
            Err(error) => {
                let fault = (Fault::malformed("").code, error.to_string());
                return self.fault(fault, Reason::MalformedQuestion).await;
            }
        };
        // A node behind which another node stands can only hand JSON on (F10).
        if self.endpoint == Endpoint::Radiuscheck && parameters.is_federated() {
            self.endpoint = Endpoint::Check;
        }
        self.nonce.clone_from(&parameters.nonce);
        let presented = list.unique("authorization").ok().flatten();
        let caller = Caller {
            peer: connection::peer(self.request),
            forwarded_for: list.unique("x-forwarded-for"),
            authorization: presented,
            client: parameters.client,
        };
        let wanted = wanted(event, self.endpoint, parameters);
        match self.edge.authority.validate(&caller, wanted, self.edge.clock.now()).await {
            Validated::Answered(answer) => self.say(Spoken::Answer(self.endpoint, answer)).await,
            Validated::Refused(reason) => self.refused(reason, presented.is_some()).await,
        }
    }

    async fn refused(&self, reason: Reason, has_presented: bool) -> HttpResponse {
        let fault = match (reason, self.endpoint) {
            (Reason::CallerNotAdmitted, Endpoint::Trigger) if !has_presented => Fault {
                code: 4033,
                message: "Authentication failure. Missing Authorization header.",
            },
            (Reason::CallerNotAdmitted, _) => Fault::refused("You may not ask here."),
            (Reason::FactorThrottled, _) => {
                Fault::refused("Too many failures; try again in a while.")
            }
            _ if reason.class() == Class::BadRequest => {
                Fault::malformed("Who asks cannot be told.")
            }
            _ => Fault::UNAVAILABLE,
        };
        self.fault((fault.code, fault.message.to_owned()), reason).await
    }

    async fn fault(&self, (code, message): (i32, String), reason: Reason) -> HttpResponse {
        let mut response = self.say(Spoken::Fault { code, message }).await;
        let class = HeaderValue::from_static(reason.class().as_str());
        let reason_header = header::HeaderName::from_static("x-vouchsafe-reason");
        response.headers_mut().insert(reason_header, class);
        if let (Class::Throttled, Some(seconds)) = (reason.class(), retry_after(reason.class())) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }

    async fn say(&self, spoken: Spoken) -> HttpResponse {
        let (nonce, now) = (self.nonce.clone(), self.edge.clock.now());
        let rendered = if self.edge.signer.is_some() {
            // A signature takes the time of hundreds of decisions.
            let edge = self.edge.clone();
            web::block(move || spoken.render(nonce.as_deref(), now, edge.signer.as_ref())).await
        } else {
            Ok(spoken.render(nonce.as_deref(), now, None))
        };
        let (status, body) = rendered.unwrap_or((503, Vec::new()));
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-cache"));
        if body.is_empty() {
            return response.finish();
        }
        response.insert_header((header::CONTENT_TYPE, "application/json")).body(body)
    }
}

/// What is said, with its words.
enum Spoken {
    /// An answer.
    Answer(Endpoint, Answer),
    /// An error.
    Fault { code: i32, message: String },
}

impl Spoken {
    fn render(
        &self,
        nonce: Option<&str>,
        now: Timestamp,
        signer: Option<&Signer>,
    ) -> (u16, Vec<u8>) {
        let (said, origin) = match self {
            Self::Answer(endpoint, answer) => (Said::Answer(*endpoint, answer), &*answer.origin),
            Self::Fault { code, message } => (Said::Fault(Fault { code: *code, message }), ""),
        };
        document::render(&Reply { said, nonce, now, origin }, signer)
    }
}

/// The question as it was written.
fn wanted(event: Event, endpoint: Endpoint, parameters: Parameters) -> Wanted {
    let who = WhoAsks::Caller(String::new());
    Wanted {
        resolver: parameters.resolver.into(),
        serial: parameters.serial.into(),
        token_type: parameters.token_type.into(),
        secret: parameters.secret,
        transaction: parameters.transaction.into(),
        attributes: endpoint == Endpoint::Samlcheck,
        otp_only: parameters.otp_only,
        hops: parameters.hops.into(),
        ..Wanted::new(event, &parameters.user, &parameters.realm, who)
    }
}

//! The gRPC listener: Envoy's `ext_authz` (SEMANTICS T2, T7, D2). Health is `grpc.health.v1`, wired by `app`.
//!
//! Must not know: HTTP/1, actix. `question` reads a `CheckRequest`, `answer` is the one place that makes
//! a `CheckResponse`, because Envoy takes an answer without a status for a yes.

mod answer;
mod bounded;
mod question;

use std::sync::Arc;

use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse,
};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Status};

use crate::domain::limits::CHECK_BYTES;
use crate::domain::request::Peer;
use crate::edge::Edge;
use crate::edge::grpc::bounded::Bounded;
use crate::edge::grpc::question::Asked;
use crate::edge::refusal::Refusal;

/// Answers Envoy's checks.
#[derive(Debug)]
pub struct ExtAuthz(Arc<Edge>);

/// The service, with its bounds on messages and on how many are read at a time.
#[must_use]
pub fn service(edge: Arc<Edge>) -> Bounded<AuthorizationServer<ExtAuthz>> {
    Bounded::new(AuthorizationServer::new(ExtAuthz(edge)).max_decoding_message_size(CHECK_BYTES))
}

/// Who is at the other end of the connection, with or without TLS.
fn peer<T>(request: &Request<T>) -> Peer {
    match request.remote_addr() {
        Some(address) => Peer::at(address.ip()),
        None if request.extensions().get::<UdsConnectInfo>().is_some() => Peer::Unix,
        None => Peer::Unknown,
    }
}

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    /// A message that makes no sense is a denial, never an error of the stream.
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let edge = &*self.0;
        let asked = Asked::of(request.get_ref());
        let (headers, cookies) = (asked.headers(), asked.cookies());
        let question = asked.question(peer(&request), &headers, &cookies);
        let decision = edge.authority.decide(&question, edge.clock.now()).await;
        let reason = decision.reason();
        let answer = match Refusal::unless_allowed(edge, &question, decision) {
            Ok(grant) => answer::allowed(edge, &question, &grant),
            Err(refusal) => answer::refused(refusal, reason),
        };
        Ok(Response::new(answer))
    }
}

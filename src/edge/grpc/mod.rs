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
use tonic::{Request, Response, Status};

use crate::domain::limits::CHECK_BYTES;
use crate::domain::network::fold;
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

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    /// A message that makes no sense is a denial, never an error of the stream.
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let edge = &*self.0;
        // Without an address nobody is a trusted proxy.
        let peer = request.remote_addr().map(|peer| fold(peer.ip()));
        let asked = Asked::of(request.get_ref());
        let (headers, cookies) = (asked.headers(), asked.cookies());
        let question = asked.question(peer, &headers, &cookies);
        let decision = edge.authority.decide(&question, edge.clock.now()).await;
        let reason = decision.reason();
        let answer = match Refusal::unless_allowed(edge, &question, decision) {
            Ok(grant) => answer::allowed(edge, &question, &grant),
            Err(refusal) => answer::refused(refusal, reason),
        };
        Ok(Response::new(answer))
    }
}

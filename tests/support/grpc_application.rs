//! An application that speaks gRPC, real on both sides: `grpc.health.v1`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::{Request as Call, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Runs a client (or a server) to its end, connection included.
pub fn run<T>(client: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client)
}

/// An application that speaks gRPC: a health service that remembers the metadata of each call.
pub struct GrpcApplication {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<(String, MetadataMap)>>>,
}

impl GrpcApplication {
    /// Starts one; it lives as long as the process.
    pub fn start() -> Self {
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let service = HealthServer::new(Remembering { calls: Arc::clone(&calls) });
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            run(async {
                let any = SocketAddr::from(([127, 0, 0, 1], 0));
                let listener = tokio::net::TcpListener::bind(any).await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let connections = TcpListenerStream::new(listener);
                let server = tonic::transport::Server::builder().add_service(service);
                server.serve_with_incoming(connections).await.unwrap();
            });
        });
        Self { address: receiver.recv().unwrap(), calls }
    }

    /// The metadata of the call about `service`; `None` if it never arrived.
    pub fn saw(&self, service: &str) -> Option<MetadataMap> {
        let calls = self.calls.lock().unwrap();
        calls.iter().find(|(name, _)| name == service).map(|(_, metadata)| metadata.clone())
    }
}

struct Remembering {
    calls: Arc<Mutex<Vec<(String, MetadataMap)>>>,
}

impl Remembering {
    fn remember(&self, call: Call<HealthCheckRequest>) -> HealthCheckResponse {
        let (metadata, _, question) = call.into_parts();
        self.calls.lock().unwrap().push((question.service, metadata));
        HealthCheckResponse { status: ServingStatus::Serving.into() }
    }
}

#[tonic::async_trait]
impl Health for Remembering {
    type WatchStream = tokio_stream::Iter<std::vec::IntoIter<Result<HealthCheckResponse, Status>>>;

    async fn check(
        &self,
        call: Call<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match call.get_ref().service.as_str() {
            "nowhere" => Err(Status::not_found("the application's own refusal")),
            _ => Ok(Response::new(self.remember(call))),
        }
    }

    async fn watch(
        &self,
        call: Call<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let answer = self.remember(call);
        Ok(Response::new(tokio_stream::iter(vec![Ok(answer); 3])))
    }
}

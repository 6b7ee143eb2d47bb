//! What the optional files of nginx are for: `nginx/applications.conf` as it is shipped, in front of everything.

use std::sync::{Arc, Mutex};

use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::{Request as Call, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;

/// An nginx with `applications.conf`.
pub struct Front {
    pub name: &'static str,
    nginx: Nginx,
    /// Where it speaks gRPC.
    pub grpc: SocketAddr,
}

impl Front {
    pub fn address(&self) -> SocketAddr {
        self.nginx.address
    }

    /// Whether this nginx may remember checks: before 1.23 it cannot see that a header stands twice.
    pub fn remembers(&self) -> bool {
        self.name != DEBIANS
    }
}

const DEBIANS: &str = "Debian's nginx";

/// A daemon, two applications, and each nginx.
pub struct Applications {
    pub fronts: Vec<Front>,
    pub daemon: Daemon,
    pub app: Echo,
    pub grpc_app: GrpcApplication,
}

/// The one that all tests share which do not break it.
pub static APPLICATIONS: LazyLock<Applications> =
    LazyLock::new(|| Applications::around(Daemon::start()));

impl Applications {
    pub fn around(daemon: Daemon) -> Self {
        Self::around_with(daemon, |_, text| text)
    }

    /// Around `daemon`, with nginx's files as `change` returns them.
    pub fn around_with(daemon: Daemon, change: impl Fn(&str, String) -> String) -> Self {
        let (app, grpc_app) = (Echo::start(), GrpcApplication::start());
        let programs =
            [(DEBIANS, programs::nginx_of_debian()), ("nginx", programs::nginx_of_wheel())];
        let fronts = programs.map(|(name, program)| {
            let grpc = support::free_address();
            let addresses = [
                (9080, daemon.public),
                (8081, app.address),
                (8082, grpc),
                (8083, grpc_app.address),
            ];
            let nginx = Nginx::start_file("applications.conf", &program, &addresses, &change);
            Front { name, nginx, grpc }
        });
        Self { fronts: fronts.into(), daemon, app, grpc_app }
    }

    /// Runs `case` behind each nginx; a failure is preceded by the name of the one it happened behind.
    pub fn behind_each(&self, case: impl Fn(&Front)) {
        for front in &self.fronts {
            eprintln!("behind {} at {}", front.name, front.address());
            case(front);
        }
    }
}

/// An application that speaks gRPC: a health service that remembers the metadata of each call.
pub struct GrpcApplication {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<(String, MetadataMap)>>>,
}

impl GrpcApplication {
    fn start() -> Self {
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let service = HealthServer::new(Remembering { calls: Arc::clone(&calls) });
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            grpc::run(async {
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

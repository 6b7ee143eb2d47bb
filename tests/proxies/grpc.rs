//! A client of the gRPC application behind the fronts.

use std::net::{IpAddr, SocketAddr};

use tonic::metadata::AsciiMetadataKey;
use tonic::transport::Endpoint;
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::asking::GRPC;
use crate::support::DEADLINE;
use crate::support::grpc_application::run;

/// Asks about `service` through the front at `to`, from the address `from`, with `metadata`.
pub fn call(
    to: SocketAddr,
    from: IpAddr,
    service: &str,
    metadata: &[(&str, &str)],
) -> Result<(), Status> {
    run(async {
        let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
        let endpoint = endpoint.origin(format!("http://{GRPC}").parse().unwrap());
        let endpoint = endpoint.local_address(Some(from)).timeout(DEADLINE);
        let mut client = HealthClient::new(endpoint.connect().await.unwrap());
        let mut request = Request::new(HealthCheckRequest { service: service.to_owned() });
        for (name, value) in metadata {
            let name: AsciiMetadataKey = name.to_ascii_lowercase().parse().unwrap();
            request.metadata_mut().append(name, value.parse().unwrap());
        }
        client.check(request).await.map(drop)
    })
}

//! Applications that speak gRPC behind nginx: what they get, and how their clients hear of a refusal.

use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::applications::{APPLICATIONS, Applications, Front};
use super::headers::FORGED;
use super::*;
use crate::support::grpc_application::run;

const GRPC: &str = "grpc.apps.example.com";

fn question(service: &str, headers: &[(&str, &str)]) -> tonic::Request<HealthCheckRequest> {
    let mut call = tonic::Request::new(HealthCheckRequest { service: service.to_owned() });
    for (name, value) in headers {
        let name = AsciiMetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes()).unwrap();
        call.metadata_mut().append(name, value.parse().unwrap());
    }
    call
}

fn endpoint(front: &Front) -> Endpoint {
    let address = Endpoint::from_shared(format!("http://{}", front.grpc)).unwrap();
    address.origin(format!("http://{GRPC}").parse().unwrap()).timeout(support::DEADLINE)
}

/// Calls `Check` about `service` with `headers`.
fn call(front: &Front, service: &str, headers: &[(&str, &str)]) -> Result<i32, Status> {
    run(async {
        let mut client = HealthClient::new(endpoint(front).connect().await.unwrap());
        let answer = client.check(question(service, headers)).await?;
        Ok(answer.into_inner().status)
    })
}

#[track_caller]
fn accepted(world: &Applications, front: &Front, headers: &[(&str, &str)]) -> MetadataMap {
    let service = marker();
    let status = call(front, &service, headers).unwrap();
    assert_eq!(status, i32::from(ServingStatus::Serving));
    world.grpc_app.saw(&service).expect("the call has arrived")
}

#[track_caller]
fn refused_call(world: &Applications, front: &Front, headers: &[(&str, &str)]) -> Status {
    let service = marker();
    let status = call(front, &service, headers).unwrap_err();
    assert!(world.grpc_app.saw(&service).is_none(), "{status:?} came from the application");
    status
}

fn values<'m>(metadata: &'m MetadataMap, name: &str) -> Vec<&'m str> {
    metadata.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

/// Names and values as one text, to search for what must not be in it.
fn text(metadata: &MetadataMap) -> String {
    let headers = metadata.clone().into_headers();
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value:?}\n"));
    lines.collect()
}

#[test]
fn a_call_takes_along_the_identity_and_nothing_of_the_masters() {
    APPLICATIONS.behind_each(|front| {
        let cookies = [("Cookie", "a=1; vouchsafe=5ec2e7; b=2")];
        let metadata = accepted(&APPLICATIONS, front, &[MASTER, &cookies[..]].concat());
        assert_eq!(values(&metadata, "auth-user"), ["dwho"]);
        assert_eq!(values(&metadata, "auth-mail"), ["dwho@example.com"]);
        assert_eq!(values(&metadata, "auth-groups"), ["users;timelords"]);
        assert_eq!(values(&metadata, "cookie"), ["a=1; b=2"]);
        assert_eq!(values(&metadata, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(values(&metadata, "x-forwarded-host"), [GRPC]);
        for never in ["control", "cn", "user-email"] {
            assert_eq!(values(&metadata, never), [""; 0]);
        }
        assert!(!text(&metadata).contains("password"), "{metadata:?}");
    });
}

#[test]
fn forged_metadata_never_arrives_with_an_identity_or_without() {
    let world = Applications::around(Daemon::start_with(|config| {
        replace(&config, "path: /public/,", "path: /grpc.health.v1.Health/,")
    }));
    world.behind_each(|front| {
        for identity in [MASTER, &[]] {
            let metadata = accepted(&world, front, &[FORGED, identity].concat());
            let user: &[&str] = if identity.is_empty() { &[] } else { &["dwho"] };
            assert_eq!(values(&metadata, "auth-user"), user);
            assert_eq!(values(&metadata, "x-forwarded-for"), ["127.0.0.1"]);
            for trace in ["evil", "EVIL", "66666", "192.0.2.66", "password"] {
                assert!(!text(&metadata).contains(trace), "{trace} in {metadata:?}");
            }
        }
    });
}

#[test]
fn a_refusal_is_a_status_that_clients_understand() {
    APPLICATIONS.behind_each(|front| {
        let doubled = [MASTER, &[("CN", "root")]].concat();
        let browser = [NAVIGATION, &[("Authorization", "Bearer x")]].concat();
        for (headers, code, message, class) in [
            (&[][..], Code::Unauthenticated, "unauthenticated", "login"),
            (&browser, Code::Unauthenticated, "unauthenticated", "login"),
            (&doubled, Code::PermissionDenied, "forbidden", "bad-request"),
            (
                &[("CN", "dwho"), ("control", "guess")],
                Code::PermissionDenied,
                "forbidden",
                "master-refused",
            ),
        ] {
            let status = refused_call(&APPLICATIONS, front, headers);
            assert_eq!((status.code(), status.message()), (code, message), "{status:?}");
            assert_eq!(values(status.metadata(), "x-vouchsafe-reason"), [class], "{status:?}");
        }
    });
}

#[test]
fn without_the_daemon_every_call_is_unavailable() {
    let world = Applications::around(Daemon::start());
    world.daemon.kill();
    world.behind_each(|front| {
        let status = refused_call(&world, front, MASTER);
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(values(status.metadata(), "x-vouchsafe-reason"), ["unavailable"]);
        assert_eq!(values(status.metadata(), "retry-after"), ["5"]);
    });
}

#[test]
fn streams_and_the_applications_own_refusals_pass_as_they_are() {
    APPLICATIONS.behind_each(|front| {
        let status = call(front, "nowhere", MASTER).unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        assert_eq!(status.message(), "the application's own refusal");
        run(async {
            let mut client = HealthClient::new(endpoint(front).connect().await.unwrap());
            let stream = client.watch(question(&marker(), MASTER)).await.unwrap();
            let mut stream = stream.into_inner();
            let mut messages = 0;
            while stream.message().await.unwrap().is_some() {
                messages += 1;
            }
            assert_eq!(messages, 3);
        });
    });
}

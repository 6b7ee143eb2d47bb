//! An application that speaks gRPC.

use tonic::Code;
use tonic::metadata::MetadataMap;

use crate::asking::{about, marker};
use crate::fronts::Front;
use crate::grpc::call;
use crate::world::{MASTER, STRANGER, World};

fn values<'m>(metadata: &'m MetadataMap, name: &str) -> Vec<&'m str> {
    metadata.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

pub fn application(world: &World, front: &Front) {
    let service = marker();
    let forged =
        [("auth-user", "evil"), ("auth-mail", "evil"), ("cookie", "a=1; vouchsafe=5ec2e7")];
    call(front.grpc, MASTER, &service, &[&about("dwho")[..], &forged].concat()).unwrap();
    let seen = world.grpc_application.saw(&service).expect("the call arrived");
    assert_eq!(values(&seen, "auth-user"), ["dwho"], "{seen:?}");
    assert_eq!(values(&seen, "auth-mail"), ["dwho@example.com"], "{seen:?}");
    assert_eq!(values(&seen, "cookie"), ["a=1"], "{seen:?}");
    for secret in ["control", "cn", "user-email"] {
        assert_eq!(values(&seen, secret), [""; 0], "{seen:?}");
    }

    let service = marker();
    let refused = call(front.grpc, STRANGER, &service, &[("auth-user", "evil")]);
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let wrong = call(front.grpc, MASTER, &service, &[("cn", "dwho"), ("control", "wrong")]);
    assert_eq!(wrong.unwrap_err().code(), Code::PermissionDenied);
    assert!(world.grpc_application.saw(&service).is_none());
}

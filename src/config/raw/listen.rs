//! `listen`: where the daemon listens.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::defaults;
use crate::config::raw_value::RawListener;

/// Listeners, each `address:port`, `unix:/path`, or a mapping with its TLS.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawListen {
    /// For subrequests and the portal. Default: `127.0.0.1:9080`.
    pub public: RawListener,
    /// For Envoy's gRPC `ext_authz` and `grpc.health.v1`. Default: off.
    #[schemars(with = "RawListener")]
    pub grpc: Option<RawListener>,
    /// For metrics and health. Default: off.
    #[schemars(with = "RawListener")]
    pub admin: Option<RawListener>,
}

/// TLS of a listener, 1.2 and 1.3.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTls {
    /// PEM file of the certificate, the listener's own first, then its intermediate ones. Required.
    #[schemars(with = "String")]
    pub cert: Option<String>,
    /// PEM file of its private key, without a passphrase. Required.
    #[schemars(with = "String")]
    pub key: Option<String>,
    /// PEM file of the authorities whose clients may connect; everybody else is refused. Default: clients
    /// show no certificate.
    #[schemars(with = "String")]
    pub client_ca: Option<String>,
}

impl Default for RawListen {
    fn default() -> Self {
        Self { public: RawListener::at(defaults::PUBLIC), grpc: None, admin: None }
    }
}

//! What Envoy asks over gRPC: the attributes of a `CheckRequest`, borrowed.

use std::net::IpAddr;

use envoy_types::ext_authz::v3::pb::{Address, CheckRequest};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use smallvec::SmallVec;

use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::network::fold;
use crate::domain::request::{Addresses, AuthRequest, Dialect, Peer, RouteDemands};
use crate::edge::http::headers::writes_reserved;

/// Names that operators give `context_extensions` (T7).
const APPLICATION: &str = "application";
const LEVEL: &str = "level";

/// A `CheckRequest`, whatever of it is there.
pub struct Asked<'a> {
    attributes: Option<&'a AttributeContext>,
    http: Option<&'a HttpRequest>,
}

impl<'a> Asked<'a> {
    /// Finds the parts.
    pub fn of(check: &'a CheckRequest) -> Self {
        let attributes = check.attributes.as_ref();
        let request = attributes.and_then(|attributes| attributes.request.as_ref());
        Self { attributes, http: request.and_then(|request| request.http.as_ref()) }
    }

    /// The headers: apart and raw in `header_map` if Envoy encodes them so, else joined in `headers`.
    pub fn headers(&self) -> HeaderList<'a> {
        let Some(http) = self.http else { return HeaderList::default() };
        let is_header = |name: &str| !name.starts_with(':');
        if let Some(map) = &http.header_map {
            let raw = map.headers.iter().filter(|header| is_header(&header.key));
            return raw
                .map(|header| {
                    let value = if header.raw_value.is_empty() {
                        header.value.as_bytes()
                    } else {
                        header.raw_value.as_slice()
                    };
                    (header.key.as_str(), value)
                })
                .collect();
        }
        let joined = http.headers.iter().filter(|(name, _)| is_header(name));
        joined.map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }

    /// The Cookie lines. Envoy joins several with a comma where it does not keep them apart.
    pub fn cookies(&self) -> SmallVec<[&'a [u8]; 2]> {
        let Some(http) = self.http else { return SmallVec::new() };
        if let Some(map) = &http.header_map {
            let lines =
                map.headers.iter().filter(|header| header.key.eq_ignore_ascii_case("cookie"));
            return lines
                .map(|header| {
                    if header.raw_value.is_empty() {
                        header.value.as_bytes()
                    } else {
                        header.raw_value.as_slice()
                    }
                })
                .collect();
        }
        let lines = http.headers.get("cookie").map(|line| line.as_bytes().split(|&b| b == b','));
        lines.into_iter().flatten().collect()
    }

    /// The question; what is missing is for the authority to refuse.
    pub fn question<'q>(
        &self,
        peer: Peer,
        headers: &'q HeaderList<'a>,
        cookies: &'q [&'q [u8]],
    ) -> AuthRequest<'q>
    where
        'a: 'q,
    {
        AuthRequest {
            dialect: Dialect::EnvoyGrpc,
            peer,
            addresses: Addresses::Source {
                address: self.source(),
                forwarded: headers.unique("x-forwarded-for"),
            },
            method: Ok(self.text(|http| &http.method)),
            host: Ok(self.text(|http| &http.host)),
            target: Ok(self.text(|http| &http.path)),
            scheme: Ok(self.text(|http| &http.scheme)),
            headers,
            cookies,
            reserved_header: writes_reserved(headers),
            demands: self.demands(),
        }
    }

    /// An empty text is how protobuf says nothing.
    fn text(&self, field: impl Fn(&HttpRequest) -> &String) -> Option<&'a [u8]> {
        self.http.map(|http| field(http).as_bytes()).filter(|text| !text.is_empty())
    }

    /// The peer that Envoy saw.
    fn source(&self) -> Option<IpAddr> {
        let address = self.attributes?.source.as_ref()?.address.as_ref()?.address.as_ref()?;
        let Address::SocketAddress(socket) = address else { return None };
        socket.address.parse().ok().map(fold)
    }

    /// What the operator wrote beside the route. A level that is no number is one that nobody has.
    fn demands(&self) -> RouteDemands<'a> {
        let extension =
            |name| self.attributes.and_then(|attributes| attributes.context_extensions.get(name));
        RouteDemands {
            application: extension(APPLICATION).map(String::as_str),
            level: extension(LEVEL).map_or(0, |level| level.parse().unwrap_or(u8::MAX)),
        }
    }
}

//! What a proxy asks, as it asked: borrowed, unchecked, in no proxy's dialect.

use std::net::IpAddr;

use crate::domain::header::{AmbiguousHeader, HeaderView};
use crate::domain::network::fold;

/// One of the dialect's own inputs: a value, its absence, or two of it.
pub type Input<'a> = Result<Option<&'a [u8]>, AmbiguousHeader>;

/// How a proxy asks; a closed set, so that it can label metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Dialect {
    /// nginx `auth_request`.
    Nginx,
    /// A person's or a program's own request to the portal.
    Portal,
    /// Envoy's `ext_authz` over HTTP.
    EnvoyHttp,
    /// Envoy's `ext_authz` over gRPC.
    EnvoyGrpc,
    /// Forward auth: Traefik, Caddy, HAProxy.
    Forward,
    /// eduMFA's protocol at `/validate/*`.
    Validate,
}

impl Dialect {
    /// All dialects, in the order of their discriminants.
    pub const ALL: [Self; 6] = [
        Self::Nginx,
        Self::Portal,
        Self::EnvoyHttp,
        Self::EnvoyGrpc,
        Self::Forward,
        Self::Validate,
    ];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Portal => "portal",
            Self::EnvoyHttp => "envoy_http",
            Self::EnvoyGrpc => "envoy_grpc",
            Self::Forward => "forward",
            Self::Validate => "validate",
        }
    }
}

/// Who is at the other end of a connection, as the kernel tells; never what somebody says about it.
///
/// Only a [`Peer::Address`] can be a caller. The others have none, so where the peer itself would be the
/// caller the request is denied (SEMANTICS T1, T3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer, folded.
    Address(IpAddr),
    /// Somebody who may open the listener's unix socket.
    Unix,
    /// A TCP peer that was gone before it could be asked for its address. Nobody trusts it.
    Unknown,
}

impl Peer {
    /// The peer at a TCP address, which may be in mapped form.
    #[must_use]
    pub const fn at(address: IpAddr) -> Self {
        Self::Address(fold(address))
    }

    /// Its address, if it has one.
    #[must_use]
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Unix | Self::Unknown => None,
        }
    }
}

/// Where a dialect reads addresses (SEMANTICS T2); nothing else is ever read.
#[derive(Debug, Clone, Copy)]
pub enum Addresses<'a> {
    /// `X-Forwarded-For` alone.
    Forwarded(Input<'a>),
    /// The proxy's word about its own peer; `X-Forwarded-For` stands left of it only if that peer is a
    /// trusted proxy itself.
    Source {
        /// The peer, folded; `None` if the proxy's word is none.
        address: Option<IpAddr>,
        /// What it sent along.
        forwarded: Input<'a>,
    },
}

impl Addresses<'_> {
    /// A text that tells clients apart and says nothing about who they are.
    #[must_use]
    pub fn fingerprint(&self) -> Vec<u8> {
        let (Self::Forwarded(forwarded) | Self::Source { forwarded, .. }) = self;
        let mut text = forwarded.ok().flatten().unwrap_or_default().to_vec();
        if let Self::Source { address: Some(address), .. } = self {
            text.extend_from_slice(address.to_string().as_bytes());
        }
        text
    }
}

/// What the operator wrote beside a route of the proxy; it can only ask for more (SEMANTICS T7).
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteDemands<'a> {
    /// The application by its name, instead of the host's.
    pub application: Option<&'a str>,
    /// The least level that a session needs; 0 demands none, and not even a session.
    pub level: u8,
}

/// Whether TLS was spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme of a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A request about which a decision is wanted. Nothing in it has been checked yet.
pub struct AuthRequest<'a> {
    /// Who asks, in what words.
    pub dialect: Dialect,
    /// Who is connected.
    pub peer: Peer,
    /// Addresses that the proxies report.
    pub addresses: Addresses<'a>,
    /// The method of the request asked about.
    pub method: Input<'a>,
    /// The host of the request asked about, with or without port.
    pub host: Input<'a>,
    /// Its path and query, raw.
    pub target: Input<'a>,
    /// Its scheme.
    pub scheme: Input<'a>,
    /// Its headers, the master's among them.
    pub headers: &'a dyn HeaderView,
    /// Its Cookie headers, one element a line.
    pub cookies: &'a [&'a [u8]],
    /// Whether the client sent a header in our reserved name space that we do not know.
    pub reserved_header: bool,
    /// What the operator demands at this route.
    pub demands: RouteDemands<'a>,
}

/// Longest request id that is taken over from a proxy, in bytes.
const REFERENCE_BYTES: usize = 64;

/// The proxy's request id, if it is one: what a person can quote and an operator can find.
#[must_use]
pub fn reference(headers: &dyn HeaderView) -> Option<&str> {
    let id = headers.unique("x-request-id").ok().flatten()?;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    let good = (1..=REFERENCE_BYTES).contains(&id.len()) && id.iter().all(plain);
    std::str::from_utf8(id).ok().filter(|_| good)
}

/// A person's or a program's own request to the portal. Nothing in it has been checked yet.
pub struct PortalRequest<'a> {
    /// Who is connected.
    pub peer: Peer,
    /// The scheme of that very connection; a stranger's only one.
    pub connection: Scheme,
    /// Addresses that proxies report; ignored if the peer is not one of ours (T1).
    pub forwarded_for: Input<'a>,
    /// The scheme that the proxy reports; ignored likewise.
    pub scheme: Input<'a>,
    /// Its headers, the master's among them.
    pub headers: &'a dyn HeaderView,
    /// Its Cookie headers, one element a line.
    pub cookies: &'a [&'a [u8]],
    /// What a person can quote, and an operator find in the audit log.
    pub reference: &'a str,
}

/// What the client does with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A browser that goes to a page: it follows a redirect and keeps a cookie.
    Navigation,
    /// A program, a script's fetch, a preflight, an upgrade: it wants a status.
    Call,
}

impl Purpose {
    /// Judges by Fetch Metadata, else by Accept, method and the marks of scripts (SEMANTICS D4).
    /// The user agent is never looked at. What is ambiguous is a call: it loses nothing.
    #[must_use]
    pub fn of(method: &str, headers: &dyn HeaderView) -> Self {
        let header = |name| headers.unique(name).ok().flatten();
        if !matches!(method, "GET" | "HEAD")
            || header("x-requested-with").is_some()
            || header("upgrade").is_some()
        {
            return Self::Call;
        }
        let navigates = match (header("sec-fetch-mode"), header("sec-fetch-dest")) {
            (Some(mode), dest) => {
                mode == b"navigate"
                    && dest.is_none_or(|dest| matches!(dest, b"document" | b"iframe" | b"frame"))
            }
            (None, Some(dest)) => dest == b"document",
            (None, None) => header("accept").is_some_and(|accept| contains(accept, b"text/html")),
        };
        if navigates { Self::Navigation } else { Self::Call }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::header::HeaderList;

    #[track_caller]
    fn purpose(method: &str, headers: &[(&str, &str)], expected: Purpose) {
        let headers = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect::<HeaderList<'_>>();
        assert_eq!(Purpose::of(method, &headers), expected, "{method} {headers:?}");
    }

    #[test]
    fn only_a_browser_that_goes_to_a_page_navigates() {
        let html = ("Accept", "text/html,application/xhtml+xml;q=0.9");
        purpose("GET", &[html], Purpose::Navigation);
        purpose("HEAD", &[html], Purpose::Navigation);
        purpose(
            "GET",
            &[("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
            Purpose::Navigation,
        );
        purpose(
            "GET",
            &[("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
            Purpose::Navigation,
        );
        purpose("POST", &[html], Purpose::Call);
        purpose("OPTIONS", &[html], Purpose::Call);
        purpose("GET", &[], Purpose::Call);
        purpose("GET", &[("Accept", "*/*")], Purpose::Call);
        purpose("GET", &[("Accept", "application/json")], Purpose::Call);
        purpose("GET", &[html, ("X-Requested-With", "XMLHttpRequest")], Purpose::Call);
        purpose("GET", &[html, ("Upgrade", "websocket")], Purpose::Call);
        purpose("GET", &[html, ("Sec-Fetch-Mode", "cors")], Purpose::Call);
        purpose(
            "GET",
            &[html, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "image")],
            Purpose::Call,
        );
        purpose("GET", &[html, html], Purpose::Call);
        purpose("GET", &[("User-Agent", "Mozilla/5.0")], Purpose::Call);
    }
}

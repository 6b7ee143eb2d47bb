//! A request that is only talked about: what somebody wants explained, as they write it.
//!
//! Must not know: how it is explained. It is asked as a proxy would that is trusted and adds nothing of its own.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::request::{Addresses, AuthRequest, Dialect, Peer, RouteDemands};
use crate::edge::http::headers;

/// A request in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// Its method. Default: `GET`.
    pub method: String,
    /// `https` or `http`. Default: `https`.
    pub scheme: String,
    /// Its host. Required.
    pub host: String,
    /// Its path and query, as the client sends them. Default: `/`.
    pub path: String,
    /// The address of whoever sends it, as the proxies report it. Default: `127.0.0.1`.
    pub client: IpAddr,
    /// Its headers, each `Name: value`; `X-Forwarded-For` here is used instead of `client`. Default: none.
    pub headers: Vec<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            scheme: "https".to_owned(),
            host: String::new(),
            path: "/".to_owned(),
            client: Ipv4Addr::LOCALHOST.into(),
            headers: Vec::new(),
        }
    }
}

/// Why a request cannot be talked about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// Nowhere to go to.
    #[error("there is no `host`; name the host of the request")]
    NoHost,
    /// A line without a colon.
    #[error("the header at {0} is not `Name: value`; write a colon behind its name")]
    NotAHeader(usize),
}

/// The same, taken apart: what an [`AuthRequest`] borrows from.
#[derive(Debug)]
pub struct Parts<'a> {
    asked: &'a Asked,
    list: HeaderList<'a>,
    cookies: Vec<&'a [u8]>,
    forwarded: String,
}

impl Asked {
    /// Takes it apart. Names of headers are kept as they are written: some disguises are letters in another case.
    ///
    /// # Errors
    /// Show it to whoever wrote it.
    pub fn parts(&self) -> Result<Parts<'_>, AskedError> {
        self.parts_with(&[])
    }

    /// The same with more headers behind its own, their names and values as they are.
    ///
    /// # Errors
    /// As [`Asked::parts`].
    pub fn parts_with<'a>(
        &'a self,
        more: &'a [(String, Vec<u8>)],
    ) -> Result<Parts<'a>, AskedError> {
        if self.host.is_empty() {
            return Err(AskedError::NoHost);
        }
        let mut list = HeaderList::default();
        let mut cookies = Vec::new();
        let mut headers = Vec::with_capacity(self.headers.len() + more.len());
        for (index, line) in self.headers.iter().enumerate() {
            let (name, value) = line.split_once(':').ok_or(AskedError::NotAHeader(index + 1))?;
            let (name, value) = (name.trim(), value.trim_matches([' ', '\t']).as_bytes());
            if name.is_empty() {
                return Err(AskedError::NotAHeader(index + 1));
            }
            headers.push((name, value));
        }
        headers.extend(more.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("cookie") {
                cookies.push(value);
            }
            list.push(name, value);
        }
        Ok(Parts { asked: self, list, cookies, forwarded: self.client.to_string() })
    }
}

impl Parts<'_> {
    /// The question of a proxy at `peer`.
    #[must_use]
    pub fn question(&self, peer: Peer) -> AuthRequest<'_> {
        let Asked { method, scheme, host, path, .. } = self.asked;
        let forwarded = match self.list.unique("x-forwarded-for") {
            Ok(None) => Ok(Some(self.forwarded.as_bytes())),
            written => written,
        };
        AuthRequest {
            dialect: Dialect::Nginx,
            peer,
            addresses: Addresses::Forwarded(forwarded),
            method: Ok(Some(method.as_bytes())),
            host: Ok(Some(host.as_bytes())),
            target: Ok(Some(path.as_bytes())),
            scheme: Ok(Some(scheme.as_bytes())),
            headers: &self.list,
            cookies: &self.cookies,
            reserved_header: headers::writes_reserved(&self.list),
            demands: RouteDemands::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_without_a_colon_is_named_by_its_place() {
        let asked = |headers: &[&str]| {
            let headers = headers.iter().map(|&line| line.to_owned()).collect();
            let asked = Asked { host: "a".into(), headers, ..Asked::default() };
            asked.parts().err()
        };
        assert_eq!(asked(&["CN: dwho", "Control:  a:b "]), None);
        assert_eq!(asked(&["CN: dwho", "dwho"]), Some(AskedError::NotAHeader(2)));
        assert_eq!(asked(&[": dwho"]), Some(AskedError::NotAHeader(1)));
        assert_eq!(Asked::default().parts().err(), Some(AskedError::NoHost));
    }

    #[test]
    fn the_client_is_forwarded_unless_the_request_says_otherwise() {
        let chain = |headers: &[&str]| {
            let headers = headers.iter().map(|&line| line.to_owned()).collect();
            let asked = Asked { host: "a".into(), headers, ..Asked::default() };
            let parts = asked.parts().unwrap();
            match parts.question(Peer::Unix).addresses {
                Addresses::Forwarded(Ok(Some(chain))) => {
                    String::from_utf8_lossy(chain).into_owned()
                }
                other @ (Addresses::Forwarded(_) | Addresses::Source { .. }) => panic!("{other:?}"),
            }
        };
        assert_eq!(chain(&[]), "127.0.0.1");
        assert_eq!(chain(&["X-Forwarded-For: 10.0.0.1, 10.0.0.2"]), "10.0.0.1, 10.0.0.2");
    }
}

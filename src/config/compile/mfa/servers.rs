//! `mfa.servers`: other nodes, and how they are asked.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use url::{Host, Url};

use crate::config::compile::mfa::{Ours, api, node_tls};
use crate::config::compile::urls::{self, Place};
use crate::config::compile::{Compiler, sessions};
use crate::config::defaults;
use crate::config::key_path::KeyPath;
use crate::config::listeners::{ListenAddress, ListenerSettings};
use crate::config::raw::{RawNodeRole, RawServer};
use crate::config::raw_value::Ordered;
use crate::mfa::settings::{BreakerSettings, NodeTls, Role, ServerSettings};

/// Longest name of a server, in bytes.
const NAME_BYTES: usize = 64;

/// Checks all servers; `None` if any is wrong.
pub fn servers(
    raw: &Ordered<RawServer>,
    ours: &Ours<'_>,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<ServerSettings>> {
    let mut all = Some(Vec::new());
    for (name, raw) in &raw.0 {
        let path = parent.key(name);
        let is_named = name_is_good(name, &path, compiler);
        match (server(name, raw, ours, &path, compiler), &mut all) {
            (Some(server), Some(all)) if is_named => all.push(server),
            _ => all = None,
        }
    }
    all
}

fn name_is_good(name: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name == defaults::BASE {
        compiler.key_error(path, "`local` is the embedded node; give the server another name");
        return false;
    }
    let is_good = (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(plain);
    if !is_good {
        let text = format!("'{name}' is not a server's name; use 1 to 64 of A-Z a-z 0-9 . _ -");
        compiler.key_error(path, &text);
    }
    is_good
}

fn server(
    name: &str,
    raw: &RawServer,
    ours: &Ours<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<ServerSettings> {
    let url = url(raw, ours, path, compiler);
    let tls = match &raw.tls {
        None => (!compiler.document.wrote(&path.key("tls"))).then(NodeTls::default),
        Some(tls) => node_tls::node_tls(tls, &path.key("tls"), compiler),
    };
    let times = times(raw, path, compiler);
    let text = "with 0 questions at a time it is never asked; write at least 1";
    let in_flight = compiler.positive(&path.key("in_flight"), raw.in_flight, text);
    let breaker = breaker(raw, &path.key("breaker"), compiler);
    let api_key = match &raw.api_key {
        None => Some(None),
        Some(written) => api::secret(written, &path.key("api_key"), compiler).map(Some),
    };
    let signature_key = match raw.signature_key.as_deref() {
        None => Some(None),
        Some(written) => {
            node_tls::signature_key(written, &path.key("signature_key"), compiler).map(Some)
        }
    };
    let Times { connect_timeout, timeout, probe_interval } = times?;
    Some(ServerSettings {
        name: name.into(),
        url: url?,
        role: match raw.role {
            RawNodeRole::Parent => Role::Parent,
            RawNodeRole::Child => Role::Child,
        },
        tls: tls?,
        connect_timeout,
        timeout,
        in_flight: NonZeroUsize::try_from(in_flight?).ok()?,
        breaker: breaker?,
        probe_interval,
        api_key: api_key?,
        signature_key: signature_key?,
    })
}

struct Times {
    connect_timeout: Duration,
    timeout: Duration,
    probe_interval: Duration,
}

fn times(raw: &RawServer, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Times> {
    let timeout = sessions::span(&raw.timeout, &path.key("timeout"), compiler);
    let probe_interval = sessions::span(&raw.probe_interval, &path.key("probe_interval"), compiler);
    let connect_at = path.key("connect_timeout");
    let connect = match &raw.connect_timeout {
        None => Some(timeout.unwrap_or(Duration::MAX).min(defaults::CONNECT_TIMEOUT)),
        Some(written) => sessions::span(written, &connect_at, compiler),
    };
    if let (Some(connect), Some(timeout)) = (connect, timeout)
        && connect > timeout
    {
        let timeout = humantime::format_duration(timeout);
        let text = format!("longer than `timeout`, which is {timeout}; make it at most that");
        compiler.error(&connect_at, &text);
    }
    Some(Times { connect_timeout: connect?, timeout: timeout?, probe_interval: probe_interval? })
}

fn breaker(
    raw: &RawServer,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<BreakerSettings> {
    let text = "after 0 failures it is never asked; write at least 1";
    let failures = compiler.positive(&path.key("failures"), raw.breaker.failures, text);
    let pause = sessions::span(&raw.breaker.pause, &path.key("pause"), compiler);
    Some(BreakerSettings { failures: failures?.get(), pause: pause? })
}

/// Its URL, without the slash at the end.
fn url(
    raw: &RawServer,
    ours: &Ours<'_>,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Box<str>> {
    let path = parent.key("url");
    let written = compiler.required(parent, "url", raw.url.as_deref())?;
    let place = compiler.checked(&path, urls::absolute(written))?;
    if let Some(key) = own(&place, ours) {
        let text = format!(
            "this is our own address (`{key}`), so questions would go round in a loop; name another node"
        );
        compiler.error(&path, &text);
        return None;
    }
    if place.url.scheme() == "http" {
        if !is_loopback(&place.url) {
            let text = "PINs, OTPs and keys go in the clear to another machine; use https";
            compiler.warn(&path, text);
        }
        if raw.tls.is_some() {
            let text = "`tls` means nothing for plain http; remove it, or use https";
            compiler.warn(&parent.key("tls"), text);
        }
    }
    let url = place.url.as_str();
    Some(url.strip_suffix('/').unwrap_or(url).into())
}

/// The key that says that this is where we are ourselves (SEMANTICS F8).
fn own(place: &Place, ours: &Ours<'_>) -> Option<&'static str> {
    if ours.portal.is_some_and(|portal| portal.url.origin() == place.url.origin()) {
        return Some("portal.url");
    }
    let listen = ours.listen?;
    let is_here = |listener: &ListenerSettings| match &listener.address {
        ListenAddress::Tcp(address) => {
            let is_port = place.url.port_or_known_default() == Some(address.port());
            let (ours, any) = (address.ip(), address.ip().is_unspecified());
            let is_address = match address_of(&place.url) {
                Some(ip) => ip == ours || any && is_local(ip),
                None => is_loopback(&place.url) && (any || ours.is_loopback()),
            };
            is_port && is_address
        }
        ListenAddress::Unix(_) => false,
    };
    let listeners = [
        ("listen.public", Some(&listen.public)),
        ("listen.grpc", listen.grpc.as_ref()),
        ("listen.admin", listen.admin.as_ref()),
    ];
    let here = |(_, listener): &(_, Option<&ListenerSettings>)| listener.is_some_and(is_here);
    listeners.into_iter().find(here).map(|(key, _)| key)
}

fn address_of(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(v4) => Some(v4.into()),
        Host::Ipv6(v6) => Some(IpAddr::V6(v6).to_canonical()),
        Host::Domain(_) => None,
    }
}

/// Whoever connects to `0.0.0.0` reaches itself.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

/// Whether what is sent there never leaves this machine.
fn is_loopback(url: &Url) -> bool {
    match address_of(url) {
        Some(ip) => is_local(ip),
        None => url.host_str().is_some_and(|host| host == "localhost"),
    }
}

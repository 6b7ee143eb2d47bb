//! `listen`: where, how, and whether all of it fits beside each other.

use std::path::PathBuf;

use crate::config::compile::{Compiler, tls};
use crate::config::key_path::KeyPath;
use crate::config::listeners::{ListenAddress, ListenSettings, ListenerSettings};
use crate::config::raw::RawListen;
use crate::config::raw_value::RawListener;
use crate::policy::trust::TrustedProxies;

/// Longest path of a unix socket, in bytes: the kernel's 107 without the four of the name under which the
/// socket is prepared.
const SOCKET_PATH_BYTES: usize = 103;

/// All listeners; `proxies` are the trusted proxies, if those could be read.
pub fn listen(
    raw: &RawListen,
    proxies: Option<&TrustedProxies>,
    compiler: &mut Compiler<'_>,
) -> Option<ListenSettings> {
    let path = KeyPath::of("listen");
    let public = listener(&raw.public, &path.key("public"), compiler);
    let mut optional = |key: &str, written: Option<&RawListener>| match written {
        None => Some(None),
        Some(written) => listener(written, &path.key(key), compiler).map(Some),
    };
    let grpc = optional("grpc", raw.grpc.as_ref());
    let admin = optional("admin", raw.admin.as_ref());
    let mut taken: Vec<(&str, &ListenAddress)> = Vec::new();
    for (key, listener) in [
        ("public", public.as_ref()),
        ("grpc", grpc.as_ref().and_then(Option::as_ref)),
        ("admin", admin.as_ref().and_then(Option::as_ref)),
    ] {
        let Some(ListenerSettings { address, .. }) = listener else { continue };
        if let Some((name, _)) = taken.iter().find(|(_, taken)| taken.takes(address)) {
            let other = match address {
                ListenAddress::Tcp(_) => "port",
                ListenAddress::Unix(_) => "path",
            };
            let text = format!("`listen.{name}` is there already; use another {other}");
            compiler.error(&path.key(key), &text);
        }
        taken.push((key, address));
        let is_unix = matches!(address, ListenAddress::Unix(_));
        if is_unix && key != "admin" && proxies.is_some_and(|proxies| !proxies.unix) {
            let text = "`unix` is not in `trusted_proxies`, so no proxy gets an answer on this \
                        socket; add it there";
            compiler.warn(&path.key(key), text);
        }
        if key == "admin" && !address.is_local() {
            let text = "metrics are open to the network; listen on 127.0.0.1 unless that is meant";
            compiler.warn(&path.key(key), text);
        }
    }
    Some(ListenSettings { public: public?, grpc: grpc?, admin: admin? })
}

fn listener(
    raw: &RawListener,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<ListenerSettings> {
    let tls_at = path.key("tls");
    let tls = match &raw.tls {
        None => Some(None),
        Some(raw) => tls::tls(raw, &tls_at, compiler).map(Some),
    };
    let at = if raw.is_mapping { path.key("address") } else { path.clone() };
    let written = match &raw.address {
        Some(written) => written,
        None => compiler.required(path, "address", None::<&String>)?,
    };
    let address = address(written, &at, compiler)?;
    if raw.tls.is_some() && matches!(address, ListenAddress::Unix(_)) {
        let text = "a unix socket has no TLS: nobody can listen in there; remove `tls`, or write \
                    address:port";
        compiler.key_error(&tls_at, text);
        return None;
    }
    Some(ListenerSettings { address, tls: tls? })
}

fn address(written: &str, at: &KeyPath, compiler: &mut Compiler<'_>) -> Option<ListenAddress> {
    if let Some(path) = written.strip_prefix("unix:") {
        return socket_path(path, at, compiler).map(ListenAddress::Unix);
    }
    let parsed = written.parse().map(ListenAddress::Tcp);
    if parsed.is_err() {
        let text = format!(
            "'{written}' is not address:port; write e.g. 127.0.0.1:9080 or unix:/run/vouchsafe/public.sock"
        );
        compiler.error(at, &text);
    }
    parsed.ok()
}

fn socket_path(written: &str, at: &KeyPath, compiler: &mut Compiler<'_>) -> Option<PathBuf> {
    if written.ends_with('/') {
        compiler.error(at, "a unix socket needs the path of a file; add its name");
        return None;
    }
    let path = compiler.file(at, written)?;
    if path.as_os_str().len() > SOCKET_PATH_BYTES {
        let text = format!(
            "the path of a unix socket has at most {SOCKET_PATH_BYTES} bytes; use a shorter one"
        );
        compiler.error(at, &text);
        return None;
    }
    Some(path)
}

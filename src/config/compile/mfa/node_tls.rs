//! `mfa.servers.*.tls` and `signature_key`: PEM files about other nodes, found to be readable.
//!
//! Messages name keys and never what stands in a file.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::compile::Compiler;
use crate::config::compile::tls::{self, TlsError};
use crate::config::key_path::KeyPath;
use crate::config::raw::RawNodeTls;
use crate::domain::secret::Secret;
use crate::mfa::settings::NodeTls;

/// The algorithm rsaEncryption (RFC 8017, appendix C) as it stands in a key.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Checks `tls`; `None` is an error.
pub fn node_tls(raw: &RawNodeTls, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<NodeTls> {
    let ca_at = path.key("ca");
    let ca = match raw.ca.as_deref() {
        None => Some(None),
        Some(written) => authorities(written, &ca_at, compiler).map(Some),
    };
    if !raw.verify {
        let text = "whoever answers at this address is believed, and gets PINs and OTPs; name the \
                    authority of its certificate as `ca` instead";
        compiler.warn(&path.key("verify"), text);
    }
    let client = client(raw, path, compiler);
    Some(NodeTls { is_unverified: !raw.verify, ca: ca?, client: client? })
}

fn authorities(written: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Box<[u8]>> {
    let pem = tls::read(written, path, compiler)?;
    compiler.checked(path, tls::authorities(&pem))?;
    Some(pem.into())
}

/// Our certificate and key; `None` is an error.
#[expect(clippy::option_option, reason = "one says wrong, the other says none")]
fn client(
    raw: &RawNodeTls,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Option<(Box<[u8]>, Secret)>> {
    let (chain_at, key_at) = (path.key("client_certificate"), path.key("client_key"));
    let (chain, key) = match (raw.client_certificate.as_deref(), raw.client_key.as_deref()) {
        (None, None) => {
            let wrote = compiler.document.wrote(&chain_at) || compiler.document.wrote(&key_at);
            return (!wrote).then_some(None);
        }
        (Some(_), None) => {
            compiler.required(path, "client_key", None::<&str>);
            return None;
        }
        (None, Some(_)) => {
            compiler.required(path, "client_certificate", None::<&str>);
            return None;
        }
        (Some(chain), Some(key)) => (chain, key),
    };
    let provider = Arc::new(default_provider());
    let pem = tls::read(chain, &chain_at, compiler);
    let certificates =
        pem.as_deref().and_then(|pem| compiler.checked(&chain_at, tls::certificates(pem)));
    let key = tls::read(key, &key_at, compiler).map(Secret::new);
    let private = key.as_ref().map(|pem| tls::private_key(pem.expose(), &provider));
    let private = private.and_then(|private| compiler.checked(&key_at, private))?;
    let certificates = certificates?;
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(tls::failed);
    let fits = builder.and_then(|builder| {
        let builder = builder.with_root_certificates(RootCertStore::empty());
        builder.with_client_auth_cert(certificates, private).map_err(tls::failed)
    });
    let at = if matches!(fits, Err(TlsError::ForeignKey)) { key_at } else { chain_at };
    compiler.checked(&at, fits)?;
    Some(Some((pem?.into(), key?)))
}

/// Checks `signature_key`.
pub fn signature_key(
    written: &str,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Box<str>> {
    let pem = tls::read(written, path, compiler)?;
    let key = SubjectPublicKeyInfoDer::from_pem_slice(&pem).ok();
    let is_rsa = key.is_some_and(|key| key.windows(RSA.len()).any(|part| part == RSA));
    match String::from_utf8(pem) {
        Ok(pem) if is_rsa => Some(pem.into()),
        _ => {
            let text =
                "there is no public RSA key in the file; it must hold `-----BEGIN PUBLIC KEY-----`";
            compiler.error(path, text);
            None
        }
    }
}

//! `listen.*.tls`: PEM files, and whether they fit together.
//!
//! Messages name keys and never what stands in a file; the value of `key` is masked in them like any
//! secret, because somebody will put the key itself there.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::compile::Compiler;
use crate::config::key_path::{KeyPath, Segment};
use crate::config::listeners::{TlsPem, TlsSettings};
use crate::config::raw::RawTls;
use crate::domain::secret::Secret;

/// Largest PEM file that is read, in bytes; a whole system's list of authorities is a quarter of that.
const PEM_BYTES: u64 = 1 << 20;

/// Why a PEM file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What should be in a file stands where its name should.
    #[error("this is PEM and no path; put it into a file and name the file")]
    Inline,
    /// Not there, not ours to read.
    #[error(
        "the file cannot be read: {0}; relative paths start at the configuration's folder, and the \
         daemon's user must be allowed to read it"
    )]
    Unreadable(ErrorKind),
    /// A folder, a pipe, a device.
    #[error("this is not a regular file; name the PEM file itself")]
    NotAFile,
    /// Larger than any such file.
    #[error("the file is larger than {PEM_BYTES} bytes; is it the right one?")]
    Large,
    /// Nothing of what is wanted.
    #[error("there is no certificate in the file; it must hold `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// Something of it, broken.
    #[error("the file holds a certificate that cannot be read; is it PEM, and complete?")]
    BrokenCertificate,
    /// Nothing of what is wanted.
    #[error("there is no private key in the file; it must hold `-----BEGIN PRIVATE KEY-----`")]
    NoKey,
    /// Nobody is there to type a passphrase.
    #[error(
        "the private key is encrypted; write it without a passphrase: `openssl pkey -in old -out new`"
    )]
    EncryptedKey,
    /// Not PKCS#8, PKCS#1 or SEC1, or an unknown kind.
    #[error(
        "the private key cannot be used; make an RSA (2048 bits or more), ECDSA or Ed25519 key"
    )]
    BrokenKey,
    /// Of another certificate.
    #[error(
        "the private key does not belong to the certificate; name the two that were made together"
    )]
    ForeignKey,
    /// rustls knows why.
    #[error("the certificate cannot be used: {0}; make another one")]
    Certificate(rustls::Error),
    /// An authority's certificate that nothing can be checked with.
    #[error("the file holds an authority's certificate that cannot be used; take it out")]
    Authority,
}

/// Reads the files and puts them together; `None` if anything is wrong with them, which was reported.
pub fn tls(raw: &RawTls, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<TlsSettings> {
    let provider = Arc::new(default_provider());
    let (cert_at, key_at, ca_at) = (path.key("cert"), path.key("key"), path.key("client_ca"));
    let cert = compiler.required(path, "cert", raw.cert.as_deref());
    let cert = cert.and_then(|written| read(written, &cert_at, compiler));
    let chain = cert.as_deref().and_then(|pem| compiler.checked(&cert_at, certificates(pem)));
    let key = compiler.required(path, "key", raw.key.as_deref());
    let key = key.and_then(|written| read(written, &key_at, compiler)).map(Secret::new);
    let private = key.as_ref().map(|pem| private_key(pem.expose(), &provider));
    let private = private.and_then(|private| compiler.checked(&key_at, private));
    // `None` is an error from here on, `Some(None)` asks clients for nothing.
    let client_ca = match raw.client_ca.as_deref() {
        None => Some(None),
        Some(written) => read(written, &ca_at, compiler).map(Some),
    };
    let verifier = match client_ca.as_ref() {
        None => None,
        Some(None) => Some(WebPkiClientVerifier::no_client_auth()),
        Some(Some(pem)) => compiler.checked(&ca_at, verifier(pem, &provider)),
    };
    let server = server(provider, verifier?, chain?, private?);
    let at = if matches!(server, Err(TlsError::ForeignKey)) { key_at } else { cert_at };
    let server = compiler.checked(&at, server)?;
    Some(TlsSettings {
        server,
        pem: TlsPem { certificates: cert?, key: key?, client_ca: client_ca? },
    })
}

/// The content of a bounded file.
pub fn read(written: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Vec<u8>> {
    if written.contains("-----BEGIN") {
        compiler.error(path, &TlsError::Inline.to_string());
        return None;
    }
    let file = compiler.file(path, written)?;
    let (bytes, is_open) = compiler.checked(path, bounded(&file))?;
    let is_key = |last: &Segment| match last {
        Segment::Key(key) => matches!(&**key, "key" | "client_key"),
        Segment::Index(_) => false,
    };
    if is_open && path.segments().last().is_some_and(is_key) {
        let text = "other users may read this private key; take that from them with `chmod o=`";
        compiler.warn(path, text);
    }
    Some(bytes)
}

/// The content, and whether everybody may read it.
fn bounded(path: &Path) -> Result<(Vec<u8>, bool), TlsError> {
    let unreadable = |error: std::io::Error| TlsError::Unreadable(error.kind());
    let metadata = path.metadata().map_err(unreadable)?;
    // Before it is opened: opening a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(TlsError::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(PEM_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > PEM_BYTES {
        return Err(TlsError::Large);
    }
    Ok((bytes, metadata.permissions().mode() & 0o007 != 0))
}

/// All certificates of a file; at least one.
///
/// # Errors
/// Show it to the operator.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| TlsError::BrokenCertificate)?;
    if found.is_empty() { Err(TlsError::NoCertificate) } else { Ok(found) }
}

/// The first key of the file, if it is one that we can sign with.
///
/// # Errors
/// Show it to the operator.
pub fn private_key(
    pem: &[u8],
    provider: &CryptoProvider,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) if is_encrypted(pem) => return Err(TlsError::EncryptedKey),
        Err(pem::Error::NoItemsFound) => return Err(TlsError::NoKey),
        Err(_) => return Err(TlsError::BrokenKey),
    };
    let usable = provider.key_provider.load_private_key(key.clone_key());
    match usable {
        Ok(_) => Ok(key),
        Err(_) if is_encrypted(pem) => Err(TlsError::EncryptedKey),
        Err(_) => Err(TlsError::BrokenKey),
    }
}

/// As PKCS#8 says it in its label, or as OpenSSL's older files in a header.
fn is_encrypted(pem: &[u8]) -> bool {
    pem.windows(9).any(|word| word == b"ENCRYPTED")
}

/// The authorities of a file; at least one.
///
/// # Errors
/// Show it to the operator.
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|_| TlsError::Authority)?;
    }
    Ok(roots)
}

/// Demands a certificate of one of these authorities.
fn verifier(
    pem: &[u8],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(authorities(pem)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    builder.build().map_err(|_| TlsError::Authority)
}

/// What rustls says of certificate and key together.
pub fn failed(error: rustls::Error) -> TlsError {
    let is_foreign = matches!(error, rustls::Error::InconsistentKeys(_));
    if is_foreign { TlsError::ForeignKey } else { TlsError::Certificate(error) }
}

/// TLS 1.2 and 1.3, with what rustls thinks safe.
fn server(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
    builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).map_err(failed)
}

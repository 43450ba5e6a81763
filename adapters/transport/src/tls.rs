//! The TLS side of a connection: rustls with aws-lc-rs, trusting the system's certificate
//! authorities and, where configured, those of a PEM file.
//!
//! The system's authorities are read once per process, on the first venue that needs them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use merit_venue::ConfigError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The protocols' names in TLS (ALPN).
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// A client configuration for HTTP/1.1, and for HTTP/2 before it where asked for.
///
/// # Errors
/// [`ConfigError`] when the PEM file can't be read or has no certificate, or when there is no
/// certificate authority at all.
pub(crate) fn client_config(ca_pem: Option<&Path>, http2: bool) -> Result<Arc<ClientConfig>, ConfigError> {
    let mut roots = system_roots().clone();
    if let Some(path) = ca_pem {
        add_pem(&mut roots, path).map_err(|message| ConfigError { field: "ca_pem", message })?;
    }
    if roots.is_empty() {
        let message = "the system has no certificate authorities: install `ca-certificates`, or name a PEM file here";
        return Err(ConfigError { field: "ca_pem", message: message.to_owned() });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("invariant: aws-lc-rs has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let offered: &[&[u8]] = if http2 { &[HTTP_2, HTTP_1] } else { &[HTTP_1] };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the system's certificate authorities can't be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        roots
    })
}

fn add_pem(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    let mut count = 0_usize;
    for certificate in read {
        let certificate = certificate.map_err(|error| format!("`{shown}` is not valid PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("`{shown}` has a certificate that can't be used: {error}"))?;
        count += 1;
    }
    if count == 0 { Err(format!("`{shown}` has no certificate: it needs `BEGIN CERTIFICATE` blocks")) } else { Ok(()) }
}

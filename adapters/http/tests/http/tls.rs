//! TLS: private authorities, wrong authorities, wrong names.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use merit_venue::{ErrorKind, Outcome};
use merit_venue_http::{HttpConfig, HttpVenue};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{invoke, reply, venue_at};

/// A private certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("an authority");
        let mut pem = NamedTempFile::new().expect("a file");
        pem.write_all(certificate.pem().as_bytes()).expect("room on the disk");
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server for `name` that answers every connection once; accepts TLS only.
    async fn serve(&self, name: &str) -> SocketAddr {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("a server");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                tokio::spawn(async move {
                    let mut request = vec![0; 4096];
                    while tls.read(&mut request).await.is_ok_and(|read| read > 0) {
                        tls.write_all(&reply(200, &[], "over tls")).await.ok();
                    }
                });
            }
        });
        address
    }
}

fn trusting(authority: &Authority, url: &str) -> Arc<HttpVenue> {
    venue_at(url, |config| config.ca_pem = Some(authority.pem.path().to_owned()))
}

#[tokio::test]
async fn trusts_the_authority_of_the_pem_file() {
    let authority = Authority::new();
    let address = authority.serve("localhost").await;
    let venue = trusting(&authority, &format!("https://localhost:{}", address.port()));
    for _ in 0..2 {
        assert_eq!(invoke(&venue, "x").await.expect("a trusted server").payload, "over tls");
    }
}

#[tokio::test]
async fn trusts_an_address_in_the_certificate() {
    let authority = Authority::new();
    let address = authority.serve("127.0.0.1").await;
    let venue = trusting(&authority, &format!("https://{address}"));
    assert_eq!(invoke(&venue, "x").await.expect("a trusted server").payload, "over tls");
}

#[tokio::test]
async fn a_wrong_authority_or_name_is_refused_before_the_request() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let address = right.serve("localhost").await;
    let error = invoke(&trusting(&wrong, &format!("https://localhost:{}", address.port())), "x")
        .await
        .expect_err("another authority");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Tls, Outcome::NotStarted), "{error}");
    assert!(error.message.contains("ca_file"), "it says what to do: {error}");

    let error = invoke(&trusting(&right, &format!("https://{address}")), "x").await.expect_err("another name");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Tls, Outcome::NotStarted), "{error}");
}

#[tokio::test]
async fn a_host_override_does_not_change_whom_tls_trusts() {
    let authority = Authority::new();
    let address = authority.serve("localhost").await;
    let venue = venue_at(&format!("https://localhost:{}", address.port()), |config| {
        config.ca_pem = Some(authority.pem.path().to_owned());
        config.host = Some("resize.example.com".to_owned());
    });
    assert_eq!(invoke(&venue, "x").await.expect("the name in the URL").payload, "over tls");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_did_not_start() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let venue = venue_at(&format!("https://{address}"), |config| {
        config.ca_pem = Some(authority.pem.path().to_owned());
        config.connect_timeout = Duration::from_millis(100);
    });
    let error = invoke(&venue, "x").await.expect_err("the server is silent");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Timeout, Outcome::NotStarted), "{error}");

    tokio::spawn(async move {
        let (_queued, _) = listener.accept().await.expect("the connection of the first call");
        let (mut plain, _) = listener.accept().await.expect("a connection");
        plain.write_all(&reply(200, &[], "plain")).await.ok();
        plain.shutdown().await.ok();
        tokio::io::copy(&mut plain, &mut tokio::io::sink()).await.ok();
    });
    let error = invoke(&trusting(&authority, &format!("https://{address}")), "x").await.expect_err("no TLS");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Tls, Outcome::NotStarted), "{error}");
}

#[test]
fn a_pem_file_that_is_none_is_a_mistake_of_the_configuration() {
    let mut empty = NamedTempFile::new().expect("a file");
    empty.write_all(b"not a certificate").expect("room on the disk");
    let gone = std::path::PathBuf::from("/nonexistent/ca.pem");
    for (path, hint) in [(empty.path().to_owned(), "BEGIN CERTIFICATE"), (gone, "cannot read")] {
        let mut config = HttpConfig::new("https://gateway.example.com");
        config.ca_pem = Some(path);
        let errors = HttpVenue::try_new(config).expect_err("no authority");
        assert!(errors.to_string().contains("ca_pem") && errors.to_string().contains(hint), "{errors}");
    }
}

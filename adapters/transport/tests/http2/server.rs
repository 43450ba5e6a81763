//! Servers with TLS: a private authority, and an HTTP/2 server whose calls are answered by the test.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::client::Client;

/// A server with a certificate for `localhost`, its authority, and what it offers.
pub(crate) struct Listening {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca: NamedTempFile,
    /// The certificate and its key, as PEM.
    pub(crate) pem: (String, String),
}

impl Listening {
    pub(crate) async fn new(offers: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("an authority");
        let mut ca = NamedTempFile::new().expect("a file");
        ca.write_all(authority.pem().as_bytes()).expect("room on the disk");
        let issuer = Issuer::new(params, key);

        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let pem = (certificate.pem(), key.serialize_pem());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("a server");
        config.alpn_protocols = offers.iter().map(|name| name.as_bytes().to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), ca, pem }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    pub(crate) fn port(&self) -> u16 {
        self.address().port()
    }

    pub(crate) fn ca(&self) -> &Path {
        self.ca.path()
    }

    /// The next connection that gets through TLS.
    pub(crate) async fn accept(&self) -> TlsStream<TcpStream> {
        loop {
            let (tcp, _) = self.listener.accept().await.expect("a connection");
            if let Ok(tls) = self.acceptor.accept(tcp).await {
                return tls;
            }
        }
    }
}

/// What a server saw of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Arc<Request<()>>,
    pub(crate) payload: Bytes,
}

/// An HTTP/2 server that answers with the payload, at once or when told.
pub(crate) struct Server {
    pub(crate) listening: Arc<Listening>,
    /// A call is answered when it gets one of these.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicUsize,
    pub(crate) open: AtomicUsize,
    /// The most calls that were on one connection at once.
    pub(crate) most: AtomicUsize,
    /// Calls that are being answered.
    pub(crate) busy: AtomicUsize,
    pub(crate) seen: Mutex<Vec<Seen>>,
}

impl Server {
    /// Answers at once.
    pub(crate) async fn start(change: impl Fn(&mut Builder) + Send + Sync + 'static) -> Self {
        let server = Self::gated(change).await;
        server.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        server
    }

    /// Answers when told.
    pub(crate) async fn gated(change: impl Fn(&mut Builder) + Send + Sync + 'static) -> Self {
        let server = Self {
            listening: Arc::new(Listening::new(&["h2", "http/1.1"]).await),
            gate: Arc::new(Semaphore::new(0)),
            counts: Arc::default(),
        };
        let (listening, gate, counts) =
            (Arc::clone(&server.listening), Arc::clone(&server.gate), Arc::clone(&server.counts));
        let change = Arc::new(change);
        tokio::spawn(async move {
            loop {
                let tls = listening.accept().await;
                let mut builder = Builder::new();
                change(&mut builder);
                tokio::spawn(serve(tls, builder, Arc::clone(&gate), Arc::clone(&counts)));
            }
        });
        server
    }

    pub(crate) fn client(&self, change: impl FnOnce(&mut merit_transport::Reach)) -> Client {
        Client::new(self.listening.port(), self.listening.ca(), change)
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    pub(crate) fn busy(&self) -> usize {
        self.counts.busy.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.counts.seen.lock().expect("no panic").clone()
    }
}

async fn serve(tls: TlsStream<TcpStream>, builder: Builder, gate: Arc<Semaphore>, counts: Arc<Counts>) {
    counts.connections.fetch_add(1, Ordering::SeqCst);
    counts.open.fetch_add(1, Ordering::SeqCst);
    let here = Arc::new(AtomicUsize::new(0));
    if let Ok(mut connection) = builder.handshake::<_, Bytes>(tls).await {
        while let Some(Ok((request, respond))) = connection.accept().await {
            counts.most.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let (gate, counts, here) = (Arc::clone(&gate), Arc::clone(&counts), Arc::clone(&here));
            tokio::spawn(async move {
                counts.busy.fetch_add(1, Ordering::SeqCst);
                answer(request, respond, &gate, &counts).await;
                counts.busy.fetch_sub(1, Ordering::SeqCst);
                here.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
    counts.open.fetch_sub(1, Ordering::SeqCst);
}

/// `None` when the client has reset the call meanwhile.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    gate: &Semaphore,
    counts: &Counts,
) -> Option<()> {
    let (head, mut body) = request.into_parts();
    let mut payload = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).ok()?;
        payload.extend_from_slice(&data);
    }
    let payload = payload.freeze();
    let seen = Seen { head: Arc::new(Request::from_parts(head, ())), payload: payload.clone() };
    counts.seen.lock().expect("no panic").push(seen);
    tokio::select! {
        permit = gate.acquire() => permit.expect("never closed").forget(),
        _ = std::future::poll_fn(|context| respond.poll_reset(context)) => return None,
    }
    let mut sending = respond.send_response(Response::new(()), false).ok()?;
    sending.send_data(payload, true).ok()
}

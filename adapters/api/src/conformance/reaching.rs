//! Cards of an adapter at a server that can't be reached until somebody mends something.
//!
//! | card | the server | what the adapter must say |
//! |---|---|---|
//! | 15 no such name | has a name that does not resolve | `Dns`, `NotStarted`; the venue is unready, names the name and says what to do; it comes back by itself |
//! | 16 untrusted certificate | has a certificate that nobody vouches for | `Tls`, likewise; meanwhile it is not connected to |
//!
//! An adapter's tests implement [`Reaching`] beside [`Fixture`](super::Fixture), and name these cards to
//! [`conformance_cards!`](crate::conformance_cards).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::call;
use super::calls::until_ready;
use crate::{ErrorKind, Outcome, Target, Venue, VenueError};

/// A name that nobody has (RFC 2606).
const NAMELESS: &str = "no-such-server.merit.invalid";

/// Longer than a card takes.
const LONG: Duration = Duration::from_secs(3600);

/// Soon over.
const SHORT: Duration = Duration::from_millis(50);

/// Makes adapters for servers of the cards.
pub trait Reaching: Send + Sync {
    /// An adapter with good credentials whose calls go to the server at `url`, such as `https://localhost:4433`; what
    /// keeps it from there stands for `retry`. It takes seconds for a connection, and does not wait for them.
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached>;
}

/// An adapter that lives by itself.
pub struct Reached {
    /// The adapter.
    pub venue: Arc<dyn Venue>,
    /// A deployment at the server.
    pub target: Arc<Target>,
}

/// A name that does not resolve is the operator's to mend.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_15_no_such_name(fixture: &dyn Reaching) {
    let url = format!("https://{NAMELESS}");
    stands(fixture, &url, ErrorKind::Dns, &[NAMELESS, "URL"]).await;
    comes_back(fixture, &url, ErrorKind::Dns).await;
}

/// So is a certificate that is not trusted.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_16_untrusted_certificate(fixture: &dyn Reaching) {
    let server = SelfSigned::start().await;
    stands(fixture, &server.url, ErrorKind::Tls, &["localhost", "ca_file"]).await;
    let once = server.connections();
    assert!(once >= 1, "it was tried");
    comes_back(fixture, &server.url, ErrorKind::Tls).await;
    assert_eq!(
        server.connections(),
        3 * once,
        "the second and the third time of asking, after a while, once more each"
    );
}

/// A call fails, the venue says why, and the next call is not tried.
async fn stands(fixture: &dyn Reaching, url: &str, kind: ErrorKind, says: &[&str]) {
    let reached = fixture.reach(url, LONG).await;
    until_ready(&*reached.venue, true).await;
    fails(&reached, kind).await;
    let why = reached.venue.unready().expect("a reason");
    assert!(says.iter().all(|part| why.contains(part)), "{why}");
    let again = fails(&reached, kind).await;
    assert!(again.message.contains("is not called"), "{again}");
}

/// What stood against it is over after a while, and then a call is tried again.
async fn comes_back(fixture: &dyn Reaching, url: &str, kind: ErrorKind) {
    let reached = fixture.reach(url, SHORT).await;
    for _ in 0..2 {
        until_ready(&*reached.venue, true).await;
        let error = fails(&reached, kind).await;
        assert!(!error.message.contains("is not called"), "it is tried: {error}");
    }
}

async fn fails(reached: &Reached, kind: ErrorKind) -> VenueError {
    let error = reached.venue.invoke(call(&reached.target, "{}")).await.expect_err("it can't be reached");
    assert_eq!((error.kind, error.outcome), (kind, Outcome::NotStarted), "{error:?}");
    error
}

/// A server for `localhost` with a certificate that only it vouches for; dropping it stops it.
struct SelfSigned {
    url: String,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl SelfSigned {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a server");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                counted.fetch_add(1, Ordering::SeqCst);
                acceptor.accept(tcp).await.expect_err("nobody trusts it");
            }
        });
        Self { url, connections, task: task.abort_handle() }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

//! Name resolution, TCP, TLS: one connection to one origin.
//!
//! Every failure here is before the first byte of a request, so its outcome is `NotStarted`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use merit_venue::{ErrorKind, VenueError};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::AddressPolicy;
use crate::connection::{Driver, Sender};
use crate::reach::Http2;
use crate::route::Origin;
use crate::{shared, tls};

/// The largest head of a reply and the largest single read, in bytes: four times what nginx and
/// Node allow for a head, so that only a broken or hostile server meets it.
pub(crate) const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// Opens connections for one venue.
pub(crate) struct Connector {
    pub(crate) policy: AddressPolicy,
    /// `None` where the configuration allows no origin with TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) timeout: Duration,
    /// Spoken where TLS has negotiated it.
    pub(crate) http2: Option<Http2>,
}

/// What a new connection speaks.
pub(crate) enum Wire {
    /// HTTP/1.1.
    One(Sender, Driver),
    /// HTTP/2.
    Two(Box<shared::Wire>),
}

impl Connector {
    /// Connects within the connect timeout and before `ends`.
    pub(crate) async fn connect(&self, origin: &Origin, ends: Instant) -> Result<Wire, VenueError> {
        let begun = Instant::now();
        let until = ends.min(begun + self.timeout);
        match timeout_at(until, Box::pin(self.establish(origin, until))).await {
            Ok(result) => result,
            Err(_) => Err(VenueError::not_started(
                ErrorKind::Timeout,
                format!("no connection to `{}` within {:?}", origin.authority(), until.duration_since(begun)),
            )),
        }
    }

    async fn establish(&self, origin: &Origin, until: Instant) -> Result<Wire, VenueError> {
        let addresses = self.resolve(origin).await?;
        let tcp = connect_tcp(&addresses, origin, until).await?;
        if !origin.tls() {
            return handshake(tcp, origin).await;
        }
        let (Some(config), Ok(name)) = (&self.tls, ServerName::try_from(origin.host().to_owned())) else {
            let message =
                format!("`{}` can't be reached by https: it is not a name a certificate can hold", origin.authority());
            return Err(VenueError::not_started(ErrorKind::Misconfigured, message));
        };
        match TlsConnector::from(Arc::clone(config)).connect(name, tcp).await {
            Ok(tls) => match self.http2 {
                Some(http2) if speaks_http2(&tls) => {
                    let wire = shared::handshake(tls, http2).await;
                    wire.map(|wire| Wire::Two(Box::new(wire))).map_err(|error| connect_failure(origin, error))
                }
                _ => handshake(tls, origin).await,
            },
            Err(error) => Err(tls_failure(origin, error)),
        }
    }

    /// The allowed addresses of an origin; at least one.
    pub(crate) async fn resolve(&self, origin: &Origin) -> Result<Vec<SocketAddr>, VenueError> {
        let name = origin.host();
        let found: Vec<SocketAddr> = match lookup_host((name, origin.port())).await {
            Ok(found) => found.collect(),
            Err(error) => {
                let message = format!("`{name}` does not resolve: check the venue's URL and this machine's DNS");
                return Err(VenueError::not_started(ErrorKind::Dns, message).with_source(error));
            }
        };
        let mut allowed = Vec::with_capacity(found.len());
        let mut refused = None;
        for address in found {
            match self.policy.refusal(address.ip()) {
                None => allowed.push(address),
                Some(what) => refused = Some((address.ip(), what)),
            }
        }
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(allowed),
            (true, Some((address, what))) => Err(VenueError::not_started(
                ErrorKind::AddressForbidden,
                format!("`{name}` is at {address}, {what}: if the venue is really there, add it to `allow_addresses`"),
            )),
            (true, None) => Err(VenueError::not_started(
                ErrorKind::Dns,
                format!("`{name}` resolves to no address: check the venue's URL"),
            )),
        }
    }
}

/// Tries the addresses in the resolver's order, each with its share of the time that is left.
pub(crate) async fn connect_tcp(
    addresses: &[SocketAddr],
    origin: &Origin,
    until: Instant,
) -> Result<TcpStream, VenueError> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for (index, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| connect_failure(origin, error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(connect_failure(origin, last))
}

/// Whether server and client have agreed on HTTP/2.
pub(crate) fn speaks_http2(tls: &TlsStream<TcpStream>) -> bool {
    tls.get_ref().1.alpn_protocol() == Some(tls::HTTP_2)
}

async fn handshake<T>(io: T, origin: &Origin) -> Result<Wire, VenueError>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_BUFFER_BYTES);
    let (sender, driver) = builder.handshake(TokioIo::new(io)).await.map_err(|error| connect_failure(origin, error))?;
    Ok(Wire::One(sender, Box::pin(driver)))
}

fn connect_failure(origin: &Origin, error: impl std::error::Error + Send + Sync + 'static) -> VenueError {
    let message = format!("no connection to `{}`: {error}", origin.authority());
    VenueError::not_started(ErrorKind::Connect, message).with_source(error)
}

/// TLS that failed by what the server is, or, where the connection ended within the handshake, by chance.
pub(crate) fn tls_failure(origin: &Origin, error: io::Error) -> VenueError {
    use rustls::CertificateError as Certificate;
    let told = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let hint = match told {
        None => return connect_failure(origin, error),
        Some(rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        )) => ": it is another server's, so check the URL",
        Some(rustls::Error::InvalidCertificate(
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. },
        )) => ": have it renewed, or set this machine's clock",
        Some(rustls::Error::InvalidCertificate(_)) => {
            ": for a private authority, name its PEM file as `ca_file`, or add it to the system's"
        }
        Some(_) => ": check that the URL's port speaks TLS",
    };
    let message = format!("no TLS with `{}`: {error}{hint}", origin.authority());
    VenueError::not_started(ErrorKind::Tls, message).with_source(error)
}

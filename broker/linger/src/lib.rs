//! A server's end of connections: one that is not closed in the client's face, and the bound on [`Strangers`].
//!
//! Whoever refuses a request before it is sent whole closes a socket with unread input; the kernel
//! answers what still comes by a reset, and the reset throws away the refusal before the client has read
//! it. So a connection that ends on our side is closed for writing first, and what still comes is read and
//! thrown away until the client closes too, or for a bounded time.
//!
//! Invariants: a connection that lingers holds one of its server's places, and is closed at once when none is free. It
//! lingers for a bounded time.

mod strangers;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use strangers::{Stranger, Strangers};

/// How a server's connections linger.
#[derive(Debug)]
pub struct Linger {
    /// A permit is held for as long as one lingers.
    pub places: Arc<Semaphore>,
    /// How long, at most.
    pub timeout: Duration,
}

/// A connection that lingers when it is dropped, unless the client has closed its side.
#[derive(Debug)]
pub struct Lingering {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    linger: Arc<Linger>,
    /// The client has closed its side, or has gone.
    heard_all: bool,
}

impl Lingering {
    /// A connection that a client has opened.
    #[must_use]
    pub const fn new(stream: TcpStream, linger: Arc<Linger>) -> Self {
        Self { stream: Some(stream), linger, heard_all: false }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("invariant: it is there until it is dropped"))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if self.heard_all {
            return;
        }
        let Ok(place) = Arc::clone(&self.linger.places).try_acquire_owned() else { return };
        let (Some(stream), Ok(here)) = (self.stream.take(), Handle::try_current()) else { return };
        let heard = tokio::time::timeout(self.linger.timeout, hear_out(stream));
        here.spawn(async move {
            // Over either way: the client has had its time.
            drop(heard.await);
            drop(place);
        });
    }
}

/// Says that nothing more will be said, and reads until the client has said all.
async fn hear_out(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut scrap = vec![0; 64 * 1024];
    while stream.read(&mut scrap).await? > 0 {}
    Ok(())
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        let read = ready!(self.stream().poll_read(cx, buffer));
        self.heard_all |= read.is_err() || (before > 0 && buffer.remaining() == before);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends of a connection, one of which lingers for up to `timeout`.
    async fn connection(places: usize, timeout: Duration) -> (TcpStream, Lingering, Arc<Semaphore>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (client, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().expect("an address")), listener.accept());
        let connections = Arc::new(Semaphore::new(places));
        let linger = Arc::new(Linger { places: Arc::clone(&connections), timeout });
        let (server, _) = accepted.expect("a connection");
        (client.expect("a connection"), Lingering::new(server, linger), connections)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn who_is_still_sending_reads_the_answer() {
        let (mut client, mut server, connections) = connection(1, LONG).await;
        server.write_all(b"too much").await.expect("room");
        drop(server);
        // More than both buffers hold: it is read only because the other end lingers.
        client.write_all(&vec![0; 20_000_000]).await.expect("it is heard out");
        client.shutdown().await.expect("open");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("no reset");
        assert_eq!(answer, "too much");
        drop(connections.acquire().await.expect("its place is free again"));
    }

    #[tokio::test]
    async fn it_lingers_for_its_time_at_most() {
        let (_client, server, connections) = connection(1, Duration::from_millis(50)).await;
        drop(server);
        assert_eq!(connections.available_permits(), 0, "it is among the connections");
        drop(connections.acquire().await.expect("its place is free again"));
    }

    #[tokio::test]
    async fn without_a_place_it_is_closed_at_once() {
        let (mut client, server, _connections) = connection(0, LONG).await;
        client.write_all(b"unread").await.expect("room");
        server.stream.as_ref().expect("open").readable().await.expect("open");
        drop(server);
        let error = client.read(&mut [0; 8]).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn it_does_not_linger_when_the_client_has_closed() {
        let (client, mut server, connections) = connection(1, LONG).await;
        drop(client);
        assert_eq!(server.read(&mut [0; 8]).await.expect("closed"), 0);
        drop(server);
        assert_eq!(connections.available_permits(), 1);
    }
}

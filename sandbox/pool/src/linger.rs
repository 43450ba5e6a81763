//! A socket that is closed only after what its other end was still sending.
//!
//! A request may be answered before it is read whole: refused, or too large. If the socket were closed then, the kernel
//! would reset the connection for the bytes that nobody read, and the other end, which is still sending, could lose the
//! answer. So after the answer this end says that it is done, and reads on and throws away until the other end is done
//! too, within bounds.
//!
//! Known limitation: whoever sends more, or more slowly, than the bounds say may lose the answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// The most that is read and thrown away: ten times the largest payload that is usual.
const BYTES: usize = 64 << 20;
/// How long that may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long nothing may come.
const QUIET: Duration = Duration::from_secs(1);
/// Read at once.
const CHUNK: usize = 16 << 10;

/// A stream whose shutdown waits for the other end's.
#[derive(Debug)]
pub(crate) struct Lingering {
    stream: TcpStream,
    closing: Option<Closing>,
}

#[derive(Debug)]
struct Closing {
    left: usize,
    last: Instant,
    quiet: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, closing: None }
    }
}

impl Closing {
    fn begin() -> Self {
        Self { left: BYTES, last: Instant::now() + LONGEST, quiet: Box::pin(sleep(QUIET)) }
    }

    /// Reads until the other end is done, or has had enough.
    fn poll(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut chunk = [0; CHUNK];
        while self.left > 0 {
            if self.quiet.as_mut().poll(context).is_ready() {
                break;
            }
            let mut buffer = ReadBuf::new(&mut chunk);
            // One that fails is closed at the other end.
            if ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)).is_err() || buffer.filled().is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(buffer.filled().len());
            let until = (Instant::now() + QUIET).min(self.last);
            self.quiet.as_mut().reset(until);
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, closing } = &mut *self;
        if closing.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        ready!(closing.get_or_insert_with(Closing::begin).poll(stream, context));
        Poll::Ready(Ok(()))
    }
}

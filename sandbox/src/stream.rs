//! A guest's standard output and standard error, kept in memory within bounds.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::error::Stop;
use crate::observe::Observed;

/// How much of standard error is kept: the last lines tell what went wrong.
const LOG_TAIL_BYTES: usize = 4096;
/// What a guest may write at once; wasmtime cuts its writes to 4 KB anyway.
const WRITE_AT_ONCE: usize = 64 << 10;

/// The reply, up to a limit.
pub(crate) struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(Stop::Output);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// The last [`LOG_TAIL_BYTES`] of what was written.
#[derive(Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        // Cut rarely, so that many small writes stay cheap.
        if self.0.len() > 4 * LOG_TAIL_BYTES {
            self.0.drain(..self.0.len() - LOG_TAIL_BYTES);
        }
    }

    /// The tail as text; what is not UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        let start = self.0.len().saturating_sub(LOG_TAIL_BYTES);
        String::from_utf8_lossy(&self.0[start..]).into_owned()
    }
}

/// Which of the two streams.
#[derive(Clone, Copy)]
pub(crate) enum Channel {
    Output,
    Log,
}

/// One of a guest's two output streams.
#[derive(Clone)]
pub(crate) struct Pipe {
    observed: Arc<Observed>,
    channel: Channel,
}

impl Pipe {
    pub(crate) const fn new(observed: Arc<Observed>, channel: Channel) -> Self {
        Self { observed, channel }
    }

    fn put(&self, bytes: &[u8]) -> Result<(), Stop> {
        match self.channel {
            Channel::Output => self.observed.output.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
            Channel::Log => {
                self.observed.log.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
                Ok(())
            }
        }
    }
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes).map_err(|stop| StreamError::Trap(stop.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_AT_ONCE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(self.put(bytes).map(|()| bytes.len()).map_err(std::io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_last_bytes_however_they_came() {
        let mut tail = Tail::default();
        for line in 0..10_000 {
            tail.write(format!("line {line}\n").as_bytes());
        }
        tail.write(&[b'x'; 100]);
        let text = tail.text();
        assert_eq!(text.len(), LOG_TAIL_BYTES);
        assert!(text.contains("line 9999\nxxx"));
        assert!(!text.contains("line 9000\n"));
    }

    #[test]
    fn output_is_taken_up_to_its_limit_and_no_further() {
        let mut output = Output::new(5);
        assert_eq!(output.write(b"abc"), Ok(()));
        assert_eq!(output.write(b"def"), Err(Stop::Output));
        assert_eq!(output.write(b"de"), Ok(()));
        assert_eq!(output.take(), b"abcde");
    }
}

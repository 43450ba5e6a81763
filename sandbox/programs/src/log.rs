//! What a program writes to its standard output and error: the end of it is kept, the lines go to the log.
//!
//! Invariants:
//! - At most [`BYTES_A_SECOND`] are read; a program that writes more waits, as at a slow terminal. A flood
//!   thereby costs the program its own time and no memory or CPU of its neighbours.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

/// How much is kept: AWS Lambda's figure for the log tail of a call.
const KEPT: usize = 4096;
/// How much an instance may write.
const BYTES_A_SECOND: usize = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

/// The end of what a program wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<VecDeque<u8>>>);

impl Log {
    /// The last 4 KiB, what is not UTF-8 replaced.
    pub(crate) fn tail(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).trim_end().to_owned()
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let over = (kept.len() + bytes.len()).saturating_sub(KEPT);
        kept.drain(..over);
        kept.extend(bytes);
    }

    /// Reads until all that could write have ended.
    pub(crate) async fn follow(self, mut output: pipe::Receiver, program: Arc<str>) {
        let mut buffer = vec![0; 16 << 10];
        let mut window = (Instant::now(), 0_usize);
        while let Ok(read @ 1..) = output.read(&mut buffer).await {
            self.keep(&buffer[..read]);
            if tracing::enabled!(tracing::Level::DEBUG) {
                for line in String::from_utf8_lossy(&buffer[..read]).lines() {
                    tracing::debug!(%program, line, "the program wrote");
                }
            }
            if window.0.elapsed() >= SECOND {
                window = (Instant::now(), 0);
            }
            window.1 += read;
            if window.1 >= BYTES_A_SECOND {
                tokio::time::sleep_until(window.0 + SECOND).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Log};

    #[test]
    fn the_end_is_kept() {
        let log = Log::default();
        log.keep(b"first\n");
        assert_eq!(log.tail(), "first");
        log.keep(&vec![b'x'; KEPT - 4]);
        assert_eq!(log.tail().len(), KEPT);
        assert!(log.tail().starts_with("rst\nx"), "{}", &log.tail()[..8]);
        log.keep(&vec![b'y'; 3 * KEPT]);
        assert_eq!(log.tail(), "y".repeat(KEPT));
    }
}

//! The generator: a request and the connections it is sent over, kept open from run to run so
//! that a warm-up warms what is measured.

use std::sync::Arc;

use crate::connection::Connection;
use crate::request::Request;
use crate::tally::Tally;

/// Sends one request over a fixed number of connections.
#[derive(Debug)]
pub struct Client {
    pub(crate) request: Arc<Request>,
    pub(crate) connections: Vec<Connection>,
}

impl Client {
    /// With this many connections, which are the most calls under way at once.
    #[must_use]
    pub fn new(request: Request, connections: usize) -> Self {
        let connections = std::iter::repeat_with(Connection::default).take(connections).collect();
        Self { request: Arc::new(request), connections }
    }

    /// Sends another request from now on, over the same connections.
    pub fn send(&mut self, request: Request) {
        self.request = Arc::new(request);
    }

    /// Sends it once and returns the status and the body.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn once(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        let connection = self.connections.first_mut().expect("invariant: at least one connection");
        let status = connection.call(&self.request).await?;
        Ok((status, connection.body().to_vec()))
    }

    /// Runs for `seconds`: at `rate` calls a second in open loop, or, when it is 0, saturating.
    ///
    /// # Errors
    /// When the timer fails.
    pub async fn run(&mut self, rate: u64, seconds: u64) -> anyhow::Result<Tally> {
        if rate == 0 { Ok(self.saturate(seconds).await) } else { self.open_loop(rate, seconds).await }
    }
}

//! The closed-loop run: each connection sends as soon as its last call is answered, which finds
//! the most calls a second a server can do. Its latencies say nothing about a server in use.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::Client;
use crate::clock::{self, SECOND};
use crate::connection::Connection;
use crate::request::Request;
use crate::tally::Tally;

/// Wait after a failure: a server that refuses at once must not be asked in a tight loop.
const BACK_OFF: Duration = Duration::from_millis(10);

impl Client {
    /// Sends as fast as the connections allow for `seconds`.
    pub async fn saturate(&mut self, seconds: u64) -> Tally {
        let until = clock::now() + seconds * SECOND;
        let mut running = JoinSet::new();
        for connection in self.connections.drain(..) {
            running.spawn(send(connection, Arc::clone(&self.request), until));
        }
        let mut tally = Tally { span: seconds * SECOND, ..Tally::default() };
        while let Some(ended) = running.join_next().await {
            let (connection, counted) = ended.expect("invariant: a connection does not panic");
            self.connections.push(connection);
            tally.join(&counted);
        }
        tally
    }
}

async fn send(mut connection: Connection, request: Arc<Request>, until: u64) -> (Connection, Tally) {
    let mut tally = Tally::default();
    loop {
        let sent = clock::now();
        if sent >= until {
            return (connection, tally);
        }
        let result = connection.call(&request).await;
        tally.count(&result, clock::now() - sent);
        if result.is_err() {
            tokio::time::sleep(BACK_OFF).await;
        }
    }
}

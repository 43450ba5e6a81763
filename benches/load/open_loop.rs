//! The open-loop run: a constant rate, whatever the server does.
//!
//! A pacer hands out tickets at their planned times; the connections take them in order. When all
//! connections are busy, tickets wait, and their wait is part of their latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::Client;
use crate::clock::{self, SECOND};
use crate::connection::Connection;
use crate::pace::{Pacer, Plan};
use crate::request::Request;
use crate::tally::Tally;

/// How long calls may be outstanding after the last send; then they count as failed.
const GRACE: Duration = Duration::from_secs(10);

/// What the connections share.
struct Tickets {
    plan: Plan,
    due: Semaphore,
    next: AtomicU64,
}

impl Client {
    /// Sends `rate` calls a second for `seconds`, at planned times.
    ///
    /// # Errors
    /// When the timer fails; failing calls are counted instead.
    pub async fn open_loop(&mut self, rate: u64, seconds: u64) -> anyhow::Result<Tally> {
        let plan = Plan::beginning_soon(rate, seconds);
        let tickets = Arc::new(Tickets { plan, due: Semaphore::new(0), next: AtomicU64::new(0) });
        let count = self.connections.len();
        let mut running = JoinSet::new();
        for connection in self.connections.drain(..) {
            running.spawn(send(connection, Arc::clone(&self.request), Arc::clone(&tickets)));
        }
        let mut pacer = Pacer::start(&plan)?;
        loop {
            match usize::try_from(pacer.due().await?)? {
                0 => break,
                due => tickets.due.add_permits(due),
            }
        }
        // One ticket past the plan for each connection tells it to end.
        tickets.due.add_permits(count);
        let mut tally = Tally { span: seconds * SECOND, ..Tally::default() };
        let all = async {
            while let Some(ended) = running.join_next().await {
                let (connection, counted) = ended.expect("invariant: a connection does not panic");
                self.connections.push(connection);
                tally.join(&counted);
            }
        };
        if timeout(GRACE, all).await.is_err() {
            let stuck = u64::try_from(running.len())?;
            tally.errors.insert(format!("connections stuck for {} s", GRACE.as_secs()), stuck);
            self.connections.resize_with(count, Connection::default);
        }
        Ok(tally)
    }
}

async fn send(mut connection: Connection, request: Arc<Request>, tickets: Arc<Tickets>) -> (Connection, Tally) {
    let mut tally = Tally::default();
    loop {
        tickets.due.acquire().await.expect("invariant: the semaphore is never closed").forget();
        let ticket = tickets.next.fetch_add(1, Ordering::Relaxed);
        if ticket >= tickets.plan.sends {
            return (connection, tally);
        }
        let planned = tickets.plan.planned(ticket);
        tally.lateness.saturating_record(clock::now().saturating_sub(planned));
        let result = connection.call(&request).await;
        tally.count(&result, clock::now().saturating_sub(planned));
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// Serves one connection, and stands still for 200 ms before the fifth reply.
    async fn stall_once(listener: TcpListener) {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut buffer = [0; 4096];
        for call in 0.. {
            if stream.read(&mut buffer).await.expect("a request") == 0 {
                return;
            }
            if call == 5 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            stream.write_all(REPLY).await.expect("a reader");
        }
    }

    #[tokio::test]
    async fn a_stall_is_charged_to_every_call_planned_during_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        tokio::spawn(stall_once(listener));
        let mut client = Client::new(Request::post(&url, &[], 8).expect("a loopback address"), 1);
        let tally = client.open_loop(500, 1).await.expect("a timer");
        assert_eq!((tally.latency.len(), tally.failed()), (500, 0));
        // 200 ms at 500 a second: a hundred calls waited, half of them more than 100 ms. A closed
        // loop would have seen a single slow one.
        let waited = tally.latency.count_between(SECOND / 10, 60 * SECOND);
        assert!(waited >= 45, "only {waited} calls were charged with the stall");
    }
}

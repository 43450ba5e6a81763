//! Work that a call has begun at a venue, asked about until it has ended.
//!
//! Invariant: asking changes nothing, so a question that failed is asked again, a bounded number of times in a row.
//!
//! Known limitation: how long to wait between two questions is bounded, whatever an answer asks for.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, sleep_until};

use crate::answer::retry_after;
use crate::route::Route;
use crate::transport::Transport;

/// The longest one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The shortest and the longest time between two questions.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// When the next question is due, and how many may still fail.
#[derive(Debug)]
pub struct Pace {
    asked: u32,
    failed: u32,
    most_failures: u32,
    told: Option<Duration>,
}

impl Pace {
    /// Nothing was asked yet. `most_failures` in a row are asked again.
    #[must_use]
    pub const fn new(most_failures: u32) -> Self {
        Self { asked: 0, failed: 0, most_failures, told: None }
    }

    /// Waits until the next question is due: 0.1 s, doubling, so that short work is not made long by it; sooner where
    /// the last answer said so. `false` when that is not before `ends`; by then it is `ends`.
    pub async fn next(&mut self, ends: Instant) -> bool {
        let due = Instant::now() + wait(self.told.take(), self.asked);
        if due >= ends {
            sleep_until(ends).await;
            return false;
        }
        sleep_until(due).await;
        self.asked = self.asked.saturating_add(1);
        true
    }

    /// Takes note of what an answer asks to wait.
    pub const fn told(&mut self, wait: Option<Duration>) {
        self.told = wait;
    }

    /// The last question was answered.
    pub const fn answered(&mut self) {
        self.failed = 0;
    }

    /// The last question failed; what to say when too many did in a row.
    ///
    /// # Errors
    /// `why`, and how often it was asked.
    pub fn failed(&mut self, why: &str) -> Result<(), String> {
        self.failed += 1;
        if self.failed <= self.most_failures {
            Ok(())
        } else {
            Err(format!("{why}; asked {} times in a row", self.failed))
        }
    }
}

/// How long to wait before the next question; `asked` is how often it was asked before.
fn wait(told: Option<Duration>, asked: u32) -> Duration {
    let own = SHORTEST_WAIT.saturating_mul(1 << asked.min(8));
    told.map_or(own, |told| told.min(own)).clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// An answer to a question.
#[derive(Debug)]
pub struct Told {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Bytes,
}

impl Told {
    /// What it asks to wait before the next question.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }
}

impl Transport {
    /// Asks once, by `GET` with these headers, for an answer of at most `max` bytes.
    ///
    /// # Errors
    /// Why there is no answer, in words; it may be asked again.
    pub async fn ask(
        &self,
        route: &Route,
        ends: Instant,
        max: usize,
        headers: impl Fn() -> HeaderMap,
    ) -> Result<Told, String> {
        let shown = route.shown();
        let ends = ends.min(Instant::now() + QUESTION_TIMEOUT);
        let Ok(_place) = self.admit(route, ends).await else {
            return Err(format!("no connection was free to ask `{shown}`"));
        };
        let build = |_| route.request(Method::GET, headers(), Bytes::new());
        let answer = self.send(route, ends, build).await.map_err(|error| error.message)?;
        let (status, headers) = (answer.head.status, answer.head.headers);
        match answer.body.whole(max, ends).await {
            Ok((body, _)) => Ok(Told { status, headers, body }),
            Err(_) => Err(format!("`{shown}` did not answer whole")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_bounded_whatever_is_told() {
        let millis = |told: Option<u64>, asked| wait(told.map(Duration::from_secs), asked).as_millis();
        assert_eq!([millis(None, 0), millis(None, 1), millis(None, 8), millis(None, 99)], [100, 200, 25_600, 25_600]);
        // A starter's ten seconds are not waited for by a call that is over sooner.
        assert_eq!([millis(Some(10), 0), millis(Some(10), 8), millis(Some(0), 5)], [100, 10_000, 100]);
        assert_eq!(millis(Some(u64::MAX), 99), 25_600);
    }

    #[test]
    fn so_many_failures_in_a_row_are_enough() {
        let mut pace = Pace::new(2);
        assert!(pace.failed("no").is_ok() && pace.failed("no").is_ok());
        assert_eq!(pace.failed("it is silent"), Err("it is silent; asked 3 times in a row".to_owned()));
        pace.answered();
        assert!(pace.failed("no").is_ok());
    }
}

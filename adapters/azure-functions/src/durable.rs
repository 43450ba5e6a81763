//! An orchestration that a call has begun, asked about until it has ended.
//!
//! Invariants: nobody is asked but a host that the configuration or Azure's own names allow; a question that
//! failed is asked again, since asking changes nothing; the call has run, however the asking ends.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use merit_transport::{Route, failure, retry_after};
use merit_venue::{ErrorKind, Outcome, Reply, VenueError};
use tokio::time::{Instant, sleep_until};

use crate::poll::{self, Doing};
use crate::venue::{Admitted, AzureVenue, reply};

/// Questions in a row that may fail.
const MOST_FAILURES: u32 = 10;

/// The longest one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);

/// What a question came to.
enum Told {
    Doing(Doing),
    /// It may be asked again.
    Again(String),
    /// It need not be asked again.
    Never(ErrorKind, String),
}

impl AzureVenue {
    /// Asks until the orchestration has ended; `sent` is when the call was.
    pub(crate) async fn follow(&self, admitted: &Admitted, url: Uri, sent: Instant) -> Result<Reply, VenueError> {
        let ran = |kind, message: String| {
            let measured = self.measure(sent, Instant::now(), 0);
            VenueError::ran(kind, message, measured.usage, measured.basis)
        };
        let shown = &admitted.shown;
        let route = self.routes.absolute(&url).map_err(|why| {
            let named = url.authority().map_or("", |authority| authority.host());
            ran(ErrorKind::MalformedReply, format!("`{shown}` says to ask `{named}` how its call is doing: {why}"))
        })?;
        let (mut asked, mut failures, mut told_wait) = (0, 0, None);
        loop {
            let next = Instant::now() + poll::wait(told_wait.take(), asked);
            if next >= admitted.ends {
                sleep_until(admitted.ends).await;
                let late = failure::timed_out(Outcome::Ran, "waiting for the orchestration of", shown, sent.elapsed());
                let measured = self.measure(sent, Instant::now(), 0);
                return Err(VenueError { usage: Some(measured.usage), meters: measured.basis, ..late });
            }
            sleep_until(next).await;
            asked += 1;
            let why = match self.ask(admitted, &route, &mut told_wait).await {
                Told::Doing(Doing::Running) => {
                    failures = 0;
                    continue;
                }
                Told::Doing(Doing::Completed(output)) => {
                    let measured = self.measure(sent, Instant::now(), output.len());
                    let json = HeaderValue::from_static("application/json");
                    return Ok(reply(StatusCode::OK, Some(json), output, measured));
                }
                Told::Doing(Doing::Failed(error)) => {
                    let measured = self.measure(sent, Instant::now(), error.message.len());
                    let payload = error.message.clone().into();
                    let failed = reply(StatusCode::INTERNAL_SERVER_ERROR, None, payload, measured);
                    return Ok(Reply { function_error: Some(error), ..failed });
                }
                Told::Never(kind, why) => return Err(ran(kind, why)),
                Told::Again(why) => why,
            };
            failures += 1;
            if failures > MOST_FAILURES {
                return Err(ran(ErrorKind::Unavailable, format!("{why}; asked {failures} times in a row")));
            }
        }
    }

    /// Asks once.
    async fn ask(&self, admitted: &Admitted, route: &Route, told_wait: &mut Option<Duration>) -> Told {
        let shown = route.shown();
        let ends = admitted.ends.min(Instant::now() + QUESTION_TIMEOUT);
        let Ok(_place) = self.transport.admit(route, ends).await else {
            return Told::Again(format!("no connection was free to ask `{shown}`"));
        };
        let build = |_| route.request(Method::GET, admitted.proofs(), bytes::Bytes::new());
        let answer = match self.transport.send(route, ends, build).await {
            Ok(answer) => answer,
            Err(error) => return Told::Again(error.message),
        };
        let status = answer.head.status;
        *told_wait = wait_told(&answer.head.headers);
        let Ok((body, _)) = answer.body.whole(self.config.max_reply_bytes, ends).await else {
            return Told::Again(format!("`{shown}` did not answer whole"));
        };
        let answered = |what: &str| format!("`{shown}` answered {status} to how an orchestration is doing{what}");
        match status.as_u16() {
            200 | 202 => match poll::read(status, &body) {
                Ok(doing) => Told::Doing(doing),
                Err(why) => Told::Never(ErrorKind::MalformedReply, answered(&format!(": {why}"))),
            },
            401 | 403 => Told::Never(ErrorKind::BadCredentials, answered("")),
            404 | 410 => Told::Never(ErrorKind::NotFound, answered(": its history may have been purged")),
            408 | 429 | 500..=599 => Told::Again(answered("")),
            _ => Told::Never(ErrorKind::MalformedReply, answered("")),
        }
    }
}

fn wait_told(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers)
}

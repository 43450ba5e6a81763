//! An orchestration that a call has begun, asked about until it has ended.
//!
//! Invariants: nobody is asked but a host that the configuration or Azure's own names allow; a question that
//! failed is asked again, since asking changes nothing; the call has run, however the asking ends.

use http::{HeaderValue, Uri};
use merit_transport::following::Pace;
use merit_transport::{Route, failure};
use merit_venue::{ErrorKind, Outcome, Reply, VenueError};
use tokio::time::Instant;

use crate::poll::{self, Doing};
use crate::venue::{Admitted, AzureVenue};

/// Questions in a row that may fail.
const MOST_FAILURES: u32 = 10;

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
        let mut pace = Pace::new(MOST_FAILURES);
        while pace.next(admitted.ends).await {
            let why = match self.ask(admitted, &route, &mut pace).await {
                Told::Doing(Doing::Running) => {
                    pace.answered();
                    continue;
                }
                Told::Doing(Doing::Completed(output)) => {
                    let measured = self.measure(sent, Instant::now(), output.len());
                    let json = HeaderValue::from_static("application/json");
                    return Ok(Reply::plain(200, Some(json), output, measured));
                }
                Told::Doing(Doing::Failed(error)) => {
                    let measured = self.measure(sent, Instant::now(), error.message.len());
                    let payload = error.message.clone().into();
                    let failed = Reply::plain(500, None, payload, measured);
                    return Ok(Reply { function_error: Some(error), ..failed });
                }
                Told::Never(kind, why) => return Err(ran(kind, why)),
                Told::Again(why) => why,
            };
            pace.failed(&why).map_err(|why| ran(ErrorKind::Unavailable, why))?;
        }
        let late = failure::timed_out(Outcome::Ran, "waiting for the orchestration of", shown, sent.elapsed());
        let measured = self.measure(sent, Instant::now(), 0);
        Err(VenueError { usage: Some(measured.usage), meters: measured.basis, ..late })
    }

    /// Asks once.
    async fn ask(&self, admitted: &Admitted, route: &Route, pace: &mut Pace) -> Told {
        let asked = self.transport.ask(route, admitted.ends, self.config.max_reply_bytes, || admitted.proofs()).await;
        let told = match asked {
            Ok(told) => told,
            Err(why) => return Told::Again(why),
        };
        pace.told(told.wait());
        let (status, shown) = (told.status, route.shown());
        let answered = |what: &str| format!("`{shown}` answered {status} to how an orchestration is doing{what}");
        match status.as_u16() {
            200 | 202 => match poll::read(status, &told.body) {
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

//! What a broken exchange means for money.
//!
//! | where it broke | outcome |
//! |---|---|
//! | waiting for a connection, connecting, or hyper handed the request back | `NotStarted` |
//! | HTTP/2: the server says that it did not begin it (REFUSED_STREAM, or GOAWAY with a lower stream) | `NotStarted` |
//! | after the request was begun, before the reply's head | `Unknown` |
//! | after the head of a reply that says the function ran | `Ran` |

use std::error::Error as StdError;
use std::io;

use merit_venue::{ErrorKind, Measured, Outcome, VenueError};
use tokio::time::Instant;

use crate::answer::Unread;
use crate::route::Route;

/// No reply's head came, because the connection broke or what came is not HTTP.
pub(crate) fn without_head(route: &Route, error: hyper::Error) -> VenueError {
    let shown = route.shown();
    let (kind, message) = if error.is_parse() {
        (ErrorKind::MalformedReply, format!("`{shown}` answered with something that is not HTTP/1.1: {error}"))
    } else {
        (ErrorKind::ConnectionCut, format!("`{shown}` closed the connection before it answered: {error}"))
    };
    VenueError::unknown(kind, message).with_source(error)
}

/// No reply's head came on a stream of HTTP/2: it was reset, or its connection ended.
pub(crate) fn without_http2_head(route: &Route, error: h2::Error) -> VenueError {
    let shown = route.shown();
    let (kind, message) = if error.is_library() {
        (ErrorKind::MalformedReply, format!("`{shown}` answered with something that is not HTTP/2: {error}"))
    } else if error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) {
        (ErrorKind::Misconfigured, format!("`{shown}` wants HTTP/1.1 although it offered HTTP/2: set `http2 = false`"))
    } else if error.is_reset() {
        (ErrorKind::ConnectionCut, format!("`{shown}` reset the call before it answered: {error}"))
    } else {
        (ErrorKind::ConnectionCut, format!("`{shown}` closed the connection before it answered: {error}"))
    };
    VenueError::unknown(kind, message).with_source(error)
}

/// The server said of a call, twice, that it did not begin it.
pub(crate) fn refused(route: &Route, error: h2::Error) -> VenueError {
    let message = format!("`{}` refused the call before it began: {error}", route.shown());
    VenueError::not_started(ErrorKind::Unavailable, message).with_source(error)
}

/// A fresh connection ended before the request was begun.
pub(crate) fn unsent(route: &Route) -> VenueError {
    let message = format!("`{}` closed a new connection before the request", route.shown());
    VenueError::not_started(ErrorKind::Connect, message)
}

/// The body of the answer of a function that ran did not come whole. Where an answer's head does not tell
/// whether the function ran, the adapter sets another outcome.
#[must_use]
pub fn without_body(shown: &str, error: Unread, max: usize, measured: Measured) -> VenueError {
    let Measured { usage, basis } = measured;
    match error {
        Unread::TooLarge => {
            let message = format!("`{shown}` sent more than the {max} bytes allowed: raise `max_reply_bytes`");
            VenueError::ran(ErrorKind::ReplyTooLarge, message, usage, basis)
        }
        Unread::Broken(error) if is_invalid(&*error) => {
            let message = format!("`{shown}` sent a reply whose framing is broken: {error}");
            VenueError::ran(ErrorKind::MalformedReply, message, usage, basis).with_source(error)
        }
        Unread::Broken(error) => {
            let message = format!("`{shown}` closed the connection within its reply");
            VenueError::ran(ErrorKind::ConnectionCut, message, usage, basis).with_source(error)
        }
        Unread::Late => {
            let late = timed_out(Outcome::Ran, "reading the reply of", shown, usage.duration.to_std());
            VenueError { usage: Some(usage), meters: basis, ..late }
        }
    }
}

/// Whether the cause is bytes that are not of the protocol, and not a connection that ended.
fn is_invalid(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(http2) = inner.downcast_ref::<h2::Error>() {
            return http2.is_library();
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
        }
        cause = inner.source();
    }
    false
}

/// The head of the answer did not come in time.
pub(crate) fn no_head_in_time(route: &Route, sent: Instant) -> VenueError {
    timed_out(Outcome::Unknown, "waiting for the reply of", &route.shown(), sent.elapsed())
}

/// Time ran out; `doing` says at what, such as "waiting for the reply of".
#[must_use]
pub fn timed_out(outcome: Outcome, doing: &str, shown: &str, waited: std::time::Duration) -> VenueError {
    let millis = waited.as_millis();
    VenueError::new(outcome, ErrorKind::Timeout, format!("time ran out after {millis} ms {doing} `{shown}`"))
}

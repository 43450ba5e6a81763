//! What a broken exchange means for money.
//!
//! | where it broke | outcome |
//! |---|---|
//! | waiting for a connection, connecting, or hyper handed the request back | `NotStarted` |
//! | after the request was begun, before the reply's head | `Unknown` |
//! | after the head of a reply that says the function ran | `Ran` |

use std::error::Error as StdError;
use std::io;

use merit_venue::{ErrorKind, Measured, Outcome, VenueError};

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

/// A fresh connection ended before hyper began to send the request.
pub(crate) fn unsent(route: &Route, error: hyper::Error) -> VenueError {
    let message = format!("`{}` closed a new connection before the request", route.shown());
    VenueError::not_started(ErrorKind::Connect, message).with_source(error)
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
        Unread::Broken(error) if is_invalid(&error) => {
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
fn is_invalid(error: &hyper::Error) -> bool {
    let mut cause: Option<&dyn StdError> = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
        }
        cause = inner.source();
    }
    false
}

/// Time ran out; `doing` says at what, such as "waiting for the reply of".
#[must_use]
pub fn timed_out(outcome: Outcome, doing: &str, shown: &str, waited: std::time::Duration) -> VenueError {
    let millis = waited.as_millis();
    VenueError::new(outcome, ErrorKind::Timeout, format!("time ran out after {millis} ms {doing} `{shown}`"))
}

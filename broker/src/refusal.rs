//! Why a request was refused, as values.
//!
//! Precedence, first match wins: overloaded, unauthenticated, forbidden, rate limited, unknown
//! function, malformed terms, path or headers too long, payload too large, idempotency conflict, event queue full, no eligible
//! deployment, budget exhausted, venues failed, deadline passed. What the client sees of each is decided
//! in one place, `doors::problem`.

use merit_units::{AccountId, FunctionId, InvocationId, Micros, Money, Month, VenueId};

use merit_wire::{AttemptView, ExclusionView};

/// A refused request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// More calls in flight than the broker takes on.
    #[error("{in_flight} calls are in flight and server.max_in_flight is {limit}; try again shortly")]
    Overloaded {
        /// Calls in flight.
        in_flight: usize,
        /// The limit.
        limit: usize,
    },
    /// Receipts come faster than the disk takes them; a further one could be lost.
    #[error("{queued} receipts wait to be written and store.queue is {limit}; the disk is too slow, try again shortly")]
    StoreBehind {
        /// Receipts that wait.
        queued: usize,
        /// The limit.
        limit: usize,
    },
    /// As many events wait as there may.
    #[error("{queued} {what} wait to be delivered and {named} is {limit}; try again later")]
    EventQueueFull {
        /// `events` or `bytes of events`.
        what: &'static str,
        /// How many wait.
        queued: u64,
        /// The limit.
        limit: u64,
        /// The setting.
        named: &'static str,
    },
    /// More writes wait for the disk than the store takes.
    #[error("too much waits to be written to disk; try again shortly")]
    StoreBusy,
    /// The broker is shutting down.
    #[error("this broker is draining and takes no new calls; send the call to another, or again shortly")]
    Draining,
    /// No key, or one that is unknown, malformed or revoked.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// A key without the role.
    #[error("the key has not the role `{role}` that this needs; make one with `merit keys create --role {role}`")]
    Forbidden {
        /// The missing role.
        role: &'static str,
    },
    /// A provider's key, at a venue it is not bound to.
    #[error(
        "the key does not act for `{venue}`; make one that does with `merit keys create --role provider --venue {venue}`"
    )]
    NotYourVenue {
        /// The venue.
        venue: VenueId,
    },
    /// Too many calls from a key or account.
    #[error("over the rate of {limit} calls a second for this {scope}; wait {} ms", retry_after.millis_ceil())]
    RateLimited {
        /// `key` or `account`.
        scope: &'static str,
        /// Calls a second.
        limit: u32,
        /// When the next call fits.
        retry_after: Micros,
    },
    /// A provider's quotes, or its changes of what is kept of its venue, came too fast; what to do.
    #[error("{0}")]
    TooManyChanges(String),
    /// Too many readers of market data.
    #[error("{named}, {limit}, is reached for this {scope}; close a connection, or subscribe to more on one of them")]
    TooManyReaders {
        /// `key` or `broker`.
        scope: &'static str,
        /// Connections.
        limit: usize,
        /// The setting.
        named: &'static str,
    },
    /// No function of that name.
    #[error("there is no function `{name}`{}", near_hint(near))]
    UnknownFunction {
        /// What was asked for.
        name: String,
        /// Names that resemble it.
        near: Vec<String>,
    },
    /// Something else that was named does not exist.
    #[error("there is no {kind} `{name}`{}", near_hint(near))]
    Unknown {
        /// What kind of thing.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// Names that resemble it.
        near: Vec<String>,
    },
    /// A header that can't be read.
    #[error("header `{header}`: {reason}")]
    MalformedTerms {
        /// The header.
        header: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A body, path or query that can't be read.
    #[error("{0}")]
    BadRequest(String),
    /// A path that knows the method not.
    #[error("{method} is not allowed on {path}")]
    MethodNotAllowed {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// The payload exceeds the limit.
    #[error("the payload is over {named}, {limit} bytes")]
    PayloadTooLarge {
        /// What sets the limit.
        named: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The path and query of a request of plain HTTP exceed the limit.
    #[error("path and query are over server.max_url_bytes, {limit} bytes; send what is long in the body")]
    UrlTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The headers of a request of plain HTTP exceed the limit.
    #[error("the headers are over server.max_header_bytes, {limit} bytes; send fewer cookies, or shorter ones")]
    HeadersTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The same idempotency key is being served right now.
    #[error(
        "a call with this idempotency key is still running; wait for it, then repeat the same request to get its reply"
    )]
    IdempotencyInFlight,
    /// A call with this key was cut off by a crash and may have run.
    #[error(
        "a call with this idempotency key was cut off when the broker stopped and may have run; use a new key to run it again"
    )]
    IdempotencyOutcomeUnknown,
    /// The same key with another payload.
    #[error("this idempotency key was used with another payload or function; use a new key for a new request")]
    IdempotencyMismatch,
    /// No deployment met the terms.
    #[error("no deployment of `{function}` meets the terms; see `exclusions` for each")]
    NoEligibleVenue {
        /// The function.
        function: FunctionId,
        /// Why each was not eligible.
        exclusions: Vec<ExclusionView>,
    },
    /// The budget can't hold what the call may cost.
    #[error(
        "the budget of `{account}` for {month} is {budget} dollars, of which {spent} are spent and {held} held; this call needs {needed} held"
    )]
    BudgetExhausted {
        /// Whose.
        account: AccountId,
        /// Which month.
        month: Month,
        /// Hard limit.
        budget: Money,
        /// Charged.
        spent: Money,
        /// Held.
        held: Money,
        /// What the call needed.
        needed: Money,
    },
    /// Every attempt failed.
    #[error("every attempt failed; the last: {last}")]
    VenuesFailed {
        /// What was tried.
        attempts: Vec<AttemptView>,
        /// The last failure in words.
        last: String,
        /// Whether the same request may be repeated without running twice.
        retryable: bool,
    },
    /// The deadline passed first.
    #[error("the deadline passed after {} ms", waited.millis_ceil())]
    DeadlinePassed {
        /// What was tried.
        attempts: Vec<AttemptView>,
        /// How long it took.
        waited: Micros,
        /// Whether the same request may be repeated without running twice.
        retryable: bool,
    },
    /// A fault of the broker's own.
    #[error("{0}")]
    Internal(String),
}

fn near_hint(near: &[String]) -> String {
    match near {
        [] => String::new(),
        names => format!("; did you mean `{}`?", names.join("`, `")),
    }
}

/// A refusal and the invocation it ended, when there was one.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Why.
    pub refusal: Box<Refusal>,
    /// The invocation, once it was admitted.
    pub invocation: Option<InvocationId>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal: Box::new(refusal), invocation: None }
    }
}

//! The acceptance cards of an adapter, run against a local server that speaks its protocol.
//!
//! | card | the server | what the adapter must say |
//! |---|---|---|
//! | 1 success | echoes the payload and its media type | both, untouched as far as the protocol carries them, and what it used |
//! | 2 function error | reports an error of the function | a reply with `function_error`: it ran |
//! | 3 throttle | is over capacity, names a wait | `Throttled`, `NotStarted`, the wait |
//! | 4 timeout before start | lets no call begin | `Timeout`, `NotStarted`, by the deadline; no call arrived |
//! | 5 timeout after start | takes the call, never answers | `Timeout`, not `NotStarted`, by the deadline; one call arrived |
//! | 6 oversize payload | takes less than is sent | `PayloadTooLarge`, `NotStarted` |
//! | 7 oversize reply | sends more than is allowed | `ReplyTooLarge`, `Ran` |
//! | 8 bad credentials | refuses the credentials | `BadCredentials`, `NotStarted`, and no secret in the error |
//! | 9 malformed reply | sends bytes that are not of the protocol | `MalformedReply`, not `NotStarted` |
//! | 10 error page | sends an HTML page of a gateway | an error, not a reply, and not `NotStarted` |
//! | 11 connection cut | ends within the reply | `ConnectionCut`, not `NotStarted`; one call arrived |
//! | 12 billed meters | tells what the call used | just that as `Reported`, or the own clock as `OwnClock` |
//! | 13 unknown function | does not know the function | `NotFound`, `NotStarted` |
//! | 14 after a failure | fails one call, serves the next | the next succeeds: no failure poisons what follows |
//!
//! | 15 no such name | has a name that does not resolve | `Dns`, `NotStarted`; the venue is unready, says what to do, and comes back |
//! | 16 untrusted certificate | has a certificate that nobody vouches for | `Tls`, likewise |
//!
//! Every adapter, every preset of the HTTP adapter and every way to call asynchronously runs every card, but for these:
//!
//! | who | not | why |
//! |---|---|---|
//! | Cloudflare Workers | 2 | a Worker has no protocol for its errors; a card of its own looks at what it throws and answers |
//! | tasks of Function Compute | 1 | replies of tasks are texts, and the card's payload is every byte there is |
//! | tasks of Function Compute | 11, 14 | a submission whose answer was lost is made again, with an id by which it runs once |
//! | OpenFaaS's queue | 11, otherwise | a reply that is brought is a request of its own; the gateway's answer is cut instead |
//!
//! An adapter's tests implement [`Fixture`] and write [`conformance_cards!`](crate::conformance_cards),
//! which makes one test of each card but the last two: those need [`Reaching`] and are named. A card panics with what it saw when the adapter fails it.
//!
//! Known limitation: the cards wait real time, because they use real sockets; none waits more
//! than [`PATIENCE`] when the adapter is right.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use merit_pricing::Usage;
use merit_units::{FunctionId, InvocationId};
use tokio::time::Instant;

use crate::{Call, Target, Venue};

pub mod calls;
pub mod captured;
mod cards;
mod reaching;
pub mod server;

pub use cards::*;
pub use reaching::*;

/// How the server behaves. Every field is what the card then checks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// Answers with the payload and the media type it was sent.
    Echo,
    /// Reports an error of the function, in the protocol's way.
    FunctionError {
        /// Its kind.
        kind: &'static str,
        /// Its message.
        message: &'static str,
    },
    /// Is over capacity.
    Throttle {
        /// Whole seconds to wait, told in the protocol's way.
        retry_after: Duration,
    },
    /// Lets no call begin: a full backlog, or a pool whose only connection is in use.
    NotAccepting,
    /// Reads the call whole and never answers.
    Silent,
    /// Takes payloads up to this size, and refuses larger ones as the protocol has it.
    TakesAtMost(usize),
    /// The adapter is configured to take this many bytes of reply, and the server sends more.
    SendsMoreThan(usize),
    /// Refuses the credentials. The adapter is configured with [`SECRET`] as credential.
    RefusesCredentials,
    /// Answers with bytes that are not of the protocol.
    Garbage,
    /// Answers like a gateway that lost its backend: status 502 and a page of HTML.
    ErrorPage,
    /// Announces a reply, sends half of it, ends the connection.
    CutMidReply,
    /// Answers after the call took at least as long as this says, and tells so where the protocol can.
    Metered(Usage),
    /// Knows no function.
    UnknownFunction,
    /// Ends the connection of the first call within the reply, then behaves as [`Behaviour::Echo`].
    CutOnce,
}

/// The credential an adapter is given for the cards; it must appear in no error.
pub const SECRET: &str = "s3cr3t-credential-of-the-cards";

/// How long a card waits for an adapter to keep a deadline, beyond the deadline itself.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Starts servers for one adapter.
pub trait Fixture: Send + Sync {
    /// A server that behaves so, with an adapter configured to reach it.
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running>;

    /// Whether the adapter's protocol tells meters.
    fn tells_meters(&self) -> bool;

    /// What of a call's usage the protocol can tell; Lambda's, for one, has no word for CPU time.
    fn told_of(&self, usage: Usage) -> Usage {
        usage
    }

    /// Whether the adapter's protocol carries the media type of a payload and of a reply.
    fn carries_media_types(&self) -> bool {
        true
    }
}

/// A running server and the adapter that reaches it; dropping it stops the server.
pub struct Running {
    /// The adapter.
    pub venue: Arc<dyn Venue>,
    /// A deployment on the server.
    pub target: Arc<Target>,
    /// The server.
    pub server: Box<dyn Server>,
}

/// What a card asks a server.
pub trait Server: Send + Sync {
    /// How many calls arrived whole, so that a function would have begun.
    fn calls(&self) -> usize;
}

impl Running {
    /// A call with that payload and ten seconds left.
    #[must_use]
    pub fn call(&self, payload: impl Into<Bytes>) -> Call {
        call(&self.target, payload)
    }
}

/// A call of a deployment with that payload and ten seconds left.
fn call(target: &Arc<Target>, payload: impl Into<Bytes>) -> Call {
    Call {
        invocation: InvocationId::v7(1_795_255_200_000, 7),
        attempt: 1,
        function: FunctionId::try_new("card").expect("invariant: a valid name"),
        target: Arc::clone(target),
        payload: payload.into(),
        content_type: Some(HeaderValue::from_static("application/vnd.merit.card")),
        traceparent: None,
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(10),
        lambda: None,
        http: None,
    }
}

/// Makes one `#[tokio::test]` of each card for a fixture; the crate needs tokio with `macros` and `rt`.
///
/// ```text
/// merit_venue::conformance_cards!(MyFixture);
/// ```
#[macro_export]
macro_rules! conformance_cards {
    ($fixture:expr) => {
        $crate::conformance_cards!($fixture;
            card_01_success card_02_function_error card_03_throttle card_04_timeout_before_start
            card_05_timeout_after_start card_06_oversize_payload card_07_oversize_reply card_08_bad_credentials
            card_09_malformed_reply card_10_error_page card_11_connection_cut card_12_billed_meters
            card_13_unknown_function card_14_after_a_failure
        );
    };
    ($fixture:expr; $($card:ident)*) => {
        $(
            #[tokio::test]
            async fn $card() {
                $crate::conformance::$card(&$fixture).await;
            }
        )*
    };
}

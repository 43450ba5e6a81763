//! What every adapter offers the broker: call a deployment, list what is deployed, tell the
//! price sheet and the limits; and what a failure means for money.
//!
//! Invariants:
//! - A call never outlives its deadline, and never costs more than one attempt: an adapter
//!   repeats nothing that could have reached the venue, but what the venue itself runs only once. Retries are the
//!   broker's, which knows whether the function is idempotent.
//! - Every failure carries an [`Outcome`]. [`Outcome::NotStarted`] is claimed only when it is
//!   proven; doubt is [`Outcome::Unknown`].
//! - A reply says whether its meters were told by the venue or taken by the own clock.
//!
//! The `conformance` feature holds the numbered cards each adapter must pass.
//!
//! Known limitation: a venue streams replies only where its adapter implements [`Venue::stream`];
//! the others hand a reply on in one piece.

mod call;
mod check;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod http_head;
pub mod lane;
mod lockout;
mod measured;
pub mod meter_header;
mod streamed;
mod target;
mod venue;

pub use call::{Call, FunctionError, LambdaContext, MeterBasis, Reply};
pub use check::{Step, StepResult, absent};
pub use config::{ConfigError, ConfigErrors, check_url, no_call, no_time, shown_url};
pub use error::{ErrorKind, Outcome, VenueError};
pub use http_head::HttpHead;
pub use lockout::Lockout;
pub use measured::{Measured, Meters};
pub use streamed::{Piece, Streamed};
pub use target::{Target, TargetError};
pub use venue::{Alias, Discovered, Limits, Venue};

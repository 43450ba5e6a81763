//! Azure Functions as a venue: one venue is one region of one subscription.
//!
//! A call is `POST` to a function's HTTP trigger, with a function key, an Entra token, or both. Tokens are by
//! Microsoft's own library (`identity`) and had ahead of the calls. A starter of Durable Functions is polled
//! until its orchestration has ended (`durable`). What each answer means for money is in `meaning`; where a
//! target is called in `route`; what is deployed in `discover`.
//!
//! Invariants:
//! - Nothing is sent twice, except a request that hyper hands back as never begun, and the questions how an
//!   orchestration is doing.
//! - No call waits for a token but the first; without a token a call is refused at once.
//! - Keys and tokens go to the hosts that the configuration and Azure's own names allow, also where an
//!   answer names another; they appear in no log, error or debug output.
//!
//! Known limitations: Azure tells no meters with a reply, so usage is by the own clock, less the round trip
//! that the configuration gives; the memory that the Consumption plan bills is told by its metrics only, so it
//! is taken to be what the configuration says, and the charge is an estimate. Replies are not
//! streamed. An orchestration whose caller's time runs out goes on.

mod arm;
mod check;
mod config;
mod discover;
mod durable;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the target is the library of the fuzzer too")]
mod fuzz;
mod identity;
mod meaning;
mod poll;
mod route;
mod venue;

pub use config::{AzureConfig, Entra, EntraFrom, LOAD_BALANCER_CUT, MAX_BODY_BYTES, MAX_DURATION};
pub use venue::AzureVenue;

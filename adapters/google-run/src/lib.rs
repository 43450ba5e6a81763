//! Cloud Run and Cloud Run functions as a venue: one venue is one region of one project.
//!
//! A call is `POST` to the service's own URL with an ID token made out to it. Tokens are by Google's own
//! library (`identity`), had ahead of the calls and kept by audience. What each answer means for money is in
//! `meaning`; where a target is called, and for which audience, in `route`; what is deployed in `discover`; whether a call
//! would be let in, in `dry`.
//!
//! Invariants:
//! - Nothing is sent twice, except a request that hyper hands back as never begun.
//! - No call waits for a token but the first of its audience; without a token a call is refused at once.
//! - A token goes to the hosts that the configuration and Google's own names allow, and appears in no log,
//!   error or debug output.
//!
//! Known limitations: Google tells no meters with a reply, so usage is by the own clock, less the round trip
//! that the configuration gives, and the charge is an estimate. Replies are not streamed.

mod assertion;
mod check;
mod config;
mod discover;
mod dry;
mod exchange;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the target is the library of the fuzzer too")]
mod fuzz;
mod identity;
mod jwt;
mod meaning;
mod quantity;
mod route;
mod venue;

pub use config::{CredentialsFrom, GoogleRunConfig, MAX_BODY_BYTES, MAX_DURATION};
pub use venue::GoogleRunVenue;

//! The Lambda Runtime API, from the side of the service: where programs ask for calls and answer them.
//!
//! Sources: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>, read 2026-11-21.
//!
//! The [`Desk`] is the state: who asks, which call is out, what was answered. [`server`] speaks HTTP for it.
//!
//! Invariants:
//! - One call is out at a time. It gets one answer, by its own id; anything else ends the instance with a name for it.
//! - A call counts as handed over only when somebody asked for it and was there to take it.

mod desk;
mod extensions;
mod server;

pub(crate) use desk::{Desk, Work};
pub(crate) use server::serve;

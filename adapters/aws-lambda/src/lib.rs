//! AWS Lambda as a venue: one venue is one region of one account.
//!
//! A target is a function's name, `name:alias`, `name:version` or an ARN. A call is `Invoke`, with the
//! end of the log when Lambda's meters are to be believed; a streamed call `InvokeWithResponseStream`.
//! What each error of the API means for money is in `meaning`.
//!
//! The official SDK finds credentials and endpoints, and lists functions. Calls are signed by its signing crate,
//! `aws-sigv4`, and sent by `merit-transport`, like those of every other cloud (ADR 38).
//!
//! Invariants:
//! - Nothing is sent twice: see `merit-transport`.
//! - No call waits for credentials but the first; without credentials a call is refused at once.
//! - The endpoint is AWS's own or the configured one: what the environment says about endpoints
//!   (`AWS_ENDPOINT_URL_LAMBDA`) is for callers of Merit, and would make Merit call itself.
//!
//! Known limitations: a payload's media type is not passed on, since Lambda takes JSON alone; no
//! single sign-on profiles, whose SDK parts are left out for their size; IPv6 and FIPS endpoints by
//! `endpoint_url` only.

mod check;
mod config;
mod credentials;
mod discover;
mod endpoint;
mod failure;
mod meaning;
mod provider;
mod reply;
mod request;
mod stream;
mod target;
mod trace;
mod usage;
mod venue;

pub use config::{AssumeRole, CredentialsFrom, LambdaConfig, MAX_BODY_BYTES, MAX_DURATION};
pub use venue::LambdaVenue;

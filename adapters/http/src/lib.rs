//! Venues that are plain HTTP functions: a Cloud Run style service, an OpenFaaS gateway, a
//! Knative ingress, a server of one's own.
//!
//! A call is `POST {base}/{target}` with the payload as body. What an answer means for money is in
//! `status`, what a broken connection means in `failure`. Connections are hyper's own, kept in a
//! bounded pool per venue and driven by the very task that makes the call.
//!
//! Invariants:
//! - Nothing is sent twice, except a request that hyper hands back as never begun.
//! - A venue never has more connections open than its configuration allows.
//! - The address is checked after the name is resolved, at every connect; redirects are not
//!   followed and proxies of the environment not used. A reply cannot steer a call elsewhere.
//! - Configured headers go only to the base URL's authority and the hosts the configuration
//!   names, and appear in no log, error or debug output.
//!
//! Known limitation: HTTP/1.1 only. A reply that is not streamed is held in memory whole.

mod address;
mod config;
mod connect;
mod connection;
mod failure;
mod meters;
mod pool;
mod request;
mod route;
mod signature;
mod status;
mod streaming;
mod tls;
mod venue;

pub use config::{HttpConfig, Meters};

pub use merit_webhooks::{NotASecret, SharedSecret, TOLERANCE_SECONDS};
pub use signature::{BadSignature, Signing};
pub use venue::HttpVenue;

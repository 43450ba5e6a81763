//! Venues that are plain HTTP functions: a Cloud Run style service, an OpenFaaS gateway, a
//! Knative ingress, a server of one's own.
//!
//! A call is `POST {base}/{target}` with the payload as body, over `merit-transport`. What an answer means for
//! money is in `status`. A call by the queue of OpenFaaS is in `queued`: its reply is brought to a door of the caller, whose
//! waiting calls are [`Callbacks`].
//!
//! Invariant: configured headers go only to the base URL's authority and the hosts the configuration
//! names, and appear in no log, error or debug output.
//!
//! Known limitation: a reply that is not streamed is held in memory whole.

mod callbacks;
mod config;
mod meters;
mod preset;
mod queued;
mod request;
mod route;
mod signature;
mod status;
mod streaming;
mod venue;

pub use callbacks::{Callback, CallbackDoor, Callbacks, Expected, Full};
pub use config::HttpConfig;
pub use preset::{Knative, OpenFaas, Preset};

pub use merit_webhooks::{NotASecret, SharedSecret, TOLERANCE_SECONDS};
pub use signature::{BadSignature, Signing};
pub use venue::HttpVenue;

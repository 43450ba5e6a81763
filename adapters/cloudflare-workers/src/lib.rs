//! Cloudflare Workers as a venue.
//!
//! A Worker is called by plain HTTPS at its route or below `workers.dev`, with a bearer token that the Worker checks, an
//! Access service token that Cloudflare checks before it, or both. What stands in front of Workers answers with error
//! pages of its own, which are told from the Worker's answers by their numbers.
//!
//! No answer tells the CPU time that is billed, and without analytics no reply of this adapter does: whoever prices the call
//! takes what other deployments measured, or the time the call took. Charges are marked as estimated either way.
//!
//! | file | what |
//! |---|---|
//! | `config` | what a venue needs, and its checks |
//! | `target` | from a deployment's target to a route |
//! | `venue` | one attempt from payload to reply |
//! | `meaning` | each answer: whether it ran, and what kind of failure it is |
//! | `cpu` | the estimate of what no answer tells |
//! | `discover` | the scripts of the account |
//!
//! Invariants: nothing is sent twice, except a request that a closed connection hands back as never begun; credentials
//! go to the configured hosts and nowhere else.
//!
//! Known limitation: a Worker that itself answers 401, 403, 404, 413 or 429 is taken for what stands before it, and not
//! billed, as with plain HTTP venues.

mod check;
mod config;
mod cpu;
mod discover;
mod meaning;
mod target;
mod venue;

pub use config::{AccessToken, Api, Secret, WorkersConfig};
pub use cpu::CpuEstimate;
pub use merit_cloud_wire::workers::cpu_means;
pub use venue::WorkersVenue;

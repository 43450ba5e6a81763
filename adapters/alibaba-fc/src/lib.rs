//! Alibaba Function Compute 3.0 as a venue: one venue is one region of one account.
//!
//! A target is a function's name, `name:alias` or `name:version`; a call of it is `InvokeFunction`, signed by
//! ACS3-HMAC-SHA256. With `async/` before it the call is an asynchronous task, which is asked about until it has ended.
//! A target that is a URL is an HTTP trigger, which is called as it is and signed if wanted.
//!
//! | file | what |
//! |---|---|
//! | `config` | what a venue needs, and its checks |
//! | `target` | from a deployment's target to a route |
//! | `venue` | one attempt from payload to reply |
//! | `task` | an attempt that is an asynchronous task |
//! | `meaning` | each answer: whether it ran, and what kind of failure it is |
//! | `reply` | meters, the function's own error, the log |
//! | `discover` | the functions of the region |
//!
//! Invariants:
//! - Nothing is sent twice, except a request that a closed connection hands back as never begun, and a task whose
//!   submission is in doubt: its id keeps it from running twice.
//! - A key that was refused is not used again for a while, and the venue says why.
//!
//! Known limitations: no SDK credential chain but the variables `ALIBABA_CLOUD_*`, which the configuration reads; a
//! cold start is not told by any header, so that its initialisation is charged only as far as the duration has it.

mod check;
mod config;
mod discover;
mod meaning;
mod reply;
mod target;
mod task;
mod venue;

pub use config::{AsyncReplies, FcConfig, Keys, MAX_BODY_BYTES};
pub use venue::FcVenue;

//! Tencent Serverless Cloud Function as a venue: one venue is one region of one account.
//!
//! A target is a function's name, `name:alias` or `name:version`, with the namespace before it where it is not
//! `default`: `namespace/name:alias`. A call is the action `InvokeFunction` or the older `Invoke`, signed by
//! TC3-HMAC-SHA256. Every answer has the HTTP status 200; failures are within.
//!
//! | file | what |
//! |---|---|
//! | `config` | what a venue needs, and its checks |
//! | `target` | from a deployment's target to a function |
//! | `event` | a payload as the event SCF takes, and back |
//! | `venue` | one attempt from payload to reply |
//! | `meaning` | each status and error code: whether it ran, and what kind of failure it is |
//! | `reply` | meters, the function's own error |
//! | `discover` | the functions of the region |
//!
//! Invariants:
//! - Nothing is sent twice, except a request that a closed connection hands back as never begun.
//! - A key that was refused is not used again for a while, and the venue says why.
//!
//! Known limitations: no SDK credential chain but the variables `TENCENTCLOUD_*`, which the configuration reads; the list
//! of functions does not tell their memory; asynchronous calls are not made, because SCF takes no id for them and would
//! run a repeated one twice.

mod check;
mod config;
mod discover;
mod event;
mod meaning;
mod reply;
mod target;
mod venue;

pub use config::{Action, Events, Keys, MAX_BODY_BYTES, ScfConfig};
pub use venue::ScfVenue;

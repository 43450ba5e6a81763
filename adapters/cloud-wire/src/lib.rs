//! The protocols of clouds beside AWS, for both ends: what an adapter sends and reads, and what the simulated clouds
//! check and answer.
//!
//! | module | what |
//! |---|---|
//! | [`acs3`] | Alibaba Cloud's signatures, ACS3-HMAC-SHA256: signing and verifying |
//! | [`tc3`] | Tencent Cloud's signatures, TC3-HMAC-SHA256: signing and verifying |
//! | [`fc`] | Alibaba Function Compute 3.0: headers, limits, error bodies |
//! | [`scf`] | Tencent SCF: requests, replies, statuses, error codes |
//! | [`workers`] | Cloudflare Workers: headers, error pages, the list of scripts |
//!
//! Hashes and MACs are those of `aws-lc-rs`, dates those of `jiff`; nothing here is cryptography of its own. No clock is
//! read: the time is a parameter.
//!
//! Invariants: no secret is in any debug output or error; signatures are compared in constant time.
//!
//! Known limitation: a replay within the tolerated skew is not noticed by the verifiers.

pub mod acs3;
mod auth;
mod bytes;
pub mod fc;
pub mod scf;
pub mod tc3;
mod time;
pub mod workers;

pub use auth::{AuthError, SignError};

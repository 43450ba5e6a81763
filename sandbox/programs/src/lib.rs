//! Runs ordinary programs as functions, isolated: by the Lambda Runtime API, or over HTTP.

mod call;
mod error;
mod program;

pub use call::{HttpHead, Init, Invocation, Part, Ran, Reply, Usage};
pub use error::{Failure, PrepareError, StartError, Violation};
pub use program::{Isolation, Kind, Limits, Network, Program, Source};

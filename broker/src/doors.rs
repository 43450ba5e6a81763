//! The front doors: how requests come in and answers go out.
//!
//! [`native`] serves invocations, [`aws`] clients of AWS Lambda, [`plain`] requests of apps behind a URL; [`control`] everything else under `/v1` and
//! operations, [`feed`] those who read market data. [`problem`] is the one place that turns a refusal into what a client sees; AWS's clients have theirs.

pub mod aws;
pub mod control;
mod feed;
mod line;
pub mod native;
mod openapi;
pub mod plain;
pub mod problem;
mod views;

pub use openapi::document as openapi_document;

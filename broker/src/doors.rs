//! The front doors: how requests come in and answers go out.
//!
//! [`native`] serves invocations; [`control`] everything else under `/v1` and operations.
//! [`problem`] is the one place that turns a refusal into what a client sees.

pub mod control;
mod line;
pub mod native;
mod openapi;
pub mod problem;
mod views;

pub use openapi::document as openapi_document;

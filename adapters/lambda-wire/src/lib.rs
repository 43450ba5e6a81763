//! The protocol of AWS Lambda's API, both ends of it: what a Lambda client sends is read and
//! checked here, and what Lambda answers is written and understood here.
//!
//! | module | what |
//! |---|---|
//! | [`route`] | which operation a method and path are |
//! | [`reference`] | function names, partial and full ARNs, qualifiers |
//! | [`invoke`] | the headers of an invocation |
//! | [`sigv4`] | signatures: presented, verified, made |
//! | [`error`] | every error of Invoke, as it is written and read |
//! | [`report`] | the REPORT line at the end of a log |
//! | [`event_stream`] | the frames of a streamed response |
//! | [`model`] | the JSON of the listing operations |
//!
//! Invariants: pure. No I/O, no clock (`now` is a parameter), no randomness; malformed input of any
//! kind is an error value and never a panic, which the fuzz targets in `fuzz/` hunt for.
//!
//! Known limitation: only the operations that invoke and list are modelled; the rest of Lambda's API
//! is known by name, so that it can be refused by name.

pub mod error;
pub mod event_stream;
pub mod invoke;
pub mod model;
pub mod reference;
pub mod report;
pub mod route;
pub mod sigv4;

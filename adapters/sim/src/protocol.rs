//! How calls reach a cloud. Each protocol turns an HTTP request into a call and an
//! [`Outcome`](crate::cloud::Outcome) into a response; clouds know none of them.
//!
//! `native` is the only one: the plain shape that Merit's own runtimes serve. Each provider's own
//! wire protocol goes beside it as a module of the same two halves.

pub(crate) mod body;
pub(crate) mod native;

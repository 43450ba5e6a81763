//! How calls reach a cloud. Each protocol turns an HTTP request into a call and an
//! [`Outcome`](crate::cloud::Outcome) into a response; clouds know none of them.
//!
//! `native` is the plain shape that Merit's own runtimes serve, `lambda` is AWS Lambda's own. Other
//! providers' go beside them as modules of the same two halves.

pub(crate) mod body;
pub(crate) mod lambda;
pub(crate) mod native;
mod payload;
mod wrong;

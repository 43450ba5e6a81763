//! How calls reach a cloud. Each protocol turns an HTTP request into a call and an
//! [`Outcome`](crate::cloud::Outcome) into a response; clouds know none of them.
//!
//! `native` is the plain shape that Merit's own runtimes serve; `lambda` is AWS Lambda's own, `fc` that of Alibaba
//! Function Compute, `google` and `azure` are those of Cloud Run and of Azure Functions.

pub(crate) mod azure;
pub(crate) mod body;
pub(crate) mod fc;
mod form;
pub(crate) mod google;
mod issuer;
pub(crate) mod lambda;
pub(crate) mod native;
mod payload;
mod wrong;

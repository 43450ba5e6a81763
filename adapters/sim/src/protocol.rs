//! How calls reach a cloud. Each protocol turns an HTTP request into a call and an
//! [`Outcome`](crate::cloud::Outcome) into a response; clouds know none of them.
//!
//! `native` is the plain shape that Merit's own runtimes serve; `lambda` is AWS Lambda's own, `fc`, `scf`, `google`,
//! `azure` and `workers` are those of Function Compute, SCF, Cloud Run, Azure Functions and Cloudflare Workers, `openfaas` and
//! `knative` those of platforms on one's own machines.

pub(crate) mod azure;
pub(crate) mod body;
pub(crate) mod fc;
mod form;
mod go;
pub(crate) mod google;
mod issuer;
pub(crate) mod knative;
pub(crate) mod lambda;
pub(crate) mod native;
pub(crate) mod openfaas;
mod payload;
pub(crate) mod scf;
pub(crate) mod workers;
mod wrong;
